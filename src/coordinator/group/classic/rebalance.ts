/**
 * From one generation of a classic group to the next: everybody joins, everybody syncs.
 *
 * Owns the phases, their deadlines, and who is left behind at them; single requests are decided in `join.ts`, `sync.ts`, `leave.ts`. Invariant: a phase that has begun ends, by the
 * last member it waits for or by its timer.
 */
import { invariant } from "../../../base/assert.js"
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import { type GroupEvent, nothingToWrite, type Now, type Outcome, type ShardContext } from "../contract.js"
import { type ClassicGroup, noBytes } from "./classic-group.js"
import type { ClassicMember, SyncResponse } from "./classic-member.js"
import type { Membership } from "./membership.js"
import { groupRecord } from "./records.js"
import { syncError } from "./responses.js"

const canRebalance = (group: ClassicGroup): boolean =>
  group.state === "Stable" || group.state === "CompletingRebalance" || group.state === "Empty"

const joinKey = (group: ClassicGroup): string => `${group.groupId}:join`
const syncKey = (group: ClassicGroup): string => `${group.groupId}:sync`

export class Rebalance {
  constructor(
    private readonly context: ShardContext,
    private readonly membership: Membership,
  ) {}

  note(group: ClassicGroup, event: GroupEvent, now: Now): void {
    this.context.note(group.groupId, event, now)
  }

  /** Something has changed: a rebalance begins, or the one under way may be complete. */
  prepareOrComplete(group: ClassicGroup, reason: string, now: Now): Outcome {
    return canRebalance(group) ? this.prepare(group, reason, now) : this.maybeCompleteJoin(group, now)
  }

  prepare(group: ClassicGroup, reason: string, now: Now): Outcome {
    if (group.state === "CompletingRebalance")
      this.#answerSyncs(group, () => syncError(Errors.REBALANCE_IN_PROGRESS), now)
    this.#endSyncPhase(group)
    const isInitial = group.state === "Empty"
    group.transitionTo("PreparingRebalance", now.wallMs)
    group.isAssignmentBeingWritten = false
    group.rebalanceStartedMs = now.monotonicMs
    this.note(group, { type: "rebalance-started", generation: group.generationId, reason }, now)
    if (isInitial) {
      const delayMs = this.context.settings.initialRebalanceDelayMs
      this.#delayInitial(group, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0), now)
      return nothingToWrite
    }
    if (group.haveAllJoined) return this.#completeJoin(group, now)
    this.#awaitJoins(group, now)
    return nothingToWrite
  }

  #awaitJoins(group: ClassicGroup, now: Now): void {
    const timeoutMs = group.rebalanceTimeoutMs
    group.joinDeadlineMs = now.monotonicMs + timeoutMs
    this.context.timers.schedule(joinKey(group), timeoutMs, (later) => this.#joinTimeIsOver(group, later))
  }

  /**
   * Members of a new group start at about the same time: waiting for them spares a rebalance for each. As long as new ones come it waits once more, but in all no longer than
   * the rebalance timeout that the first of them asked for.
   */
  #delayInitial(group: ClassicGroup, delayMs: number, remainingMs: number, now: Now): void {
    group.joinDeadlineMs = now.monotonicMs + delayMs
    this.context.timers.schedule(joinKey(group), delayMs, (later) => {
      if (group.newMemberAdded && remainingMs > 0) {
        group.newMemberAdded = false
        const nextDelayMs = Math.min(this.context.settings.initialRebalanceDelayMs, remainingMs)
        this.#delayInitial(group, nextDelayMs, Math.max(remainingMs - delayMs, 0), later)
        return nothingToWrite
      }
      return this.#joinTimeIsOver(group, later)
    })
  }

  #joinTimeIsOver(group: ClassicGroup, now: Now): Outcome {
    return group.state === "PreparingRebalance" ? this.#completeJoin(group, now) : nothingToWrite
  }

  maybeCompleteJoin(group: ClassicGroup, now: Now): Outcome {
    // A first rebalance is ended by its timer alone.
    const mayEnd = group.state === "PreparingRebalance" && group.previousState !== "Empty" && group.haveAllJoined
    return mayEnd ? this.#completeJoin(group, now) : nothingToWrite
  }

  #completeJoin(group: ClassicGroup, now: Now): Outcome {
    this.context.timers.cancel(joinKey(group))
    group.newMemberAdded = false
    // A static member keeps its place, and its partitions, until its session is over.
    for (const member of [...group.members.values()])
      if (member.parkedJoin === undefined && !member.isStatic)
        this.#leaveBehind(group, member, "rebalance", group.joinDeadlineMs, now)
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      // Nobody is there to lead. The sessions of those who are silent end, or somebody comes.
      this.#awaitJoins(group, now)
      return nothingToWrite
    }
    group.beginGeneration(now.wallMs)
    return group.members.size === 0 ? this.#becomeEmpty(group, now) : this.#beginSyncPhase(group, now)
  }

  #becomeEmpty(group: ClassicGroup, now: Now): Outcome {
    this.note(group, { type: "group-emptied", generation: group.generationId }, now)
    return {
      records: [groupRecord(group, now.wallMs, () => noBytes)],
      onWritten: (error) => {
        // Safe to ignore: if the coordinator moves now, the last generation of the log comes back and its members miss their sessions.
        if (error !== Errors.NONE)
          this.context.log.log("warn", "the end of a group's last generation was not written", {
            groupId: group.groupId,
            error,
          })
      },
    }
  }

  #beginSyncPhase(group: ClassicGroup, now: Now): Outcome {
    const { generationId, protocolName, protocolType = null, leaderId = "" } = group
    const members = memberList(group)
    for (const member of group.members.values()) {
      const { memberId } = member
      group.answerJoin(member, {
        errorCode: Errors.NONE,
        memberId,
        generationId,
        protocolType,
        protocolName,
        leader: leaderId,
        members: group.isLeader(memberId) ? members : [],
      })
      member.isNew = false
      this.membership.restartSession(group, member, now)
      group.pendingSyncs.add(memberId)
    }
    const timeoutMs = group.rebalanceTimeoutMs
    group.syncDeadlineMs = now.monotonicMs + timeoutMs
    this.context.timers.schedule(syncKey(group), timeoutMs, (later) => this.#syncTimeIsOver(group, generationId, later))
    return nothingToWrite
  }

  /** The member has its assignment, or waits for it. */
  synced(group: ClassicGroup, memberId: string): void {
    if (group.pendingSyncs.delete(memberId) && group.pendingSyncs.size === 0) this.#endSyncPhase(group)
  }

  #endSyncPhase(group: ClassicGroup): void {
    group.pendingSyncs.clear()
    this.context.timers.cancel(syncKey(group))
  }

  #syncTimeIsOver(group: ClassicGroup, generationId: number, now: Now): Outcome {
    const isThisPhase =
      group.generationId === generationId && (group.state === "CompletingRebalance" || group.state === "Stable")
    if (!isThisPhase || group.pendingSyncs.size === 0) return nothingToWrite
    const late = [...group.pendingSyncs]
    for (const memberId of late) {
      const member = group.members.get(memberId)
      if (member !== undefined) this.#leaveBehind(group, member, "sync", group.syncDeadlineMs, now)
    }
    return this.prepare(group, `${named(late)} did not ask for an assignment in time`, now)
  }

  #leaveBehind(
    group: ClassicGroup,
    member: ClassicMember,
    deadline: "rebalance" | "sync",
    deadlineMs: number,
    now: Now,
  ): void {
    this.membership.drop(group, member)
    const lateByMs = Math.max(0, now.monotonicMs - deadlineMs)
    this.note(group, { type: "member-missed-deadline", deadline, ...namesOf(member), lateByMs }, now)
  }

  /** The assignment of this generation is in the log: everybody who waits for it gets it. */
  complete(group: ClassicGroup, now: Now): void {
    const { protocolName, protocolType = null, generationId } = group
    group.isAssignmentBeingWritten = false
    this.#answerSyncs(
      group,
      ({ memberId }) => ({
        throttleTimeMs: 0,
        errorCode: Errors.NONE,
        protocolType,
        protocolName,
        assignment: group.assignmentOf(memberId),
      }),
      now,
    )
    group.transitionTo("Stable", now.wallMs)
    const tookMs = now.monotonicMs - group.rebalanceStartedMs
    this.note(
      group,
      { type: "rebalance-completed", generation: generationId, members: group.members.size, tookMs },
      now,
    )
  }

  /** The assignment will never be in the log: everybody begins anew. */
  fail(group: ClassicGroup, error: ErrorCode, now: Now): void {
    this.#answerSyncs(group, () => syncError(error), now)
    const { records } = this.prepare(group, "the assignment could not be written to the log", now)
    invariant(records.length === 0, "a rebalance that failed has members, so that it cannot end at once")
  }

  #answerSyncs(group: ClassicGroup, answer: (member: ClassicMember) => SyncResponse, now: Now): void {
    for (const member of group.members.values()) {
      const { parkedSync } = member
      if (parkedSync === undefined) continue
      member.parkedSync = undefined
      parkedSync(answer(member))
      // While it waited for us its session did not count.
      this.membership.restartSession(group, member, now)
    }
  }

  /** No phase of this group will end. */
  end(group: ClassicGroup): void {
    this.context.timers.cancel(joinKey(group))
    this.context.timers.cancel(syncKey(group))
  }
}

/** What the leader is told of the members, itself included. */
export const memberList = (group: ClassicGroup) =>
  [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: member.metadata(group.protocolName) ?? noBytes,
  }))

export const namesOf = ({ memberId, groupInstanceId, clientId, clientHost }: ClassicMember) => ({
  memberId,
  ...(groupInstanceId === null ? {} : { instanceId: groupInstanceId }),
  clientId,
  clientHost,
})

/** So many ids are named in a reason; of the others, how many there are. */
const namedMembersMax = 5

export function named(memberIds: readonly string[]): string {
  const first = memberIds.slice(0, namedMembersMax).join(", ")
  const others = memberIds.length - namedMembersMax
  return `${memberIds.length === 1 ? "member" : "members"} ${first}${others > 0 ? ` and ${others} more` : ""}`
}
