/**
 * Members coming to and going from a classic group, and their sessions.
 *
 * Owns the timers of sessions and the answers that a member gets because it goes; what follows for the group is decided elsewhere. Invariant: a member is not removed with a request
 * parked, nor with its timer running.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { Now, Outcome, ShardContext } from "../contract.js"
import type { ClassicGroup, PendingJoin } from "./classic-group.js"
import type { ClassicMember, MemberIdentity } from "./classic-member.js"
import { syncError } from "./responses.js"

/**
 * How long a new member's join stays parked, as in Kafka. It has no id yet to send heartbeats with, and a client that is gone cannot be told from one that waits;
 * who is still there tries again.
 */
export const newMemberJoinTimeoutMs = 300_000

/** What one client says as its reason goes no further into the timeline. */
const clientReasonCharactersMax = 255

export class Membership {
  constructor(
    private readonly context: ShardContext,
    private readonly onSessionOver: (group: ClassicGroup, memberId: string, now: Now) => Outcome,
  ) {}

  /** From now on it is awaited for so long. After a write `now` is that of the decision, the delay counts from the present all the same. */
  restartSession(
    group: ClassicGroup,
    member: ClassicMember,
    now: Now,
    timeoutMs: number = member.sessionTimeoutMs,
  ): void {
    member.sessionStartMs = now.monotonicMs
    if (member.onSessionOver === undefined) {
      member.sessionKey = sessionKey(group, member.memberId)
      member.onSessionOver = (now) => this.onSessionOver(group, member.memberId, now)
    }
    this.context.timers.schedule(member.sessionKey, timeoutMs, member.onSessionOver)
  }

  #endSession(member: ClassicMember): void {
    if (member.onSessionOver !== undefined) this.context.timers.cancel(member.sessionKey)
  }

  /** Gives out an id. Its session begins: for so long it may be used. */
  expect(group: ClassicGroup, { memberId, clientId, clientHost }: MemberIdentity, timeoutMs: number, now: Now): void {
    const pending: PendingJoin = {
      memberId,
      clientId,
      clientHost,
      sessionKey: sessionKey(group, memberId),
      sinceMs: now.monotonicMs,
      timeoutMs,
    }
    const forgotten = group.addPendingJoin(pending)
    if (forgotten !== undefined) this.context.timers.cancel(forgotten.sessionKey)
    this.context.timers.schedule(pending.sessionKey, timeoutMs, (later) => this.onSessionOver(group, memberId, later))
  }

  forgetPending(group: ClassicGroup, memberId: string): boolean {
    const pending = group.pendingJoins.get(memberId)
    if (pending === undefined) return false
    this.context.timers.cancel(pending.sessionKey)
    return group.pendingJoins.delete(memberId)
  }

  /** Takes a member out. What it waits for is answered so that it begins anew if it is still there. */
  drop(group: ClassicGroup, member: ClassicMember): void {
    this.answerParked(group, member, Errors.UNKNOWN_MEMBER_ID, "")
    this.#endSession(member)
    group.remove(member)
  }

  /** The instance is now another member; the old one is told if it is there to hear it. */
  replace(group: ClassicGroup, old: ClassicMember, member: ClassicMember, now: Now): void {
    this.answerParked(group, old, Errors.FENCED_INSTANCE_ID, old.memberId)
    this.#endSession(old)
    group.replace(old, member)
    this.restartSession(group, member, now)
  }

  answerParked(group: ClassicGroup, member: ClassicMember, errorCode: ErrorCode, memberId = member.memberId): void {
    group.answerJoin(member, { errorCode, memberId })
    const { parkedSync } = member
    member.parkedSync = undefined
    parkedSync?.(syncError(errorCode))
  }

  /** Nobody waits, and nothing runs, for this group any more. */
  endAll(group: ClassicGroup, errorCode: ErrorCode): void {
    for (const member of group.members.values()) {
      this.answerParked(group, member, errorCode)
      this.#endSession(member)
    }
    for (const { sessionKey } of group.pendingJoins.values()) this.context.timers.cancel(sessionKey)
    group.pendingJoins.clear()
  }
}

const sessionKey = (group: ClassicGroup, memberId: string): string => `${group.groupId}:session:${memberId}`

export function clientReason(reason: string | null): string {
  if (reason === null || reason === "") return ""
  const short = reason.length > clientReasonCharactersMax ? `${reason.slice(0, clientReasonCharactersMax)}...` : reason
  return ` (reason given: ${short})`
}
