/**
 * Where in their files the last reads of one log ended, so that whoever reads on needs no search.
 *
 * Owns a bounded number of (offset, position) pairs; reads nothing. A position is the boundary behind a batch whose header was read, and is
 * checked again by reading the header there. Whatever takes bytes out of a log clears all of them.
 */
import type { Segment } from "./segment.js"

/** Readers of old data that one log follows; the least recently remembered goes first. */
export const readPositionsMax = 32

interface ReadPosition {
  readonly segment: Segment
  readonly position: number
}

export class ReadPositions {
  /** By the offset a reader goes on with, in the order they were remembered. */
  readonly #positions = new Map<number, ReadPosition>()
  #generation = 0

  /** Taken before a read, for `remember` after it: a position found before a truncation is worth nothing after it. */
  get generation(): number {
    return this.#generation
  }

  get size(): number {
    return this.#positions.size
  }

  /** Where the batch that starts with `offset` should begin in `segment`; undefined when nobody stopped there. */
  find(segment: Segment, offset: number): number | undefined {
    if (offset === segment.baseOffset) return 0
    const known = this.#positions.get(offset)
    return known?.segment === segment ? known.position : undefined
  }

  remember(generation: number, segment: Segment, offset: number, position: number): void {
    if (generation !== this.#generation) return
    this.#positions.delete(offset)
    this.#positions.set(offset, { segment, position })
    if (this.#positions.size <= readPositionsMax) return
    for (const oldest of this.#positions.keys()) {
      this.#positions.delete(oldest)
      return
    }
  }

  /** Batches were cut off or segments removed: no position found so far counts. */
  clear(): void {
    this.#positions.clear()
    this.#generation++
  }
}
