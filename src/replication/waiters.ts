/**
 * The one way to wait: requests parked until an offset is reached, or until their deadline.
 *
 * Owns who waits for which offset of one partition. Knows nothing of requests. Invariant: every waiter runs exactly once, or is cancelled.
 */
import { Bag, type BagEntry } from "../base/bag.js"
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
  /** `bytes` more may be read. 0: something else changed (leadership, log start, an error): look again. */
  advanced(bytes: number): void
  /** Something is to be told that is no reason to wake anybody: a follower learns of the high watermark with its next answer. */
  noted(): void
}

/** Whose reads end where: consumers at the high watermark, followers where the leader's file does. */
export type ReaderKind = "consumer" | "follower"

/** Everyone who listens to one partition. */
export class AdvanceListeners {
  readonly #consumers = new Bag<AdvanceListener>()
  /** Undefined until a follower comes: most partitions of a broker are not led by it. */
  #followers: Bag<AdvanceListener> | undefined
  /** Ends and sizes of appends that no consumer may see yet, for waits on bytes. */
  #invisible: { nextOffset: Offset; bytes: number }[] = []

  add(listener: AdvanceListener, kind: ReaderKind): BagEntry<AdvanceListener> {
    if (kind === "consumer") return this.#consumers.add(listener)
    return (this.#followers ??= new Bag()).add(listener)
  }

  remove(entry: BagEntry<AdvanceListener>, kind: ReaderKind): void {
    if (kind === "follower") {
      this.#followers?.remove(entry)
      return
    }
    this.#consumers.remove(entry)
    if (this.#consumers.size === 0) this.#invisible = []
  }

  get hasConsumers(): boolean {
    return this.#consumers.size > 0
  }

  appended(nextOffset: Offset, bytes: number): void {
    if (this.#consumers.size > 0) this.#invisible.push({ nextOffset, bytes })
  }

  /** What was appended at or above `endOffset` is no more. */
  lost(endOffset: Offset): void {
    this.#invisible = this.#invisible.filter(({ nextOffset }) => nextOffset <= endOffset)
  }

  /** Followers may read further. */
  written(): void {
    this.#followers?.each((listener) => listener.advanced(1))
  }

  /** The high watermark moved up to `offset`. */
  committed(offset: Offset): void {
    this.#followers?.each((listener) => listener.noted())
    if (this.#consumers.size === 0) return
    let bytes = 0
    let count = 0
    while (count < this.#invisible.length && this.#invisible[count]!.nextOffset <= offset)
      bytes += this.#invisible[count++]!.bytes
    this.#invisible.splice(0, count)
    // At least one: the advance may be of records appended before anybody listened.
    const visible = Math.max(1, bytes)
    this.#consumers.each((listener) => listener.advanced(visible))
  }

  /** Whoever waits must look again. */
  changed(): void {
    this.#followers?.each((listener) => listener.advanced(0))
    this.#consumers.each((listener) => listener.advanced(0))
  }
}
