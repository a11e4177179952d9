/**
 * Recently appended batches in memory, so that consumers who keep up never touch a file.
 *
 * Owns the budget and the order in which buffers are let go: oldest first over all logs. What is not written yet stays, over budget
 * too, because nothing else has it; callers bound that by bounding what is in flight.
 */
import { invariant } from "../base/assert.js"

/** The log a buffer belongs to: told when the cache wants the memory back. */
export interface HotBufferOwner {
  /** The buffer is the oldest written one of this log; the owner finds it no more and lets go of it. */
  evicted(buffer: HotBuffer): void
}

/** Buffer with whole batches of one log, shared by writer, cache and readers; `release` runs when the last of them is done. */
export class HotBuffer {
  #holders = 1

  constructor(
    readonly owner: HotBufferOwner,
    readonly bytes: Buffer,
    readonly baseOffset: number,
    readonly nextOffset: number,
    /** Memory this keeps alive: the whole frame when `bytes` is a part of one. */
    readonly retainedBytes: number,
    readonly release: (() => void) | undefined,
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
  /** Written buffers, oldest first. */
  readonly #written = new Set<HotBuffer>()
  #bytes = 0

  constructor(readonly budgetBytes: number) {}

  get bytes(): number {
    return this.#bytes
  }

  get buffers(): number {
    return this.#written.size
  }

  /** The buffer was written, so from now on it may go. */
  admit(buffer: HotBuffer): void {
    this.#written.add(buffer)
    this.#bytes += buffer.retainedBytes
    for (const oldest of this.#written) {
      if (this.#bytes <= this.budgetBytes) return
      this.remove(oldest)
      oldest.owner.evicted(oldest)
    }
  }

  /** Its log no longer wants it kept. */
  remove(buffer: HotBuffer): void {
    if (this.#written.delete(buffer)) this.#bytes -= buffer.retainedBytes
  }
}
