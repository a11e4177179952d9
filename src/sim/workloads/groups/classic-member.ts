/**
 * A member that speaks the classic protocol: joins, is assigned or assigns, heartbeats, leaves.
 *
 * Owns the client's part of a rebalance, eager (all is given up before joining) or cooperative (what the next assignment lacks is given up after it, and joined again). Invariant: the
 * leader assigns what the subscriptions say, and nothing that somebody still claims.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { ResponseOf } from "../../../protocol/message.js"
import { heartbeat } from "../../../protocol/messages/heartbeat.js"
import { joinGroup } from "../../../protocol/messages/join-group.js"
import { leaveGroup } from "../../../protocol/messages/leave-group.js"
import { syncGroup } from "../../../protocol/messages/sync-group.js"
import { type Assignment, assignByRange, assignCooperatively, type TopicPartition } from "./assignors.js"
import { coordinatorErrors } from "./connections.js"
import { GroupMember, type OwnedPartition } from "./member.js"
import { decodedAssignment, decodedSubscription, encodedAssignment, encodedSubscription } from "./payloads.js"

type Joined = ResponseOf<typeof joinGroup>

/** Beyond what a phase of a rebalance may take. */
const patienceMs = 15_000

const protocolType = "consumer"

export class ClassicMember extends GroupMember {
  #mustJoin = true
  /** When it began to ask for what it was not assigned yet. */
  #firstJoinMs: number | undefined
  /** Once it has its assignment. */
  #mustRejoin = false
  #heartbeatMs = 0
  /** What the leader assigned: topics with their partitions, to notice when there are others. Undefined: it does not lead. */
  #assigned: ReadonlyMap<string, number> | undefined
  /** What it was told last. */
  #assignment: readonly TopicPartition[] = []
  /** Of the present generation, as far as the broker said. */
  #protocolName = ""

  get isSettled(): boolean {
    return !this.#mustJoin && !this.isFenced
  }

  protected get isClassicOnly(): boolean {
    return this.model.isClassicOnly(this.group)
  }

  protected get commitVersionMin(): number {
    return 2
  }

  protected get fetchIdentity(): undefined {
    return undefined
  }

  get #leaseMs(): number {
    return Math.min(this.group.sessionTimeoutMs, this.group.rebalanceTimeoutMs)
  }

  resubscribe(topics: readonly string[]): void {
    this.topics = topics
    this.#mustJoin = true
  }

  protected async stay(): Promise<void> {
    if (this.#mustJoin) return this.#join()
    const nowMs = this.env.clock.monotonicMs()
    if (nowMs - this.#heartbeatMs >= this.group.heartbeatIntervalMs) await this.#heartbeat()
    if (this.#assigned !== undefined && !this.#mustJoin) await this.#lookForChanges(this.#assigned)
    if (this.#isAsideOfTopics && !this.#mustJoin) await this.#followTopics()
  }

  get #isAsideOfTopics(): boolean {
    for (const { topic } of this.owned.values()) if (!topic.isLive) return true
    return this.owned.size < this.#assignment.length
  }

  async #heartbeat(): Promise<void> {
    const { model, group, generation, memberId, instanceId } = this
    this.#heartbeatMs = this.env.clock.monotonicMs()
    const sentMs = model.nowMs
    const answer = await this.ask(heartbeat, this.random.between(instanceId === null ? 0 : 3, heartbeat.maxVersion), {
      groupId: group.name,
      generationId: generation,
      memberId,
      groupInstanceId: instanceId,
    })
    if (answer === undefined) return
    if (answer.errorCode === Errors.NONE) {
      this.accepted("heartbeat", { memberId, generation }, [], sentMs)
      this.wasAnswered(sentMs, this.#leaseMs, this.topics)
    } else await this.#onError(answer.errorCode as ErrorCode)
  }

  /** Errors that any request of a member may meet. */
  async #onError(errorCode: ErrorCode): Promise<void> {
    switch (errorCode) {
      case Errors.REBALANCE_IN_PROGRESS:
        this.#mustJoin = true
        return
      case Errors.FENCED_INSTANCE_ID:
        this.isFenced = true
        this.model.counts.fenced += 1
        this.isOut(true)
        return
      case Errors.ILLEGAL_GENERATION:
      case Errors.UNKNOWN_MEMBER_ID:
      case Errors.GROUP_ID_NOT_FOUND:
        this.#lose(errorCode)
        return
    }
    if (coordinatorErrors.has(errorCode)) return this.seekCoordinator()
    this.model.violated(`errors are those of the protocol: ${this.name} is answered with error ${errorCode}`)
  }

  /** All it had is somebody else's by now. */
  #lose(errorCode: ErrorCode): void {
    this.isOut(errorCode !== Errors.ILLEGAL_GENERATION)
    this.#firstJoinMs = undefined
    if (errorCode !== Errors.ILLEGAL_GENERATION) this.memberId = ""
    this.generation = -1
    this.#assignment = []
    this.#assigned = undefined
    this.#mustJoin = true
  }

  protected async commitRefused(errorCode: ErrorCode): Promise<void> {
    await this.#onError(errorCode)
  }

  async #join(): Promise<void> {
    const { model, group, random, instanceId } = this
    if (!group.isCooperative && this.owned.size > 0) {
      if (random.chance(0.7)) await this.commit()
      if (this.isFenced) return
      this.giveUpAll()
    }
    const claimed = group.isCooperative ? [...this.owned.values()] : []
    const subscription = encodedSubscription(this.topics, claimed.map(nameOf), this.generation)
    if (instanceId !== null && this.memberId === "") this.takesOver()
    model.counts.joins += 1
    this.#firstJoinMs ??= model.nowMs
    // A static member that leads and restarts is told so from this version on only.
    // And a leader that is to keep apart who is static must be able to see it.
    const least = group.staticMembers > 0 ? 5 : 0
    const version = instanceId !== null ? joinGroup.maxVersion : random.between(least, joinGroup.maxVersion)
    const sentMs = model.nowMs
    const answer = await this.ask(
      joinGroup,
      version,
      {
        groupId: group.name,
        sessionTimeoutMs: group.sessionTimeoutMs,
        rebalanceTimeoutMs: version === 0 ? -1 : group.rebalanceTimeoutMs,
        memberId: this.memberId,
        groupInstanceId: instanceId,
        protocolType,
        protocols: [{ name: group.isCooperative ? "cooperative-sticky" : "range", metadata: subscription }],
      },
      Math.max(group.rebalanceTimeoutMs, group.sessionTimeoutMs, model.options.initialRebalanceDelayMs) + patienceMs,
    )
    if (answer === undefined) return
    switch (answer.errorCode) {
      case Errors.NONE:
        return this.#sync(answer, sentMs)
      case Errors.MEMBER_ID_REQUIRED:
        this.memberId = answer.memberId
        return
      case Errors.REBALANCE_IN_PROGRESS:
      case Errors.INCONSISTENT_GROUP_PROTOCOL:
        return model.pause(this.env, random.between(50, 500))
    }
    await this.#onError(answer.errorCode as ErrorCode)
  }

  async #sync(joined: Joined, joinSentMs: number): Promise<void> {
    const { model, group, random, instanceId, env } = this
    if (random.chance(0.1)) this.commitLate(this.generation, [...this.owned.values()])
    const isNext = joined.generationId === this.generation + 1
    this.memberId = joined.memberId
    this.generation = joined.generationId
    this.#protocolName = joined.protocolName ?? ""
    this.#heartbeatMs = env.clock.monotonicMs()
    // From when it asked it has at least the time for the next phase, unless there was a generation without it.
    if (this.owned.size > 0 && isNext && this.isClassicOnly) this.wasAnswered(joinSentMs, this.#leaseMs, this.topics)
    const isLeader = joined.leader === joined.memberId
    let assignment: Assignment | undefined
    if (isLeader) {
      assignment = await this.#assign(joined)
      if (assignment === undefined) return
    } else this.#assigned = undefined
    // Topics may have changed while nobody led, which nobody would notice. Kafka's clients live with that.
    this.#mustRejoin = joined.skipAssignment && model.options.topicChanges > 0
    if (random.chance(0.02) && !model.isEnding) await model.pause(env, random.int(2 * group.rebalanceTimeoutMs))
    const sentMs = model.nowMs
    const answer = await this.ask(
      syncGroup,
      random.between(instanceId === null ? 0 : 3, syncGroup.maxVersion),
      {
        groupId: group.name,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: instanceId,
        protocolType,
        protocolName: this.#protocolName,
        assignments:
          assignment === undefined || joined.skipAssignment
            ? this.#meddling(joined)
            : [...assignment].map(([memberId, partitions]) => ({
                memberId,
                assignment: encodedAssignment(partitions),
              })),
      },
      Math.max(group.rebalanceTimeoutMs, group.sessionTimeoutMs) + patienceMs,
    )
    if (answer === undefined) return
    if (answer.errorCode !== Errors.NONE) return this.#onError(answer.errorCode as ErrorCode)
    await this.#take(Buffer.from(answer.assignment), sentMs)
  }

  /** Who does not lead has nothing to assign; some try. */
  #meddling(joined: Joined): { memberId: string; assignment: Buffer }[] {
    if (joined.skipAssignment || !this.random.chance(0.1)) return []
    const everything = [...this.known].flatMap(([topic, { partitions }]) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    )
    return [{ memberId: joined.memberId, assignment: encodedAssignment(everything) }]
  }

  async #take(assignment: Buffer, sentMs: number): Promise<void> {
    const { model, group, generation } = this
    this.#assignment = assignment.length === 0 ? [] : decodedAssignment(assignment)
    this.#mustJoin = false
    // In a group of both protocols the time to give something up begins with the join, and not anew.
    const answeredMs = this.isClassicOnly ? sentMs : (this.#firstJoinMs ?? sentMs)
    // As the topics are now: of one that was made again an old name would be taken for the former.
    const partitions = await this.#resolved(0)
    if (partitions === undefined) {
      // It does not know what it was given: it asks for it again.
      this.#mustJoin = true
      return
    }
    if (this.isClassicOnly) {
      const names = namesOf(this.#assignment)
      const member = this.instanceId ?? this.memberId
      model.history.observe({ kind: "taken", group: group.name, generation, member, partitions: names })
    }
    if (this.#mustRejoin) this.#mustJoin = true
    this.#mustRejoin = false
    const revoked = [...this.owned].flatMap(([key, partition]) => (partitions.has(key) ? [] : [partition]))
    this.wasAssigned(partitions, sentMs, this.#leaseMs)
    this.own(partitions)
    this.wasAnswered(answeredMs, this.#leaseMs, this.topics)
    this.#firstJoinMs = undefined
    if (!group.isCooperative || revoked.length === 0) return
    this.#mustJoin = true
    if (this.random.chance(0.7)) await this.commit(revoked)
  }

  /** What it was assigned, as the topics that have those names now. Undefined: they could not be learned. */
  async #resolved(ageMsMax: number): Promise<Map<string, OwnedPartition> | undefined> {
    const names = [...new Set(this.#assignment.map(({ topic }) => topic))]
    if (!(await this.refreshMetadata(names, ageMsMax))) return undefined
    const partitions = new Map<string, OwnedPartition>()
    for (const { topic: name, partition: index } of this.#assignment) {
      const known = this.known.get(name)
      if (known === undefined) continue
      const topic = this.model.topicById(known.topicId)
      // So new that whoever made it does not know it yet.
      if (topic === undefined) return undefined
      const key = topic.partitionName(index)
      partitions.set(key, this.owned.get(key) ?? { topic, index, position: undefined, committed: -1 })
    }
    return partitions
  }

  /** A topic that was made again is another one under the same name, and assigned like the old one. */
  async #followTopics(): Promise<void> {
    const partitions = await this.#resolved(this.model.options.metadataAgeMs)
    if (partitions !== undefined && !this.#mustJoin) this.own(partitions)
  }

  /** The leader's part. Undefined: topics could not be learned. */
  async #assign(joined: Joined): Promise<Assignment | undefined> {
    const subscribers = joined.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      instanceId: groupInstanceId,
      ...decodedSubscription(Buffer.from(metadata)),
    }))
    const names = [...new Set(subscribers.flatMap(({ topics }) => topics))].sort()
    if (!(await this.refreshMetadata(names, 0))) return undefined
    const topics = this.#present(names)
    this.#assigned = topics
    this.#subscribed = names
    const assign = this.group.isCooperative ? assignCooperatively : assignByRange
    const assignment = assign(subscribers, topics)
    if (this.isClassicOnly && !joined.skipAssignment)
      this.model.history.observe({
        kind: "led",
        group: this.group.name,
        generation: joined.generationId,
        assignment: subscribers.map(({ memberId, instanceId }) => ({
          member: instanceId ?? memberId,
          partitions: namesOf(assignment.get(memberId)!),
        })),
      })
    return assignment
  }

  /** Topics that members of the group it leads subscribe to, whether they exist or not. */
  #subscribed: readonly string[] = []

  #present(names: readonly string[]): Map<string, number> {
    return new Map(names.flatMap((name) => (this.known.has(name) ? [[name, this.known.get(name)!.partitions]] : [])))
  }

  async #lookForChanges(assigned: ReadonlyMap<string, number>): Promise<void> {
    if (!(await this.refreshMetadata(this.#subscribed, this.model.options.metadataAgeMs))) return
    const present = this.#present(this.#subscribed)
    const isSame = present.size === assigned.size && [...present].every(([name, count]) => assigned.get(name) === count)
    if (!isSame) this.#mustJoin = true
  }

  async leave(): Promise<void> {
    const { memberId, instanceId, group, model, random } = this
    if (random.chance(0.7)) await this.commit()
    if (this.isFenced || memberId === "" || this.memberId === "") return
    this.isOut(false)
    model.counts.leaves += 1
    // A static member goes without a word, or an administrator would have to make room for it again.
    if (instanceId !== null && random.chance(0.7)) return
    const version = instanceId === null ? random.between(0, leaveGroup.maxVersion) : leaveGroup.maxVersion
    await this.ask(
      leaveGroup,
      version,
      version < 3
        ? { groupId: group.name, memberId, members: [] }
        : { groupId: group.name, memberId: "", members: [{ memberId, groupInstanceId: instanceId }] },
    )
  }
}

const nameOf = ({ topic, index }: OwnedPartition): TopicPartition => ({ topic: topic.name, partition: index })

const namesOf = (partitions: readonly TopicPartition[]): string[] =>
  partitions.map(({ topic, partition }) => `${topic}-${partition}`).sort()
