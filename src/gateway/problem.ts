/**
 * What goes wrong, as HTTP says it: RFC 9457 problems with Kafka's error beside.
 *
 * Owns the shape of a problem, and which status stands for which error of a client or a broker. Invariant: a problem never holds a stack, and nothing of the process but what its caller asked about.
 */
import { BrokerError, ClientError } from "../client/errors.js"
import { type ErrorName, Errors, errorByCode } from "../protocol/errors.js"

export interface ProblemInput {
  readonly status: number
  /** Last part of the problem's type; stable, for programs. */
  readonly slug: string
  readonly title: string
  /** What happened here, in one sentence. */
  readonly detail: string
  /** Where in the request: `messages.3.value`, `offset`, `header Content-Type`. */
  readonly field?: string
  /** What to do. */
  readonly remedy?: string
  /** Kafka's error. Default: INVALID_REQUEST. */
  readonly kafka?: ErrorName
  /** Whether the same request may succeed later. Default: what Kafka says of its error. */
  readonly retriable?: boolean
  readonly retryAfterS?: number
}

/** The body of an `application/problem+json` answer. */
export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly field?: string
  readonly remedy?: string
  readonly kafka_error: { readonly code: number; readonly name: string; readonly retriable: boolean }
}

const retryAfterSDefault = 1

export class Problem extends Error {
  override name = "Problem"
  readonly status: number
  readonly body: ProblemBody
  /** Seconds; undefined: trying again does not help. */
  readonly retryAfterS: number | undefined

  constructor(input: ProblemInput) {
    super(input.detail)
    const kafka = errorByCode(Errors[input.kafka ?? "INVALID_REQUEST"])!
    const retriable = input.retriable ?? kafka.retriable
    this.status = input.status
    this.retryAfterS = input.retryAfterS ?? (retriable && input.status >= 429 ? retryAfterSDefault : undefined)
    this.body = {
      type: `urn:ottla:problem:${input.slug}`,
      title: input.title,
      status: input.status,
      detail: input.detail,
      ...(input.field !== undefined && { field: input.field }),
      ...(input.remedy !== undefined && { remedy: input.remedy }),
      kafka_error: { code: kafka.code, name: kafka.name, retriable },
    }
  }
}

/** A request that cannot be, for what one of its fields says. */
export const badField = (field: string, detail: string, remedy: string): Problem =>
  new Problem({ status: 400, slug: "invalid-request", title: "The request is invalid", field, detail, remedy })

export const unknownTopic = (topic: string): Problem =>
  new Problem({
    status: 404,
    slug: "unknown-topic",
    title: "The topic does not exist",
    field: "topic",
    detail: `there is no topic ${topic}`,
    remedy: `create it: POST /topics with {"topic": "${topic}"}; GET /topics lists those there are`,
    kafka: "UNKNOWN_TOPIC_OR_PARTITION",
    retriable: false,
  })

export const unknownPartition = (topic: string, partition: number, count: number): Problem =>
  new Problem({
    status: 404,
    slug: "unknown-partition",
    title: "The partition does not exist",
    field: "partition",
    detail: `${topic} has no partition ${partition}`,
    remedy: count === 1 ? "its only partition is 0" : `its partitions are 0 to ${count - 1}`,
    kafka: "UNKNOWN_TOPIC_OR_PARTITION",
    retriable: false,
  })

export const tooMany = (what: string, max: number, remedy: string): Problem =>
  new Problem({
    status: 429,
    slug: "too-many",
    title: "There is too much to do",
    detail: `${max} ${what} are being served`,
    remedy,
    kafka: "THROTTLING_QUOTA_EXCEEDED",
    retriable: true,
  })

interface Mapping {
  readonly status: number
  readonly slug: string
  readonly title: string
  readonly kafka?: ErrorName
  readonly remedy?: string
}

const later = "try again; it was not done"
const mappings: Readonly<Record<string, Mapping>> = {
  INVALID_CONFIG: { status: 400, slug: "invalid-request", title: "The request is invalid", kafka: "INVALID_REQUEST" },
  RECORD_TOO_LARGE: {
    status: 413,
    slug: "record-too-large",
    title: "The record is too large",
    kafka: "MESSAGE_TOO_LARGE",
    remedy: "send a smaller record",
  },
  MESSAGE_TOO_LARGE: {
    status: 413,
    slug: "record-too-large",
    title: "The record is too large",
    remedy: "send a smaller record, or raise the topic's max.message.bytes",
  },
  RECORD_LIST_TOO_LARGE: { status: 413, slug: "record-too-large", title: "The records are too large" },
  BUFFER_FULL: {
    status: 429,
    slug: "too-many",
    title: "There is too much to do",
    kafka: "THROTTLING_QUOTA_EXCEEDED",
    remedy: later,
  },
  TIMED_OUT: {
    status: 504,
    slug: "timed-out",
    title: "No answer in time",
    kafka: "REQUEST_TIMED_OUT",
    remedy: "it may have been done all the same: look, or send the request with an Idempotency-Key",
  },
  REQUEST_TIMED_OUT: {
    status: 504,
    slug: "timed-out",
    title: "No answer in time",
    remedy: "it may have been done all the same: look, or send the request with an Idempotency-Key",
  },
  CONNECTION_FAILED: {
    status: 503,
    slug: "no-broker",
    title: "No broker can be reached",
    kafka: "NETWORK_EXCEPTION",
    remedy: "see whether the brokers run: GET /readyz",
  },
  CLOSED: { status: 503, slug: "stopping", title: "The gateway stops", kafka: "BROKER_NOT_AVAILABLE", remedy: later },
  UNKNOWN_TOPIC_OR_PARTITION: { status: 404, slug: "unknown-topic", title: "The topic or partition does not exist" },
  TOPIC_ALREADY_EXISTS: { status: 409, slug: "topic-exists", title: "The topic exists already" },
  GROUP_ID_NOT_FOUND: { status: 404, slug: "unknown-group", title: "The group does not exist" },
  NON_EMPTY_GROUP: {
    status: 409,
    slug: "group-has-members",
    title: "The group has members",
    remedy: "stop its consumers first",
  },
  UNKNOWN_MEMBER_ID: {
    status: 404,
    slug: "unknown-consumer",
    title: "The consumer does not exist any more",
    remedy: "subscribe again",
  },
  REBALANCE_IN_PROGRESS: { status: 409, slug: "rebalance", title: "The group is rebalancing", remedy: "poll first" },
  ILLEGAL_GENERATION: { status: 409, slug: "rebalance", title: "The group has rebalanced", remedy: "poll first" },
  FENCED_INSTANCE_ID: { status: 409, slug: "fenced", title: "Another consumer has taken the place" },
  TOPIC_AUTHORIZATION_FAILED: { status: 403, slug: "not-allowed", title: "That is not allowed" },
  GROUP_AUTHORIZATION_FAILED: { status: 403, slug: "not-allowed", title: "That is not allowed" },
  CLUSTER_AUTHORIZATION_FAILED: { status: 403, slug: "not-allowed", title: "That is not allowed" },
  UNKNOWN_SERVER_ERROR: { status: 500, slug: "broker-failed", title: "The broker failed" },
}

const isErrorName = (name: string): name is ErrorName => name in Errors

/** The problem that an error of the client is. Undefined: it is none of the caller's, but a defect. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error
  if (!(error instanceof ClientError)) return undefined
  const known = mappings[error.code]
  // A broker's INVALID_CONFIG is Kafka's; that of a client is an argument that cannot be.
  const kafka =
    (error instanceof BrokerError ? undefined : known?.kafka) ??
    (isErrorName(error.code) ? error.code : "UNKNOWN_SERVER_ERROR")
  const status = known?.status ?? (error.retriable ? 503 : error instanceof BrokerError ? 400 : 500)
  const remedy = known?.remedy ?? (error.retriable ? later : undefined)
  return new Problem({
    status,
    slug: known?.slug ?? (error.retriable ? "not-now" : "refused"),
    title: known?.title ?? (error.retriable ? "Not now" : "The broker refuses it"),
    detail: error.message,
    kafka,
    retriable: error.retriable,
    ...(remedy !== undefined && { remedy }),
  })
}

/** What the caller is told of a defect of ours. */
export const defect = (): Problem =>
  new Problem({
    status: 500,
    slug: "defect",
    title: "The gateway failed",
    detail: "something happened that cannot; the server's log says what",
    kafka: "UNKNOWN_SERVER_ERROR",
  })
