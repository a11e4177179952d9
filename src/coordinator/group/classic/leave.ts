/**
 * LeaveGroup: members that go, or that an administrator removes.
 *
 * Owns the answer for each of them; one rebalance follows for all. Invariant: who is unknown stays without effect.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../../protocol/message.js"
import type { leaveGroup } from "../../../protocol/messages/leave-group.js"
import { type Groups, nothingToWrite, type Now, type Outcome, type Respond } from "../contract.js"
import { ClassicGroup } from "./classic-group.js"
import { checkMember } from "./identity.js"
import { clientReason, type Membership } from "./membership.js"
import { named, namesOf, type Rebalance } from "./rebalance.js"
import { writeError } from "./responses.js"

export type LeaveRequest = RequestOf<typeof leaveGroup>
export type LeaveResponse = ResponseInputOf<typeof leaveGroup>
type Leaving = LeaveRequest["members"][number]

export class Leave {
  constructor(
    private readonly groups: Groups,
    private readonly membership: Membership,
    private readonly rebalance: Rebalance,
  ) {}

  leave(request: LeaveRequest, respond: Respond<LeaveResponse>, now: Now): Outcome {
    const refuse = (errorCode: ErrorCode): Outcome => {
      respond({ throttleTimeMs: 0, errorCode, members: [] })
      return nothingToWrite
    }
    if (request.groupId === "") return refuse(Errors.INVALID_GROUP_ID)
    const group = this.groups.get(request.groupId)
    if (group instanceof ClassicGroup && group.state === "Dead") return refuse(Errors.COORDINATOR_NOT_AVAILABLE)
    const left: string[] = []
    const members = request.members.map((leaving) => ({
      memberId: leaving.memberId,
      groupInstanceId: leaving.groupInstanceId,
      errorCode: group instanceof ClassicGroup ? this.#takeOut(group, leaving, left, now) : Errors.UNKNOWN_MEMBER_ID,
    }))
    const outcome = group instanceof ClassicGroup ? this.#goOn(group, left, now) : nothingToWrite
    if (outcome.records.length === 0) {
      respond({ throttleTimeMs: 0, errorCode: Errors.NONE, members })
      return outcome
    }
    return {
      ...outcome,
      onWritten: (error) => {
        outcome.onWritten?.(error)
        const answered = error === Errors.NONE ? members : []
        respond({ throttleTimeMs: 0, errorCode: writeError(error), members: answered })
      },
    }
  }

  #takeOut(group: ClassicGroup, leaving: Leaving, left: string[], now: Now): ErrorCode {
    const { memberId, groupInstanceId } = leaving
    if (this.membership.forgetPending(group, memberId)) return Errors.NONE
    // Administrators know the instance, not the member id it has now.
    const known = memberId === "" && groupInstanceId !== null ? group.staticMembers.get(groupInstanceId) : memberId
    const error = checkMember(group, known ?? "", groupInstanceId)
    if (error !== Errors.NONE) return error
    const member = group.members.get(known!)!
    this.membership.drop(group, member)
    left.push(member.memberId)
    const how = memberId === "" ? "it was removed by its instance id" : "it asked to leave"
    const reason = `${how}${clientReason(leaving.reason)}`
    this.rebalance.note(group, { type: "member-left", ...namesOf(member), reason }, now)
    return Errors.NONE
  }

  #goOn(group: ClassicGroup, left: readonly string[], now: Now): Outcome {
    // If only ids went that nobody has used, there is no member less; but a join phase may have waited for them.
    return left.length === 0
      ? this.rebalance.maybeCompleteJoin(group, now)
      : this.rebalance.prepareOrComplete(group, `${named(left)} left`, now)
  }
}
