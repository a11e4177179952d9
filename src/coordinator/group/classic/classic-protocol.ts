/**
 * The protocol of classic groups, as the shard and the other protocol see it.
 *
 * Owns the composition of its parts, heartbeats, and sessions that are over; the requests that move a group have a file each. Invariant: a group that is not classic is as unknown here as
 * one that does not exist.
 */
import { invariant } from "../../../base/assert.js"
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../../protocol/message.js"
import type { heartbeat } from "../../../protocol/messages/heartbeat.js"
import {
  type ClientInfo,
  type CommitIdentity,
  type ExplainedGroup,
  type GroupProtocol,
  type Groups,
  nothingToWrite,
  type Now,
  type OffsetExpiration,
  type Outcome,
  type Respond,
  type ShardContext,
} from "../contract.js"
import type { GroupRecord, GroupRecordOf } from "../group-records.js"
import { ClassicGroup } from "./classic-group.js"
import type { JoinResponse, MemberProtocol, SyncResponse } from "./classic-member.js"
import { describeGroup } from "./describe.js"
import { explainGroup } from "./explain.js"
import { checkAndNoteMember, checkMember } from "./identity.js"
import { Join, type JoinRequest } from "./join.js"
import { Leave, type LeaveRequest, type LeaveResponse } from "./leave.js"
import { Membership } from "./membership.js"
import { namesOf, Rebalance } from "./rebalance.js"
import { groupTombstone } from "./records.js"
import { Sync, type SyncRequest } from "./sync.js"

export type HeartbeatRequest = RequestOf<typeof heartbeat>
export type HeartbeatResponse = ResponseInputOf<typeof heartbeat>

/** Retention counts from the commit of each offset. */
const byCommit = (commitTimestampMs: number): number => commitTimestampMs

export class ClassicProtocol implements GroupProtocol<ClassicGroup> {
  readonly #membership: Membership
  readonly #rebalance: Rebalance
  readonly #join: Join
  readonly #sync: Sync
  readonly #leave: Leave

  constructor(
    private readonly context: ShardContext,
    private readonly groups: Groups,
  ) {
    this.#membership = new Membership(context, (group, memberId, now) => this.#onSessionOver(group, memberId, now))
    this.#rebalance = new Rebalance(context, this.#membership)
    this.#join = new Join(context, groups, this.#membership, this.#rebalance)
    this.#sync = new Sync(context, groups, this.#rebalance)
    this.#leave = new Leave(groups, this.#membership, this.#rebalance)
  }

  /**
   * `tombstones`: the records that remove an empty group of the other protocol which has this id; it gives way to a classic group. Their replay must leave
   * the classic group in its place, which is there already.
   */
  join(
    request: JoinRequest,
    client: ClientInfo,
    respond: Respond<JoinResponse>,
    now: Now,
    tombstones: readonly GroupRecord[] = [],
  ): Outcome {
    return this.#join.join(request, client, respond, now, tombstones)
  }

  sync(request: SyncRequest, respond: Respond<SyncResponse>, now: Now): Outcome {
    return this.#sync.sync(request, respond, now)
  }

  /** `members` is filled in every version. */
  leave(request: LeaveRequest, respond: Respond<LeaveResponse>, now: Now): Outcome {
    return this.#leave.leave(request, respond, now)
  }

  heartbeat(request: HeartbeatRequest, respond: Respond<HeartbeatResponse>, now: Now): Outcome {
    respond({ throttleTimeMs: 0, errorCode: this.#onHeartbeat(request, now) })
    return nothingToWrite
  }

  #onHeartbeat({ groupId, memberId, groupInstanceId, generationId }: HeartbeatRequest, now: Now): ErrorCode {
    if (groupId === "") return Errors.INVALID_GROUP_ID
    const group = this.groups.get(groupId)
    if (!(group instanceof ClassicGroup)) return Errors.UNKNOWN_MEMBER_ID
    if (group.state === "Dead") return Errors.COORDINATOR_NOT_AVAILABLE
    const error = checkAndNoteMember(this.context, group, memberId, groupInstanceId, "Heartbeat", now)
    if (error !== Errors.NONE) return error
    if (generationId !== group.generationId) return Errors.ILLEGAL_GENERATION
    this.#isAlive(group, memberId, now)
    return group.state === "PreparingRebalance" ? Errors.REBALANCE_IN_PROGRESS : Errors.NONE
  }

  #isAlive(group: ClassicGroup, memberId: string, now: Now): void {
    const member = group.members.get(memberId)
    if (member === undefined) return
    member.lastSeenMs = now.monotonicMs
    this.#membership.restartSession(group, member, now)
  }

  #onSessionOver(group: ClassicGroup, memberId: string, now: Now): Outcome {
    if (group.state === "Dead") return nothingToWrite
    const pending = group.pendingJoins.get(memberId)
    if (pending !== undefined) {
      this.#membership.forgetPending(group, memberId)
      const { clientId, clientHost, sinceMs, timeoutMs } = pending
      const lateByMs = now.monotonicMs - sinceMs - timeoutMs
      const reason = "it was given an id and never joined with it"
      const event = { deadline: "join", memberId, clientId, clientHost, lateByMs, reason } as const
      this.#rebalance.note(group, { type: "member-missed-deadline", ...event }, now)
      return this.#rebalance.maybeCompleteJoin(group, now)
    }
    const member = group.members.get(memberId)
    if (member === undefined || member.isWaitingForUs) return nothingToWrite
    const wasNew = member.isNew
    const timeoutMs = member.sessionTimeoutMs
    const lateByMs = Math.max(0, now.monotonicMs - member.sessionStartMs - timeoutMs)
    const event = wasNew
      ? ({ deadline: "join", reason: "it never came back to learn that it had joined" } as const)
      : ({ deadline: "session", lateByMs, reason: `nothing was heard of it for ${timeoutMs} ms` } as const)
    this.#membership.drop(group, member)
    this.#rebalance.note(group, { type: "member-missed-deadline", ...namesOf(member), ...event }, now)
    return this.#rebalance.prepareOrComplete(group, `member ${memberId} missed its ${event.deadline} deadline`, now)
  }

  replay({ key, value }: GroupRecordOf<"GroupMetadata">): void {
    const known = this.groups.get(key.group)
    if (value === null) {
      // Of a group that is no longer classic it removes what it was.
      if (!(known instanceof ClassicGroup)) return
      this.release(known, Errors.COORDINATOR_NOT_AVAILABLE)
      this.groups.remove(key.group)
      return
    }
    const group = known instanceof ClassicGroup ? known : new ClassicGroup(key.group)
    group.replay(value)
    if (group !== known) this.groups.put(group)
  }

  loaded(group: ClassicGroup, now: Now): Outcome {
    this.#start(group, now)
    const { size } = group.members
    const event = { generation: group.generationId, members: size }
    this.#rebalance.note(group, { type: "group-loaded", ...event }, now)
    if (size > 0 && group.stateTimestampMs === undefined)
      return this.startRebalance(group, "the group was converted, and its assignment is that of before", now)
    const { classicMaxSize } = this.context.settings
    if (size <= classicMaxSize) return nothingToWrite
    return this.startRebalance(
      group,
      `the group has ${size} members, and no more than ${classicMaxSize} are allowed`,
      now,
    )
  }

  #start(group: ClassicGroup, now: Now): void {
    group.isStarted = true
    for (const member of group.members.values()) {
      member.lastSeenMs = now.monotonicMs
      this.#membership.restartSession(group, member, now)
    }
  }

  /**
   * A group that was of the other protocol and is classic from this decision on, in the generation of `record`, which is written by the same outcome. Each member comes with all that it
   * supports, of which the log has only what was chosen.
   */
  adopt(
    { key, value }: GroupRecordOf<"GroupMetadata">,
    protocolsOf: (memberId: string) => readonly MemberProtocol[],
    now: Now,
  ): ClassicGroup {
    invariant(value !== null, "a group is adopted by a tombstone")
    const group = new ClassicGroup(key.group)
    group.replay(value)
    for (const member of group.members.values())
      group.update(member, {
        sessionTimeoutMs: member.sessionTimeoutMs,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        protocols: protocolsOf(member.memberId),
      })
    this.groups.put(group)
    this.#start(group, now)
    return group
  }

  unloaded(group: ClassicGroup, error: ErrorCode): void {
    this.release(group, error)
  }

  /** The group is not in this shard, or not classic, any more: whoever is parked is answered, nothing of it runs on. */
  release(group: ClassicGroup, error: ErrorCode): void {
    if (group.state === "Dead") return
    this.#membership.endAll(group, error)
    this.#rebalance.end(group)
    group.transitionTo("Dead", group.stateTimestampMs ?? 0)
  }

  /** Everybody is to join again. The group must be started (`loaded`). */
  startRebalance(group: ClassicGroup, reason: string, now: Now): Outcome {
    return this.#rebalance.prepareOrComplete(group, reason, now)
  }

  checkCommit(group: ClassicGroup, commit: CommitIdentity, now: Now): ErrorCode {
    const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId } = commit
    if (group.state === "Dead") return Errors.COORDINATOR_NOT_AVAILABLE
    // An administrator, or a consumer that assigns itself its partitions: allowed as long as nobody else commits here.
    if (generationId < 0 && group.state === "Empty") return Errors.NONE
    if (generationId < 0 && memberId === "" && groupInstanceId === null) return Errors.UNKNOWN_MEMBER_ID
    const error = checkMember(group, memberId, groupInstanceId)
    if (error !== Errors.NONE) return error
    if (generationId !== group.generationId) return Errors.ILLEGAL_GENERATION
    // It joined this generation, so it will understand; what it commits it may not own any more.
    if (group.state === "CompletingRebalance") return Errors.REBALANCE_IN_PROGRESS
    this.#isAlive(group, memberId, now)
    return Errors.NONE
  }

  checkFetch(group: ClassicGroup): ErrorCode {
    return group.state === "Dead" ? Errors.GROUP_ID_NOT_FOUND : Errors.NONE
  }

  checkDelete(group: ClassicGroup): ErrorCode {
    if (group.state === "Dead") return Errors.GROUP_ID_NOT_FOUND
    return group.state === "Empty" ? Errors.NONE : Errors.NON_EMPTY_GROUP
  }

  checkOffsetDelete(group: ClassicGroup): ErrorCode {
    const error = this.checkDelete(group)
    return error === Errors.NON_EMPTY_GROUP && group.isConsumerProtocolType ? Errors.NONE : error
  }

  listed(group: ClassicGroup) {
    return { groupState: group.state, protocolType: group.protocolType ?? "", groupType: "classic" }
  }

  describe(group: ClassicGroup) {
    return describeGroup(group)
  }

  tombstones(group: ClassicGroup): readonly GroupRecord[] {
    return [groupTombstone(group.groupId)]
  }

  isSubscribedTo(group: ClassicGroup, topic: string): boolean {
    // Of consumers that cannot be understood, the worst is assumed.
    return group.subscribedTopics?.has(topic) ?? group.isConsumerProtocolType
  }

  offsetExpiration(group: ClassicGroup): OffsetExpiration | undefined {
    // Nobody ever joined: whoever commits assigns itself its partitions.
    if (group.protocolType === undefined) return { baseTimestampMs: byCommit, isSubscribedTo: () => false }
    if (group.state === "Empty") {
      const { stateTimestampMs } = group
      return { baseTimestampMs: (commitMs) => stateTimestampMs ?? commitMs, isSubscribedTo: () => false }
    }
    const topics = group.subscribedTopics
    if (group.state !== "Stable" || topics === undefined) return undefined
    return { baseTimestampMs: byCommit, isSubscribedTo: (topic) => topics.has(topic) }
  }

  isRemovable(group: ClassicGroup): boolean {
    return group.state === "Empty" && group.pendingJoins.size === 0
  }

  explain(group: ClassicGroup, now: Now): ExplainedGroup {
    return explainGroup(group, now)
  }
}
