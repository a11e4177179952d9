/**
 * kafkajs's errors, as its programs catch them.
 *
 * Owns the classes that this façade throws, and which of them an error of the client becomes; that one is its `cause`.
 */
import { BrokerError, ClientError, ConfigError, ConnectionError, TimeoutError } from "../client/errors.js"

export class KafkaJSError extends Error {
  override name = "KafkaJSError"
  readonly retriable: boolean
  readonly helpUrl?: string

  constructor(error: Error | string, { retriable = true, cause }: { retriable?: boolean; cause?: unknown } = {}) {
    super(typeof error === "string" ? error : error.message, cause === undefined ? undefined : { cause })
    this.retriable = retriable
  }
}

export class KafkaJSNonRetriableError extends KafkaJSError {
  override name = "KafkaJSNonRetriableError"
  constructor(error: Error | string, cause?: unknown) {
    super(error, { retriable: false, cause })
  }
}

/** A broker's own error: `type` is Kafka's name of it, `code` its number. */
export class KafkaJSProtocolError extends KafkaJSError {
  override name = "KafkaJSProtocolError"
  readonly code: number
  readonly type: string
  constructor(error: BrokerError) {
    super(error, { retriable: error.retriable, cause: error })
    this.code = error.errorCode
    this.type = error.code
  }
}

export class KafkaJSConnectionError extends KafkaJSError {
  override name = "KafkaJSConnectionError"
  readonly broker: string
  constructor(error: Error | string, { broker = "", cause }: { broker?: string; cause?: unknown } = {}) {
    super(error, { cause })
    this.broker = broker
  }
}

export class KafkaJSTimeout extends KafkaJSError {
  override name = "KafkaJSTimeout"
}

export class KafkaJSNotImplemented extends KafkaJSNonRetriableError {
  override name = "KafkaJSNotImplemented"
}

export class KafkaJSAggregateError extends Error {
  override name = "KafkaJSAggregateError"
  constructor(
    message: Error | string,
    readonly errors: (Error | string)[],
  ) {
    super(typeof message === "string" ? message : message.message)
  }
}

export class KafkaJSDeleteGroupsError extends KafkaJSError {
  override name = "KafkaJSDeleteGroupsError"
  constructor(
    message: string,
    readonly groups: readonly { readonly groupId: string; readonly errorCode: number; readonly error: KafkaJSError }[],
  ) {
    super(message, { retriable: false })
  }
}

/** What a program of kafkajs sees of an error of the client; others are passed on. */
export function asKafkaJSError(error: unknown): Error {
  if (error instanceof BrokerError) return new KafkaJSProtocolError(error)
  if (error instanceof ConfigError) return new KafkaJSNonRetriableError(error, error)
  if (error instanceof ConnectionError) return new KafkaJSConnectionError(error, { cause: error })
  if (error instanceof TimeoutError) return new KafkaJSTimeout(error, { cause: error })
  if (error instanceof ClientError) return new KafkaJSError(error, { retriable: error.retriable, cause: error })
  return error instanceof Error ? error : new KafkaJSError(String(error))
}

/** Awaits what the client does, and throws what kafkajs would. */
export async function translated<T>(work: Promise<T> | (() => T | Promise<T>)): Promise<T> {
  try {
    return await (typeof work === "function" ? work() : work)
  } catch (error) {
    throw asKafkaJSError(error)
  }
}

/** Throws the first error among the results of several items. */
export function throwFirst(results: readonly { readonly error?: unknown }[]): void {
  for (const { error } of results) if (error !== undefined) throw asKafkaJSError(error)
}
