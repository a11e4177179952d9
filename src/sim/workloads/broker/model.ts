/**
 * What the clients of the broker workload know together: topics, budgets, and the history they are judged by.
 *
 * Owns the names under which the history knows partitions: a topic made again is another topic, with other partitions.
 */
import type { FlushPolicy } from "../../../config/log-config.js"
import { AcknowledgedReadBack } from "../../checkers/acknowledged-read-back.js"
import { BytesNeverChange } from "../../checkers/bytes-never-change.js"
import { MetadataSurvives } from "../../checkers/metadata-survives.js"
import { NothingRefusedAppears } from "../../checkers/nothing-refused-appears.js"
import { OffsetsNeverGoBack } from "../../checkers/offsets-never-go-back.js"
import { ProducerIdsNeverRepeat } from "../../checkers/producer-ids-never-repeat.js"
import { ReadsBelowHighWatermark } from "../../checkers/reads-below-high-watermark.js"
import { RetentionKeepsEnough } from "../../checkers/retention-keeps-enough.js"
import { TimestampsAreExact } from "../../checkers/timestamps-are-exact.js"
import { History } from "../../history.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import { LivesModel } from "../lives/lives-model.js"
import type { BrokerOptionsDrawn, TopicOptions } from "./options.js"

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

export class Model extends LivesModel {
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
  #nextValue = 0

  constructor(
    world: World,
    override readonly options: BrokerOptionsDrawn,
    broker: SimulatedNode,
    random: SeededRandom,
  ) {
    super(world, options, broker, random)
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

  nextValue(): string {
    return `v${this.#nextValue++}`
  }

  get liveTopics(): TopicModel[] {
    return this.topics.flatMap((topic) => (topic?.isLive ? [topic] : []))
  }
}
