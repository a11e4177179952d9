/**
 * What a client tells of its work to whoever traces it.
 *
 * Owns the shapes. `Client` tells it on the channels of `node:diagnostics_channel` that are named here; messages are made only while somebody has subscribed. A subscriber must not change what it is given.
 */

/** `ottla:client:request`: a request of this client has been answered, or will not be. */
export interface RequestEvent {
  /** Kafka's name, such as "Fetch". */
  readonly api: string
  /** host:port */
  readonly address: string
  /** From asking, with connecting where that was needed, to the answer. Of requests that have none (Produce with acks 0): to sending. */
  readonly durationMs: number
  /** Why there is no answer. What the broker answers with, an error too, is an answer. */
  readonly error: Error | undefined
}

/** `ottla:producer:send`: a batch of records of one partition is stored as `acks` asks for, or has failed. */
export interface SendEvent {
  readonly topic: string
  readonly partition: number
  /** Of the first record. -1n: not known. */
  readonly offset: bigint
  /** How many. */
  readonly records: number
  /** As sent, compressed. */
  readonly bytes: number
  /** How often it was sent. */
  readonly attempts: number
  /** From its first record on. */
  readonly durationMs: number
  readonly error: Error | undefined
}

/** `ottla:consumer:batch`: records of one partition are handed out together, by a poll, an iteration or a run. */
export interface BatchEvent {
  readonly topic: string
  readonly partition: number
  /** Of the first record. */
  readonly offset: bigint
  /** How many. */
  readonly records: number
  /** Records behind these that may be read. */
  readonly lag: number | undefined
  readonly groupId: string | undefined
}

/** A channel of `node:diagnostics_channel` is one. */
export interface Observed<T> {
  readonly hasSubscribers: boolean
  publish(event: T): void
}

export interface Observer {
  readonly request: Observed<RequestEvent>
  readonly send: Observed<SendEvent>
  readonly batch: Observed<BatchEvent>
}

const nobody: Observed<unknown> = { hasSubscribers: false, publish: () => {} }
export const unobserved: Observer = { request: nobody, send: nobody, batch: nobody }
