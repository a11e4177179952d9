/**
 * Text for people: tables, durations and sizes.
 *
 * Owns how they look on a terminal and in a pipe, where they are the same.
 */

/** Lines of a table whose columns are as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)))
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  )
}

const units = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1000, "s"],
] as const

/** Two units at most: 1d 3h, 4m 10s, 2.5s, 80ms. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`
  const first = units.findIndex(([unitMs]) => ms >= unitMs)
  const [unitMs, name] = units[first]!
  const [restMs, restName] = units[first + 1]!
  const rest = Math.floor((ms % unitMs) / restMs)
  return `${Math.floor(ms / unitMs)}${name}${rest > 0 ? ` ${rest}${restName}` : ""}`
}

const sizeUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const

/** 980 B, 1.5 KiB, 12.0 GiB. */
export function sizeText(bytes: number): string {
  const unit = Math.min(sizeUnits.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return unit === 0 ? `${bytes} B` : `${(bytes / 1024 ** unit).toFixed(1)} ${sizeUnits[unit]}`
}
