/**
 * SyncGroup: the leader hands in the assignment, everybody gets a share of it.
 *
 * Owns when a sync is parked and when the assignment is written. Invariant: a share is told to its member only when the log has it.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { RequestOf } from "../../../protocol/message.js"
import type { syncGroup } from "../../../protocol/messages/sync-group.js"
import { type Groups, nothingToWrite, type Now, type Outcome, type Respond, type ShardContext } from "../contract.js"
import { ClassicGroup, noBytes } from "./classic-group.js"
import type { SyncResponse } from "./classic-member.js"
import { checkAndNoteMember } from "./identity.js"
import type { Rebalance } from "./rebalance.js"
import { groupRecord } from "./records.js"
import { syncError, writeError } from "./responses.js"

export type SyncRequest = RequestOf<typeof syncGroup>

export class Sync {
  constructor(
    private readonly context: ShardContext,
    private readonly groups: Groups,
    private readonly rebalance: Rebalance,
  ) {}

  sync(request: SyncRequest, respond: Respond<SyncResponse>, now: Now): Outcome {
    const refuse = (error: ErrorCode): Outcome => {
      respond(syncError(error))
      return nothingToWrite
    }
    const { groupId, memberId } = request
    if (groupId === "") return refuse(Errors.INVALID_GROUP_ID)
    const group = this.groups.get(groupId)
    if (!(group instanceof ClassicGroup) || group.state === "Empty") return refuse(Errors.UNKNOWN_MEMBER_ID)
    const error = this.#check(group, request, now)
    if (error !== Errors.NONE) return refuse(error)
    if (group.state === "PreparingRebalance") return refuse(Errors.REBALANCE_IN_PROGRESS)
    const member = group.members.get(memberId)!
    member.lastSeenMs = now.monotonicMs
    this.rebalance.synced(group, memberId)
    if (group.state === "Stable") {
      const { protocolType = null, protocolName } = group
      const assignment = group.assignmentOf(memberId)
      respond({ throttleTimeMs: 0, errorCode: Errors.NONE, protocolType, protocolName, assignment })
      return nothingToWrite
    }
    // One that was parked before is of a connection that was given up.
    member.parkedSync?.(syncError(Errors.REBALANCE_IN_PROGRESS))
    member.parkedSync = respond
    // A leader that asks twice gets what it handed in first.
    if (!group.isLeader(memberId) || group.isAssignmentBeingWritten) return nothingToWrite
    return this.#write(group, request, now)
  }

  #check(group: ClassicGroup, request: SyncRequest, now: Now): ErrorCode {
    if (group.state === "Dead") return Errors.COORDINATOR_NOT_AVAILABLE
    const { memberId, groupInstanceId, generationId, protocolType, protocolName } = request
    const error = checkAndNoteMember(this.context, group, memberId, groupInstanceId, "SyncGroup", now)
    if (error !== Errors.NONE) return error
    if (generationId !== group.generationId) return Errors.ILLEGAL_GENERATION
    // KIP-559. Old versions do not say.
    if (protocolType !== null && group.protocolType !== undefined && protocolType !== group.protocolType)
      return Errors.INCONSISTENT_GROUP_PROTOCOL
    if (protocolName !== null && group.protocolName !== null && protocolName !== group.protocolName)
      return Errors.INCONSISTENT_GROUP_PROTOCOL
    return Errors.NONE
  }

  #write(group: ClassicGroup, { memberId, assignments }: SyncRequest, now: Now): Outcome {
    const { generationId } = group
    const byMember = new Map(assignments.map(({ memberId: id, assignment }) => [id, assignment]))
    const without = [...group.members.keys()].filter((id) => !byMember.has(id)).length
    const reason = without === 0 ? {} : { reason: `it has nothing for ${without} of them` }
    const event = { memberId, generation: generationId, members: group.members.size, ...reason }
    this.rebalance.note(group, { type: "assignment-received", ...event }, now)
    group.isAssignmentBeingWritten = true
    return {
      records: [groupRecord(group, now.wallMs, (id) => byMember.get(id) ?? noBytes)],
      onWritten: (error) => {
        // Who came or went while it was written has begun a rebalance: then this assignment is nobody's.
        if (group.state !== "CompletingRebalance" || group.generationId !== generationId) return
        if (error === Errors.NONE) this.rebalance.complete(group, now)
        else this.rebalance.fail(group, writeError(error), now)
      },
    }
  }
}
