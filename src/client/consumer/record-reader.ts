/**
 * Hands out what the fetcher has read, one partition after the other, to whoever asks.
 *
 * Owns waiting, time limits, iteration, and the calls on single partitions. Which partitions are read is decided by who extends it. Invariant: whoever iterates is never ahead of what was handed out, so
 * `position` is what a restart goes on with; after `close` nothing is handed out, and nobody waits.
 */
import type { Env, Timer } from "../../env/env.js"
import type { Cluster } from "../cluster.js"
import { type ClientError, ClosedError, ConfigError } from "../errors.js"
import type { BatchEvent, Observed } from "../observer.js"
import { Fetcher, type FetcherOptions } from "./fetcher.js"
import type { Position, Reset } from "./position.js"
import type { ConsumerRecord } from "./record.js"

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface PollOptions {
  readonly max?: number
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** Records handed out together at most. */
export const batchRecordsMax = 500

export abstract class RecordReader implements AsyncDisposable {
  protected readonly fetcher: Fetcher
  readonly #observed: Observed<BatchEvent>
  #wake: (() => void) | undefined
  #failure: ClientError | undefined
  #isClosed = false

  constructor(
    protected readonly env: Env,
    cluster: Cluster,
    private readonly fetcherOptions: FetcherOptions,
  ) {
    this.#observed = cluster.observer.batch
    this.fetcher = new Fetcher(env, cluster, fetcherOptions, {
      arrived: () => this.wakeUp(),
      failed: (error) => this.fail(error),
    })
  }

  protected abstract get groupId(): string | undefined

  protected get isClosed(): boolean {
    return this.#isClosed
  }

  /** Somebody waits for records. */
  protected get isWaiting(): boolean {
    return this.#wake !== undefined
  }

  protected wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** Told to the next who asks, once what was read before it is handed out. */
  protected fail(error: ClientError): void {
    this.#failure ??= error
    this.wakeUp()
  }

  /** Somebody asks for more, which says that what was handed out before is done with. */
  protected abstract asked(): void
  /** Of this partition, beginning at this offset; the records are in nobody's hands yet. None: what was passed over is no record. */
  protected abstract handedOut(position: Position, fromOffset: number, records: readonly ConsumerRecord[]): void

  /**
   * Up to `max` records of one partition, as soon as there are any; none when `timeoutMs` is over first, or `signal` aborts.
   *
   * Errors: BrokerError, TimeoutError, ConfigError, GroupError for what stops this consumer from reading; ClosedError.
   */
  async poll(options: PollOptions = {}): Promise<ConsumerRecord[]> {
    this.asked()
    return this.take(options)
  }

  protected async take({ max = batchRecordsMax, timeoutMs, signal }: PollOptions): Promise<ConsumerRecord[]> {
    let isOver = signal?.aborted === true
    let timer: Timer | undefined
    const end = () => {
      isOver = true
      this.wakeUp()
    }
    if (timeoutMs !== undefined) timer = this.env.timers.after(timeoutMs, end)
    signal?.addEventListener("abort", end, { once: true })
    try {
      for (;;) {
        const records = this.#takeOut(max)
        if (records.length > 0 || isOver) return records
        if (this.#wake !== undefined) throw new ConfigError("poll: another poll, or an iteration, is waiting already")
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      timer?.cancel()
      signal?.removeEventListener("abort", end)
    }
  }

  #takeOut(max: number): ConsumerRecord[] {
    const records: ConsumerRecord[] = []
    if (this.#isClosed) throw new ClosedError("the consumer")
    while (records.length === 0) {
      const position = this.fetcher.ready()
      if (position === undefined) break
      const fromOffset = position.offset
      while (records.length < max) {
        const record = position.next()
        if (record === undefined) break
        records.push(record)
      }
      this.handedOut(position, fromOffset, records)
      if (this.#observed.hasSubscribers && records.length > 0) this.#observe(position, records)
      if (!position.hasBuffered || position.bufferedBytes < this.fetcherOptions.partitionMaxBytes / 2)
        this.fetcher.stir()
    }
    // What was read before it is handed out first.
    if (records.length === 0 && this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      throw failure
    }
    return records
  }

  #observe({ topic, partition, lag }: Position, records: readonly ConsumerRecord[]): void {
    const { groupId } = this
    this.#observed.publish({ topic, partition, offset: records[0]!.offset, records: records.length, lag, groupId })
  }

  /** Records of one partition at a time, in order. Ends when the consumer is closed. */
  async *batches(
    options: { readonly max?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<ConsumerRecord[]> {
    while (!this.#isClosed && options.signal?.aborted !== true) {
      let records: ConsumerRecord[]
      try {
        records = await this.poll(options)
      } catch (error) {
        if (error instanceof ClosedError) return
        throw error
      }
      if (records.length > 0) yield records
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumerRecord> {
    for (;;) {
      let record: ConsumerRecord | undefined
      try {
        record = (await this.poll({ max: 1 }))[0]
      } catch (error) {
        if (error instanceof ClosedError) return
        throw error
      }
      if (record !== undefined) yield record
    }
  }

  /** The offset of the next record to be handed out; undefined until it is known. */
  position(topic: string, partition: number): bigint | undefined {
    const offset = this.positionOf(topic, partition).offset
    return offset < 0 ? undefined : BigInt(offset)
  }

  /** Records of it that are committed by the brokers and not handed out. */
  lag(topic: string, partition: number): number | undefined {
    return this.positionOf(topic, partition).lag
  }

  /** Goes on reading there. What was read ahead is dropped. */
  seek(topic: string, partition: number, to: bigint | Reset): void {
    const position = this.positionOf(topic, partition)
    if (typeof to === "bigint") position.seek(Number(to))
    else position.resetTo(to)
    this.fetcher.stir()
  }

  pause(topic: string, partition: number): void {
    this.positionOf(topic, partition).isPaused = true
  }

  resume(topic: string, partition: number): void {
    this.positionOf(topic, partition).isPaused = false
    this.fetcher.stir()
    this.wakeUp()
  }

  protected positionOf(topic: string, partition: number): Position {
    const position = this.fetcher.position(topic, partition)
    if (position === undefined) throw new ConfigError(`${topic}-${partition} is not read by this consumer`)
    return position
  }

  /** From here on nothing is read or handed out. */
  protected endReading(): void {
    this.#isClosed = true
    this.fetcher.close()
    this.wakeUp()
  }

  abstract close(): Promise<void>

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
