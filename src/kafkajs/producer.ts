/**
 * kafkajs's producer over the client's.
 *
 * Owns what kafkajs says per call and the client per producer: acks and compression. Calls with the same ones share a producer, and keep their order.
 */
import type { Producer as CoreProducer, RecordMetadata as Stored } from "../client/producer/producer.js"
import type { Clock } from "../env/env.js"
import type { Connection } from "./connection.js"
import { CompressionTypes } from "./constants.js"
import { KafkaJSNonRetriableError, KafkaJSNotImplemented, translated } from "./errors.js"
import { Events } from "./events.js"
import { partitionsOf } from "./topic-partitions.js"
import type { Logger } from "./logger.js"
import { compressionOf, type Message, recordOf } from "./messages.js"
import type { ICustomPartitioner } from "./partitioners.js"
import type { RetryOptions } from "./retry.js"

export interface ProducerConfig {
  createPartitioner?: ICustomPartitioner
  retry?: RetryOptions
  metadataMaxAge?: number
  allowAutoTopicCreation?: boolean
  idempotent?: boolean
  transactionalId?: string
  transactionTimeout?: number
  maxInFlightRequests?: number
}

export interface ProducerRecord {
  topic: string
  messages: Message[]
  acks?: number
  timeout?: number
  compression?: CompressionTypes
}

export interface TopicMessages {
  topic: string
  messages: Message[]
}

export interface ProducerBatch {
  acks?: number
  timeout?: number
  compression?: CompressionTypes
  topicMessages?: TopicMessages[]
}

export interface RecordMetadata {
  topicName: string
  partition: number
  errorCode: number
  baseOffset?: string
  logAppendTime?: string
}

const producerEvents = {
  CONNECT: "producer.connect",
  DISCONNECT: "producer.disconnect",
  REQUEST: "producer.network.request",
  REQUEST_TIMEOUT: "producer.network.request_timeout",
  REQUEST_QUEUE_SIZE: "producer.network.request_queue_size",
} as const

const defaultTimeoutMs = 30_000

export interface ProducerParts {
  readonly connection: Connection
  readonly clock: Pick<Clock, "wallMs">
  readonly logger: Logger
}

export class Producer {
  readonly events = producerEvents
  readonly #events: Events<typeof producerEvents>
  readonly #producers = new Map<string, CoreProducer>()
  readonly #choose: ReturnType<ICustomPartitioner> | undefined

  constructor(
    private readonly parts: ProducerParts,
    private readonly config: ProducerConfig = {},
  ) {
    if (config.transactionalId !== undefined)
      throw new KafkaJSNotImplemented("transactionalId: this version of Ottla has no transactions")
    this.#events = new Events(producerEvents, parts.clock)
    this.#choose = config.createPartitioner?.()
  }

  async connect(): Promise<void> {
    await this.parts.connection.open()
    this.#events.emit("producer.connect", null)
  }

  async disconnect(): Promise<void> {
    this.#producers.clear()
    await translated(this.parts.connection.close())
    this.#events.emit("producer.disconnect", null)
  }

  isIdempotent(): boolean {
    return this.config.idempotent === true
  }

  logger(): Logger {
    return this.parts.logger
  }

  on: Events<typeof producerEvents>["on"] = (name, listener) => this.#events.on(name, listener)

  async transaction(): Promise<never> {
    throw new KafkaJSNotImplemented("transaction: this version of Ottla has no transactions")
  }

  /** Resolves when all messages are stored: one answer for each partition. Errors: KafkaJSError and its kinds. */
  send({ topic, messages, ...rest }: ProducerRecord): Promise<RecordMetadata[]> {
    return this.sendBatch({ ...rest, topicMessages: [{ topic, messages }] })
  }

  async sendBatch({ acks = -1, timeout, compression, topicMessages = [] }: ProducerBatch): Promise<RecordMetadata[]> {
    const { admin } = this.parts.connection
    for (const { topic, messages } of topicMessages) {
      if (typeof topic !== "string" || topic === "") throw new KafkaJSNonRetriableError("Invalid topic")
      if (!Array.isArray(messages))
        throw new KafkaJSNonRetriableError(`Invalid messages array [${String(messages)}] for topic "${topic}"`)
    }
    const producer = await translated(() => this.#producer(acks, compression, timeout))
    const records: ReturnType<typeof recordOf>[] = []
    for (const { topic, messages } of topicMessages) {
      const partitionMetadata =
        this.#choose === undefined || messages.length === 0 ? [] : await partitionsOf(admin, topic)
      for (const message of messages)
        records.push(
          recordOf(topic, message, this.#choose?.({ topic, partitionMetadata, message }) ?? message.partition),
        )
    }
    const stored = await translated(producer.sendAll(records))
    return answers(stored)
  }

  #producer(acks: number, compression: CompressionTypes = CompressionTypes.None, timeoutMs = defaultTimeoutMs) {
    if (acks !== -1 && acks !== 1)
      throw new KafkaJSNotImplemented(`acks: ${acks} is not part of this façade; use -1 (all) or 1 (the leader)`)
    if (this.config.idempotent === true && acks !== -1)
      throw new KafkaJSNonRetriableError(
        "Not requiring ack for all messages invalidates the idempotent producer's EoS guarantees",
      )
    const key = `${acks}/${compression}/${timeoutMs}`
    let producer = this.#producers.get(key)
    if (producer === undefined) {
      const { maxInFlightRequests } = this.config
      producer = this.parts.connection.client.producer({
        acks: acks === -1 ? "all" : 1,
        // kafkajs sends what it is given at once.
        lingerMs: 0,
        batchBytes: 1 << 20,
        compression: compressionOf(compression),
        deliveryTimeoutMs: Math.max(timeoutMs, this.config.retry?.maxRetryTime ?? defaultTimeoutMs),
        ...(maxInFlightRequests !== undefined && { maxInFlightRequests: Math.min(5, maxInFlightRequests) }),
      })
      this.#producers.set(key, producer)
    }
    return producer
  }
}

function answers(stored: readonly Stored[]): RecordMetadata[] {
  const byPartition = new Map<string, { topic: string; partition: number; offset: bigint }>()
  for (const { topic, partition, offset } of stored) {
    const key = `${topic}/${partition}`
    const known = byPartition.get(key)
    if (known === undefined || offset < known.offset) byPartition.set(key, { topic, partition, offset })
  }
  return [...byPartition.values()].map(({ topic, partition, offset }) => ({
    topicName: topic,
    partition,
    errorCode: 0,
    baseOffset: String(offset),
    logAppendTime: "-1",
  }))
}
