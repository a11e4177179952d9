/**
 * What the clients of the broker workload know together: topics, budgets, and the history they are judged by.
 *
 * Owns the names under which the history knows partitions: a topic made again is another topic, with other partitions.
 */
import type { FlushPolicy } from "../../../config/log-config.js"
import type { Env } from "../../../env/env.js"
import { AcknowledgedReadBack } from "../../checkers/acknowledged-read-back.js"
import { BytesNeverChange } from "../../checkers/bytes-never-change.js"
import { MetadataSurvives } from "../../checkers/metadata-survives.js"
import { NothingRefusedAppears } from "../../checkers/nothing-refused-appears.js"
import { OffsetsNeverGoBack } from "../../checkers/offsets-never-go-back.js"
import { ProducerIdsNeverRepeat } from "../../checkers/producer-ids-never-repeat.js"
import { ReadsBelowHighWatermark } from "../../checkers/reads-below-high-watermark.js"
import { RetentionKeepsEnough } from "../../checkers/retention-keeps-enough.js"
import { TimestampsAreExact } from "../../checkers/timestamps-are-exact.js"
import { SimulatedClient } from "../../client.js"
import { History } from "../../history.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import { type BrokerOptionsDrawn, hasNetworkFaults, type TopicOptions } from "./options.js"

export const brokerPort = 9092
/** Longer than anything a healthy broker takes, produce and fetch waits included. */
export const requestTimeoutMs = 30_000
/** What requests ask the broker to wait at most: below the client's own patience. */
export const serverWaitMsMax = 8_000

export interface ReadableRecord {
  readonly offset: number
  readonly timestamp: number
}

/** One topic under one id. */
export class TopicModel {
  /** False from the moment its deletion is asked for. */
  isLive = true
  /** Deletion was asked for below this offset, by partition. */
  readonly deletable = new Map<number, number>()
  readonly timestamps = new Map<number, Map<number, number>>()

  constructor(
    readonly name: string,
    readonly topicId: string,
    readonly generation: number,
    readonly options: TopicOptions,
    public partitions: number,
    /** The weakest policy it ever had. */
    public flushPolicy: FlushPolicy,
  ) {}

  partitionName(index: number): string {
    return `${this.name}.${this.generation}-${index}`
  }

  isDeletable(index: number, offset: number): boolean {
    return offset < (this.deletable.get(index) ?? 0)
  }

  timestampsOf(index: number): Map<number, number> {
    let known = this.timestamps.get(index)
    if (known === undefined) this.timestamps.set(index, (known = new Map()))
    return known
  }
}

const weakness: readonly FlushPolicy[] = ["flush", "replicated", "memory"]
export const weakerOf = (a: FlushPolicy, b: FlushPolicy): FlushPolicy =>
  weakness.indexOf(a) > weakness.indexOf(b) ? a : b

export class Model {
  readonly history: History
  readonly timestamps: TimestampsAreExact
  readonly retention: RetentionKeepsEnough
  readonly counts = {
    lives: 0,
    kills: 0,
    powerCuts: 0,
    cleanStops: 0,
    fatal: 0,
    failedStarts: 0,
    records: 0,
    acknowledged: 0,
    retries: 0,
    read: 0,
    seeks: 0,
    lookups: 0,
    topics: 0,
    deletedTopics: 0,
    deletedRecords: 0,
    moves: 0,
    configChanges: 0,
  }
  /** By slot of the options: the topic that has its name now. */
  readonly topics: (TopicModel | undefined)[] = []
  readonly everyTopic: TopicModel[] = []
  batchesLeft: number
  /** No new work: what is open is finished. */
  isEnding = false
  isOver = false
  #nextValue = 0
  #nextName = 0
  /** Counts the broker's processes: what a connection to an earlier one still brings says nothing of the present one. */
  life = 0
  /** Since when the present broker has been serving without anything done to it; undefined while it is not. */
  healthySinceMs: number | undefined
  /** In this life nothing of the broker's machine is broken or slow: what takes long now is the broker's own doing. */
  isQuiet = false
  wallMsMax = 0

  constructor(
    readonly world: World,
    readonly options: BrokerOptionsDrawn,
    readonly broker: SimulatedNode,
    readonly random: SeededRandom,
  ) {
    this.batchesLeft = options.batches
    this.history = new History(
      [
        (report) => new AcknowledgedReadBack(report),
        (report) => new NothingRefusedAppears(report),
        (report) => new OffsetsNeverGoBack(report),
        (report) => new BytesNeverChange(report),
        (report) => new ReadsBelowHighWatermark(report),
        (report) => new ProducerIdsNeverRepeat(report),
        (report) => new MetadataSurvives(report),
      ],
      (observation) => world.trace.remark(world.scheduler.nowNs, () => JSON.stringify(observation)),
    )
    const judge = (name: string) => (what: string) => this.violated(`${name}: ${what}`)
    this.timestamps = new TimestampsAreExact(judge("offsets for times are exact"))
    this.retention = new RetentionKeepsEnough(judge("retention keeps what it must"))
  }

  violated(what: string): void {
    this.history.violations.push(what)
  }

  nextValue(): string {
    return `v${this.#nextValue++}`
  }

  nextName(kind: string): string {
    return `${kind} ${this.#nextName++}`
  }

  get liveTopics(): TopicModel[] {
    return this.topics.flatMap((topic) => (topic?.isLive ? [topic] : []))
  }

  /** A connection to the broker, undefined if there is none to be had now. */
  connect(env: Env, name: string): Promise<SimulatedClient | undefined> {
    return SimulatedClient.connect(
      env,
      { host: this.broker.address, port: brokerPort },
      {
        name,
        violated: (what) => this.violated(`answers come in the order of requests: ${what}`),
        timedOut: (what, sentMs) => {
          if (hasNetworkFaults(this.options) || this.healthySinceMs === undefined) return
          // Both clocks begin with the world; the client's may drift.
          if (sentMs > this.healthySinceMs + 1000)
            this.violated(`every request is answered: ${what} was not, in ${requestTimeoutMs} ms`)
        },
      },
    )
  }

  pause(env: Env, ms: number): Promise<void> {
    return new Promise((resolve) => env.timers.after(ms, resolve))
  }

  think(env: Env): Promise<void> {
    const { random } = this
    // Mostly busy, sometimes away: a broker with nothing to do has its own mistakes to make.
    return this.pause(env, random.chance(0.02) ? random.int(10_000) : random.int(this.options.thinkMsMax))
  }

  noteWallTime(): void {
    this.wallMsMax = Math.max(this.wallMsMax, this.broker.clock.wallMs())
  }
}
