/**
 * What goes wrong for a client, as errors that say what happened and what to do.
 *
 * Owns the classes. `code` is stable and for programs, the message is for people; `retriable` says whether the same call may succeed later. What the client itself tries again
 * has been tried already when one of these is thrown.
 */
import { errorByCode } from "../protocol/errors.js"

export class ClientError extends Error {
  override name = "ClientError"
  constructor(
    /** Kafka's name of the error where a broker answered with one. */
    readonly code: string,
    message: string,
    readonly retriable: boolean,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
  }
}

/** A broker has refused what was asked. */
export class BrokerError extends ClientError {
  override name = "BrokerError"
  constructor(
    readonly errorCode: number,
    what: string,
    /** The broker's own words, if it had any. */
    detail?: string | null,
  ) {
    const info = errorByCode(errorCode)
    super(
      info?.name ?? `ERROR_${errorCode}`,
      `${what}: ${detail || info?.message || `error ${errorCode}`}`,
      info?.retriable ?? false,
    )
  }
}

/** No broker could be reached, or none answered as one. */
export class ConnectionError extends ClientError {
  override name = "ConnectionError"
  constructor(message: string, cause?: unknown) {
    super("CONNECTION_FAILED", message, true, cause)
  }
}

/** It took longer than it may. What was asked may have happened all the same. */
export class TimeoutError extends ClientError {
  override name = "TimeoutError"
  constructor(message: string, cause?: unknown) {
    super("TIMED_OUT", message, true, cause)
  }
}

/** An option or an argument that cannot be. The message names it, and what it may be. */
export class ConfigError extends ClientError {
  override name = "ConfigError"
  constructor(message: string) {
    super("INVALID_CONFIG", message, false)
  }
}

/** The client, producer or consumer has been closed. */
export class ClosedError extends ClientError {
  override name = "ClosedError"
  constructor(what: string) {
    super("CLOSED", `${what} is closed`, false)
  }
}
