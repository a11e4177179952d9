/**
 * kafkajs's loggers: levels, namespaces, and a creator of the user's own.
 *
 * Owns which lines are written and what they hold. Without a creator a line is JSON on the given writer, as kafkajs writes it.
 */
import type { Clock } from "../env/env.js"
import { logLevel } from "./constants.js"

export interface LoggerEntryContent {
  readonly timestamp: string
  readonly message: string
  readonly [key: string]: unknown
}

export interface LogEntry {
  readonly namespace: string
  readonly level: logLevel
  readonly label: string
  readonly log: LoggerEntryContent
}

export type logCreator = (level: logLevel) => (entry: LogEntry) => void

export interface Logger {
  info(message: string, extra?: object): void
  error(message: string, extra?: object): void
  warn(message: string, extra?: object): void
  debug(message: string, extra?: object): void
  namespace(namespace: string, level?: logLevel): Logger
  setLogLevel(level: logLevel): void
}

export interface LoggerParts {
  readonly clock: Pick<Clock, "wallMs">
  readonly write: (entry: LogEntry) => void
  /** Shared by all loggers of one Kafka object. */
  readonly shared: { level: logLevel }
}

export function createLogger(parts: LoggerParts, namespace = "", own?: logLevel): Logger {
  let level = own
  const log =
    (at: logLevel) =>
    (message: string, extra: object = {}) => {
      if (at > (level ?? parts.shared.level)) return
      const timestamp = new Date(parts.clock.wallMs()).toISOString()
      parts.write({
        namespace,
        level: at,
        label: logLevel[at],
        log: { timestamp, logger: "kafkajs", message, ...extra },
      })
    }
  return {
    info: log(logLevel.INFO),
    error: log(logLevel.ERROR),
    warn: log(logLevel.WARN),
    debug: log(logLevel.DEBUG),
    namespace: (name, its) => createLogger(parts, name, its),
    setLogLevel: (wanted) => {
      if (namespace === "") parts.shared.level = wanted
      else level = wanted
    },
  }
}
