/**
 * What happened to each group lately, and why.
 *
 * Owns the last events of each group of a shard, in memory only: after a restart it begins anew. Invariant: `eventsPerGroupMax` events of a group at most.
 */
import type { GroupEvent, Now } from "./contract.js"

export const eventsPerGroupMax = 100
/** Groups that are gone whose events are kept, in case they come back: a group that changes its protocol goes and comes within one decision. */
export const removedGroupsMax = 100

export interface TimedGroupEvent extends GroupEvent {
  readonly timestampMs: number
}

export class Timelines {
  readonly #groups = new Map<string, TimedGroupEvent[]>()
  readonly #removed = new Set<string>()

  note(groupId: string, event: GroupEvent, { wallMs }: Now): void {
    let events = this.#groups.get(groupId)
    if (events === undefined) this.#groups.set(groupId, (events = []))
    // Cut in halves, so that a busy group does not move its whole list at every event.
    if (events.length >= 2 * eventsPerGroupMax) events.splice(0, eventsPerGroupMax)
    events.push({ ...event, timestampMs: wallMs })
  }

  /** Oldest first. */
  of(groupId: string): readonly TimedGroupEvent[] {
    return this.#groups.get(groupId)?.slice(-eventsPerGroupMax) ?? []
  }

  removed(groupId: string): void {
    if (!this.#groups.has(groupId)) return
    this.#removed.add(groupId)
    if (this.#removed.size <= removedGroupsMax) return
    const oldest: string = this.#removed.values().next().value!
    this.#removed.delete(oldest)
    this.#groups.delete(oldest)
  }

  added(groupId: string): void {
    this.#removed.delete(groupId)
  }
}
