/**
 * A producer id is given out once in the life of a cluster, whatever crashes (L7).
 *
 * Owns the ids that any client was ever given.
 */
import type { Checker, Observation } from "../history.js"

export class ProducerIdsNeverRepeat implements Checker {
  readonly name = "producer ids never repeat"
  readonly #given = new Set<number>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    if (seen.kind !== "producer id") return
    if (this.#given.has(seen.producerId)) this.report(`producer id ${seen.producerId} was given twice`)
    this.#given.add(seen.producerId)
  }
}
