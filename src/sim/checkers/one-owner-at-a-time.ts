/**
 * Nobody is given a partition as long as another member owns it: until that has given it up, or its time has run out (G1, H25).
 *
 * Owns what each member owns at present. A member that went silent owns what it had until its lease ends.
 */
import type { Checker, Observation } from "../history.js"
import { GroupMembership } from "./group-membership.js"

interface Member {
  readonly owner: string
  readonly partitions: ReadonlySet<string>
}

/** Timers of the broker are never early, but its clock is read in other moments than ours. */
const toleranceMs = 5

export class OneOwnerAtATime implements Checker {
  readonly name = "a partition has one owner at a time"
  readonly #membership = new GroupMembership()
  readonly #groups = new Map<string, Map<string, Member>>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    this.#membership.observe(seen)
    if (seen.kind === "out of group") this.#groups.get(seen.group)?.delete(seen.member)
    if (seen.kind === "owns") {
      let members = this.#groups.get(seen.group)
      if (members === undefined) this.#groups.set(seen.group, (members = new Map()))
      members.set(seen.member, { owner: seen.owner, partitions: new Set(seen.partitions) })
    }
    // A lease that is made longer counts like a new one.
    if (seen.kind === "owns" || seen.kind === "in group") this.#check(seen.group, seen.member, seen.atMs)
  }

  #check(group: string, name: string, atMs: number): void {
    const members = this.#groups.get(group)
    const member = members?.get(name)
    if (members === undefined || member === undefined || !this.#isIn(group, name, atMs)) return
    for (const [otherName, other] of members) {
      if (otherName === name || other.owner === member.owner || !this.#isIn(group, otherName, atMs)) continue
      for (const partition of member.partitions)
        if (other.partitions.has(partition))
          this.report(`${group}: ${member.owner} has ${partition}, which ${other.owner} still owns at ${atMs} ms`)
    }
  }

  #isIn(group: string, name: string, atMs: number): boolean {
    return this.#membership.isMember(group, name, atMs + toleranceMs)
  }
}
