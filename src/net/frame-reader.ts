/**
 * Puts together length-prefixed frames from reads of any size.
 *
 * Owns the memory of the frame that is incomplete. Small frames come through a buffer that all connections share and are copied out of it;
 * a frame of which `directAfterBytes` have arrived gets memory of its own, and the socket is read straight into that. Invariant: what is held for a
 * peer stays within a small multiple of what it has sent.
 */
import type { FramePool } from "./frame-pool.js"

/** Size of the shared receive buffer, and so the most that one read of small frames takes. */
export const receiveBufferBytes = 65536
const directAfterBytes = 16384
/** First own memory of a larger frame: covers the usual produce request, so that its bytes are not moved again. */
const ownBufferBytes = 4 * 1024 * 1024
const growthFactor = 8

export interface FrameConsumer {
  /** A whole frame: `memory` is what must be given back to the pool if `pooled`, `frame` the part of it after the length field. */
  frame(memory: Buffer, frame: Buffer, pooled: boolean): void
  /** The length field says something that cannot be; nothing more is delivered. */
  invalid(length: number): void
}

/** One receive buffer for all connections of a loop: a read and the taking out of its bytes are one step. */
export class SharedReceiveBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(receiveBufferBytes)
}

export class FrameReader {
  #partial: Buffer | undefined
  /** Bytes of the incomplete frame that are in `#partial`, and bytes of all of it (0: not known), both with the length field. */
  #have = 0
  #need = 0
  #pooled = false
  #stopped = false

  constructor(
    private readonly shared: SharedReceiveBuffer,
    private readonly pool: FramePool,
    private readonly frameBytesMax: number,
    private readonly consumer: FrameConsumer,
  ) {}

  /** Whether a frame has begun and not ended. */
  get isPartial(): boolean {
    return this.#have > 0
  }

  /** Memory held for the incomplete frame. */
  get heldBytes(): number {
    return this.#partial?.length ?? 0
  }

  get #isDirect(): boolean {
    return this.#pooled && this.#have < this.#need
  }

  buffer(): Uint8Array {
    if (!this.#isDirect) return this.shared.bytes
    if (this.#have === this.#partial!.length) this.#own(Math.min(this.#need, this.#have * growthFactor))
    return this.#partial!.subarray(this.#have, Math.min(this.#need, this.#partial!.length))
  }

  received(count: number): void {
    if (this.#isDirect) {
      this.#have += count
      if (this.#have === this.#need) this.#complete()
      return
    }
    const bytes = this.shared.bytes
    let at = 0
    while (at < count && !this.#stopped) {
      if (this.#have > 0 || count - at < 4) {
        at += this.#append(bytes, at, count)
        continue
      }
      const length = bytes.readInt32BE(at)
      if (!this.#isAcceptable(length)) return
      const end = at + 4 + length
      if (end > count) {
        at += this.#append(bytes, at, count)
        continue
      }
      // Copied because the next read of any connection overwrites the shared buffer.
      const frame = Buffer.allocUnsafe(length)
      bytes.copy(frame, 0, at + 4, end)
      at = end
      this.consumer.frame(frame, frame, false)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#partial = undefined
  }

  #isAcceptable(length: number): boolean {
    if (length >= 8 && length <= this.frameBytesMax) return true
    this.stop()
    this.consumer.invalid(length)
    return false
  }

  /** Adds to the incomplete frame; returns how many bytes it took. */
  #append(bytes: Buffer, from: number, to: number): number {
    let at = from
    this.#partial ??= Buffer.allocUnsafe(256)
    if (this.#need === 0) {
      while (this.#have < 4 && at < to) this.#partial[this.#have++] = bytes[at++]!
      if (this.#have < 4) return at - from
      const length = this.#partial.readInt32BE(0)
      if (!this.#isAcceptable(length)) return to - from
      this.#need = 4 + length
    }
    const count = Math.min(this.#need - this.#have, to - at)
    const wanted = this.#have + count
    if (this.#need > receiveBufferBytes && wanted >= directAfterBytes) this.#own(Math.min(this.#need, ownBufferBytes))
    else if (wanted > this.#partial.length) this.#grow(Math.min(this.#need, Math.max(wanted, this.#partial.length * 2)))
    bytes.copy(this.#partial, this.#have, at, at + count)
    this.#have += count
    at += count
    if (this.#have === this.#need) this.#complete()
    return at - from
  }

  #grow(size: number): void {
    const grown = Buffer.allocUnsafe(size)
    this.#partial!.copy(grown, 0, 0, this.#have)
    this.#partial = grown
  }

  #own(size: number): void {
    const previous = this.#partial!
    const own = this.pool.take(size)
    previous.copy(own, 0, 0, this.#have)
    if (this.#pooled) this.pool.give(previous)
    this.#partial = own
    this.#pooled = true
  }

  #complete(): void {
    const memory = this.#partial!
    const frame = memory.subarray(4, this.#need)
    const pooled = this.#pooled
    this.#partial = undefined
    this.#have = 0
    this.#need = 0
    this.#pooled = false
    this.consumer.frame(memory, frame, pooled)
  }
}
