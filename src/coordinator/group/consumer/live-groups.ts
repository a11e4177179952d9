/**
 * What is known of groups by time alone.
 *
 * Owns heartbeats, deadlines and resolutions under way: nothing of it is in the log, all of it starts anew when a group is loaded. Durations are of the monotonic clock. The invariant:
 * of a group without members nothing is kept.
 */
import type { Now, Outcome } from "../contract.js"
import type { RegexResolution } from "./regular-expressions.js"

export interface LiveMember {
  readonly sessionKey: string
  readonly onSessionEnd: (now: Now) => Outcome
  lastHeartbeatMs: number
  sessionTimeoutMs: number
  /** Until when it must have let go of what was taken from it. */
  revocationDeadlineMs: number | undefined
  /** Until when a classic member must have rejoined. */
  joinDeadlineMs: number | undefined
}

export interface LiveGroup {
  readonly members: Map<string, LiveMember>
  /** When all regular expressions were last resolved. */
  regexesResolvedMs: number
  resolution: RegexResolution | undefined
  /** Whom the timeline named as fenced last: a client that does not give up is not told of again and again. */
  lastFencedMemberId: string | undefined
}

export class LiveGroups {
  readonly #groups = new Map<string, LiveGroup>()

  member(groupId: string, memberId: string): LiveMember | undefined {
    return this.#groups.get(groupId)?.members.get(memberId)
  }

  addMember(groupId: string, memberId: string, member: LiveMember): void {
    this.group(groupId).members.set(memberId, member)
  }

  group(groupId: string): LiveGroup {
    let group = this.#groups.get(groupId)
    if (group === undefined) {
      group = {
        members: new Map(),
        regexesResolvedMs: Number.NEGATIVE_INFINITY,
        resolution: undefined,
        lastFencedMemberId: undefined,
      }
      this.#groups.set(groupId, group)
    }
    return group
  }

  removeMember(groupId: string, memberId: string): void {
    const group = this.#groups.get(groupId)
    if (group?.members.delete(memberId) === true && group.members.size === 0) this.#groups.delete(groupId)
  }
}
