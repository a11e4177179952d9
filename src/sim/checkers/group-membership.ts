/**
 * Who is surely in a group at a time, as far as answers of the broker say.
 *
 * Owns the leases: a member that was answered is in the group until its session or its time to rejoin may have run out. No checker of its own; several lean on it.
 */
import type { Observation } from "../history.js"

interface Lease {
  readonly untilMs: number
  readonly owner: string
  readonly topics: readonly string[]
}

interface GroupLeases {
  readonly members: Map<string, Lease>
  /** Since when there has been a member at every moment; by topic: one that subscribes to it. */
  readonly heldSinceMs: Map<string, number>
  /** Processes of an instance that another has asked to take the place of. They may be heard of once more, and are in the group no more. */
  readonly superseded: Set<string>
  mayVanish: boolean
  lives: number
}

const everyTopic = ""

export class GroupMembership {
  readonly #groups = new Map<string, GroupLeases>()

  #group(group: string): GroupLeases {
    let known = this.#groups.get(group)
    if (known === undefined) {
      known = { members: new Map(), heldSinceMs: new Map(), superseded: new Set(), mayVanish: true, lives: 0 }
      this.#groups.set(group, known)
    }
    return known
  }

  observe(seen: Observation): void {
    switch (seen.kind) {
      case "in group": {
        const leases = this.#group(seen.group)
        if (leases.superseded.has(seen.member)) return
        for (const topic of [everyTopic, ...seen.topics])
          if (!isHeld(leases, topic, seen.atMs)) leases.heldSinceMs.set(topic, seen.atMs)
        leases.members.set(seen.member, { untilMs: seen.untilMs, owner: seen.owner, topics: seen.topics })
        return
      }
      case "takes over": {
        const { members, superseded } = this.#group(seen.group)
        superseded.delete(seen.member)
        for (const [member, { owner }] of members)
          if (owner === seen.owner && member !== seen.member) {
            members.delete(member)
            superseded.add(member)
          }
        return
      }
      case "out of group":
        this.#group(seen.group).members.delete(seen.member)
        return
      case "group may vanish":
        this.lifeOf(seen.group, seen.atMs)
        this.#group(seen.group).mayVanish = seen.isPossible
        return
    }
  }

  isMember(group: string, member: string, atMs: number): boolean {
    return this.untilMs(group, member) > atMs
  }

  /** The lease of a member; 0 where it has none. */
  untilMs(group: string, member: string): number {
    return this.#group(group).members.get(member)?.untilMs ?? 0
  }

  /** Whether from `fromMs` to `atMs` somebody was in the group all the time; with a topic: somebody who subscribes to it. */
  wasHeld(group: string, topic: string | undefined, fromMs: number, atMs: number): boolean {
    const leases = this.#group(group)
    const key = topic ?? everyTopic
    const sinceMs = leases.heldSinceMs.get(key)
    return sinceMs !== undefined && sinceMs < fromMs && isHeld(leases, key, atMs)
  }

  /** Another number whenever the group may have been removed since, and begun anew with its generations. */
  lifeOf(group: string, atMs: number): number {
    const leases = this.#group(group)
    if (leases.mayVanish && !isHeld(leases, everyTopic, atMs)) leases.lives += 1
    return leases.lives
  }
}

const isHeld = ({ members }: GroupLeases, topic: string, atMs: number): boolean => {
  for (const lease of members.values())
    if (lease.untilMs > atMs && (topic === everyTopic || lease.topics.includes(topic))) return true
  return false
}
