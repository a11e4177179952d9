/**
 * Metrics as text, in Prometheus' exposition format 0.0.4.
 *
 * Owns gathering of samples and their form. Invariant: no metric has more than `seriesMax` series; what is left out is counted, and said.
 */
import { type LatencyCounts, latencyBoundsMs } from "./latency.js"
import { type MetricName, metrics } from "./metrics.js"

export type Labels = Readonly<Record<string, string | number>>

/** A plain value, so that it can be sent from thread to thread. */
export interface Sample {
  readonly name: MetricName
  readonly labels: Labels
  readonly value: number | LatencyCounts
}

/** Series of one metric. */
export const seriesMax = 10_000

export class Samples {
  readonly all: Sample[] = []
  readonly #counts = new Map<MetricName, number>()

  constructor(private readonly common: Labels = {}) {}

  add(name: MetricName, value: number | LatencyCounts, labels: Labels = {}): void {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    if (count <= seriesMax) this.all.push({ name, labels: { ...this.common, ...labels }, value })
  }

  /** Everything that was added, and how much was left out. */
  finish(): readonly Sample[] {
    const dropped = [...this.#counts].filter(([, count]) => count > seriesMax)
    for (const [name, count] of dropped)
      this.all.push({
        name: "ottla_series_dropped",
        labels: { ...this.common, metric: name },
        value: count - seriesMax,
      })
    return this.all
  }
}

export function exposition(samples: readonly Sample[]): string {
  const byName = new Map<MetricName, Sample[]>()
  for (const sample of samples) {
    const known = byName.get(sample.name)
    if (known === undefined) byName.set(sample.name, [sample])
    else if (known.length < seriesMax) known.push(sample)
  }
  const lines: string[] = []
  for (const [name, each] of byName) {
    const { kind, help } = metrics[name]
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`)
    for (const { labels, value } of each)
      if (typeof value === "number") lines.push(`${name}${labelText(labels)} ${valueText(value)}`)
      else histogramLines(lines, name, labels, value)
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`
}

function histogramLines(lines: string[], name: string, labels: Labels, { counts, sumMs }: LatencyCounts): void {
  let cumulative = 0
  counts.forEach((count, index) => {
    cumulative += count
    const bound = latencyBoundsMs[index]
    const le = bound === undefined ? "+Inf" : String(bound / 1000)
    lines.push(`${name}_bucket${labelText({ ...labels, le })} ${cumulative}`)
  })
  lines.push(
    `${name}_sum${labelText(labels)} ${valueText(sumMs / 1000)}`,
    `${name}_count${labelText(labels)} ${cumulative}`,
  )
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels)
  if (pairs.length === 0) return ""
  return `{${pairs.map(([name, value]) => `${name}="${escaped(String(value))}"`).join(",")}}`
}

const escaped = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n") : text

const valueText = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf"
