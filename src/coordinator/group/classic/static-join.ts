/**
 * The join of a static member that comes without the id it had: the instance was restarted (KIP-345).
 *
 * Owns what becomes of its place: it keeps it under a new id, and where nothing else changes the group goes on without a rebalance. Invariant: the new id is told to nobody before the
 * log has it, or after a crash both the old and the new member would be the instance.
 */
import { Errors } from "../../../protocol/errors.js"
import type { Outcome, ShardContext } from "../contract.js"
import type { ClassicGroup } from "./classic-group.js"
import { ClassicMember } from "./classic-member.js"
import { type Joining, termsOf } from "./join.js"
import { clientReason, type Membership } from "./membership.js"
import { memberList, namesOf, type Rebalance } from "./rebalance.js"
import { groupRecord } from "./records.js"
import { writeError } from "./responses.js"

/** KIP-814: from then on a leader that is told to skip the assignment understands that it leads. */
const skipAssignmentVersion = 9

export class StaticJoin {
  constructor(
    private readonly context: ShardContext,
    private readonly membership: Membership,
    private readonly rebalance: Rebalance,
  ) {}

  replace(group: ClassicGroup, old: ClassicMember, memberId: string, joining: Joining): Outcome {
    const { request, client, join, now } = joining
    const { clientId, clientHost } = client
    const formerLeaderId = group.leaderId ?? ""
    const identity = { memberId, groupInstanceId: old.groupInstanceId, clientId, clientHost }
    const member = new ClassicMember(identity, termsOf(joining))
    member.lastSeenMs = now.monotonicMs
    this.membership.replace(group, old, member, now)
    group.parkJoin(member, join)
    const says = clientReason(request.reason)
    const reason = `it took the place of ${old.memberId}${says}`
    this.rebalance.note(group, { type: "member-replaced", ...namesOf(member), reason }, now)
    switch (group.state) {
      case "Stable":
        return group.selectProtocol() === group.protocolName
          ? this.#keepGeneration(group, old, member, formerLeaderId, joining)
          : this.rebalance.prepare(group, `static member ${memberId} changes the protocol of the group${says}`, now)
      case "CompletingRebalance":
        // The leader may have the old id already, and would assign to a member that is gone.
        return this.rebalance.prepare(group, `static member ${memberId} took the place of ${old.memberId}${says}`, now)
      default:
        return this.rebalance.maybeCompleteJoin(group, now)
    }
  }

  #keepGeneration(
    group: ClassicGroup,
    old: ClassicMember,
    member: ClassicMember,
    formerLeaderId: string,
    { client, now }: Joining,
  ): Outcome {
    const { memberId } = member
    const { generationId } = group
    const record = groupRecord(group, now.wallMs, (id) => group.assignmentOf(id === memberId ? old.memberId : id))
    return {
      records: [record],
      onWritten: (error) => {
        // In a rebalance that has begun meanwhile the member has joined already, and is answered with the others.
        const isStillSo =
          group.state === "Stable" && group.generationId === generationId && group.members.get(memberId) === member
        if (!isStillSo || member.parkedJoin === undefined) return
        const { protocolType = null, protocolName } = group
        if (error !== Errors.NONE) {
          group.answerJoin(member, { errorCode: writeError(error), memberId: "" })
          this.membership.replace(group, member, old, now)
          this.context.log.log("warn", "a static member was not written, and is the old one again", {
            groupId: group.groupId,
            instanceId: old.groupInstanceId,
            error,
          })
          return
        }
        // While it waited for us its session did not count.
        this.membership.restartSession(group, member, now)
        const answer = { errorCode: Errors.NONE, memberId, generationId, protocolType, protocolName }
        if (client.version >= skipAssignmentVersion) {
          const isLeader = group.isLeader(memberId)
          const members = isLeader ? memberList(group) : []
          group.answerJoin(member, { ...answer, leader: group.leaderId ?? "", members, skipAssignment: isLeader })
        }
        // An older client that finds itself leader would compute an assignment that nobody asked for: it is shown its former self.
        else group.answerJoin(member, { ...answer, leader: formerLeaderId })
      },
    }
  }
}
