/**
 * The end of one log as it lies in memory: what is not written yet, and what was and has not been let go.
 *
 * Owns the buffers by offset and reading from them; which of the written ones stay is the cache's decision. Buffers come and go in the
 * order of their offsets, so they always are one run up to the log's end.
 */
import { invariant } from "../base/assert.js"
import { batchBytes, batchLastOffset } from "../protocol/batch-header.js"
import type { HotBuffer, HotBufferOwner, HotCache } from "./hot-cache.js"
import type { ReadResult } from "./log-contract.js"

export class LogMemory implements HotBufferOwner {
  readonly #cache: HotCache
  /** By offset, the oldest at `#head`. */
  #buffers: HotBuffer[] = []
  #head = 0

  constructor(cache: HotCache) {
    this.#cache = cache
  }

  /** Appended just now, at the log's end. */
  add(buffer: HotBuffer): void {
    this.#buffers.push(buffer)
  }

  /** Its append is undone; the newest go first. The caller lets go of it. */
  takeBack(buffer: HotBuffer): void {
    invariant(this.#buffers.pop() === buffer, "appends are kept in memory in the order they came")
  }

  /** Whole batches from the one that holds `offset` on; undefined when that one is not here. */
  read(offset: number, limit: number, maxBytes: number, minOne: boolean): ReadResult | undefined {
    let low = this.#head
    let high = this.#buffers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#buffers[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    let slot = low - 1
    if (slot < this.#head) return undefined
    const payloads: Buffer[] = []
    const held: HotBuffer[] = []
    let bytes = 0
    let nextOffset = offset
    for (; slot < this.#buffers.length; slot++) {
      const buffer = this.#buffers[slot]!
      let at = 0
      if (nextOffset > buffer.baseOffset)
        while (at < buffer.bytes.length && batchLastOffset(buffer.bytes, at) < nextOffset)
          at += batchBytes(buffer.bytes, at)
      const from = at
      while (at < buffer.bytes.length) {
        const size = batchBytes(buffer.bytes, at)
        const fits = bytes + size <= maxBytes || (minOne && bytes === 0)
        const lastOffset = batchLastOffset(buffer.bytes, at)
        if (!fits || lastOffset >= limit) break
        bytes += size
        at += size
        nextOffset = lastOffset + 1
      }
      if (at > from) {
        payloads.push(from === 0 && at === buffer.bytes.length ? buffer.bytes : buffer.bytes.subarray(from, at))
        buffer.hold()
        held.push(buffer)
      }
      if (at < buffer.bytes.length) break
    }
    let released = false
    return {
      ok: true,
      payloads,
      bytes,
      nextOffset,
      fromMemory: true,
      release() {
        invariant(!released, "the result of a read was released twice")
        released = true
        for (const buffer of held) buffer.letGo()
      },
    }
  }

  /** In its file now: whether it stays here is the cache's decision, unless nobody wants it. What is older goes with it, or what is here would not be one run. */
  written(buffer: HotBuffer): void {
    if (!buffer.isCold) {
      this.#cache.admit(buffer)
      return
    }
    for (let oldest = this.#buffers[this.#head]!; ; oldest = this.#buffers[this.#head]!) {
      this.#cache.remove(oldest)
      this.evicted(oldest)
      if (oldest === buffer) return
    }
  }

  evicted(buffer: HotBuffer): void {
    invariant(this.#buffers[this.#head] === buffer, "buffers of a log are let go in the order they were written")
    this.#buffers[this.#head++] = undefined as unknown as HotBuffer
    if (this.#head > 64 && this.#head * 2 > this.#buffers.length) {
      this.#buffers.splice(0, this.#head)
      this.#head = 0
    }
    buffer.letGo()
  }

  /**
   * Lets go of everything that reaches beyond `offset`. A buffer of several batches may reach across it: what it holds below is then in the file only, and what follows here
   * would not be one run any more, so everything older goes too.
   */
  dropFrom(offset: number): void {
    while (this.#buffers.length > this.#head && this.#buffers.at(-1)!.nextOffset > offset) {
      const buffer = this.#buffers.pop()!
      this.#cache.remove(buffer)
      buffer.letGo()
      if (buffer.baseOffset < offset) offset = -1
    }
  }
}
