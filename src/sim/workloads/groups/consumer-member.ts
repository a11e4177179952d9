/**
 * A member that speaks the consumer protocol (KIP-848): heartbeats that say what it has and learn what it shall have.
 *
 * Owns the client's part of reconciliation: what is taken away is read until it is given up, then the broker is told, and what is given is owned from the answer on. Invariant: an
 * acknowledgement is sent only after the history was told.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { ResponseOf } from "../../../protocol/message.js"
import { consumerGroupHeartbeat } from "../../../protocol/messages/consumer-group-heartbeat.js"
import { coordinatorErrors } from "./connections.js"
import { GroupMember, type OwnedPartition } from "./member.js"

type Answer = ResponseOf<typeof consumerGroupHeartbeat>
type Assigned = NonNullable<Answer["assignment"]>["topicPartitions"]

const leavingEpoch = -1
const leavingStaticEpoch = -2

export class ConsumerMember extends GroupMember {
  #heartbeatMs = Number.NEGATIVE_INFINITY
  /** What the broker said last that it shall have. */
  #assigned: Assigned = []
  /** It has to say what it has: after every change, and when it is not known whether the last word arrived. */
  #mustTell = true
  /** Sent since an answer came last: the first of them may have been heard. */
  #firstUnansweredMs: number | undefined
  /** By then it must have given up what was taken away, or it is put out. */
  #revocationDeadlineMs: number | undefined

  get isSettled(): boolean {
    return this.generation > 0 && !this.#mustTell && !this.isFenced && this.#revocationDeadlineMs === undefined
  }

  protected get isClassicOnly(): boolean {
    return false
  }

  protected get commitVersionMin(): number {
    return 9
  }

  protected get fetchIdentity(): { memberId: string; memberEpoch: number } | undefined {
    return this.random.chance(0.8) ? { memberId: this.memberId, memberEpoch: this.generation } : undefined
  }

  get #isJoining(): boolean {
    return this.generation <= 0
  }

  resubscribe(topics: readonly string[]): void {
    this.topics = topics
    this.#mustTell = true
  }

  protected async stay(): Promise<void> {
    const nowMs = this.env.clock.monotonicMs()
    const isDue = nowMs - this.#heartbeatMs >= this.group.heartbeatIntervalMs
    if (!isDue && !this.#mustTell) return this.#reconcile()
    this.#heartbeatMs = nowMs
    await this.#heartbeat()
  }

  async #heartbeat(): Promise<void> {
    const { model, group, random, instanceId } = this
    const isJoining = this.#isJoining
    const version = random.between(0, consumerGroupHeartbeat.maxVersion)
    if (isJoining && this.memberId === "" && version >= 1) this.memberId = random.uuid()
    if (isJoining) model.counts.joins += 1
    // A former process of the classic protocol gives way at once, one of this protocol must have left.
    if (isJoining && instanceId !== null && group.flavour === "mixed") this.takesOver()
    const isFull = isJoining || this.#mustTell || random.chance(0.1)
    const sentMs = model.nowMs
    this.#firstUnansweredMs ??= sentMs
    const epoch = isJoining ? 0 : this.generation
    const told = [...this.owned.keys()].sort().join()
    const { topics } = this
    const answer = await this.ask(consumerGroupHeartbeat, version, {
      groupId: group.name,
      memberId: this.memberId,
      memberEpoch: epoch,
      instanceId,
      rackId: null,
      rebalanceTimeoutMs: isFull ? group.rebalanceTimeoutMs : -1,
      subscribedTopicNames: isFull ? [...topics] : null,
      serverAssignor: isFull ? group.assignor : null,
      topicPartitions: isFull ? (isJoining ? [] : this.#ownedById()) : null,
    })
    if (answer === undefined) {
      this.#mustTell = true
      return
    }
    if (answer.errorCode !== Errors.NONE) return this.#onError(answer.errorCode as ErrorCode)
    if (isFull && this.topics === topics && [...this.owned.keys()].sort().join() === told) this.#mustTell = false
    // Each new assignment is acknowledged, also one that changes nothing here: what it takes away may be of a topic that is gone already.
    if (!isFull && answer.assignment !== null) this.#mustTell = true
    if (!isJoining) this.accepted("heartbeat", { memberId: this.memberId, generation: epoch }, [], sentMs)
    await this.#take(answer, sentMs)
  }

  #ownedById(): { topicId: string; partitions: number[] }[] {
    const topics = new Map<string, number[]>()
    for (const { topic, index } of this.owned.values())
      topics.set(topic.topicId, [...(topics.get(topic.topicId) ?? []), index])
    return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }))
  }

  async #take(answer: Answer, sentMs: number): Promise<void> {
    const { group, model } = this
    const firstMs = this.#firstUnansweredMs ?? sentMs
    this.#firstUnansweredMs = undefined
    this.memberId = answer.memberId ?? this.memberId
    const hasMoved = this.generation !== answer.memberEpoch
    this.generation = answer.memberEpoch
    if (answer.assignment !== null) this.#assigned = answer.assignment.topicPartitions
    const assigned = this.#resolved()
    const isRevoking = [...this.owned.keys()].some((key) => !assigned.has(key))
    // The time for giving up does not start anew with every heartbeat.
    this.#revocationDeadlineMs = isRevoking
      ? (this.#revocationDeadlineMs ?? firstMs + group.rebalanceTimeoutMs)
      : undefined
    const untilMs = Math.min(
      sentMs + model.options.consumerSessionTimeoutMs,
      this.#revocationDeadlineMs ?? sentMs + group.rebalanceTimeoutMs,
    )
    if (answer.assignment !== null || hasMoved) this.wasAssigned(assigned, sentMs, untilMs - sentMs)
    this.#add(assigned)
    this.wasAnswered(sentMs, untilMs - sentMs, this.topics)
    await this.#reconcile()
  }

  /** What it shall have, as far as the topics are known. */
  #resolved(): Map<string, OwnedPartition> {
    const partitions = new Map<string, OwnedPartition>()
    for (const { topicId, partitions: indexes } of this.#assigned) {
      const topic = this.model.topicById(topicId)
      if (topic === undefined) continue
      for (const index of indexes) {
        const key = topic.partitionName(index)
        partitions.set(key, this.owned.get(key) ?? { topic, index, position: undefined, committed: -1 })
      }
    }
    return partitions
  }

  #add(assigned: ReadonlyMap<string, OwnedPartition>): void {
    const isNew = [...assigned.keys()].some((key) => !this.owned.has(key))
    if (!isNew) return
    this.own(new Map([...this.owned, ...assigned]))
    this.#mustTell = true
  }

  /** Gives up what it shall not have any more, in its own time, and says so. */
  async #reconcile(): Promise<void> {
    const { random, model, generation } = this
    this.#add(this.#resolved())
    const isRevoking = [...this.owned.keys()].some((key) => !this.#resolved().has(key))
    if (!isRevoking) return
    if (random.chance(0.3)) return
    if (random.chance(0.7)) await this.commit()
    if (random.chance(0.1) && !model.isEnding)
      await model.pause(this.env, random.int(2 * this.group.rebalanceTimeoutMs))
    if (this.isFenced || this.generation !== generation) return
    const assigned = this.#resolved()
    if (random.chance(0.3))
      this.commitLate(
        generation,
        [...this.owned].flatMap(([key, partition]) => (assigned.has(key) ? [] : [partition])),
      )
    this.own(new Map([...this.owned].filter(([key]) => assigned.has(key))))
    this.#mustTell = true
  }

  async #onError(errorCode: ErrorCode): Promise<void> {
    switch (errorCode) {
      case Errors.UNKNOWN_MEMBER_ID:
      case Errors.FENCED_MEMBER_EPOCH:
      case Errors.GROUP_ID_NOT_FOUND:
      case Errors.ILLEGAL_GENERATION:
        return this.#lose()
      case Errors.FENCED_INSTANCE_ID:
        this.isFenced = true
        this.model.counts.fenced += 1
        this.isOut(true)
        return
      case Errors.UNRELEASED_INSTANCE_ID:
      case Errors.INCONSISTENT_GROUP_PROTOCOL:
      case Errors.STALE_MEMBER_EPOCH:
      case Errors.REBALANCE_IN_PROGRESS:
        // The one before it has to go first; or its next heartbeat says what is to be done.
        return this.model.pause(this.env, this.random.between(50, 500))
    }
    this.#mustTell = true
    if (coordinatorErrors.has(errorCode)) return this.seekCoordinator()
    this.model.violated(`errors are those of the protocol: ${this.name} is answered with error ${errorCode}`)
  }

  #lose(): void {
    this.isOut(true)
    this.generation = -1
    this.#assigned = []
    this.#revocationDeadlineMs = undefined
    this.#mustTell = true
  }

  protected async commitRefused(errorCode: ErrorCode): Promise<void> {
    await this.#onError(errorCode)
  }

  async leave(): Promise<void> {
    const { memberId, instanceId, group, model, random } = this
    if (random.chance(0.7)) await this.commit()
    if (this.isFenced || this.#isJoining) return
    this.isOut(false)
    model.counts.leaves += 1
    const memberEpoch = instanceId === null || random.chance(0.3) ? leavingEpoch : leavingStaticEpoch
    await this.ask(consumerGroupHeartbeat, random.between(0, consumerGroupHeartbeat.maxVersion), {
      groupId: group.name,
      memberId,
      memberEpoch,
      instanceId,
      rebalanceTimeoutMs: -1,
      topicPartitions: [],
    })
  }
}
