/**
 * The one way to wait: requests parked until an offset is reached, or until their deadline.
 *
 * Owns who waits for which offset of one partition. Knows nothing of requests. Invariant: every waiter runs exactly once, or is cancelled.
 */
import type { Offset } from "../base/ids.js"
import type { ErrorCode } from "../protocol/errors.js"

/** Runs when its offset is reached (no error), or never will be (the error says why). */
type Resume = (error: ErrorCode | undefined) => void

interface Parked {
  readonly offset: Offset
  resume: Resume | undefined
}

export interface ParkedHandle {
  cancel(): void
}

export class OffsetWaiters {
  /** In the order of their offsets: appends park in that order, so the common case is a queue. */
  #parked: Parked[] = []

  get size(): number {
    return this.#parked.length
  }

  /** Parks until `reached` is told an offset at or above `offset`. */
  park(offset: Offset, resume: Resume): ParkedHandle {
    const parked: Parked = { offset, resume }
    let at = this.#parked.length
    while (at > 0 && this.#parked[at - 1]!.offset > offset) at--
    if (at === this.#parked.length) this.#parked.push(parked)
    else this.#parked.splice(at, 0, parked)
    return { cancel: () => this.#cancel(parked) }
  }

  #cancel(parked: Parked): void {
    parked.resume = undefined
    const at = this.#parked.indexOf(parked)
    if (at >= 0) this.#parked.splice(at, 1)
  }

  reached(offset: Offset): void {
    let count = 0
    while (count < this.#parked.length && this.#parked[count]!.offset <= offset) count++
    if (count > 0) this.#resumeAll(this.#parked.splice(0, count), undefined)
  }

  /** Offsets at or above `offset` will not be reached. */
  failed(offset: Offset, error: ErrorCode): void {
    const at = this.#parked.findIndex((parked) => parked.offset >= offset)
    if (at >= 0) this.#resumeAll(this.#parked.splice(at), error)
  }

  #resumeAll(released: Parked[], error: ErrorCode | undefined): void {
    for (const { resume } of released) resume?.(error)
  }
}

/** Told of every advance of a partition that may satisfy it; for waits on bytes rather than on one offset. */
export interface AdvanceListener {
  /** `bytes` more are visible below the high watermark. 0: something else changed (leadership, log start, an error): look again. */
  advanced(bytes: number): void
}
