/**
 * What happened to each group lately, and why.
 *
 * Owns the last events of each group of a shard, in memory only: after a restart it begins anew. Invariant: `eventsPerGroupMax` events of a group at most.
 */
import type { GroupEvent, Now } from "./contract.js"

export const eventsPerGroupMax = 100

export interface TimedGroupEvent extends GroupEvent {
  readonly timestampMs: number
}

export class Timelines {
  readonly #groups = new Map<string, TimedGroupEvent[]>()

  note(groupId: string, event: GroupEvent, { wallMs }: Now): void {
    if (event.type === "group-removed") {
      this.#groups.delete(groupId)
      return
    }
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

  forget(groupId: string): void {
    this.#groups.delete(groupId)
  }
}
