/**
 * Log start, high watermark and log end move one way for each observer, and keep their order (L5, M1).
 *
 * Owns the last view of each observer of each partition. After a crash the log may end lower, though not below the high watermark anyone
 * saw, and may start lower, though not below an acknowledged deletion; only a loss that the flush policy allows takes the high watermark back.
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

  /** Below it everything was acknowledged as deleted, by partition. */
  readonly #deleted = new Map<string, number>()

  constructor(readonly report: (what: string) => void) {}

  observe(seen: Observation): void {
    if (!("partition" in seen)) return
    const observers = this.#views.get(seen.partition) ?? new Map<string, View>()
    this.#views.set(seen.partition, observers)
    if (seen.kind === "deleted") {
      const deleted = Math.max(seen.below, this.#deleted.get(seen.partition) ?? 0)
      this.#deleted.set(seen.partition, deleted)
      for (const view of observers.values()) view.logStartOffset = Math.max(view.logStartOffset, deleted)
    }
    if (seen.kind === "crashed") {
      for (const view of observers.values()) {
        view.logEndOffset = view.highWatermark
        view.logStartOffset = Math.min(view.logStartOffset, this.#deleted.get(seen.partition) ?? 0)
      }
    }
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
