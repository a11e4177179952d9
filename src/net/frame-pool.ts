/**
 * Recycled memory for large request frames.
 *
 * Owns free buffers and their bound. A fresh large buffer costs a page fault for each 4 KiB touched, which at produce rates costs more
 * than the copy into it; a recycled one costs nothing. Small frames are not worth a place here.
 */
export class FramePool {
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  /** `freeBytesMax` bounds what is kept for reuse; what is in use belongs to its user. */
  constructor(readonly freeBytesMax: number) {}

  /** A buffer of at least `bytes`, with old contents. */
  take(bytes: number): Buffer {
    const size = sizeClass(bytes)
    const buffer = this.#free.get(size)?.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size)
    this.#freeBytes -= size
    return buffer
  }

  /** Gives back a buffer that `take` returned and nobody refers to any more. */
  give(buffer: Buffer): void {
    const size = buffer.length
    if (this.#freeBytes + size > this.freeBytesMax) return
    let list = this.#free.get(size)
    if (list === undefined) this.#free.set(size, (list = []))
    list.push(buffer)
    this.#freeBytes += size
  }

  get freeBytes(): number {
    return this.#freeBytes
  }
}

/** The next of four steps between powers of two, so that at most a quarter is wasted and few classes exist. */
export function sizeClass(bytes: number): number {
  const power = 2 ** Math.floor(Math.log2(Math.max(bytes, 1)))
  const step = Math.max(1, power / 4)
  return Math.ceil(bytes / step) * step
}
