/**
 * Log start, high watermark and log end move one way for each observer, and keep their order (L5, M1).
 *
 * Owns the last view of each observer of each partition. After a crash the log may end lower, though not below the high watermark anyone
 * saw; only a loss that the flush policy allows takes the high watermark back.
 */
import type { Checker, Observation } from "../history.js"

interface View {
  logStartOffset: number
  highWatermark: number
  logEndOffset: number
}

export class OffsetsNeverGoBack implements Checker {
  readonly name = "offsets never go back"
  readonly #views = new Map<string, Map<string, View>>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    const observers = this.#views.get(seen.partition) ?? new Map<string, View>()
    this.#views.set(seen.partition, observers)
    if (seen.kind === "crashed") for (const view of observers.values()) view.logEndOffset = view.highWatermark
    if (seen.kind === "loss allowed") {
      for (const view of observers.values()) {
        view.highWatermark = Math.min(view.highWatermark, seen.from)
        view.logEndOffset = Math.min(view.logEndOffset, seen.from)
        view.logStartOffset = Math.min(view.logStartOffset, seen.from)
      }
    }
    if (seen.kind !== "offsets") return
    const view = observers.get(seen.observer) ?? { logStartOffset: 0, highWatermark: 0, logEndOffset: 0 }
    observers.set(seen.observer, view)
    for (const name of ["logStartOffset", "highWatermark", "logEndOffset"] as const) {
      const value = seen[name]
      if (value === undefined) continue
      if (value < view[name])
        this.report(`${seen.partition}: ${seen.observer} saw ${name} go from ${view[name]} to ${value}`)
      view[name] = value
    }
    const { logStartOffset: start = 0, highWatermark: middle, logEndOffset: end } = seen
    if (middle !== undefined && (start > middle || middle > (end ?? middle)))
      this.report(`${seen.partition}: log start ${start}, high watermark ${middle}, log end ${end ?? "?"} out of order`)
  }
}
