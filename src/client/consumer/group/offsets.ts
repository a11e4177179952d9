/**
 * How far a group has come in its partitions, as its coordinator remembers it.
 *
 * Owns commits, one after the other, and questions for what is committed; what is tried again, and how long. Invariant: of two commits of one consumer the later one counts, so none overtakes another,
 * and none is tried again once its partitions may be somebody else's.
 */
import { zeroUuid } from "../../../base/ids.js"
import type { Env } from "../../../env/env.js"
import { Errors, errorByCode } from "../../../protocol/errors.js"
import { offsetCommit } from "../../../protocol/messages/offset-commit.js"
import { offsetFetch } from "../../../protocol/messages/offset-fetch.js"
import type { Cluster } from "../../cluster.js"
import { BrokerError, ClosedError, ConnectionError, GroupError } from "../../errors.js"
import type { TopicPartition } from "../record-reader.js"
import type { Coordinator } from "./coordinator.js"
import { byTopic, type Membership, partitionKey } from "./membership.js"
import { deferred } from "./waiting.js"

export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface CommittedOffset extends TopicPartition {
  /** -1: none. */
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface OffsetsOptions {
  readonly groupId: string
  readonly instanceId: string | null
  readonly requestTimeoutMs: number
  readonly retryBackoffMs: number
}

/** The group has moved on while the commit was on its way; the member may have, too. */
const movedOn: ReadonlySet<number> = new Set([
  Errors.ILLEGAL_GENERATION,
  Errors.STALE_MEMBER_EPOCH,
  Errors.REBALANCE_IN_PROGRESS,
])

export class GroupOffsets {
  #last: Promise<unknown> = Promise.resolve()
  readonly #pauses = new Set<() => void>()
  #isEnded = false

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly coordinator: Coordinator,
    private readonly membership: Membership,
    private readonly options: OffsetsOptions,
    /** A member of this epoch was refused. */
    private readonly refused: (errorCode: number, epoch: number) => void,
  ) {}

  /**
   * Commits, after all commits before. `collect` is asked for the offsets when their turn comes; none are committed at once. `isOurs` says whether the partitions have been this consumer's all the time.
   * Tries again for `withinMs`. Returns what was committed.
   * Errors: GroupError (the group has another opinion of who this is), BrokerError, ConnectionError, ClosedError.
   */
  commit(
    collect: () => readonly OffsetToCommit[],
    withinMs: number,
    isOurs: (offsets: readonly OffsetToCommit[]) => boolean,
  ): Promise<readonly OffsetToCommit[]> {
    const commit = this.#last.then(() => this.#commit(collect(), withinMs, isOurs))
    this.#last = commit.catch(() => {})
    return commit
  }

  async #commit(
    offsets: readonly OffsetToCommit[],
    withinMs: number,
    isOurs: (offsets: readonly OffsetToCommit[]) => boolean,
  ): Promise<readonly OffsetToCommit[]> {
    if (offsets.length === 0) return offsets
    const { clock } = this.env
    const endMs = clock.monotonicMs() + withinMs
    for (;;) {
      const { epoch } = this.membership.identity
      // An empty group would take it from anybody.
      if (epoch < 0) throw this.#refusal(Errors.UNKNOWN_MEMBER_ID, offsets, epoch)
      let failure: unknown
      try {
        const errorCode = await this.#ask(offsets, Math.max(1, endMs - clock.monotonicMs()))
        if (errorCode === Errors.NONE) return offsets
        failure = this.#refusal(errorCode, offsets, epoch)
        const mayPass = errorByCode(errorCode)?.retriable === true || movedOn.has(errorCode)
        if (!mayPass) throw failure
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        failure = error
      }
      if (clock.monotonicMs() + this.options.retryBackoffMs >= endMs || this.#isEnded || !isOurs(offsets)) throw failure
      await this.#pause()
      if (!isOurs(offsets)) throw failure
    }
  }

  #refusal(errorCode: number, offsets: readonly OffsetToCommit[], epoch: number): BrokerError | GroupError {
    const { groupId } = this.options
    const names = offsets.slice(0, 3).map(({ topic, partition }) => `${topic}-${partition}`)
    const what = `group ${groupId}: offsets of ${names.join(", ")}${offsets.length > 3 ? ", ..." : ""} are not committed`
    this.refused(errorCode, epoch)
    const isAboutMember =
      movedOn.has(errorCode) || errorCode === Errors.UNKNOWN_MEMBER_ID || errorCode === Errors.FENCED_INSTANCE_ID
    return isAboutMember ? new GroupError(errorCode, what) : new BrokerError(errorCode, what)
  }

  /** The worst of what is answered. */
  async #ask(offsets: readonly OffsetToCommit[], leftMs: number): Promise<number> {
    const { groupId, instanceId, requestTimeoutMs } = this.options
    const { memberId, epoch } = this.membership.identity
    const topics = [...byTopic(offsets)].map(([name, partitions]) => ({
      name,
      topicId: this.#topicId(name),
      partitions: partitions.map(({ partition, offset, leaderEpoch, metadata }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      })),
    }))
    return this.coordinator.ask(
      "offsets",
      offsetCommit,
      { groupId, generationIdOrMemberEpoch: epoch, memberId, groupInstanceId: instanceId, topics },
      Math.min(requestTimeoutMs, leftMs),
      (answer) => {
        const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
        const errors = codes.filter((code) => code !== Errors.NONE)
        const errorCode = errors.find((code) => errorByCode(code)?.retriable !== true) ?? errors[0] ?? Errors.NONE
        this.#heed(errorCode)
        return errorCode
      },
    )
  }

  #heed(errorCode: number): void {
    if (errorCode === Errors.NOT_COORDINATOR || errorCode === Errors.COORDINATOR_NOT_AVAILABLE) this.coordinator.moved()
    if (errorCode === Errors.UNKNOWN_TOPIC_ID || errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION) this.cluster.refresh()
  }

  #topicId(name: string): string {
    return this.cluster.topic(name)?.topicId ?? zeroUuid
  }

  async #pause(): Promise<void> {
    const over = deferred()
    const timer = this.env.timers.after(this.options.retryBackoffMs, over.resolve)
    this.#pauses.add(over.resolve)
    await over.promise
    this.#pauses.delete(over.resolve)
    timer.cancel()
  }

  /** Nothing is tried again from here on. */
  end(): void {
    this.#isEnded = true
    for (const resolve of this.#pauses) resolve()
  }

  /**
   * What is committed of each, tried again as long as `mayGoOn`. Partitions of open transactions are waited for (KIP-447).
   * Errors: GroupError, BrokerError; ClosedError when it may go on no longer.
   */
  async fetch(partitions: readonly TopicPartition[], mayGoOn: () => boolean): Promise<CommittedOffset[]> {
    while (mayGoOn() && !this.#isEnded) {
      const { epoch } = this.membership.identity
      try {
        const found = await this.#fetch(partitions)
        if (typeof found !== "number") return found
        if (found === Errors.UNKNOWN_MEMBER_ID || found === Errors.STALE_MEMBER_EPOCH) this.refused(found, epoch)
        if (errorByCode(found)?.retriable !== true && found !== Errors.STALE_MEMBER_EPOCH) {
          const what = `group ${this.options.groupId}: its offsets are not told`
          throw found === Errors.UNKNOWN_MEMBER_ID ? new GroupError(found, what) : new BrokerError(found, what)
        }
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
      }
      await this.#pause()
    }
    throw new ClosedError("the consumer")
  }

  #fetch(partitions: readonly TopicPartition[]): Promise<CommittedOffset[] | number> {
    const { groupId, requestTimeoutMs } = this.options
    const { memberId, epoch } = this.membership.identity
    const who = this.membership.fetchesWithEpoch
      ? { memberId, memberEpoch: epoch }
      : { memberId: null, memberEpoch: -1 }
    const asked = [...byTopic(partitions)].map(([name, own]) => ({ name, topicId: this.#topicId(name), own }))
    const topics = asked.map(({ name, topicId, own }) => ({
      name,
      topicId,
      partitionIndexes: own.map(({ partition }) => partition),
    }))
    return this.coordinator.ask(
      "offsets",
      offsetFetch,
      { groupId: "", topics: [], groups: [{ groupId, ...who, topics }], requireStable: true },
      requestTimeoutMs,
      ({ groups }) => {
        const group = groups[0]
        const answers = new Map<string, CommittedOffset>()
        const codes = [group?.errorCode ?? Errors.COORDINATOR_NOT_AVAILABLE]
        for (const answer of group?.topics ?? []) {
          // From version 10 on a topic goes by its id alone.
          const topic = answer.name !== "" ? answer.name : asked.find(({ topicId }) => topicId === answer.topicId)?.name
          if (topic === undefined) continue
          for (const {
            partitionIndex,
            committedOffset,
            committedLeaderEpoch,
            metadata,
            errorCode,
          } of answer.partitions) {
            codes.push(errorCode)
            answers.set(partitionKey(topic, partitionIndex), {
              topic,
              partition: partitionIndex,
              offset: committedOffset,
              leaderEpoch: committedLeaderEpoch,
              metadata: metadata ?? "",
            })
          }
        }
        const errorCode = codes.find((code) => code !== Errors.NONE)
        if (errorCode !== undefined) {
          this.#heed(errorCode)
          return errorCode
        }
        const found = partitions.map(({ topic, partition }) => answers.get(partitionKey(topic, partition)))
        return found.every((each) => each !== undefined) ? found : Errors.COORDINATOR_NOT_AVAILABLE
      },
    )
  }
}
