/**
 * When a consumer of a group commits what.
 *
 * Owns commits by hand, and those that happen by themselves: from time to time, before partitions go, at the end. Invariant: what was committed for a partition that has gone meanwhile is not tried again.
 */
import type { Env, Timer } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import { ConfigError, GroupError } from "../../errors.js"
import type { TopicPartition } from "../record-reader.js"
import type { Membership } from "./membership.js"
import type { GroupOffsets, OffsetToCommit } from "./offsets.js"
import type { Assigned, Processed } from "./processed.js"

export interface OffsetAndMetadata extends TopicPartition {
  /** Of the next record to be read. */
  readonly offset: bigint
  readonly metadata?: string
}

export interface CommitsOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly requestTimeoutMs: number
  /** Undefined: nothing is committed by itself. */
  readonly autoCommitIntervalMs: number | undefined
}

/** What others may wait for: telling the coordinator before partitions go, and at the end. */
export const goodbyeMs = 5_000

export class Commits {
  #timer: Timer | undefined
  #isCommitting = false

  constructor(
    private readonly env: Env,
    private readonly offsets: GroupOffsets,
    private readonly processed: Processed,
    private readonly membership: Membership,
    private readonly options: CommitsOptions,
  ) {
    this.#commitLater()
  }

  /** Errors: GroupError, BrokerError, ConnectionError, ClosedError. */
  commitProcessed(): Promise<void> {
    return this.#commitProcessed(this.processed.all, this.options.requestTimeoutMs)
  }

  /** Errors: those of `commitProcessed`; ConfigError for what is no offset; GroupError for a partition that is not the consumer's now. */
  async commit(offsets: readonly OffsetAndMetadata[]): Promise<void> {
    const entries = offsets.map((each) => this.#entryOf(each))
    await this.#commit(() => entries, this.options.requestTimeoutMs)
  }

  #entryOf({ topic, partition, offset, metadata = "" }: OffsetAndMetadata): OffsetToCommit {
    if (typeof offset !== "bigint" || offset < 0n || offset > BigInt(Number.MAX_SAFE_INTEGER))
      throw new ConfigError(
        `commit: offset of ${topic}-${partition} is ${offset}; it must be a bigint that is no less than 0n`,
      )
    const { groupId, topics } = this.options
    const assigned = this.processed.of(topic, partition)
    // The group would take it from any member, and whoever has the partition now may be further.
    if (assigned === undefined && topics.includes(topic))
      throw new GroupError(
        Errors.ILLEGAL_GENERATION,
        `group ${groupId}: offsets of ${topic}-${partition} are not committed`,
        "the partition is not assigned to this consumer now;",
      )
    const at = Number(offset)
    const leaderEpoch = assigned === undefined ? -1 : this.processed.epochAt(assigned, at)
    return { topic, partition, offset: at, leaderEpoch, metadata }
  }

  /** What of these is processed, if that is to be committed by itself; a commit that fails is logged. */
  async byItself(assigned = this.processed.all): Promise<void> {
    const { autoCommitIntervalMs, requestTimeoutMs } = this.options
    if (autoCommitIntervalMs === undefined || this.membership.identity.epoch < 0) return
    await this.#orLog(this.#commitProcessed(assigned, Math.min(requestTimeoutMs, goodbyeMs)))
  }

  #commitLater(): void {
    const { autoCommitIntervalMs } = this.options
    if (autoCommitIntervalMs === undefined) return
    this.#timer = this.env.timers.after(autoCommitIntervalMs, () => {
      this.#commitLater()
      if (this.#isCommitting || this.membership.identity.epoch < 0) return
      this.#isCommitting = true
      void this.#orLog(this.#commitProcessed(this.processed.all, autoCommitIntervalMs)).then(() => {
        this.#isCommitting = false
      })
    })
  }

  async #orLog(commit: Promise<void>): Promise<void> {
    try {
      await commit
    } catch (error) {
      const { groupId } = this.options
      this.env.log.log("debug", "what was processed is not committed", { groupId, error: String(error) })
    }
  }

  #commitProcessed(assigned: readonly Assigned[], withinMs: number): Promise<void> {
    return this.#commit(() => this.processed.toCommit(assigned), withinMs)
  }

  async #commit(collect: () => readonly OffsetToCommit[], withinMs: number): Promise<void> {
    const before = this.processed.all
    const isOurs = (offsets: readonly OffsetToCommit[]) =>
      offsets.every(({ topic, partition }) => {
        const assigned = this.processed.of(topic, partition)
        return assigned !== undefined && before.includes(assigned)
      })
    for (const { topic, partition, offset } of await this.offsets.commit(collect, withinMs, isOurs)) {
      const assigned = this.processed.of(topic, partition)
      if (assigned !== undefined) assigned.committed = offset
    }
  }

  /** No more by itself, from time to time. */
  end(): void {
    this.#timer?.cancel()
  }
}
