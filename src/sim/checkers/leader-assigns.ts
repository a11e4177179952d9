/**
 * Members of a classic group are assigned what their leader handed in for that generation, whole, and nothing that anybody else did (G1).
 *
 * Owns what leaders handed in, by generation. A leader that got no answer may hand in something else; then one of the two holds.
 */
import type { Checker, Observation } from "../history.js"

/** Generations that are remembered, per group. */
const generationsMax = 32

export class LeaderAssigns implements Checker {
  readonly name = "the leader assigns"
  /** By group, generation and member: each as one text. */
  readonly #led = new Map<string, Map<number, Map<string, Set<string>>>>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    if (seen.kind === "led") {
      const generations = this.#led.get(seen.group) ?? new Map<number, Map<string, Set<string>>>()
      this.#led.set(seen.group, generations)
      const members = generations.get(seen.generation) ?? new Map<string, Set<string>>()
      generations.set(seen.generation, members)
      if (generations.size > generationsMax) generations.delete(generations.keys().next().value!)
      for (const { member, partitions } of seen.assignment)
        members.set(member, (members.get(member) ?? new Set()).add(partitions.join()))
    }
    if (seen.kind === "taken") {
      const { group, generation, member, partitions } = seen
      const members = this.#led.get(group)?.get(generation)
      if (members !== undefined && members.get(member)?.has(partitions.join()) !== true)
        this.report(
          `${group}: ${member} got ${partitions.join() || "nothing"} in generation ${generation}, its leader gave it ${[...(members.get(member) ?? [])].map((each) => each || "nothing").join(" or ") || "no place"}`,
        )
    }
  }
}
