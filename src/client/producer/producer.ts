/**
 * Sends records, and says of each where it was stored.
 *
 * Owns which partition a record goes to, the memory that records wait in and its bound, and the promise of each. What becomes of full batches is the sender's. Invariant: records of one key, sent one
 * after the other, are stored in that order, whatever is tried again.
 */
import type { Env, Timer } from "../../env/env.js"
import { Errors, errorByCode } from "../../protocol/errors.js"
import type { Cluster, TopicView } from "../cluster.js"
import { ClientError, ClosedError, ConfigError, TimeoutError } from "../errors.js"
import { partitionOfKey } from "../murmur2.js"
import { PartitionQueue } from "./partition-queue.js"
import { type Bytes, type Delivery, type Headers, ProducerBatch } from "./producer-batch.js"
import { problemOf } from "./record-problems.js"
import { Sender, type SenderOptions } from "./sender.js"

export interface ProducerRecord {
  readonly topic: string
  readonly key?: Bytes
  /** null: a tombstone. */
  readonly value?: Bytes
  readonly headers?: Headers
  /** Default: by the key's hash, as in Kafka's Java client; without a key one after the other, a batch each. */
  readonly partition?: number
  /** Milliseconds since 1970. Default: now. */
  readonly timestamp?: number
}

export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: number
}

export interface ProducerOptions extends SenderOptions {
  readonly batchBytes: number
  readonly bufferBytes: number
  readonly maxBlockMs: number
}

/** Records that wait for memory or for a topic to be known; one more is refused at once. */
export const waitingRecordsMax = 100_000
/** Memory of batches that is kept for the next ones. */
const spareBatchesMax = 64

interface Waiting {
  readonly record: ProducerRecord
  readonly delivery: QueuedDelivery
  readonly deadlineMs: number
}

/** What became of many records, each at its index. */
export interface Settled {
  /** -1 where it is not stored, or was before at an offset nobody remembers. */
  readonly offsets: number[]
  readonly partitions: number[]
  readonly timestamps: number[]
  readonly failed: ReadonlyMap<number, Error>
}

interface QueuedDelivery extends Delivery {
  queue: PartitionQueue | undefined
}

/** Many deliveries that are awaited together. */
class Settling implements Settled {
  readonly offsets: number[] = []
  readonly partitions: number[] = []
  readonly timestamps: number[] = []
  readonly failed = new Map<number, Error>()

  constructor(
    public left: number,
    readonly resolve: (settled: Settled) => void,
  ) {
    for (const of of [this.offsets, this.partitions, this.timestamps])
      for (let index = 0; index < left; index++) of.push(-1)
  }

  settledOne(): void {
    if (--this.left === 0) this.resolve(this)
  }
}

class SettlingDelivery implements QueuedDelivery {
  queue: PartitionQueue | undefined

  constructor(
    private readonly settling: Settling,
    private readonly place: number,
  ) {}

  delivered(baseOffset: number, index: number, timestamp: number): void {
    const { settling, place } = this
    if (baseOffset >= 0) settling.offsets[place] = baseOffset + index
    settling.partitions[place] = this.queue!.partition
    settling.timestamps[place] = timestamp
    settling.settledOne()
  }

  failed(error: Error): void {
    this.settling.failed.set(this.place, error)
    this.settling.settledOne()
  }
}

class PendingDelivery implements QueuedDelivery {
  queue: PartitionQueue | undefined

  constructor(
    private readonly resolve: (stored: RecordMetadata) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  delivered(baseOffset: number, index: number, timestamp: number): void {
    const { topic, partition } = this.queue!
    // A broker that has had it already may not remember where, and one that does not answer does not say.
    this.resolve({ topic, partition, offset: baseOffset < 0 ? -1n : BigInt(baseOffset + index), timestamp })
  }

  failed(error: Error): void {
    this.reject(error)
  }
}

interface Sticky {
  partition: number
  bytes: number
}

export class Producer implements AsyncDisposable {
  readonly #queues = new Map<string, (PartitionQueue | undefined)[]>()
  readonly #sticky = new Map<string, Sticky>()
  readonly #sender: Sender
  readonly #spare: Buffer[] = []
  /** In the order in which they came; none passes another of its topic. */
  #waiting: Waiting[] = []
  #timer: Timer | undefined
  #bufferedBytes = 0
  #batches = 0
  #openBatches = 0
  readonly #emptied: (() => void)[] = []
  #closing: Promise<void> | undefined

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly options: ProducerOptions,
    /** Runs once, when it is closed. */
    private readonly closed: () => void,
  ) {
    this.#sender = new Sender(
      env,
      cluster,
      options,
      (batch) => this.#done(batch),
      (batch) => this.#split(batch),
    )
  }

  /** Bytes of records that are not stored yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /**
   * Resolves when the record is stored as `acks` asks for. While `bufferBytes` are full it waits, at most `maxBlockMs`: await it, or a number of them, to be slowed down to what the brokers take.
   *
   * Errors: ConfigError for a record that cannot be; BrokerError for one that the broker refuses; TimeoutError, after which it may have been stored or not, as its message says; ClosedError.
   */
  send(record: ProducerRecord): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => this.#accept(record, new PendingDelivery(resolve, reject)))
  }

  /** Resolves when all of them are stored; rejects with the first that is not. They go in their order. */
  async sendAll(records: readonly ProducerRecord[]): Promise<RecordMetadata[]> {
    return Promise.all(records.map((record) => this.send(record)))
  }

  /** Resolves when each of them is stored or has failed; never rejects. They go in their order. Many records cost less like this than with a promise each. Errors of a record: as `send`. */
  sendAllSettled(records: readonly ProducerRecord[]): Promise<Settled> {
    return new Promise((resolve) => {
      const settling = new Settling(records.length, resolve)
      if (records.length === 0) resolve(settling)
      for (let index = 0; index < records.length; index++)
        this.#accept(records[index]!, new SettlingDelivery(settling, index))
    })
  }

  #accept(record: ProducerRecord, delivery: QueuedDelivery): void {
    const refused = this.#whyRefused(record)
    if (refused !== undefined) delivery.failed(refused)
    else if (this.#waiting.length > 0 || !this.#put(record, delivery)) {
      const deadlineMs = this.env.clock.monotonicMs() + this.options.maxBlockMs
      this.#waiting.push({ record, delivery, deadlineMs })
      this.#watchWaiting()
    }
  }

  #whyRefused(record: ProducerRecord): ClientError | undefined {
    if (this.#closing !== undefined) return new ClosedError("the producer")
    const problem = problemOf(record)
    if (problem !== undefined) return new ConfigError(problem)
    if (this.#waiting.length < waitingRecordsMax) return undefined
    return new ClientError(
      "BUFFER_FULL",
      `${waitingRecordsMax} records wait to be sent: await send() now and then`,
      true,
    )
  }

  /** False: it has to wait. */
  #put(record: ProducerRecord, delivery: QueuedDelivery): boolean {
    const topic = this.cluster.topic(record.topic)
    if (topic === undefined || topic.partitions.length === 0) {
      const info = topic === undefined ? undefined : errorByCode(topic.errorCode)
      if (topic !== undefined && topic.errorCode !== Errors.NONE && info?.retriable !== true) {
        delivery.failed(new ClientError(info?.name ?? "UNKNOWN", `topic ${record.topic}: ${info?.message}`, false))
        this.cluster.forget(record.topic)
        return true
      }
      this.cluster.onRefreshed(() => this.#goOn())
      return false
    }
    const { key, value, headers } = record
    const partition = this.#partitionFor(record, topic)
    if (partition >= topic.partitions.length) {
      const last = topic.partitions.length - 1
      delivery.failed(new ConfigError(`partition ${partition} of ${record.topic}: its partitions are 0 to ${last}`))
      return true
    }
    const queue = this.#queue(record.topic, partition)
    const timestamp = record.timestamp ?? this.env.clock.wallMs()
    if (queue.open !== undefined) {
      if (queue.open.append(key, value, headers, timestamp, delivery)) {
        delivery.queue = queue
        return true
      }
      queue.ready.push(queue.open)
      queue.open = undefined
      this.#unstick(record.topic, partition)
      this.#sender.stirred(queue)
      if (record.partition === undefined && (key === undefined || key === null)) return this.#put(record, delivery)
    }
    const bytes = Math.max(this.options.batchBytes, ProducerBatch.bytesFor(key, value, headers))
    if (bytes > this.options.requestBytesMax) {
      delivery.failed(
        new ClientError(
          "RECORD_TOO_LARGE",
          `a record of ${bytes} bytes for ${record.topic} is larger than maxRequestBytes = ${this.options.requestBytesMax}`,
          false,
        ),
      )
      return true
    }
    if (this.#bufferedBytes > 0 && this.#bufferedBytes + bytes > this.options.bufferBytes) return false
    queue.open = new ProducerBatch(this.#memory(bytes), this.env.clock.monotonicMs(), this.#batches++)
    this.#bufferedBytes += bytes
    this.#openBatches++
    delivery.queue = queue
    queue.open.append(key, value, headers, timestamp, delivery)
    this.#sender.stirred(queue)
    return true
  }

  #partitionFor(record: ProducerRecord, topic: TopicView): number {
    if (record.partition !== undefined) return record.partition
    const { key } = record
    if (key !== null && key !== undefined)
      return partitionOfKey(typeof key === "string" ? Buffer.from(key) : key, topic.partitions.length)
    const known = this.#sticky.get(record.topic)
    if (known !== undefined && known.partition < topic.partitions.length) return known.partition
    const led = topic.partitions.flatMap(({ leaderId }, index) => (leaderId < 0 ? [] : [index]))
    const partition =
      led.length > 0 ? led[this.env.random.int(led.length)]! : this.env.random.int(topic.partitions.length)
    this.#sticky.set(record.topic, { partition, bytes: 0 })
    return partition
  }

  #unstick(topic: string, partition: number): void {
    if (this.#sticky.get(topic)?.partition === partition) this.#sticky.delete(topic)
  }

  #queue(topic: string, partition: number): PartitionQueue {
    let queues = this.#queues.get(topic)
    if (queues === undefined) this.#queues.set(topic, (queues = []))
    return (queues[partition] ??= new PartitionQueue(topic, partition))
  }

  #memory(bytes: number): Buffer {
    if (bytes > this.options.batchBytes) return Buffer.allocUnsafeSlow(bytes)
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(bytes)
  }

  #done(batch: ProducerBatch): void {
    this.#bufferedBytes -= batch.memory.length
    this.#openBatches--
    if (batch.memory.length === this.options.batchBytes && this.#spare.length < spareBatchesMax)
      this.#spare.push(batch.memory)
    if (this.#waiting.length > 0) this.#goOn()
    this.#tellEmptied()
  }

  #split(batch: ProducerBatch): readonly ProducerBatch[] {
    const half = (place: number): ProducerBatch => {
      const memory = Buffer.allocUnsafeSlow(batch.memory.length)
      this.#bufferedBytes += memory.length
      this.#openBatches++
      // Between it and the next one.
      return new ProducerBatch(memory, batch.createdMs, batch.order + place / batch.count)
    }
    const halves = [half(0), half(1)] as const
    batch.splitInto(halves)
    this.#done(batch)
    return halves
  }

  #tellEmptied(): void {
    if (this.#openBatches > 0 || this.#waiting.length > 0) return
    for (const told of this.#emptied.splice(0)) told()
  }

  /** Takes in what waited, as far as it can be now. What waits for its topic holds up that topic only. */
  #goOn(): void {
    const nowMs = this.env.clock.monotonicMs()
    const waiting = this.#waiting
    this.#waiting = []
    const heldUp = new Set<string>()
    for (const each of waiting) {
      const { record, delivery, deadlineMs } = each
      if (nowMs >= deadlineMs) {
        delivery.failed(new TimeoutError(this.#whyWaiting(record, this.options.maxBlockMs), this.cluster.failure))
        continue
      }
      if (heldUp.has(record.topic) || !this.#put(record, delivery)) {
        heldUp.add(record.topic)
        this.#waiting.push(each)
      }
    }
    this.#watchWaiting()
    this.#tellEmptied()
  }

  #whyWaiting({ topic }: ProducerRecord, maxBlockMs: number): string {
    const after = `after maxBlockMs = ${maxBlockMs}`
    if (this.cluster.topic(topic)?.partitions.length)
      return `no room in bufferBytes = ${this.options.bufferBytes} ${after}`
    const { failure } = this.cluster
    if (failure instanceof Error) return `topic ${topic} is not known ${after}: ${failure.message}`
    return `topic ${topic} does not exist, or nobody leads it yet, ${after}`
  }

  #watchWaiting(): void {
    const first = this.#waiting[0]
    if (first === undefined) {
      // Nobody waits: a timer of a client keeps the process alive.
      this.#timer?.cancel()
      this.#timer = undefined
    }
    if (this.#timer !== undefined || first === undefined) return
    this.#timer = this.env.timers.after(Math.max(1, first.deadlineMs - this.env.clock.monotonicMs()), () => {
      this.#timer = undefined
      this.#goOn()
    })
  }

  /** Resolves when everything that was sent before is stored, or has failed. Nothing lingers meanwhile. */
  async flush(): Promise<void> {
    if (this.#openBatches === 0 && this.#waiting.length === 0) return
    this.#sender.hurry(true)
    await new Promise<void>((resolve) => this.#emptied.push(resolve))
    this.#sender.hurry(false)
  }

  /** Sends what is left, at most for `timeoutMs` (default: `deliveryTimeoutMs`); what is left then fails with ClosedError. */
  close({ timeoutMs = this.options.deliveryTimeoutMs }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs).finally(this.closed)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    const flushed = this.flush()
    if (timeoutMs > 0) {
      let timer: Timer | undefined
      await Promise.race([
        flushed,
        new Promise<void>((resolve) => {
          timer = this.env.timers.after(timeoutMs, resolve)
        }),
      ])
      timer?.cancel()
    }
    this.#timer?.cancel()
    const error = new ClosedError("the producer")
    for (const { delivery } of this.#waiting.splice(0)) delivery.failed(error)
    this.#sender.close(error)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
