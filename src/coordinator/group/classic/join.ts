/**
 * JoinGroup: who comes in, under which id, and whether a rebalance follows.
 *
 * Owns the rules by which a join is refused, parked, or answered at once; how a rebalance goes on is in `rebalance.ts`, the place of a static member in `static-join.ts`. Invariant: a join
 * that is not answered here is parked with a member of the group.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { RequestOf } from "../../../protocol/message.js"
import type { joinGroup } from "../../../protocol/messages/join-group.js"
import {
  type ClientInfo,
  type Groups,
  nothingToWrite,
  type Now,
  type Outcome,
  type Respond,
  type ShardContext,
} from "../contract.js"
import type { GroupRecord } from "../group-records.js"
import { ClassicGroup } from "./classic-group.js"
import { ClassicMember, type JoinResponse, keptProtocols, type MemberTerms, type ParkedJoin } from "./classic-member.js"
import { checkAndNoteMember, newMemberId } from "./identity.js"
import { clientReason, type Membership, newMemberJoinTimeoutMs } from "./membership.js"
import { memberList, namesOf, type Rebalance } from "./rebalance.js"
import { newGroupRecord } from "./records.js"
import { joinResponse, writeError } from "./responses.js"
import { StaticJoin } from "./static-join.js"

export type JoinRequest = RequestOf<typeof joinGroup>

/** A join on its way through the rules. */
export interface Joining {
  readonly request: JoinRequest
  readonly client: ClientInfo
  readonly join: ParkedJoin
  readonly now: Now
}

/** KIP-394: from then on a new dynamic member is given an id first, so that a client which tries again is not a member twice. */
const memberIdRequiredVersion = 4

/**
 * What the members of one group may say in all, beyond which nobody else is let in: it is kept, and told to the leader in one answer. The log takes a sixteenth of it by default, so that no group
 * near it ever gets an assignment.
 */
export const offeredBytesMax = 16 << 20

export class Join {
  readonly #staticJoin: StaticJoin

  constructor(
    private readonly context: ShardContext,
    private readonly groups: Groups,
    private readonly membership: Membership,
    private readonly rebalance: Rebalance,
  ) {
    this.#staticJoin = new StaticJoin(context, membership, rebalance)
  }

  /** `tombstones`: of a group of another kind that is there, without members, and gives way. */
  join(
    request: JoinRequest,
    client: ClientInfo,
    respond: Respond<JoinResponse>,
    now: Now,
    tombstones: readonly GroupRecord[],
  ): Outcome {
    const joining: Joining = { request, client, join: { respond, version: client.version }, now }
    const { groupId, sessionTimeoutMs, memberId } = request
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.context.settings
    if (groupId === "") return refuse(joining, Errors.INVALID_GROUP_ID, memberId)
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs)
      return refuse(joining, Errors.INVALID_SESSION_TIMEOUT, memberId)
    const group = this.groups.get(groupId)
    if (!(group instanceof ClassicGroup)) return this.#joinNewGroup(joining, tombstones)
    group.isStarted = true
    if (!this.#isAccepted(group, memberId)) return this.#refuseForSize(group, joining)
    return memberId === "" ? this.#joinAsNewcomer(group, joining) : this.#joinAsKnown(group, joining)
  }

  #joinNewGroup(joining: Joining, tombstones: readonly GroupRecord[]): Outcome {
    const { request, now } = joining
    const { groupId, memberId } = request
    // Somebody who has an id was a member of a group that is gone.
    if (memberId !== "") return refuse(joining, Errors.UNKNOWN_MEMBER_ID, memberId)
    const group = new ClassicGroup(groupId)
    group.isStarted = true
    group.stateTimestampMs = now.wallMs
    if (!group.supports(request.protocolType, request.protocols))
      return refuse(joining, Errors.INCONSISTENT_GROUP_PROTOCOL, "")
    this.groups.put(group)
    this.context.note(groupId, { type: "group-created" }, now)
    // Its first rebalance waits, so there are no records of it yet.
    this.#joinAsNewcomer(group, joining)
    return {
      records: [...tombstones, newGroupRecord(groupId, now.wallMs)],
      onWritten: (error) => {
        if (error === Errors.NONE || group.state === "Dead") return
        // The log does not know the group, so nobody can be in it.
        this.membership.endAll(group, writeError(error))
        this.rebalance.end(group)
        group.transitionTo("Dead", now.wallMs)
        if (this.groups.get(groupId) === group) this.groups.remove(groupId)
      },
    }
  }

  /** `group.max.size`, by Kafka's rules; and a bound on memory, which is ours. */
  #isAccepted(group: ClassicGroup, memberId: string): boolean {
    const { classicMaxSize } = this.context.settings
    if (group.offeredBytes > offeredBytesMax && !group.members.has(memberId)) return false
    switch (group.state) {
      case "Empty":
      case "Dead":
        return true
      case "PreparingRebalance":
        // Those who have joined are counted, not the members: a group that is too large since the limit was lowered loses the last to rejoin.
        return group.members.get(memberId)?.parkedJoin !== undefined || group.parkedJoins < classicMaxSize
      case "CompletingRebalance":
      case "Stable":
        return group.members.has(memberId) || group.members.size < classicMaxSize
    }
  }

  #refuseForSize(group: ClassicGroup, joining: Joining): Outcome {
    const { memberId } = joining.request
    refuse(joining, Errors.GROUP_MAX_SIZE_REACHED, "")
    const member = group.members.get(memberId)
    if (member !== undefined) {
      this.membership.drop(group, member)
      const reason = `the group is full: ${this.context.settings.classicMaxSize} members`
      this.rebalance.note(group, { type: "member-left", ...namesOf(member), reason }, joining.now)
    } else if (!this.membership.forgetPending(group, memberId)) return nothingToWrite
    return this.rebalance.maybeCompleteJoin(group, joining.now)
  }

  #joinAsNewcomer(group: ClassicGroup, joining: Joining): Outcome {
    const { request, client, now } = joining
    const { groupInstanceId } = request
    if (group.state === "Dead") return refuse(joining, Errors.COORDINATOR_NOT_AVAILABLE, "")
    if (!group.supports(request.protocolType, request.protocols))
      return refuse(joining, Errors.INCONSISTENT_GROUP_PROTOCOL, "")
    const memberId = newMemberId(groupInstanceId ?? client.clientId, this.context.random)
    if (groupInstanceId !== null) {
      const old = group.members.get(group.staticMembers.get(groupInstanceId) ?? "")
      if (old !== undefined) return this.#staticJoin.replace(group, old, memberId, joining)
    } else if (client.version >= memberIdRequiredVersion) {
      const { clientId, clientHost } = client
      const identity = { memberId, groupInstanceId, clientId, clientHost }
      this.membership.expect(group, identity, request.sessionTimeoutMs, now)
      return refuse(joining, Errors.MEMBER_ID_REQUIRED, memberId)
    }
    return this.#add(group, memberId, joining)
  }

  #joinAsKnown(group: ClassicGroup, joining: Joining): Outcome {
    const { request, now } = joining
    const { memberId, groupInstanceId } = request
    if (group.state === "Dead") return refuse(joining, Errors.COORDINATOR_NOT_AVAILABLE, memberId)
    if (!group.supports(request.protocolType, request.protocols))
      return refuse(joining, Errors.INCONSISTENT_GROUP_PROTOCOL, memberId)
    // Ids are given out to dynamic members only, so one that comes back with an instance id is not the member it was given to.
    if (groupInstanceId === null && this.membership.forgetPending(group, memberId))
      return this.#add(group, memberId, joining)
    const error = checkAndNoteMember(this.context, group, memberId, groupInstanceId, "JoinGroup", now)
    if (error !== Errors.NONE) return refuse(joining, error, memberId)
    return this.#rejoin(group, group.members.get(memberId)!, joining)
  }

  #rejoin(group: ClassicGroup, member: ClassicMember, joining: Joining): Outcome {
    const { request, now } = joining
    const { memberId } = member
    const says = clientReason(request.reason)
    member.lastSeenMs = now.monotonicMs
    const isUnchanged = member.matches(request.protocols)
    switch (group.state) {
      case "PreparingRebalance":
        // What it was asked to do is no event of its own.
        return this.#update(group, member, undefined, joining)
      case "CompletingRebalance":
        // It did not get the answer to its first join, so it gets it again.
        if (isUnchanged) return answerCurrent(group, member, joining)
        return this.#update(group, member, `the subscription of ${memberId} changed${says}`, joining)
      case "Stable":
        // The leader sees changes that no subscription shows, such as new partitions of a topic.
        if (group.isLeader(memberId))
          return this.#update(group, member, `the leader ${memberId} rejoined${says}`, joining)
        if (!isUnchanged) return this.#update(group, member, `the subscription of ${memberId} changed${says}`, joining)
        return answerCurrent(group, member, joining)
      default:
        return refuse(joining, Errors.UNKNOWN_MEMBER_ID, memberId)
    }
  }

  #update(group: ClassicGroup, member: ClassicMember, reason: string | undefined, joining: Joining): Outcome {
    group.update(member, termsOf(joining))
    group.parkJoin(member, joining.join)
    const because = reason === undefined ? {} : { reason }
    this.rebalance.note(group, { type: "member-rejoined", ...namesOf(member), ...because }, joining.now)
    return this.rebalance.prepareOrComplete(group, reason ?? "", joining.now)
  }

  #add(group: ClassicGroup, memberId: string, joining: Joining): Outcome {
    const { request, client, join, now } = joining
    const { groupInstanceId, protocolType } = request
    const { clientId, clientHost } = client
    const member = new ClassicMember({ memberId, groupInstanceId, clientId, clientHost }, termsOf(joining))
    member.isNew = true
    member.lastSeenMs = now.monotonicMs
    if (group.members.size === 0) group.protocolType = protocolType
    if (group.state === "PreparingRebalance" && group.previousState === "Empty") group.newMemberAdded = true
    group.add(member)
    group.parkJoin(member, join)
    this.membership.restartSession(group, member, now, newMemberJoinTimeoutMs)
    const reason = `member ${memberId} joined${clientReason(request.reason)}`
    this.rebalance.note(group, { type: "member-joined", ...namesOf(member) }, now)
    return this.rebalance.prepareOrComplete(group, reason, now)
  }
}

export function termsOf({ request }: Joining): MemberTerms {
  const { sessionTimeoutMs, rebalanceTimeoutMs, protocols } = request
  return {
    sessionTimeoutMs,
    // Version 0 has none: the session timeout was both.
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    protocols: keptProtocols(protocols),
  }
}

function refuse({ join }: Joining, errorCode: ErrorCode, memberId: string): Outcome {
  join.respond(joinResponse(join.version, { errorCode, memberId }))
  return nothingToWrite
}

/** The generation goes on, and the member is in it. */
function answerCurrent(group: ClassicGroup, { memberId }: ClassicMember, { join }: Joining): Outcome {
  const { generationId, protocolType = null, protocolName, leaderId = "" } = group
  const members = group.isLeader(memberId) ? memberList(group) : []
  const answer = {
    errorCode: Errors.NONE,
    memberId,
    generationId,
    protocolType,
    protocolName,
    leader: leaderId,
    members,
  }
  join.respond(joinResponse(join.version, answer))
  return nothingToWrite
}
