/**
 * Which sealed segments keep their indexes in memory.
 *
 * Owns the budget, least recently used first; loading is the log's business. Indexes of active segments are never counted here nor
 * dropped.
 */
import type { Segment } from "./segment.js"

export class IndexCache {
  readonly #segments = new Map<Segment, number>()
  #bytes = 0

  constructor(readonly budgetBytes: number) {}

  get bytes(): number {
    return this.#bytes
  }

  /** The segment's indexes were used. */
  touch(segment: Segment): void {
    if (!segment.sealed || !segment.indexesDurable) return
    this.#forget(segment)
    const bytes = (segment.offsetIndex?.bytes ?? 0) + (segment.timeIndex?.bytes ?? 0)
    this.#segments.set(segment, bytes)
    this.#bytes += bytes
    for (const oldest of this.#segments.keys()) {
      if (this.#bytes <= this.budgetBytes || oldest === segment) return
      this.#forget(oldest)
      oldest.offsetIndex = undefined
      oldest.timeIndex = undefined
    }
  }

  /** The segment goes away, or is written to again. */
  forget(segment: Segment): void {
    this.#forget(segment)
  }

  #forget(segment: Segment): void {
    this.#bytes -= this.#segments.get(segment) ?? 0
    this.#segments.delete(segment)
  }
}
