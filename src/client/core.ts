/**
 * A client of a cluster: what producers, consumers and admin share.
 *
 * Owns the connections and what is made of it; closing it closes them all. Works with anything that speaks Kafka's protocol. Nothing here reaches the outside world but by `env`.
 */
import type { Env } from "../env/env.js"
import { Admin } from "./admin/admin.js"
import { Cluster, type ClusterOptions } from "./cluster.js"
import { ClosedError, ConfigError } from "./errors.js"
import { Consumer, type ConsumerOptions } from "./consumer/consumer.js"
import { groupConsumerOptions } from "./consumer/group/group-options.js"
import { GroupConsumer } from "./consumer/group/group-consumer.js"
import type { FetcherOptions } from "./consumer/fetcher.js"
import type { Reset } from "./consumer/position.js"
import {
  type AdminConfig,
  type ClientOptions,
  compressionOption,
  type ConsumerConfig,
  type GroupConsumerConfig,
  numberOption,
  parseBootstrap,
  type ProducerConfig,
} from "./options.js"
import { type Observer, unobserved } from "./observer.js"
import { Producer, type ProducerOptions } from "./producer/producer.js"

const dayMs = 86_400_000
const gibibyte = 1 << 30

export class ClientCore implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #requestTimeoutMs: number
  readonly #retryBackoffMs: number
  readonly #metadataMaxAgeMs: number
  readonly #retryBackoffMaxMs: number
  readonly #open = new Set<{ close(): Promise<void> }>()
  #isClosed = false

  constructor(
    private readonly env: Env,
    options: ClientOptions = {},
    observer: Observer = unobserved,
  ) {
    this.#requestTimeoutMs = numberOption("requestTimeoutMs", options.requestTimeoutMs, 30_000, 1, dayMs)
    this.#retryBackoffMs = numberOption("retryBackoffMs", options.retryBackoffMs, 100, 1, dayMs)
    this.#retryBackoffMaxMs = numberOption("retryBackoffMaxMs", options.retryBackoffMaxMs, 1_000, 1, dayMs)
    this.#metadataMaxAgeMs = numberOption("metadataMaxAgeMs", options.metadataMaxAgeMs, 300_000, 1, dayMs)
    const clusterOptions: ClusterOptions = {
      bootstrap: parseBootstrap(options.bootstrap),
      clientId: options.clientId ?? "ottla",
      requestTimeoutMs: this.#requestTimeoutMs,
      metadataMaxAgeMs: this.#metadataMaxAgeMs,
      retryBackoffMs: this.#retryBackoffMs,
      retryBackoffMaxMs: this.#retryBackoffMaxMs,
      allowAutoTopicCreation: options.allowAutoTopicCreation ?? true,
    }
    this.#cluster = new Cluster(env, clusterOptions, observer)
  }

  /** A producer of its own, with an id of its own. Errors: ConfigError. */
  producer(config: ProducerConfig = {}): Producer {
    if (this.#isClosed) throw new ClosedError("the client")
    const { acks = "all" } = config
    if (acks !== "all" && acks !== 1 && acks !== 0)
      throw new ConfigError(`acks: ${String(acks)} is neither "all", 1 nor 0`)
    const isIdempotent = config.idempotent ?? acks === "all"
    if (isIdempotent && acks !== "all") throw new ConfigError(`idempotent: true needs acks "all", not ${acks}`)
    const options: ProducerOptions = {
      acks: acks === "all" ? -1 : acks,
      isIdempotent,
      lingerMs: numberOption("lingerMs", config.lingerMs, 5, 0, dayMs),
      batchBytes: numberOption("batchBytes", config.batchBytes, 16 << 10, 256, gibibyte),
      requestBytesMax: numberOption("maxRequestBytes", config.maxRequestBytes, 1 << 20, 1024, gibibyte),
      bufferBytes: numberOption("bufferBytes", config.bufferBytes, 32 << 20, 1024, 16 * gibibyte),
      inFlightMax: numberOption("maxInFlightRequests", config.maxInFlightRequests, 5, 1, isIdempotent ? 5 : 1000),
      deliveryTimeoutMs: numberOption("deliveryTimeoutMs", config.deliveryTimeoutMs, 120_000, 1, dayMs),
      maxBlockMs: numberOption("maxBlockMs", config.maxBlockMs, 60_000, 1, dayMs),
      requestTimeoutMs: this.#requestTimeoutMs,
      retryBackoffMs: this.#retryBackoffMs,
      retryBackoffMaxMs: this.#retryBackoffMaxMs,
      compression: compressionOption(config.compression),
      compressionLevel: config.compressionLevel,
    }
    const producer: Producer = new Producer(this.env, this.#cluster, options, () => this.#open.delete(producer))
    this.#open.add(producer)
    return producer
  }

  /** With `groupId` a member of that group. Without, it reads what it is told and remembers nothing. Errors: ConfigError. */
  consumer(config: GroupConsumerConfig): GroupConsumer
  consumer(config: ConsumerConfig & { readonly groupId?: undefined }): Consumer
  consumer(config: ConsumerConfig | GroupConsumerConfig): Consumer | GroupConsumer {
    if (this.#isClosed) throw new ClosedError("the client")
    const reading = this.#readingOptions(config)
    const closed = () => this.#open.delete(consumer)
    const consumer: Consumer | GroupConsumer =
      "groupId" in config && config.groupId !== undefined
        ? new GroupConsumer(this.env, this.#cluster, groupConsumerOptions(config, reading), closed)
        : new Consumer(this.env, this.#cluster, { ...this.#readSet(config), ...reading }, closed)
    this.#open.add(consumer)
    return consumer
  }

  #readSet({
    topics = [],
    partitions = [],
  }: ConsumerConfig): Pick<ConsumerOptions, "topics" | "partitions" | "metadataMaxAgeMs"> {
    if (topics.length === 0 && partitions.length === 0)
      throw new ConfigError("consumer: name what it reads, in topics or partitions")
    return { topics, partitions, metadataMaxAgeMs: this.#metadataMaxAgeMs }
  }

  #readingOptions(config: ConsumerConfig): FetcherOptions & { readonly from: Reset; readonly maxBlockMs: number } {
    const { from = "latest" } = config
    if (from !== "earliest" && from !== "latest" && !(typeof from === "object" && from.timestamp >= 0))
      throw new ConfigError(`from: ${JSON.stringify(from)} is neither "earliest", "latest" nor { timestamp }`)
    const { isolationLevel = "read_uncommitted" } = config
    if (isolationLevel !== "read_uncommitted" && isolationLevel !== "read_committed")
      throw new ConfigError(
        `isolationLevel: "${String(isolationLevel)}" is neither "read_uncommitted" nor "read_committed"`,
      )
    const bytes = (name: string, value: number | undefined, fallback: number) =>
      numberOption(name, value, fallback, 1, gibibyte)
    return {
      from,
      resetTo: typeof from === "object" ? "earliest" : from,
      maxWaitMs: numberOption("maxWaitMs", config.maxWaitMs, 500, 0, dayMs),
      minBytes: bytes("minBytes", config.minBytes, 1),
      maxBytes: bytes("maxBytes", config.maxBytes, 50 << 20),
      partitionMaxBytes: bytes("maxPartitionBytes", config.maxPartitionBytes, 1 << 20),
      bufferBytes: bytes("bufferBytes", config.bufferBytes, 32 << 20),
      isReadCommitted: isolationLevel === "read_committed",
      rackId: config.rack ?? "",
      requestTimeoutMs: this.#requestTimeoutMs,
      retryBackoffMs: this.#retryBackoffMs,
      maxBlockMs: numberOption("maxBlockMs", config.maxBlockMs, 60_000, 1, dayMs),
    }
  }

  /** Producers and consumers that are not closed yet. */
  get openCount(): number {
    return this.#open.size
  }

  /** What operators and tools ask of a cluster. Errors: ConfigError. */
  admin(config: AdminConfig = {}): Admin {
    if (this.#isClosed) throw new ClosedError("the client")
    return new Admin(this.env, this.#cluster, {
      timeoutMs: numberOption("timeoutMs", config.timeoutMs, 60_000, 1, dayMs),
    })
  }

  /** Closes what was made of it first, each in its own way, and then the connections. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.all([...this.#open].map((each) => each.close()))
    this.#cluster.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
