/**
 * A classic group explained to people: what each member is doing, and who is waited for.
 *
 * Owns the words. Invariant: it looks and does not touch.
 */
import type { ExplainedGroup, ExplainedMember, Now } from "../contract.js"
import type { ClassicGroup, PendingJoin } from "./classic-group.js"
import type { ClassicMember } from "./classic-member.js"
import { assignedPartitions } from "./subscriptions.js"

export function explainGroup(group: ClassicGroup, now: Now): ExplainedGroup {
  return {
    state: group.state,
    protocol: group.protocolName ?? "",
    generation: group.generationId,
    members: [
      ...[...group.members.values()].map((member) => explainMember(group, member, now)),
      ...[...group.pendingJoins.values()].map((pending) => explainPending(pending, now)),
    ],
  }
}

function explainMember(group: ClassicGroup, member: ClassicMember, now: Now): ExplainedMember {
  return {
    memberId: member.memberId,
    instanceId: member.groupInstanceId ?? undefined,
    clientId: member.clientId,
    clientHost: member.clientHost,
    ...doing(group, member, now),
    epoch: group.generationId,
    sinceLastHeartbeatMs: now.monotonicMs - member.lastSeenMs,
    partitions: group.isConsumerProtocolType ? assignedPartitions(group.assignmentOf(member.memberId)) : [],
  }
}

function doing(group: ClassicGroup, member: ClassicMember, now: Now): Pick<ExplainedMember, "state" | "lateByMs"> {
  const notAwaited = (state: string) => ({ state, lateByMs: undefined })
  const awaited = (state: string, deadlineMs: number) => ({ state, lateByMs: now.monotonicMs - deadlineMs })
  switch (group.state) {
    case "PreparingRebalance":
      return member.parkedJoin === undefined
        ? awaited("has not rejoined yet", group.joinDeadlineMs)
        : notAwaited("has joined, waits for the others")
    case "CompletingRebalance":
      if (group.isAssignmentBeingWritten) return notAwaited("waits until the assignment is written")
      if (group.pendingSyncs.has(member.memberId))
        return group.isLeader(member.memberId)
          ? awaited("leads, has not handed in the assignment yet", group.syncDeadlineMs)
          : awaited("has not asked for its assignment yet", group.syncDeadlineMs)
      return notAwaited("waits for the leader's assignment")
    case "Stable":
      return group.pendingSyncs.has(member.memberId)
        ? awaited("has not asked for its assignment yet", group.syncDeadlineMs)
        : notAwaited(group.isLeader(member.memberId) ? "stable, leads" : "stable")
    default:
      return notAwaited("gone")
  }
}

const explainPending = (
  { memberId, clientId, clientHost, sinceMs, timeoutMs }: PendingJoin,
  now: Now,
): ExplainedMember => ({
  memberId,
  instanceId: undefined,
  clientId,
  clientHost,
  state: "was given its id, has not joined with it yet",
  epoch: -1,
  lateByMs: now.monotonicMs - sinceMs - timeoutMs,
  sinceLastHeartbeatMs: now.monotonicMs - sinceMs,
  partitions: [],
})
