/**
 * Recently appended batches in memory, so that consumers who keep up never touch a file.
 *
 * Owns the budget and the order in which buffers are let go: oldest first over all logs. What is not written yet stays, over budget
 * too, because nothing else has it; callers bound that by bounding what is in flight.
 */
import { invariant } from "../base/assert.js"

/** What a buffer costs beside its bytes: its objects and its places in lists. Without it a cache of small batches would take many times its budget. */
export const bufferOverheadBytes = 384

/** The log a buffer belongs to: told when the cache wants the memory back. */
export interface HotBufferOwner {
  /** The buffer is the oldest written one of this log; the owner finds it no more and lets go of it. */
  evicted(buffer: HotBuffer): void
}

/** Buffer with whole batches of one log, shared by writer, cache and readers; `release` runs when the last of them is done. */
export class HotBuffer {
  #holders = 1
  /** The cache's own: whether it is in there, and its neighbours. */
  cached = false
  older: HotBuffer | undefined = undefined
  newer: HotBuffer | undefined = undefined

  constructor(
    readonly owner: HotBufferOwner,
    readonly bytes: Buffer,
    readonly baseOffset: number,
    readonly nextOffset: number,
    /** Memory this keeps alive: the whole frame when `bytes` is a part of one. */
    readonly retainedBytes: number,
    readonly release: (() => void) | undefined,
    /** Not to be kept once it is written. */
    readonly isCold = false,
  ) {}

  hold(): void {
    this.#holders++
  }

  letGo(): void {
    invariant(
      this.#holders > 0,
      "a buffer was let go more often than it was held, so it may be reused while it is read",
    )
    if (--this.#holders === 0) this.release?.()
  }
}

export class HotCache {
  /**
   * Written buffers from the oldest on, linked through themselves: a Set from whose front is deleted must pass over the places of what was
   * deleted to find its first, which took longer than everything else of an append when the cache held many small batches.
   */
  #oldest: HotBuffer | undefined
  #newest: HotBuffer | undefined
  #bytes = 0
  #buffers = 0

  constructor(readonly budgetBytes: number) {}

  get bytes(): number {
    return this.#bytes
  }

  get buffers(): number {
    return this.#buffers
  }

  /** The buffer was written, so from now on it may go. Called once for a buffer. */
  admit(buffer: HotBuffer): void {
    invariant(!buffer.cached, "a buffer is admitted once, or it would be counted twice")
    buffer.cached = true
    buffer.older = this.#newest
    if (this.#newest === undefined) this.#oldest = buffer
    else this.#newest.newer = buffer
    this.#newest = buffer
    this.#buffers++
    this.#bytes += buffer.retainedBytes
    while (this.#bytes > this.budgetBytes && this.#oldest !== undefined) {
      const oldest = this.#oldest
      this.remove(oldest)
      oldest.owner.evicted(oldest)
    }
  }

  /** Its log no longer wants it kept. Nothing happens if it is not here. */
  remove(buffer: HotBuffer): void {
    if (!buffer.cached) return
    const { older, newer } = buffer
    buffer.cached = false
    buffer.older = undefined
    buffer.newer = undefined
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    this.#buffers--
    this.#bytes -= buffer.retainedBytes
  }
}
