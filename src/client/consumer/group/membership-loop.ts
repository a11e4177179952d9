/**
 * Performs what a membership decides: sends its requests, does its work with partitions, wakes it in time.
 *
 * Owns the one request on its way, the one piece of work being done, and one timer. Decides nothing about the group. Invariant: after `end` nothing is sent, done or timed any more.
 */
import type { Env, Timer } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { Cluster } from "../../cluster.js"
import { ClientError, ConnectionError } from "../../errors.js"
import type { TopicPartition } from "../record-reader.js"
import type { Coordinator } from "./coordinator.js"
import type { Membership, Outgoing, PartitionCounts, Work } from "./membership.js"

/** What the consumer does for its membership. No promise is rejected. */
export interface MembershipHost {
  /** Resolves when nothing is done with them any more, and what was done is committed, or cannot be. */
  revoke(partitions: readonly TopicPartition[], isLost: boolean): Promise<void>
  /** Resolves when they are being read. */
  assign(partitions: readonly TopicPartition[]): Promise<void>
  /** When whoever works with the records must have come back for more; infinite while nobody has any. */
  deadlineMs(): number
  overslept(): void
  failed(error: ClientError): void
}

/** How long a leader looks for topics that its members name and nobody knows. */
const lookUpMs = 5_000

export class MembershipLoop {
  #isAsking = false
  #isWorking = false
  #isPumping = false
  #isEnded = false
  #hasFailed = false
  #timer: Timer | undefined

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly coordinator: Coordinator,
    private readonly membership: Membership,
    private readonly host: MembershipHost,
    private readonly topics: readonly string[],
  ) {}

  /** Something has happened that the membership may act on. */
  stir(): void {
    if (this.#isEnded || this.#isPumping) return
    this.#isPumping = true
    this.env.timers.soon(() => {
      this.#isPumping = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#isEnded) return
    const { membership, host } = this
    const nowMs = this.env.clock.monotonicMs()
    membership.seen(this.#counts(membership.watchedTopics))
    const deadlineMs = host.deadlineMs()
    if (nowMs >= deadlineMs) {
      membership.overslept()
      host.overslept()
    }
    if (!this.#isWorking) {
      const work = membership.work()
      if (work !== undefined) void this.#perform(work)
    }
    this.#timer?.cancel()
    this.#timer = undefined
    let dueMs = nowMs < deadlineMs ? deadlineMs : Number.POSITIVE_INFINITY
    if (!this.#isAsking) {
      const next = membership.next(nowMs)
      if (typeof next === "number") dueMs = Math.min(dueMs, next)
      else void this.#ask(next)
    }
    if (membership.failure !== undefined && !this.#hasFailed) {
      this.#hasFailed = true
      host.failed(membership.failure)
    }
    if (dueMs < Number.POSITIVE_INFINITY)
      this.#timer = this.env.timers.after(Math.max(1, dueMs - nowMs), () => this.#pump())
  }

  #counts(topics: readonly string[]): PartitionCounts {
    return new Map(topics.map((topic) => [topic, this.cluster.topic(topic)?.partitions.length ?? 0]))
  }

  async #ask({ api, request, timeoutMs, answered }: Outgoing): Promise<void> {
    this.#isAsking = true
    const { coordinator, membership } = this
    try {
      const errorCode = await coordinator.ask("membership", api, request, timeoutMs, (response) =>
        this.#isEnded ? Errors.NONE : answered(response, this.env.clock.monotonicMs()),
      )
      if (errorCode === Errors.NOT_COORDINATOR || errorCode === Errors.COORDINATOR_NOT_AVAILABLE) coordinator.moved()
    } catch (error) {
      if (this.#isEnded) return
      membership.unanswered(this.env.clock.monotonicMs())
      if (!(error instanceof ConnectionError)) this.#end(error)
    }
    this.#isAsking = false
    this.stir()
  }

  /** An error that asking again does not help against. */
  #end(error: unknown): void {
    this.end()
    const message = `the consumer cannot go on: ${error instanceof Error ? error.message : String(error)}`
    this.host.failed(error instanceof ClientError ? error : new ClientError("INTERNAL", message, false, error))
  }

  async #perform(work: Work): Promise<void> {
    this.#isWorking = true
    let counts: PartitionCounts = new Map()
    switch (work.type) {
      case "revoke":
        await this.host.revoke(work.partitions, work.isLost)
        break
      case "assign":
        await this.host.assign(work.partitions)
        break
      case "look up":
        counts = await this.#lookUp(work.topics)
        break
      case "refresh":
        await this.#refreshed()
        break
    }
    if (this.#isEnded) return
    this.membership.done(counts)
    this.#isWorking = false
    this.stir()
  }

  async #lookUp(topics: readonly string[]): Promise<PartitionCounts> {
    const endMs = this.env.clock.monotonicMs() + lookUpMs
    for (;;) {
      const views = topics.map((topic) => this.cluster.topic(topic))
      // A topic that is told of with an error is one that is not there.
      if (this.#isEnded || views.every((view) => view !== undefined) || this.env.clock.monotonicMs() >= endMs)
        return this.#counts(topics)
      await this.#refreshed()
    }
  }

  #refreshed(): Promise<void> {
    return new Promise((resolve) => {
      this.cluster.onRefreshed(resolve)
      this.cluster.refresh()
    })
  }

  end(): void {
    this.#isEnded = true
    this.#timer?.cancel()
    this.#timer = undefined
    // Topics of other members are nobody's here any more.
    for (const topic of this.membership.watchedTopics) if (!this.topics.includes(topic)) this.cluster.forget(topic)
  }
}
