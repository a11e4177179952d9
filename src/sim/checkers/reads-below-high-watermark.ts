/**
 * Nobody is shown a record at or above the high watermark of the same answer (L5).
 *
 * Owns the comparison alone: an answer carries both.
 */
import type { Checker, Observation } from "../history.js"

export class ReadsBelowHighWatermark implements Checker {
  readonly name = "reads end at the high watermark"

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    if (seen.kind === "batch" && seen.nextOffset > seen.highWatermark)
      this.report(
        `${seen.partition}: a batch up to ${seen.nextOffset} was fetched, the high watermark is ${seen.highWatermark}`,
      )
  }
}
