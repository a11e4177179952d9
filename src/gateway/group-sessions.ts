/**
 * Consumers of groups that callers reach by HTTP.
 *
 * Owns who they are, one by one and by group, and their leases: one that is not asked for anything for so long leaves its group, as a consumer that died would. What a consumer of a group does is the client's; `GroupConsumer` is all that
 * is asked of it. Invariant: offsets are committed when the caller says so, never by polling.
 */
import type { Env, Timer } from "../env/env.js"
import type { ConsumerRecord } from "../client/consumer/record.js"
import { groupConsumersMax } from "./limits.js"
import { Problem, tooMany } from "./problem.js"

/** What is asked of a consumer that is a member of a group. */
export interface GroupConsumer {
  readonly assignment: readonly { readonly topic: string; readonly partition: number }[]
  poll(options: {
    readonly max?: number
    readonly timeoutMs?: number
    readonly signal?: AbortSignal
  }): Promise<ConsumerRecord[]>
  commit(
    offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: bigint }[],
  ): Promise<void>
  seek(topic: string, partition: number, to: bigint | "earliest" | "latest" | { readonly timestamp: number }): void
  close(): Promise<void>
}

export interface GroupConsumerConfig {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly from: "earliest" | "latest"
  readonly autoCommit: false
  readonly maxPollIntervalMs: number
}

/** Makes a consumer with connections of its own: answers of one connection come in order, and this one's wait for records. */
export type OpenGroupConsumer = (config: GroupConsumerConfig) => GroupConsumer

export const leaseMsDefault = 60_000
export const leaseMsMin = 1_000
export const leaseMsMax = 3_600_000
/** The lease ends first, so that the group hears it from here. */
const pollIntervalMarginMs = 30_000

export interface GroupSession {
  readonly consumerId: string
  readonly group: string
  readonly topics: readonly string[]
  readonly leaseMs: number
  readonly consumer: GroupConsumer
  isPolling: boolean
  /** What was handed out and not committed: the next offset by topic and partition. */
  readonly polled: Map<string, { topic: string; partition: number; offset: bigint }>
}

interface Held extends GroupSession {
  timer: Timer | undefined
  lastUsedMs: number
}

export class GroupSessions {
  readonly #held = new Map<string, Held>()

  constructor(
    private readonly env: Env,
    private readonly open: OpenGroupConsumer,
  ) {}

  get count(): number {
    return this.#held.size
  }

  /** Errors: Problem 429; what opening a consumer throws. */
  subscribe(options: {
    readonly group: string
    readonly topics: readonly string[]
    readonly from: "earliest" | "latest"
    readonly leaseMs: number
  }): GroupSession {
    if (this.#held.size >= groupConsumersMax)
      throw tooMany(
        "consumers",
        groupConsumersMax,
        "delete consumers that nobody uses; idle ones leave after their lease",
      )
    const { group, topics, from, leaseMs } = options
    const consumer = this.open({
      groupId: group,
      topics,
      from,
      autoCommit: false,
      maxPollIntervalMs: leaseMs + pollIntervalMarginMs,
    })
    const session: Held = {
      consumerId: this.env.random.uuid(),
      group,
      topics,
      leaseMs,
      consumer,
      isPolling: false,
      polled: new Map(),
      timer: undefined,
      lastUsedMs: this.env.clock.monotonicMs(),
    }
    this.#held.set(session.consumerId, session)
    this.#watch(session)
    return session
  }

  /** The one that is meant, with its lease renewed. Without an id: the only one of the group here. Errors: Problem 404, 409. */
  get(group: string, consumerId: string | undefined): GroupSession {
    const session = consumerId === undefined ? this.#only(group) : this.#held.get(consumerId)
    if (session === undefined || session.group !== group) throw unknownConsumer(group, consumerId)
    session.lastUsedMs = this.env.clock.monotonicMs()
    return session
  }

  #only(group: string): Held | undefined {
    const all = [...this.#held.values()].filter((session) => session.group === group)
    if (all.length < 2) return all[0]
    throw new Problem({
      status: 409,
      slug: "which-consumer",
      title: "The group has several consumers",
      field: "consumer_id",
      detail: `${all.length} consumers of ${group} are here`,
      remedy: "say which one is meant: consumer_id, as POST /consumers/{group}/subscribe returned it",
    })
  }

  /** Leaves the group. Errors: Problem 404. */
  async remove(group: string, consumerId: string): Promise<void> {
    const session = this.#held.get(consumerId)
    if (session === undefined || session.group !== group) throw unknownConsumer(group, consumerId)
    await this.#end(session)
  }

  #watch(session: Held): void {
    const nowMs = this.env.clock.monotonicMs()
    const dueMs = session.isPolling ? nowMs + session.leaseMs : session.lastUsedMs + session.leaseMs
    session.timer = this.env.timers.after(Math.max(1, dueMs - nowMs), () => {
      const idleMs = this.env.clock.monotonicMs() - session.lastUsedMs
      if (session.isPolling || idleMs < session.leaseMs) return this.#watch(session)
      this.env.log.log("info", "a consumer leaves: nobody has asked for it", {
        group: session.group,
        consumerId: session.consumerId,
        leaseMs: session.leaseMs,
      })
      this.#end(session).catch((error: unknown) => {
        this.env.log.log("warn", "a consumer did not leave cleanly", { reason: String(error) })
      })
    })
  }

  async #end(session: Held): Promise<void> {
    this.#held.delete(session.consumerId)
    session.timer?.cancel()
    await session.consumer.close()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#held.values()].map((session) => this.#end(session)))
  }
}

const unknownConsumer = (group: string, consumerId: string | undefined): Problem =>
  new Problem({
    status: 404,
    slug: "unknown-consumer",
    title: "The consumer does not exist",
    field: "consumer_id",
    detail:
      consumerId === undefined
        ? `no consumer of ${group} is here`
        : `${consumerId} is no consumer of ${group} here, or its lease is over`,
    remedy: `subscribe: POST /consumers/${group}/subscribe with {"topics": [...]}`,
    kafka: "UNKNOWN_MEMBER_ID",
  })
