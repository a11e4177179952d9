/**
 * Who is not of the present generation is refused: commits of zombies, heartbeats of an instance that was replaced (G2).
 *
 * Owns what is known to be stale: a classic generation below one that somebody was told, a member that was told to be out, a former process of an instance, and an owner whose partition
 * another has with a later epoch.
 */
import type { Checker, Observation } from "../history.js"
import { GroupMembership } from "./group-membership.js"

interface Assigned {
  readonly member: string
  readonly generation: number
  readonly atMs: number
}

interface GroupFacts {
  life: number
  /** The highest generation of a classic group. */
  highest: Assigned | undefined
  readonly byOwner: Map<string, Assigned>
  readonly byPartition: Map<string, Assigned>
  readonly outSinceMs: Map<string, number>
}

type Accepted = Extract<Observation, { kind: "accepted" }>

export class StaleMembersRefused implements Checker {
  readonly name = "stale members are refused"
  readonly #membership = new GroupMembership()
  readonly #groups = new Map<string, GroupFacts>()

  /** `forgetsMembers`: what is not in the log may be lost while the broker lives, so that a member that was put out is in again. */
  constructor(
    readonly report: (what: string) => void,
    readonly forgetsMembers: boolean,
  ) {}

  observe(seen: Observation): void {
    switch (seen.kind) {
      case "assigned":
        this.#assigned(seen)
        break
      case "out of group":
        if (seen.wasTold && !this.forgetsMembers) this.#factsOf(seen.group).outSinceMs.set(seen.member, seen.atMs)
        break
      case "broker died":
        // Members that went without a record are in their last generation again.
        for (const facts of this.#groups.values()) facts.outSinceMs.clear()
        break
      case "accepted":
        this.#accepted(seen)
        break
    }
    this.#membership.observe(seen)
  }

  #factsOf(group: string): GroupFacts {
    let facts = this.#groups.get(group)
    if (facts === undefined) {
      facts = { life: -1, highest: undefined, byOwner: new Map(), byPartition: new Map(), outSinceMs: new Map() }
      this.#groups.set(group, facts)
    }
    return facts
  }

  #assigned(seen: Extract<Observation, { kind: "assigned" }>): void {
    const { group, member, generation, atMs } = seen
    if (seen.untilMs <= atMs) {
      this.#assignedLate(seen)
      return
    }
    const life = this.#membership.lifeOf(group, atMs)
    if (this.#groups.get(group)?.life !== life) this.#groups.delete(group)
    const facts = this.#factsOf(group)
    facts.life = life
    const assigned = { member, generation, atMs }
    if (seen.isClassic && (facts.highest === undefined || facts.highest.generation < generation))
      facts.highest = assigned
    const former = facts.byOwner.get(seen.owner)
    // Of two processes of one instance the one that was told later need not be the later one.
    if (former === undefined || former.member === member || former.atMs < seen.sentMs)
      facts.byOwner.set(seen.owner, assigned)
    for (const partition of seen.partitions) facts.byPartition.set(partition, assigned)
    facts.outSinceMs.delete(member)
  }

  /** So late that it may have been put out since, and the group have begun anew: it only says that the member was in it once more. */
  #assignedLate({ group, member, owner, sentMs }: Extract<Observation, { kind: "assigned" }>): void {
    const facts = this.#factsOf(group)
    facts.outSinceMs.delete(member)
    const former = facts.byOwner.get(owner)
    if (former !== undefined && former.member !== member && former.atMs < sentMs) facts.byOwner.delete(owner)
  }

  #accepted(seen: Accepted): void {
    const { group, member, owner, generation, sentMs, what } = seen
    const facts = this.#factsOf(group)
    const say = (why: string) =>
      this.report(`${group}: a ${what} of ${member} in ${generation} was accepted, though ${why}`)
    const { highest } = facts
    if (seen.isClassic && highest !== undefined && highest.generation > generation && highest.atMs < sentMs)
      say(`generation ${highest.generation} had begun`)
    const outSinceMs = facts.outSinceMs.get(member)
    if (outSinceMs !== undefined && outSinceMs < sentMs) say("it had been told that it is out of the group")
    const successor = facts.byOwner.get(owner)
    if (successor !== undefined && successor.member !== member && successor.atMs < sentMs)
      say(`${successor.member} had taken its place`)
    if (what !== "commit") return
    for (const partition of seen.partitions) {
      const other = facts.byPartition.get(partition)
      if (other !== undefined && other.member !== member && other.generation > generation && other.atMs < sentMs)
        say(`${partition} had gone to ${other.member} in ${other.generation}`)
    }
  }
}
