/**
 * Medians and quantiles of few samples.
 *
 * Owns nothing else. Samples need no order; none at all has no quantile.
 */

/** The sample below which a share `q` of all lies, between two neighbours by interpolation. Undefined without samples. */
export function quantile(samples: readonly number[], q: number): number | undefined {
  if (samples.length === 0) return undefined
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const below = sorted[Math.floor(at)]!
  const above = sorted[Math.ceil(at)]!
  return below + (above - below) * (at - Math.floor(at))
}

export const median = (samples: readonly number[]): number | undefined => quantile(samples, 0.5)
