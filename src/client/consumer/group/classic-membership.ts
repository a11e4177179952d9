/**
 * A member of a classic group: joins, is told what to read or, as its leader, says who reads what, and joins again when the group asks for it.
 *
 * Owns the member's id, generation and state, and what follows from every answer. Pure: requests go out and answers come in through `membership.ts`. Invariant: with an eager assignor the member has
 * nothing when it joins; with a cooperative one it lets go of what it was not given again, and joins once more so that somebody gets it.
 * Source: KIP-62, KIP-345 (static members), KIP-394 (member id required), KIP-429 (cooperative), KIP-559, KIP-800, KIP-814; Kafka's AbstractCoordinator, ConsumerCoordinator.
 */
import { type Assignment, emptyAssignment } from "../../../assignment/assignor.js"
import type { ClassicAssignor } from "../../../assignment/classic-assignors.js"
import { Errors, errorByCode } from "../../../protocol/errors.js"
import type { ResponseOf } from "../../../protocol/message.js"
import { heartbeat } from "../../../protocol/messages/heartbeat.js"
import { joinGroup } from "../../../protocol/messages/join-group.js"
import { leaveGroup } from "../../../protocol/messages/leave-group.js"
import { syncGroup } from "../../../protocol/messages/sync-group.js"
import { type ClientError, GroupError } from "../../errors.js"
import type { TopicPartition } from "../record-reader.js"
import {
  assignmentOf,
  partitionsOf,
  readAssignment,
  readMember,
  writeAssignments,
  writeSubscription,
} from "./classic-payloads.js"
import {
  heartbeatTimeoutMs,
  type Identity,
  type Membership,
  type MembershipOptions,
  type Outgoing,
  outgoing,
  type PartitionCounts,
  partitionKey,
  type Work,
} from "./membership.js"

export interface ClassicMembershipOptions extends MembershipOptions {
  /** In the order of preference; at least one. */
  readonly assignors: readonly ClassicAssignor[]
}

/**
 * `outside`: joins as soon as nothing stands in the way. `leading`: has joined as the leader and has to know the topics. `syncing`: has joined and asks for its partitions. `inside`: has them, or is getting
 * them. `resting`: has left because nobody came for records.
 */
type State = "outside" | "leading" | "syncing" | "inside" | "resting"

type JoinAnswer = ResponseOf<typeof joinGroup>
interface Led {
  readonly assignor: ClassicAssignor
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly metadata: Buffer
  }[]
  readonly isSkipped: boolean
}

const protocolType = "consumer"
const noGeneration = -1

export class ClassicMembership implements Membership {
  failure: ClientError | undefined
  readonly fetchesWithEpoch = false
  #state: State = "outside"
  #memberId = ""
  #generationId = noGeneration
  #protocolName = ""
  #reason = "joins for the first time"
  /** The group does not count on this member any more; what it has may be somebody else's. */
  #isLost = false
  #wantsRejoin = false
  #isLeaving = false
  #owned = new Map<string, TopicPartition>()
  #target: ReadonlyMap<string, TopicPartition> | undefined
  #working: Work | undefined
  #retryAtMs = Number.NEGATIVE_INFINITY
  #heardMs = Number.NEGATIVE_INFINITY
  #last: Assignment = emptyAssignment
  #lastGenerationId = noGeneration
  #led: Led | undefined
  #isLeader = false
  #assigned: PartitionCounts | undefined
  readonly #isCooperative: boolean

  constructor(private readonly options: ClassicMembershipOptions) {
    // All assignors must be cooperative: the group may choose any of them.
    this.#isCooperative = options.assignors.every(({ isCooperative }) => isCooperative)
  }

  get identity(): Identity {
    return { memberId: this.#memberId, epoch: this.#generationId }
  }

  get watchedTopics(): readonly string[] {
    return this.#isLeader ? [...(this.#assigned?.keys() ?? [])] : []
  }

  next(nowMs: number): Outgoing | number {
    if (this.failure !== undefined) return Number.POSITIVE_INFINITY
    if (this.#isLeaving) {
      this.#isLeaving = false
      const leaving = this.leave("nobody has asked for records within maxPollIntervalMs")
      this.#forgetMember()
      if (leaving !== undefined) return leaving
    }
    if (nowMs < this.#retryAtMs) return this.#retryAtMs
    if (this.#state === "syncing") return this.#sync()
    const isBusy = this.#working !== undefined || this.#workToDo() !== undefined
    if (this.#state === "inside" && this.#wantsRejoin && !isBusy) {
      this.#state = "outside"
      this.#wantsRejoin = false
    }
    // What an eager member has is to be given up first.
    if (this.#state === "outside" && this.#working === undefined && this.#workToDo() === undefined) return this.#join()
    if (this.#generationId === noGeneration || this.#state === "resting") return Number.POSITIVE_INFINITY
    const dueMs = this.#heardMs + this.options.heartbeatIntervalMs
    return nowMs < dueMs ? dueMs : this.#heartbeat(nowMs)
  }

  unanswered(nowMs: number): void {
    this.#retry(nowMs)
    this.#heardMs = Number.NEGATIVE_INFINITY
    // Whether the leader's word came through is not known; joining again finds out.
    if (this.#state === "syncing") this.#rejoin("an answer to SyncGroup did not arrive")
  }

  #retry(nowMs: number): void {
    this.#retryAtMs = nowMs + this.options.retryBackoffMs
  }

  // Joining

  /**
   * How long a join or a sync waits for the other members before it is sent again, which changes nothing at a coordinator that has it. One that lost its power does not, and nobody tells: the
   * connection looks alive as long as nothing is sent on it.
   */
  get #parkedMs(): number {
    return this.options.sessionTimeoutMs
  }

  #join(): Outgoing {
    const { groupId, sessionTimeoutMs, rebalanceTimeoutMs, instanceId, topics, rackId, assignors } = this.options
    const owned = this.#isCooperative ? assignmentOf(this.#owned.values()) : emptyAssignment
    const said = {
      topics,
      rackId: rackId === "" ? null : rackId,
      owned,
      last: this.#last,
      generationId: this.#lastGenerationId,
    }
    return outgoing(
      joinGroup,
      {
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        groupInstanceId: instanceId,
        protocolType,
        protocols: assignors.map((assignor) => ({ name: assignor.name, metadata: writeSubscription(assignor, said) })),
        reason: this.#reason,
      },
      this.#parkedMs,
      (answer, nowMs) => this.#joined(answer, nowMs),
    )
  }

  #joined(answer: JoinAnswer, nowMs: number): number {
    const { errorCode } = answer
    switch (errorCode) {
      case Errors.NONE:
        this.#enter(answer, nowMs)
        break
      case Errors.MEMBER_ID_REQUIRED:
        this.#memberId = answer.memberId
        break
      case Errors.UNKNOWN_MEMBER_ID:
        this.#lose("the group does not know the member any more")
        this.#memberId = ""
        break
      case Errors.ILLEGAL_GENERATION:
        this.#lose("the group is in another generation")
        break
      case Errors.REBALANCE_IN_PROGRESS:
        this.#retry(nowMs)
        break
      default:
        this.#failed(errorCode, "joining", nowMs)
    }
    return errorCode
  }

  #enter(answer: JoinAnswer, nowMs: number): void {
    const { memberId, generationId, protocolName, leader, members, skipAssignment } = answer
    const assignor = this.options.assignors.find(({ name }) => name === protocolName)
    if (assignor === undefined) {
      this.#end(
        Errors.INCONSISTENT_GROUP_PROTOCOL,
        `the group has chosen the assignor "${protocolName}", which this consumer did not offer`,
      )
      return
    }
    this.#memberId = memberId
    this.#generationId = generationId
    this.#protocolName = assignor.name
    this.#heardMs = nowMs
    this.#wantsRejoin = false
    this.#target = undefined
    this.#assigned = undefined
    this.#isLeader = leader !== "" && leader === memberId
    this.#led = undefined
    this.#state = "syncing"
    if (!this.#isLeader) return
    // The answer's memory is used again.
    const kept = members.map((member) => ({ ...member, metadata: Buffer.from(member.metadata) }))
    this.#led = { assignor, members: kept, isSkipped: skipAssignment }
    this.#state = "leading"
  }

  #ledMembers() {
    const { assignor, members } = this.#led!
    return members.map(({ memberId, groupInstanceId, metadata }) =>
      readMember(assignor, memberId, groupInstanceId, metadata),
    )
  }

  // Syncing

  #sync(): Outgoing {
    const { groupId, instanceId } = this.options
    const led = this.#led
    const assignments =
      led === undefined || led.isSkipped
        ? []
        : writeAssignments(led.assignor.assign({ members: this.#ledMembers(), partitionCounts: this.#assigned! }))
    return outgoing(
      syncGroup,
      {
        groupId,
        generationId: this.#generationId,
        memberId: this.#memberId,
        groupInstanceId: instanceId,
        protocolType,
        protocolName: this.#protocolName,
        assignments,
      },
      this.#parkedMs,
      (answer, nowMs) => this.#synced(answer, nowMs),
    )
  }

  #synced({ errorCode, assignment }: ResponseOf<typeof syncGroup>, nowMs: number): number {
    this.#heardMs = nowMs
    switch (errorCode) {
      case Errors.NONE: {
        const given = readAssignment(assignment)
        if (given === undefined) {
          this.#end(Errors.INCONSISTENT_GROUP_PROTOCOL, "what the group's leader has assigned cannot be read")
          break
        }
        this.#state = "inside"
        this.#led = undefined
        this.#last = given
        this.#lastGenerationId = this.#generationId
        this.#target = new Map(partitionsOf(given).map((each) => [partitionKey(each.topic, each.partition), each]))
        break
      }
      case Errors.REBALANCE_IN_PROGRESS:
        this.#rejoin("the group began another rebalance")
        break
      case Errors.UNKNOWN_MEMBER_ID:
      case Errors.ILLEGAL_GENERATION:
        this.#lose(`SyncGroup was refused: ${errorByCode(errorCode)!.name}`)
        if (errorCode === Errors.UNKNOWN_MEMBER_ID) this.#memberId = ""
        break
      default:
        this.#failed(errorCode, "the assignment", nowMs)
        if (this.failure === undefined) this.#rejoin(`SyncGroup was refused: ${errorByCode(errorCode)?.name}`)
    }
    return errorCode
  }

  // Being a member

  #heartbeat(nowMs: number): Outgoing {
    const { groupId, instanceId } = this.options
    this.#heardMs = nowMs
    const generationId = this.#generationId
    return outgoing(
      heartbeat,
      { groupId, generationId, memberId: this.#memberId, groupInstanceId: instanceId },
      heartbeatTimeoutMs(this.options),
      ({ errorCode }, answeredMs) => {
        if (errorCode !== Errors.NONE && generationId === this.#generationId) this.#onRefusal(errorCode, answeredMs)
        return errorCode
      },
    )
  }

  refused(errorCode: number, epoch: number): void {
    if (epoch === this.#generationId && epoch !== noGeneration && this.failure === undefined)
      this.#onRefusal(errorCode, Number.NEGATIVE_INFINITY)
  }

  #onRefusal(errorCode: number, nowMs: number): void {
    switch (errorCode) {
      case Errors.REBALANCE_IN_PROGRESS:
        if (this.#state === "inside") this.#rejoin("the group rebalances")
        break
      case Errors.UNKNOWN_MEMBER_ID:
        this.#lose("the group does not know the member any more")
        this.#memberId = ""
        break
      case Errors.ILLEGAL_GENERATION:
        this.#lose("the group is in another generation")
        break
      default:
        this.#failed(errorCode, "a heartbeat", nowMs)
    }
  }

  #rejoin(reason: string): void {
    this.#reason = reason
    if (this.#state === "inside") this.#wantsRejoin = true
    else if (this.#state !== "resting") this.#state = "outside"
  }

  /** Whatever this member has is not its own any more. */
  #lose(reason: string): void {
    this.#reason = reason
    this.#isLost = true
    this.#generationId = noGeneration
    this.#last = emptyAssignment
    this.#lastGenerationId = noGeneration
    this.#target = undefined
    this.#led = undefined
    this.#isLeader = false
    this.#wantsRejoin = false
    if (this.#state !== "resting") this.#state = "outside"
  }

  #failed(errorCode: number, what: string, nowMs: number): void {
    if (errorByCode(errorCode)?.retriable === true) this.#retry(nowMs)
    else this.#end(errorCode, `the coordinator refuses ${what}`)
  }

  #end(errorCode: number, what: string): void {
    this.failure = new GroupError(errorCode, `group ${this.options.groupId}: ${what}`)
    this.#isLost = true
    this.#generationId = noGeneration
    this.#target = undefined
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
      if (owned.length > 0) return { type: "revoke", partitions: owned, isLost: true }
      this.#isLost = false
    }
    if (this.#state === "leading") {
      const topics = [...new Set(this.#ledMembers().flatMap((member) => member.topics))]
      return { type: "look up", topics }
    }
    if (this.#state === "outside" && !this.#isCooperative && owned.length > 0)
      return { type: "revoke", partitions: owned, isLost: false }
    if (this.#state !== "inside" || this.#target === undefined) return undefined
    const target = this.#target
    const given = [...target].flatMap(([key, each]) => (this.#owned.has(key) ? [] : [each]))
    const taken = [...this.#owned].flatMap(([key, each]) => (target.has(key) ? [] : [each]))
    if (taken.length > 0) return { type: "revoke", partitions: taken, isLost: false }
    return given.length > 0 ? { type: "assign", partitions: given } : undefined
  }

  done(counts: PartitionCounts): void {
    const work = this.#working
    this.#working = undefined
    if (work?.type === "revoke") {
      for (const { topic, partition } of work.partitions) this.#owned.delete(partitionKey(topic, partition))
      if (!work.isLost && this.#state === "inside" && this.#isCooperative)
        this.#rejoin("partitions were let go of, for others to have")
    }
    if (work?.type === "assign")
      for (const each of work.partitions) this.#owned.set(partitionKey(each.topic, each.partition), each)
    if (work?.type === "look up" && this.#state === "leading") {
      this.#assigned = new Map(work.topics.map((topic) => [topic, counts.get(topic) ?? 0]))
      this.#state = "syncing"
    }
  }

  seen(counts: PartitionCounts): void {
    if (!this.#isLeader || this.#state !== "inside" || this.#assigned === undefined) return
    for (const [topic, count] of this.#assigned)
      if ((counts.get(topic) ?? 0) !== count) {
        this.#assigned = undefined
        this.#rejoin(`topic ${topic} has other partitions than when they were assigned`)
        return
      }
  }

  // Leaving

  overslept(): void {
    if (this.failure !== undefined || this.#state === "resting") return
    const isMember = this.#generationId !== noGeneration
    const generationId = this.#generationId
    this.#lose("somebody asks for records again")
    this.#generationId = generationId
    this.#isLeaving = isMember && this.options.instanceId === null
    this.#state = "resting"
  }

  awoke(): boolean {
    if (this.#state !== "resting") return false
    this.#state = "outside"
    return true
  }

  #forgetMember(): void {
    this.#generationId = noGeneration
    this.#memberId = ""
  }

  leave(reason: string): Outgoing | undefined {
    const { groupId, instanceId, requestTimeoutMs } = this.options
    // A static member keeps its place until its session is over: it may be back before.
    if (instanceId !== null || this.#memberId === "" || this.failure !== undefined) return undefined
    return outgoing(
      leaveGroup,
      { groupId, memberId: "", members: [{ memberId: this.#memberId, groupInstanceId: null, reason }] },
      requestTimeoutMs,
      ({ errorCode }) => errorCode,
    )
  }
}
