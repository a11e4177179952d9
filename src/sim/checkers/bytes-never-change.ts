/**
 * What was once fetched at an offset is fetched there for ever, byte for byte (L5).
 *
 * Owns a hash of every batch anyone fetched. Only a loss that the flush policy allows makes it forget.
 */
import type { Checker, Observation } from "../history.js"

interface Fetched {
  readonly nextOffset: number
  readonly hash: number
}

export class BytesNeverChange implements Checker {
  readonly name = "fetched bytes never change"
  readonly #partitions = new Map<string, Map<number, Fetched>>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    if (seen.kind === "loss allowed") {
      const batches = this.#partitions.get(seen.partition)
      for (const [baseOffset, { nextOffset }] of batches ?? []) if (nextOffset > seen.from) batches!.delete(baseOffset)
    }
    if (seen.kind !== "batch") return
    let batches = this.#partitions.get(seen.partition)
    if (batches === undefined) this.#partitions.set(seen.partition, (batches = new Map()))
    const { baseOffset, nextOffset, hash } = seen
    const before = batches.get(baseOffset)
    if (before === undefined) batches.set(baseOffset, { nextOffset, hash })
    else if (before.hash !== hash || before.nextOffset !== nextOffset)
      this.report(`${seen.partition}: the batch at ${baseOffset} was fetched with other bytes before`)
  }
}
