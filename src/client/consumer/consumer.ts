/**
 * A consumer without a group: reads what it is told, and remembers nothing.
 *
 * Owns what is read: whole topics, as they grow, or single partitions.
 */
import type { Env, Timer } from "../../env/env.js"
import type { Cluster } from "../cluster.js"
import type { FetcherOptions } from "./fetcher.js"
import { MissingTopics } from "./missing-topics.js"
import type { Reset } from "./position.js"
import { RecordReader, type TopicPartition } from "./record-reader.js"

export interface ConsumerOptions extends FetcherOptions {
  readonly topics: readonly string[]
  readonly partitions: readonly TopicPartition[]
  readonly from: Reset
  readonly metadataMaxAgeMs: number
  readonly maxBlockMs: number
}

export class Consumer extends RecordReader {
  readonly #missing: MissingTopics
  #timer: Timer | undefined

  constructor(
    env: Env,
    private readonly cluster: Cluster,
    private readonly options: ConsumerOptions,
    /** Runs once, when it is closed. */
    private readonly closed: () => void,
  ) {
    super(env, cluster, options)
    this.#missing = new MissingTopics(env, cluster, options.maxBlockMs)
    for (const { topic, partition } of options.partitions) this.fetcher.add(topic, partition, options.from)
    if (options.topics.length > 0) this.#discover(true)
  }

  /** Reads partitions that are new. Those that come after the first look begin at their beginning: nothing in them is older than the subscription. */
  #discover(isFirst: boolean): void {
    if (this.isClosed) return
    const missing: string[] = []
    for (const topic of this.options.topics) {
      const view = this.cluster.topic(topic)
      const count = view?.partitions.length ?? 0
      if (count === 0) missing.push(topic)
      for (let partition = 0; partition < count; partition++)
        if (this.fetcher.position(topic, partition) === undefined)
          this.fetcher.add(topic, partition, isFirst ? this.options.from : "earliest")
    }
    const failure = this.#missing.verdict(missing)
    if (failure !== undefined) this.fail(failure)
    else if (missing.length > 0) this.cluster.onRefreshed(() => this.#discover(isFirst))
    else {
      this.#timer?.cancel()
      this.#timer = this.env.timers.after(this.options.metadataMaxAgeMs, () => {
        this.cluster.refresh()
        this.cluster.onRefreshed(() => this.#discover(false))
      })
    }
  }

  protected override get groupId(): undefined {
    return undefined
  }

  protected override asked(): void {}

  protected override handedOut(): void {}

  async close(): Promise<void> {
    if (this.isClosed) return
    this.#timer?.cancel()
    this.endReading()
    this.closed()
  }
}
