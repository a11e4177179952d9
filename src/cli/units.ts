/**
 * What people write for sizes, durations, rates and times.
 *
 * Owns how such a text is read, and what is said of one that cannot be. Every function throws UsageError, which names the text and shows how it is written.
 */
import { UsageError } from "./errors.js"

const sizes: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1 << 10,
  kib: 1 << 10,
  kb: 1000,
  m: 1 << 20,
  mib: 1 << 20,
  mb: 1000 ** 2,
  g: 1 << 30,
  gib: 1 << 30,
  gb: 1000 ** 3,
  t: 2 ** 40,
  tib: 2 ** 40,
  tb: 1000 ** 4,
}

/** Bytes: 1048576, 64KiB, 2GiB, 10MB (of a thousand). */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = sizes[match?.[2]?.toLowerCase() ?? "?"]
  if (match === null || unit === undefined) throw new UsageError(`${text} is no size; write it as 64KiB, 10MB or 2GiB`)
  return Math.round(Number(match[1]) * unit)
}

const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds: 500ms, 10s, 5m, 1h30m, 7d. */
export function parseDuration(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  const whole = parts.map(([part]) => part).join("")
  if (whole === "" || whole !== text.trim())
    throw new UsageError(`${text} is no duration; write it as 500ms, 10s, 5m, 1h30m or 7d`)
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * durations[unit!]!, 0)
}

/** Per second: 100, 5k/s, 60/m. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(k|m)?(?:\/(s|m))?$/i.exec(text.trim())
  const rate = Number(match?.[1]) * { k: 1e3, m: 1e6, "": 1 }[(match?.[2] ?? "").toLowerCase() as "k" | "m" | ""]!
  if (match === null || rate === 0) throw new UsageError(`${text} is no rate; write it as 100/s, 5k/s or 60/m`)
  return match[3]?.toLowerCase() === "m" ? rate / 60 : rate
}

/** Milliseconds since 1970, of "2026-01-31T10:00:00Z", "1767225600000", or so long ago: "10m", "2h". `nowMs` is wall time. */
export function parseTime(text: string, nowMs: number): number {
  if (/^\d{9,}$/.test(text)) return Number(text)
  if (/^-?[\d.]+(ms|s|m|h|d)/.test(text)) return nowMs - parseDuration(text.replace(/^-/, ""))
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms))
    throw new UsageError(
      `${text} is no time; write it as 2026-01-31T10:00:00Z, as milliseconds since 1970, or as how long ago, such as 10m`,
    )
  return ms
}

/** `name=value`, split at the first sign. */
export function parseSetting(text: string): [name: string, value: string] {
  const at = text.indexOf("=")
  if (at <= 0) throw new UsageError(`${text} is no setting; write it as name=value, such as retention.ms=86400000`)
  return [text.slice(0, at).trim(), text.slice(at + 1)]
}

const sizeSettings = /\.bytes$/
const durationSettings = /\.ms$/

/** A setting's value as Kafka wants it: sizes and durations may be written with units where the setting is one. */
export function settingValue(name: string, value: string): string {
  if (durationSettings.test(name) && /^[\d.]+(ms|s|m|h|d)/.test(value)) return String(parseDuration(value))
  if (sizeSettings.test(name) && /^[\d.]+\s*[a-z]+$/i.test(value)) return String(parseSize(value))
  return value
}

/** Partitions: 0, 0,3, 0-4. */
export function parsePartitions(text: string): number[] {
  const partitions = text.split(",").flatMap((part) => {
    const match = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(part.trim())
    if (match === null || Number(match[2] ?? match[1]) < Number(match[1]))
      throw new UsageError(`${text} names no partitions; write it as 0, 0,3 or 0-4`)
    const first = Number(match[1])
    return Array.from({ length: Number(match[2] ?? first) - first + 1 }, (_, index) => first + index)
  })
  return [...new Set(partitions)]
}

/** A whole number in bounds; `what` names it. */
export const wholeNumber =
  (what: string, min: number, max: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new UsageError(`${what} ${text}: give a whole number from ${min} to ${max}`)
    return value
  }
