/**
 * How fast replicas that are out of sync may be brought up to date (KIP-73).
 *
 * Owns the two byte budgets and which replicas they hold for. Who is in sync is never held back: a throttle must not cost a partition its replicas. Decides only; whoever is over the
 * budget is asked again later.
 */
import type { BrokerId } from "../base/ids.js"

/** A budget of bytes per second. What one second leaves is not saved for the next but one. */
export class ByteBudget {
  #left = 0
  #filledMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly nowMs: () => number,
    private readonly bytesPerSecond: () => number,
  ) {}

  get isSpent(): boolean {
    this.#fill()
    return this.#left <= 0
  }

  /** May go below nothing: what is over is taken off what comes. */
  spend(bytes: number): void {
    this.#fill()
    this.#left -= bytes
  }

  #fill(): void {
    const nowMs = this.nowMs()
    const rate = this.bytesPerSecond()
    const gained = ((nowMs - this.#filledMs) / 1000) * rate
    this.#left = Math.min(rate, Number.isFinite(gained) ? this.#left + gained : rate)
    this.#filledMs = nowMs
  }
}

/** `*`, or `partition:broker` pairs: `leader.replication.throttled.replicas` and its like. */
export class ThrottledReplicas {
  readonly #all: boolean
  readonly #pairs: ReadonlySet<string>

  constructor(setting: string) {
    this.#all = setting === "*"
    this.#pairs = new Set(setting.split(",").filter((pair) => pair !== ""))
  }

  has(partition: number, brokerId: BrokerId): boolean {
    return this.#all || this.#pairs.has(`${partition}:${brokerId}`)
  }
}

export interface ThrottleSettings {
  /** `leader.replication.throttled.rate` and `follower.replication.throttled.rate`, bytes per second. */
  leaderRate(): number
  followerRate(): number
  /** `leader.replication.throttled.replicas` and `follower.replication.throttled.replicas` of a topic; empty: none. */
  leaderReplicas(topic: string): string
  followerReplicas(topic: string): string
}

/** One side, leader or follower, of one broker. */
export class ReplicationQuota {
  readonly #budget: ByteBudget
  /** Of the topics that have any. */
  readonly #topics = new Map<string, ThrottledReplicas>()

  constructor(
    private readonly nodeId: BrokerId,
    nowMs: () => number,
    bytesPerSecond: () => number,
    private readonly replicasOf: (topic: string) => string,
  ) {
    this.#budget = new ByteBudget(nowMs, bytesPerSecond)
  }

  /** The settings of the topic have changed, or it is new here, or gone. */
  refresh(topic: string): void {
    const setting = this.replicasOf(topic)
    if (setting === "") this.#topics.delete(topic)
    else this.#topics.set(topic, new ThrottledReplicas(setting))
  }

  holdsFor(topic: string, partition: number): boolean {
    return this.#topics.size > 0 && this.#topics.get(topic)?.has(partition, this.nodeId) === true
  }

  get isSpent(): boolean {
    return this.#budget.isSpent
  }

  spend(topic: string, partition: number, bytes: number): void {
    if (this.holdsFor(topic, partition)) this.#budget.spend(bytes)
  }
}
