/**
 * Samples in, tables out.
 *
 * Owns medians, ratios, verdicts and the text of RESULTS.md, which also carries the figures as one line of JSON: that is how the next run
 * knows the previous figure. Rows that were not run keep what they had, with their date.
 */
import { type Figure, figures, groupNames, rows } from "./rows.js"
import { median } from "./statistics.js"

export type Subject = "ottla" | "kafka" | "limit"

export interface Medians {
  readonly date: string
  readonly runs: number
  readonly ottla?: number
  readonly kafka?: number
  readonly limit?: number
  /** Ottla's figure of the run before. */
  readonly previous?: number
  /** What was out of the ordinary in this run. */
  readonly note?: string
}

export type Results = Readonly<Record<string, Medians>>

export class Samples {
  readonly #values = new Map<string, number[]>()
  /** Rows or parts that were not measured, each with its reason. */
  readonly skipped = new Map<string, string>()

  add(id: string, subject: Subject, value: number | undefined): void {
    if (value === undefined || !Number.isFinite(value)) return
    const key = `${id} ${subject}`
    const values = this.#values.get(key)
    if (values === undefined) this.#values.set(key, [value])
    else values.push(value)
  }

  /** Rate in records a second and broker CPU seconds per GB (10^9 bytes) of one run. */
  addLoad(row: string, subject: Subject, rate: number, cpu: number | undefined, bytes: number): void {
    this.add(`${row}/rate`, subject, rate)
    if (cpu !== undefined) this.add(`${row}/cpu`, subject, cpu / (bytes / 1e9))
  }

  of(id: string, subject: Subject): readonly number[] {
    return this.#values.get(`${id} ${subject}`) ?? []
  }

  results(before: Results, date: string, note?: string): Results {
    const results: Record<string, Medians> = { ...before }
    for (const { id } of figures) {
      const [own, peer, limit] = [this.of(id, "ottla"), this.of(id, "kafka"), this.of(id, "limit")]
      if (own.length + peer.length + limit.length === 0) continue
      const previous = own.length > 0 ? before[id]?.ottla : before[id]?.previous
      results[id] = {
        date,
        runs: Math.max(own.length, peer.length, limit.length),
        ...defined("ottla", median(own)),
        ...defined("kafka", median(peer)),
        ...defined("limit", median(limit)),
        ...defined("previous", previous),
        ...(note !== undefined && { note }),
      }
    }
    return results
  }
}

const defined = (name: string, value: number | undefined) => (value === undefined ? {} : { [name]: value })

export function formatValue(value: number | undefined, unit: Figure["unit"]): string {
  if (value === undefined) return "-"
  if (unit === "ratio" || unit === "CPU-s/GB" || unit === "CPU-s") return value.toFixed(2)
  if (unit === "cores") return value.toFixed(3)
  if (unit === "CPU-us") return value.toFixed(1)
  if (unit === "ms") return value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString("en-US")
  return Math.round(value).toLocaleString("en-US")
}

/** Targets of a figure, each met or not; nothing where what it is held against was not measured. */
export function verdicts(
  figure: Figure,
  medians: Medians,
): { readonly text: string; readonly met: boolean | undefined }[] {
  const { ottla, kafka, limit } = medians
  const more = figure.better === "more"
  const sign = more ? ">=" : "<="
  const check = (value: number | undefined, target: number) =>
    value === undefined ? undefined : more ? value >= target : value <= target
  const over = (other: number | undefined) => (ottla === undefined || other === undefined ? undefined : ottla / other)
  const list: { text: string; met: boolean | undefined }[] = []
  if (figure.ratio !== undefined)
    list.push({ text: `${sign} ${figure.ratio} x`, met: check(over(kafka), figure.ratio) })
  if (figure.ofLimit !== undefined) {
    list.push({ text: `${sign} ${figure.ofLimit} of the limit`, met: check(over(limit), figure.ofLimit) })
  }
  if (figure.absolute !== undefined) {
    const text = `${sign} ${formatValue(figure.absolute, figure.unit)}${figure.unit === "ratio" ? "" : ` ${figure.unit}`}`
    list.push({ text, met: check(ottla, figure.absolute) })
  }
  return list
}

const mark = (met: boolean | undefined) => (met === undefined ? "" : met ? " (met)" : " (missed)")
const ratio = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? "-" : (a / b).toFixed(2)

const header = ["work", "unit", "Ottla", "before", "Apache Kafka", "ratio", "limit", "of it", "target"]

function cells(figure: Figure, medians: Medians): string[] {
  const { ottla, kafka, limit, previous } = medians
  return [
    figure.work,
    figure.unit,
    formatValue(ottla, figure.unit),
    formatValue(previous, figure.unit),
    formatValue(kafka, figure.unit),
    ratio(ottla, kafka),
    formatValue(limit, figure.unit),
    ratio(ottla, limit),
    verdicts(figure, medians)
      .map(({ text, met }) => `${text}${mark(met)}`)
      .join(", "),
  ]
}

/** For the terminal: only what was measured now, in columns. */
export function plainTable(results: Results, ids: ReadonlySet<string>): string {
  const lines = [
    header,
    ...figures.filter(({ id }) => ids.has(id) && results[id]).map((each) => cells(each, results[each.id]!)),
  ]
  const widths = header.map((_name, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join("  "),
    )
    .join("\n")
}

const marker = "figures: "

/** The figures in the text of an earlier RESULTS.md; none if there is no such line. */
export function readResults(text: string): Results {
  const match = new RegExp(`^<!-- ${marker}(\\{.*\\}) -->$`, "m").exec(text)
  return match === null ? {} : (JSON.parse(match[1]!) as Results)
}

export interface RunDescription {
  readonly date: string
  readonly machine: string
  readonly generator: string
  readonly generatorSettings: string
  readonly peer: string
  readonly skipped: ReadonlyMap<string, string>
}

const round = (_key: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(6)) : value)

export function resultsText(results: Results, run: RunDescription): string {
  const table = (list: readonly Figure[]) => [
    `| ${[...header, "runs, date"].join(" | ")} |`,
    `|${"---|".repeat(header.length + 1)}`,
    ...list.map((figure) => {
      const medians = results[figure.id]!
      return `| ${[...cells(figure, medians), `${medians.runs}, ${medians.date}`].join(" | ")} |`
    }),
  ]
  const notes = (list: readonly Figure[]) => {
    const said = [...new Set(list.flatMap(({ id }) => results[id]?.note ?? []))]
    return said.length === 0 ? [] : [...said.map((note) => `- ${note}`), ""]
  }
  const measured = groupNames.map((group) => ({
    group,
    list: rows.filter((row) => row.group === group).flatMap((row) => row.figures.filter(({ id }) => results[id])),
  }))
  const limits = figures.filter((figure) => figure.limit !== undefined && results[figure.id]?.limit !== undefined)
  return [
    "# Benchmark results",
    "",
    "Written by `npm run bench`; do not edit. Medians; the systems ran by turns in the same run, on one machine shared with the load generator,",
    "memory warmed before every load. CPU and cores are the broker's own, user and system of all its threads; CPU-s/GB per 10^9 bytes of records. `before` is Ottla's",
    "figure of the run before. Ottla runs with its defaults: what it acknowledges is synced. Kafka runs with its defaults: nothing is.",
    "",
    `- Machine: ${run.machine}`,
    `- Load generator: ${run.generator}; ${run.generatorSettings}`,
    `- Peer: ${run.peer}`,
    `- Last run: ${run.date}`,
    ...[...run.skipped].map(([name, reason]) => `- Not measured: ${name}: ${reason}`),
    "",
    ...measured
      .filter(({ list }) => list.length > 0)
      .flatMap(({ group, list }) => [`## ${group}`, "", ...table(list), "", ...notes(list)]),
    ...(limits.length === 0
      ? []
      : [
          "Limits, measured in the same run:",
          ...[...new Set(limits.map((each) => `- ${each.id}: ${each.limit}`))],
          "",
        ]),
    `<!-- ${marker}${JSON.stringify(results, round)} -->`,
    "",
  ].join("\n")
}
