/**
 * What was refused is nowhere, and nothing comes from nowhere (G1a's shape; L8).
 *
 * Owns the fate of every value: sent, refused. A record whose outcome is unknown may appear or not.
 */
import type { Checker, Observation } from "../history.js"

export class NothingRefusedAppears implements Checker {
  readonly name = "nothing refused appears"
  readonly #sent = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #seen = new Set<string>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    if (seen.kind !== "sent" && seen.kind !== "refused" && seen.kind !== "read" && seen.kind !== "acknowledged") return
    const id = `${seen.partition} ${seen.value}`
    switch (seen.kind) {
      case "sent":
        this.#sent.add(id)
        break
      case "refused":
        if (this.#seen.has(id)) this.report(`${id} was refused after it had been seen`)
        this.#refused.add(id)
        break
      case "acknowledged":
      case "read":
        if (!this.#sent.has(id)) this.report(`${id} at offset ${seen.offset} was never sent`)
        if (this.#refused.has(id)) this.report(`${id} at offset ${seen.offset} had been refused`)
        this.#seen.add(id)
        break
    }
  }
}
