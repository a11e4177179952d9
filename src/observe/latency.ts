/**
 * How long something takes, in buckets.
 *
 * Owns the bounds and the counting: one search over a few numbers and two additions, no memory.
 */

/** Upper bounds, in milliseconds; above the last one there is no bound. */
export const latencyBoundsMs = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] as const

/** What was counted so far, as it is told. */
export interface LatencyCounts {
  /** By bound, and one more for what is above the last; not cumulative. */
  readonly counts: readonly number[]
  readonly sumMs: number
}

export class Latency {
  readonly #counts = new Float64Array(latencyBoundsMs.length + 1)
  #sumMs = 0

  record(tookMs: number): void {
    let index = 0
    while (index < latencyBoundsMs.length && tookMs > latencyBoundsMs[index]!) index++
    this.#counts[index]!++
    this.#sumMs += tookMs
  }

  counts(): LatencyCounts {
    return { counts: [...this.#counts], sumMs: this.#sumMs }
  }
}
