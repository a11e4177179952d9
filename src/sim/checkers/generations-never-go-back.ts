/**
 * Generations and epochs that the log has never go back, also over restarts (G5).
 *
 * Owns the highest one that anyone was told: of a classic group, of a member of another, of the group as described. A group that vanished may begin anew.
 */
import type { Checker, Observation } from "../history.js"
import { GroupMembership } from "./group-membership.js"

interface Highest {
  readonly generation: number
  readonly atMs: number
}

export class GenerationsNeverGoBack implements Checker {
  readonly name = "generations never go back"
  readonly #membership = new GroupMembership()
  readonly #highest = new Map<string, { readonly life: number; readonly of: Map<string, Highest> }>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    if (seen.kind === "assigned" && seen.untilMs > seen.atMs)
      this.#told(seen.group, seen.isClassic ? "" : seen.member, seen.generation, seen.sentMs, seen.atMs)
    if (seen.kind === "group epoch") this.#told(seen.group, "described", seen.epoch, seen.sentMs, seen.atMs)
    this.#membership.observe(seen)
  }

  #told(group: string, of: string, generation: number, sentMs: number, atMs: number): void {
    const life = this.#membership.lifeOf(group, atMs)
    let highest = this.#highest.get(group)
    if (highest?.life !== life) this.#highest.set(group, (highest = { life, of: new Map() }))
    const before = highest.of.get(of)
    if (before !== undefined && before.generation > generation && before.atMs < sentMs)
      this.report(
        `${group}${of === "" ? "" : ` (${of})`}: generation ${generation} was told after ${before.generation}`,
      )
    if (before === undefined || before.generation < generation) highest.of.set(of, { generation, atMs })
  }
}
