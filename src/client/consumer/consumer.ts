/**
 * Reads records, one after the other, as they come.
 *
 * Owns what is read (whole topics, as they grow, or single partitions) and handing out: whoever iterates is never ahead of what was handed out, so `position` is what a restart goes on with. Invariant:
 * after `close` nothing is handed out, and nobody waits.
 */
import type { Env, Timer } from "../../env/env.js"
import { Errors, errorByCode } from "../../protocol/errors.js"
import type { Cluster } from "../cluster.js"
import { type ClientError, ClosedError, ConfigError, TimeoutError } from "../errors.js"
import { Fetcher, type FetcherOptions } from "./fetcher.js"
import type { Position, Reset } from "./position.js"
import type { ConsumerRecord } from "./record.js"

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface ConsumerOptions extends FetcherOptions {
  readonly topics: readonly string[]
  readonly partitions: readonly TopicPartition[]
  readonly from: Reset
  readonly metadataMaxAgeMs: number
  readonly maxBlockMs: number
}

/** Records handed out together at most. */
const batchRecordsMax = 500

export class Consumer implements AsyncDisposable {
  readonly #fetcher: Fetcher
  #wake: (() => void) | undefined
  #failure: ClientError | undefined
  #isClosed = false
  #timer: Timer | undefined
  readonly #beganMs: number

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly options: ConsumerOptions,
  ) {
    this.#beganMs = env.clock.monotonicMs()
    this.#fetcher = new Fetcher(env, cluster, options, {
      arrived: () => this.#wakeUp(),
      failed: (error) => this.#fail(error),
    })
    for (const { topic, partition } of options.partitions) this.#fetcher.add(topic, partition, options.from)
    if (options.topics.length > 0) this.#discover(true)
  }

  /** Reads partitions that are new. Those that come after the first look begin at their beginning: nothing in them is older than the subscription. */
  #discover(isFirst: boolean): void {
    if (this.#isClosed) return
    const missing: string[] = []
    for (const topic of this.options.topics) {
      const view = this.cluster.topic(topic)
      const count = view?.partitions.length ?? 0
      if (count === 0) missing.push(topic)
      for (let partition = 0; partition < count; partition++)
        if (this.#fetcher.position(topic, partition) === undefined)
          this.#fetcher.add(topic, partition, isFirst ? this.options.from : "earliest")
    }
    const failure = this.#whyNever(missing)
    if (failure !== undefined) this.#fail(failure)
    else if (missing.length > 0) this.cluster.onRefreshed(() => this.#discover(isFirst))
    else {
      this.#timer?.cancel()
      this.#timer = this.env.timers.after(this.options.metadataMaxAgeMs, () => {
        this.cluster.refresh()
        this.cluster.onRefreshed(() => this.#discover(false))
      })
    }
  }

  #whyNever(missing: readonly string[]): ClientError | undefined {
    for (const topic of missing) {
      const info = errorByCode(this.cluster.topic(topic)?.errorCode ?? Errors.NONE)
      if (info !== undefined && info.code !== Errors.NONE && !info.retriable)
        return new ConfigError(`topic ${topic}: ${info.message}`)
    }
    const { maxBlockMs } = this.options
    if (missing.length === 0 || this.env.clock.monotonicMs() - this.#beganMs < maxBlockMs) return undefined
    const why = this.cluster.failure instanceof Error ? this.cluster.failure.message : "no broker knows it"
    return new TimeoutError(`topic ${missing.join(", ")}: not found within maxBlockMs = ${maxBlockMs}: ${why}`)
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #fail(error: ClientError): void {
    this.#failure ??= error
    this.#wakeUp()
  }

  /**
   * Up to `max` records of one partition, as soon as there are any; none when `timeoutMs` is over first, or `signal` aborts.
   *
   * Errors: BrokerError, TimeoutError, ConfigError for what stops this consumer from reading; ClosedError.
   */
  async poll({
    max = batchRecordsMax,
    timeoutMs,
    signal,
  }: {
    readonly max?: number
    readonly timeoutMs?: number
    readonly signal?: AbortSignal
  } = {}): Promise<ConsumerRecord[]> {
    let isOver = signal?.aborted === true
    let timer: Timer | undefined
    const end = () => {
      isOver = true
      this.#wakeUp()
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
      const position = this.#fetcher.ready()
      if (position === undefined) break
      while (records.length < max) {
        const record = position.next()
        if (record === undefined) break
        records.push(record)
      }
      if (!position.hasBuffered || position.bufferedBytes < this.options.partitionMaxBytes / 2) this.#fetcher.stir()
    }
    // What was read before it is handed out first.
    if (records.length === 0 && this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      throw failure
    }
    return records
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
    const offset = this.#position(topic, partition).offset
    return offset < 0 ? undefined : BigInt(offset)
  }

  /** Records of it that are committed and not handed out. */
  lag(topic: string, partition: number): number | undefined {
    return this.#position(topic, partition).lag
  }

  /** Goes on reading there. What was read ahead is dropped. */
  seek(topic: string, partition: number, to: bigint | Reset): void {
    const position = this.#position(topic, partition)
    if (typeof to === "bigint") position.seek(Number(to))
    else position.resetTo(to)
    this.#fetcher.stir()
  }

  pause(topic: string, partition: number): void {
    this.#position(topic, partition).isPaused = true
  }

  resume(topic: string, partition: number): void {
    this.#position(topic, partition).isPaused = false
    this.#fetcher.stir()
    this.#wakeUp()
  }

  #position(topic: string, partition: number): Position {
    const position = this.#fetcher.position(topic, partition)
    if (position === undefined) throw new ConfigError(`${topic}-${partition} is not read by this consumer`)
    return position
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    this.#fetcher.close()
    this.#wakeUp()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
