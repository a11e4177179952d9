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

/** What to do about an error of a group, where the broker's own words do not say it. */
const groupAdvice: Readonly<Record<string, string>> = {
  ILLEGAL_GENERATION:
    "the group has gone on without this member; what was not committed is read again, maybe by another member",
  UNKNOWN_MEMBER_ID:
    "the group has taken this consumer out: it was not heard of within sessionTimeoutMs, or did not ask for records within maxPollIntervalMs; what was not committed is read again, maybe by another member",
  STALE_MEMBER_EPOCH:
    "the group has gone on without this member; what was not committed is read again, maybe by another member",
  FENCED_MEMBER_EPOCH:
    "the group has gone on without this member; what was not committed is read again, maybe by another member",
  REBALANCE_IN_PROGRESS: "the group is dealing out partitions anew; commit again when that is over",
  FENCED_INSTANCE_ID: "another consumer has joined with the same groupInstanceId; give each its own",
  UNRELEASED_INSTANCE_ID: "another consumer holds this groupInstanceId and has not left; give each its own",
  INCONSISTENT_GROUP_PROTOCOL: "the members of a group need an assignor in common; see assignors",
  INVALID_SESSION_TIMEOUT:
    "the broker allows another range of sessionTimeoutMs (group.min.session.timeout.ms, group.max.session.timeout.ms)",
  GROUP_ID_NOT_FOUND: "it is no group of this protocol; see groupProtocol",
  UNSUPPORTED_VERSION: 'the brokers do not offer this group protocol; use groupProtocol: "classic"',
}

/** A group has refused its member, or a commit of it. Not retriable: the partitions are, or will be, somebody else's. */
export class GroupError extends ClientError {
  override name = "GroupError"
  constructor(
    readonly errorCode: number,
    what: string,
    /** The broker's own words, if it had any. */
    detail?: string | null,
  ) {
    const info = errorByCode(errorCode)
    const name = info?.name ?? `ERROR_${errorCode}`
    super(
      name,
      [`${what}: ${detail || info?.message || `error ${errorCode}`}`, groupAdvice[name]].filter(Boolean).join(" "),
      info?.retriable === true || name === "REBALANCE_IN_PROGRESS",
    )
  }
}
