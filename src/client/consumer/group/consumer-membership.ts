/**
 * A member under the consumer protocol: tells the coordinator by heartbeats what it wants and has, and is told what to have (KIP-848).
 *
 * Owns the member's epoch, its target, and what of all that the coordinator has heard. Pure: requests go out and answers come in through `membership.ts`. Invariant: a partition is told as let go of when
 * nothing is done with it any more, not before; a member that was fenced says that it has nothing only when that is so.
 */
import type { Uuid } from "../../../base/ids.js"
import { Errors, errorByCode } from "../../../protocol/errors.js"
import type { RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import { consumerGroupHeartbeat } from "../../../protocol/messages/consumer-group-heartbeat.js"
import { type ClientError, GroupError } from "../../errors.js"
import type { TopicPartition } from "../record-reader.js"
import {
  heartbeatTimeoutMs,
  type Identity,
  type Membership,
  type MembershipOptions,
  type Outgoing,
  outgoing,
  type Work,
} from "./membership.js"

export interface ConsumerMembershipOptions extends MembershipOptions {
  /** Members make their own ids (KIP-1082). */
  readonly memberId: string
  /** Null: the group's choice. */
  readonly serverAssignor: string | null
  /** Undefined: no topic of the subscription is known by that id now. */
  topicNamed(topicId: Uuid): string | undefined
}

type HeartbeatAnswer = ResponseOf<typeof consumerGroupHeartbeat>

interface Held extends TopicPartition {
  readonly topicId: Uuid
}

const joiningEpoch = 0
const leavingEpoch = -1
const leavingStaticEpoch = -2
const notAMember = -1

export class ConsumerMembership implements Membership {
  failure: ClientError | undefined
  readonly fetchesWithEpoch = true
  readonly watchedTopics: readonly string[] = []
  #epoch = joiningEpoch
  #isLost = false
  #isResting = false
  #isLeaving = false
  /** What the coordinator has heard is not known: it is told everything. */
  #isToldAll = false
  #hasNews = true
  #intervalMs: number
  #sentMs = Number.NEGATIVE_INFINITY
  #retryAtMs = Number.NEGATIVE_INFINITY
  #instanceHeldSinceMs: number | undefined
  #owned = new Map<string, Held>()
  /** By topic id. */
  #target: ReadonlyMap<Uuid, readonly number[]> | undefined
  #working: Work | undefined
  #workingOn: readonly Held[] = []

  constructor(private readonly options: ConsumerMembershipOptions) {
    this.#intervalMs = options.heartbeatIntervalMs
  }

  get identity(): Identity {
    return { memberId: this.options.memberId, epoch: this.#epoch === joiningEpoch ? notAMember : this.#epoch }
  }

  next(nowMs: number): Outgoing | number {
    if (this.failure !== undefined) return Number.POSITIVE_INFINITY
    if (this.#isLeaving) {
      this.#isLeaving = false
      const leaving = this.leave()
      this.#epoch = joiningEpoch
      if (leaving !== undefined) return leaving
    }
    if (this.#isResting) return Number.POSITIVE_INFINITY
    if (nowMs < this.#retryAtMs) return this.#retryAtMs
    if (this.#epoch === joiningEpoch)
      // Who joins says that it has nothing.
      return this.#working !== undefined || this.#owned.size > 0
        ? Number.POSITIVE_INFINITY
        : this.#heartbeat(nowMs, true)
    const dueMs = this.#hasNews || !this.#isToldAll ? nowMs : this.#sentMs + this.#intervalMs
    return nowMs < dueMs ? dueMs : this.#heartbeat(nowMs, !this.#isToldAll)
  }

  #heartbeat(nowMs: number, tellsAll: boolean): Outgoing {
    const { groupId, memberId, instanceId, rackId, rebalanceTimeoutMs, topics, serverAssignor } = this.options
    const owned = tellsAll || this.#hasNews ? { topicPartitions: this.#ownedByTopic() } : {}
    const all: Partial<RequestInputOf<typeof consumerGroupHeartbeat>> = tellsAll
      ? {
          instanceId,
          rackId: rackId === "" ? null : rackId,
          rebalanceTimeoutMs,
          subscribedTopicNames: [...topics],
          serverAssignor,
        }
      : // A static member is known by its instance in every heartbeat.
        { instanceId }
    this.#sentMs = nowMs
    this.#hasNews = false
    this.#isToldAll = true
    const epoch = this.#epoch
    return outgoing(
      consumerGroupHeartbeat,
      { groupId, memberId, memberEpoch: epoch, ...all, ...owned },
      heartbeatTimeoutMs(this.options),
      (answer, answeredMs) => {
        if (epoch === this.#epoch && !this.#isResting) this.#onAnswer(answer, answeredMs)
        return answer.errorCode
      },
    )
  }

  #ownedByTopic(): { topicId: Uuid; partitions: number[] }[] {
    const topics = new Map<Uuid, number[]>()
    for (const { topicId, partition } of this.#owned.values()) {
      const known = topics.get(topicId)
      if (known === undefined) topics.set(topicId, [partition])
      else known.push(partition)
    }
    return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }))
  }

  #onAnswer(
    { errorCode, errorMessage, memberEpoch, heartbeatIntervalMs, assignment }: HeartbeatAnswer,
    nowMs: number,
  ): void {
    if (errorCode !== Errors.NONE) {
      this.#onRefusal(errorCode, nowMs, errorMessage)
      return
    }
    this.#epoch = memberEpoch
    this.#intervalMs = Math.max(1, heartbeatIntervalMs)
    this.#instanceHeldSinceMs = undefined
    if (assignment !== null)
      this.#target = new Map(assignment.topicPartitions.map(({ topicId, partitions }) => [topicId, [...partitions]]))
  }

  refused(errorCode: number, epoch: number): void {
    if (epoch !== this.#epoch || this.failure !== undefined) return
    // The next heartbeat brings the new epoch, and tells why there is one.
    if (errorCode === Errors.STALE_MEMBER_EPOCH) this.#isToldAll = false
    else this.#onRefusal(errorCode, Number.NEGATIVE_INFINITY, null)
  }

  #onRefusal(errorCode: number, nowMs: number, detail: string | null): void {
    this.#isToldAll = false
    const { groupId, instanceId, sessionTimeoutMs, retryBackoffMs } = this.options
    const isMember = this.#epoch !== joiningEpoch
    if (
      errorCode === Errors.UNKNOWN_MEMBER_ID ||
      errorCode === Errors.FENCED_MEMBER_EPOCH ||
      (isMember && errorCode === Errors.GROUP_ID_NOT_FOUND)
    ) {
      this.#lose()
      this.#retryAtMs = nowMs + (isMember ? 0 : retryBackoffMs)
      return
    }
    // A static member that died is not gone before its session is over, at the latest.
    if (errorCode === Errors.UNRELEASED_INSTANCE_ID) {
      this.#instanceHeldSinceMs ??= nowMs
      if (nowMs - this.#instanceHeldSinceMs < 2 * sessionTimeoutMs) {
        this.#retryAtMs = nowMs + Math.max(retryBackoffMs, Math.min(1_000, this.#intervalMs))
        return
      }
    }
    if (errorByCode(errorCode)?.retriable === true) {
      this.#retryAtMs = nowMs + retryBackoffMs
      return
    }
    const who = instanceId === null ? "" : `, instance ${instanceId}`
    this.failure = new GroupError(errorCode, `group ${groupId}${who}`, detail)
    this.#lose()
  }

  #lose(): void {
    this.#isLost = true
    this.#epoch = joiningEpoch
    this.#target = undefined
    this.#isToldAll = false
  }

  unanswered(nowMs: number): void {
    this.#isToldAll = false
    this.#retryAtMs = nowMs + this.options.retryBackoffMs
  }

  // Work with partitions

  work(): Work | undefined {
    const work = this.#workToDo()
    this.#working = work
    return work
  }

  #workToDo(): Work | undefined {
    const owned = [...this.#owned.values()]
    if (this.#isLost) {
      this.#workingOn = owned
      if (owned.length > 0) return { type: "revoke", partitions: owned, isLost: true }
      this.#isLost = false
    }
    if (this.#target === undefined) return undefined
    const target = this.#target
    const taken = owned.filter(({ topicId, partition }) => target.get(topicId)?.includes(partition) !== true)
    if (taken.length > 0) {
      this.#workingOn = taken
      return { type: "revoke", partitions: taken, isLost: false }
    }
    const given: Held[] = []
    let hasUnknown = false
    for (const [topicId, partitions] of target) {
      const topic = this.options.topicNamed(topicId)
      for (const partition of partitions) {
        if (this.#owned.has(heldKey(topicId, partition))) continue
        if (topic === undefined) hasUnknown = true
        else given.push({ topicId, topic, partition })
      }
    }
    if (given.length > 0) {
      this.#workingOn = given
      return { type: "assign", partitions: given }
    }
    return hasUnknown ? { type: "refresh" } : undefined
  }

  done(): void {
    const work = this.#working
    this.#working = undefined
    if (work?.type === "revoke")
      for (const { topicId, partition } of this.#workingOn) this.#owned.delete(heldKey(topicId, partition))
    if (work?.type === "assign")
      for (const each of this.#workingOn) this.#owned.set(heldKey(each.topicId, each.partition), each)
    this.#workingOn = []
    if (work?.type === "revoke" || work?.type === "assign") this.#hasNews = true
  }

  seen(): void {}

  // Leaving

  overslept(): void {
    if (this.failure !== undefined || this.#isResting) return
    const epoch = this.#epoch
    this.#lose()
    this.#epoch = epoch
    this.#isLeaving = epoch !== joiningEpoch
    this.#isResting = true
  }

  awoke(): boolean {
    const wasResting = this.#isResting
    this.#isResting = false
    return wasResting
  }

  leave(): Outgoing | undefined {
    const { groupId, memberId, instanceId, requestTimeoutMs } = this.options
    // A join may have been heard though its answer was not.
    if (this.#sentMs === Number.NEGATIVE_INFINITY || this.failure !== undefined) return undefined
    const memberEpoch = instanceId === null ? leavingEpoch : leavingStaticEpoch
    return outgoing(
      consumerGroupHeartbeat,
      { groupId, memberId, memberEpoch, instanceId },
      requestTimeoutMs,
      ({ errorCode }) => errorCode,
    )
  }
}

const heldKey = (topicId: Uuid, partition: number): string => `${topicId}/${partition}`
