/**
 * In one generation of a classic group a partition belongs to one member (G1, H24).
 *
 * Owns the assignments that members were told, by generation. A static member that was restarted is the same owner.
 */
import type { Checker, Observation } from "../history.js"
import { GroupMembership } from "./group-membership.js"

/** Older ones are forgotten: nobody is told of them any more. */
const generationsMax = 16

interface Generations {
  /** Of the group. */
  readonly life: number
  /** By generation, then by partition. */
  readonly owners: Map<number, Map<string, string>>
}

export class OneOwnerPerGeneration implements Checker {
  readonly name = "a partition has one owner in a generation"
  readonly #membership = new GroupMembership()
  readonly #groups = new Map<string, Generations>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    // Before the lease that comes with the answer: whether the group is a new one is asked of those before it.
    if (seen.kind === "assigned" && seen.isClassic && seen.untilMs > seen.atMs) this.#assigned(seen)
    this.#membership.observe(seen)
  }

  #assigned(seen: Extract<Observation, { kind: "assigned" }>): void {
    const { group, generation, owner } = seen
    const life = this.#membership.lifeOf(group, seen.atMs)
    let known = this.#groups.get(group)
    if (known?.life !== life) this.#groups.set(group, (known = { life, owners: new Map() }))
    let owners = known.owners.get(generation)
    if (owners === undefined) known.owners.set(generation, (owners = new Map()))
    if (known.owners.size > generationsMax) known.owners.delete(Math.min(...known.owners.keys()))
    for (const partition of seen.partitions) {
      const other = owners.get(partition)
      if (other !== undefined && other !== owner)
        this.report(`${group}: generation ${generation} gives ${partition} to ${other} and to ${owner}`)
      owners.set(partition, owner)
    }
  }
}
