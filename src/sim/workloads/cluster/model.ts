/**
 * What the clients of a cluster know together: topics, names, budgets, and the history they are judged by.
 *
 * Owns which partition of the history a topic's partition is: a topic made again is another topic, with other partitions. Knows nodes by name and address only.
 */
import type { FlushPolicy } from "../../../config/log-config.js"
import type { Env } from "../../../env/env.js"
import { ClientHistory } from "../../checkers/history/client-history.js"
import { judgeHistory } from "../../checkers/history/judge-history.js"
import { MetadataSurvives } from "../../checkers/metadata-survives.js"
import { ProducerIdsNeverRepeat } from "../../checkers/producer-ids-never-repeat.js"
import { History, ViolationError } from "../../history.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import type { ClusterOptionsDrawn, ClusterTopicOptions } from "./options.js"

export const brokerPort = 9092
export const controllerPort = 9093
/** What requests ask the broker to wait at most. */
export const serverWaitMsMax = 5_000

export interface Address {
  readonly host: string
  readonly port: number
}

/** One topic under one id. */
export class ClusterTopic {
  isLive = true
  /** Its policy has already been unable to keep what was acknowledged, by partition. */
  readonly lossAllowed = new Set<number>()
  /** Somebody has asked to delete records of it, by partition. */
  readonly hasDeletions = new Set<number>()
  /** The lowest it ever was. */
  minInsyncReplicas: number
  readonly #numbers = new Map<number, number>()

  constructor(
    readonly model: ClusterModel,
    readonly name: string,
    readonly topicId: string,
    readonly generation: number,
    readonly options: ClusterTopicOptions,
    public partitions: number,
  ) {
    this.minInsyncReplicas = options.minInsyncReplicas
  }

  get flushPolicy(): FlushPolicy {
    return this.options.flushPolicy
  }

  /** So of one, too, that was asked for and whose making nobody has heard of. */
  mayBeLost(partition: number): boolean {
    return this.lossAllowed.has(partition) || (partition >= this.partitions && this.lossAllowed.size > 0)
  }

  partitionName(index: number): string {
    return `${this.name}.${this.generation}-${index}`
  }

  /** Its number in the history. */
  numberOf(index: number): number {
    let number = this.#numbers.get(index)
    if (number === undefined)
      this.#numbers.set(index, (number = this.model.history.addPartition(this.partitionName(index))))
    return number
  }
}

export class ClusterModel {
  readonly history = new ClientHistory()
  readonly facts: History
  readonly violations: string[] = []
  readonly counts = {
    boots: 0,
    kills: 0,
    powerCuts: 0,
    cleanStops: 0,
    fatal: 0,
    failedStarts: 0,
    faults: 0,
    records: 0,
    acknowledged: 0,
    retries: 0,
    read: 0,
    refreshes: 0,
    topics: 0,
    deletedTopics: 0,
    reassignments: 0,
    elections: 0,
    configChanges: 0,
    delayed: 0,
    inspections: 0,
    ackChecks: 0,
    leaderChanges: 0,
  }
  readonly topics: (ClusterTopic | undefined)[] = []
  readonly everyTopic: ClusterTopic[] = []
  batchesLeft: number
  /** No new work: what is open is finished. */
  isEnding = false
  isOver = false
  #nextName = 0

  constructor(
    readonly world: World,
    readonly options: ClusterOptionsDrawn,
    readonly bootstrap: readonly Address[],
    readonly random: SeededRandom,
  ) {
    this.batchesLeft = options.batches
    this.facts = new History(
      [(report) => new MetadataSurvives(report), (report) => new ProducerIdsNeverRepeat(report)],
      (observation) => this.remark(() => JSON.stringify(observation)),
    )
  }

  violated(what: string): void {
    if (this.violations.length < 20) this.violations.push(what)
    this.world.trace.remark(this.world.scheduler.nowNs, () => `VIOLATION ${what}`)
  }

  remark(what: () => string): void {
    this.world.trace.remark(this.world.scheduler.nowNs, what)
  }

  /** Throws what was found, if anything. */
  verify(): void {
    const found = [...this.violations, ...this.facts.violations, ...judgeHistory(this.history)]
    if (found.length > 0) throw new ViolationError(found.join("\n"))
  }

  nextName(kind: string): string {
    return `${kind} ${this.#nextName++}`
  }

  get liveTopics(): ClusterTopic[] {
    return this.topics.flatMap((topic) => (topic?.isLive ? [topic] : []))
  }

  /** What the topic's policy promised is over: a failure came that it does not cover. */
  allowLoss(topic: ClusterTopic): void {
    for (let index = 0; index < topic.partitions; index++) {
      if (topic.lossAllowed.has(index)) continue
      topic.lossAllowed.add(index)
      this.history.lossAllowed(topic.numberOf(index))
    }
  }

  pause(env: Env, ms: number): Promise<void> {
    return new Promise((resolve) => env.timers.after(ms, resolve))
  }

  think(env: Env, random: SeededRandom): Promise<void> {
    return this.pause(env, random.chance(0.02) ? random.int(5_000) : random.int(this.options.thinkMsMax))
  }
}
