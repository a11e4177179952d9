/**
 * What was acknowledged about topics, partitions and settings is what everyone is told, after every crash too (R7).
 *
 * Owns one register for each fact, written by one client at a time: the values it may have now. A write without an answer may take effect at any
 * moment until the next crash, so it stays possible until then.
 */
import type { Checker, Observation } from "../history.js"

interface Register {
  possible: Set<string>
  /** Written, and no answer came: may still be on its way. */
  open: Set<string>
  /** False until a write is acknowledged: what was there before is not known. */
  isKnown: boolean
}

export class MetadataSurvives implements Checker {
  readonly name = "acknowledged metadata survives"
  readonly #registers = new Map<string, Register>()

  constructor(readonly report: (what: string) => void) {}

  #register(fact: string): Register {
    let register = this.#registers.get(fact)
    if (register === undefined)
      this.#registers.set(fact, (register = { possible: new Set(), open: new Set(), isKnown: false }))
    return register
  }

  observe(seen: Observation): void {
    switch (seen.kind) {
      case "fact written": {
        const register = this.#register(seen.fact)
        register.possible.add(seen.value)
        register.open.add(seen.value)
        break
      }
      case "fact acknowledged": {
        const register = this.#register(seen.fact)
        register.open.delete(seen.value)
        register.isKnown = true
        register.possible = new Set([...register.open, seen.value])
        break
      }
      case "fact read": {
        const { possible, isKnown } = this.#register(seen.fact)
        if (isKnown && !possible.has(seen.value))
          this.report(`${seen.fact} is ${seen.value}, it was said to be ${[...possible].join(" or ")}`)
        break
      }
      case "restarted":
        for (const register of this.#registers.values()) register.open.clear()
        break
    }
  }
}
