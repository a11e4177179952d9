/**
 * Memory that file regions pass through where they do not go by `sendfile`.
 *
 * Owns a bounded number of buffers, made when first needed and used again: a fresh one costs a page fault for each 4 KiB, more than the copy into it.
 */
export const regionBufferBytes = 1 << 20
/** Pieces on their way at once, of all connections together. */
export const regionBuffersMax = 16

export class RegionBuffers {
  readonly #free: Buffer[] = []
  #made = 0

  /** Undefined when all are in use. */
  take(): Buffer | undefined {
    const buffer = this.#free.pop()
    if (buffer !== undefined) return buffer
    if (this.#made === regionBuffersMax) return undefined
    this.#made += 1
    return Buffer.allocUnsafeSlow(regionBufferBytes)
  }

  give(buffer: Buffer): void {
    this.#free.push(buffer)
  }
}
