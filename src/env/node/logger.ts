/**
 * Log lines to a stream, for people or as JSON.
 *
 * Owns the form of a line. One message is one line whatever is in it: control characters are escaped, so that nothing a client sends can
 * forge a line or paint the terminal (reliability.md SEC).
 */
import type { Logger, LogLevel } from "../env.js"

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }
const fieldCharactersMax = 4096

export interface LoggerOptions {
  /** Messages below it are dropped. Default `info`. */
  level?: LogLevel
  json?: boolean
  /** Takes whole lines, with their line feed. Default: standard error. */
  write?: (line: string) => void
  wallMs?: () => number
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g
const escaped = (text: string) =>
  text.replace(control, (character) =>
    character === "\n"
      ? "\\n"
      : character === "\r"
        ? "\\r"
        : character === "\t"
          ? "\\t"
          : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )

function plain(value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? `${value.name}: ${value.message}`
  if (typeof value === "bigint" || typeof value === "symbol") return String(value)
  return value
}

function fieldText(value: unknown): string {
  const simple = plain(value)
  let text: string
  try {
    text =
      typeof simple === "string" ? simple : (JSON.stringify(simple, (_key, inner) => plain(inner)) ?? String(simple))
  } catch {
    text = String(simple)
  }
  if (text.length > fieldCharactersMax) text = `${text.slice(0, fieldCharactersMax)}...`
  text = escaped(text)
  return typeof simple === "string" && /[\s"=]|^$/.test(text) ? `"${text.replace(/"/g, '\\"')}"` : text
}

export function createLogger(options: LoggerOptions = {}): Logger {
  const least = order[options.level ?? "info"]
  const write = options.write ?? ((line: string) => void process.stderr.write(line))
  const wallMs = options.wallMs ?? Date.now
  return {
    log(level, message, fields) {
      if (order[level] < least) return
      const time = new Date(wallMs()).toISOString()
      if (options.json) {
        const line: Record<string, unknown> = { time, level, message }
        for (const [name, value] of Object.entries(fields ?? {}))
          line[name in line ? `field.${name}` : name] = plain(value)
        let text: string
        try {
          text = JSON.stringify(line, (_key, value) => plain(value))
        } catch {
          text = JSON.stringify({ time, level, message })
        }
        write(`${text}\n`)
        return
      }
      let line = `${time} ${level.toUpperCase().padEnd(5)} ${escaped(message)}`
      for (const [name, value] of Object.entries(fields ?? {}))
        if (value !== undefined) line += ` ${escaped(name)}=${fieldText(value)}`
      write(`${line}\n`)
    },
  }
}
