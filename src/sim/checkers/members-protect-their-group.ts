/**
 * As long as a group has members nobody deletes it, resets its offsets from outside, or deletes offsets of what it subscribes to (G2).
 *
 * Owns the comparison of what was done from outside with who was surely in the group all the while.
 */
import type { Checker, Observation } from "../history.js"
import { GroupMembership } from "./group-membership.js"

export class MembersProtectTheirGroup implements Checker {
  readonly name = "members protect their group"
  readonly #membership = new GroupMembership()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    this.#membership.observe(seen)
    if (seen.kind !== "done from outside") return
    const { group, topic, sentMs, atMs, what } = seen
    if (this.#membership.wasHeld(group, topic, sentMs, atMs))
      this.report(`${group}: ${what}, though members ${topic === undefined ? "were there" : `subscribed to ${topic}`}`)
  }
}
