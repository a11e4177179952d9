/**
 * Durations as people write them: "8 days", "1h 30m", "250 ms", or a number of milliseconds.
 *
 * Owns the notation. Errors name what was written and what may be.
 */
import { ConfigError } from "../client/errors.js"

export type Duration = number | string

const units: readonly (readonly [RegExp, number])[] = [
  [/^(ms|millis|milliseconds?)$/, 1],
  [/^(s|secs?|seconds?)$/, 1_000],
  [/^(m|mins?|minutes?)$/, 60_000],
  [/^(h|hours?)$/, 3_600_000],
  [/^(d|days?)$/, 86_400_000],
  [/^(w|weeks?)$/, 604_800_000],
]

/** Longer than that nothing is kept, and a sum of two is still exact. */
const durationMsMax = 100 * 365 * 86_400_000

/** In milliseconds. Errors: ConfigError. */
export function durationMs(duration: Duration): number {
  const ms = typeof duration === "number" ? duration : parsed(duration)
  if (Number.isFinite(ms) && ms >= 0 && ms <= durationMsMax) return ms
  throw new ConfigError(
    `${JSON.stringify(duration)} is no duration: write milliseconds as a number, or text such as "8 days", "1h 30m", "250 ms"`,
  )
}

function parsed(text: string): number {
  const part = /\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*,?/y
  let ms = 0
  while (part.lastIndex < text.length) {
    const match = part.exec(text.toLowerCase())
    const unit = units.find(([pattern]) => match !== null && pattern.test(match[2]!))
    if (match === null || unit === undefined) return Number.NaN
    ms += Number(match[1]) * unit[1]
  }
  return text.trim() === "" ? Number.NaN : ms
}
