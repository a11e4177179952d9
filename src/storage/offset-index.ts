/**
 * The sparse offset index of one segment: which batch starts where.
 *
 * Owns the entries in memory, in the bytes of Kafka's `.index` file; does no I/O. Entries strictly increase in offset and position, and
 * each names the last offset of the batch that starts at its position.
 */
import { setInt32 } from "../protocol/batch-header.js"

export const offsetIndexEntryBytes = 8

const int32 = (b: Uint8Array, at: number) => (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!

export class OffsetIndex {
  #bytes: Buffer
  #entries = 0

  constructor(
    readonly baseOffset: number,
    bytes: Buffer = Buffer.alloc(0),
  ) {
    this.#bytes = bytes
    this.#entries = Math.floor(bytes.length / offsetIndexEntryBytes)
  }

  /**
   * Takes over the content of an index file, or undefined when it cannot be what was written: not whole entries, not increasing, or an
   * entry outside `[0, logBytes)`. Zero padding behind the last entry (Kafka preallocates) is cut off.
   */
  static parse(baseOffset: number, bytes: Buffer, logBytes: number): OffsetIndex | undefined {
    const index = OffsetIndex.parsePrefix(baseOffset, bytes, logBytes)
    if (bytes.length % offsetIndexEntryBytes !== 0) return undefined
    for (let at = index.bytes; at < bytes.length; at++) if (bytes[at] !== 0) return undefined
    return index
  }

  /** The longest valid beginning of an index file: what an unclean stop may have left. */
  static parsePrefix(baseOffset: number, bytes: Buffer, logBytes: number): OffsetIndex {
    let entries = 0
    let lastOffset = -1
    let lastPosition = -1
    for (let at = 0; at + offsetIndexEntryBytes <= bytes.length; at += offsetIndexEntryBytes) {
      const offset = int32(bytes, at)
      const position = int32(bytes, at + 4)
      // The first entry of Kafka's index lies behind at least one batch, so (0, 0) is padding, never an entry.
      if (offset <= lastOffset || position <= lastPosition || position >= logBytes || position === 0) break
      lastOffset = offset
      lastPosition = position
      entries++
    }
    return new OffsetIndex(baseOffset, bytes.subarray(0, entries * offsetIndexEntryBytes))
  }

  get entries(): number {
    return this.#entries
  }

  /** Size of the entries in bytes: what the file will hold. */
  get bytes(): number {
    return this.#entries * offsetIndexEntryBytes
  }

  get lastOffset(): number {
    return this.#entries === 0 ? this.baseOffset : this.baseOffset + int32(this.#bytes, this.bytes - 8)
  }

  get lastPosition(): number {
    return this.#entries === 0 ? 0 : int32(this.#bytes, this.bytes - 4)
  }

  isFull(maxBytes: number): boolean {
    return this.#entries >= Math.floor(maxBytes / offsetIndexEntryBytes)
  }

  /** `offset` is the last offset of the batch that starts at `position`. */
  append(offset: number, position: number): void {
    const at = this.bytes
    if (at + offsetIndexEntryBytes > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(64, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, at)
      this.#bytes = grown
    }
    setInt32(this.#bytes, at, offset - this.baseOffset)
    setInt32(this.#bytes, at + 4, position)
    this.#entries++
  }

  /** Position of the greatest entry whose offset is at most `offset`; 0, the start of the segment, when there is none. */
  positionFor(offset: number): number {
    const relative = offset - this.baseOffset
    const slot = this.#count((at) => int32(this.#bytes, at) <= relative)
    return slot === 0 ? 0 : int32(this.#bytes, slot * offsetIndexEntryBytes - 4)
  }

  /** The greatest batch start this index knows that is at most `position`; 0 when there is none. */
  batchStartAtMost(position: number): number {
    const slot = this.#count((at) => int32(this.#bytes, at + 4) <= position)
    return slot === 0 ? 0 : int32(this.#bytes, slot * offsetIndexEntryBytes - 4)
  }

  /** Drops entries that name `offset` or more. */
  truncateTo(offset: number): void {
    const relative = offset - this.baseOffset
    this.#entries = this.#count((at) => int32(this.#bytes, at) < relative)
  }

  truncateToEntries(entries: number): void {
    this.#entries = Math.min(this.#entries, entries)
  }

  /** The file's bytes from an entry on. A view: it must be written before the index grows again, or be copied. */
  encoded(fromEntry = 0): Buffer {
    return this.#bytes.subarray(fromEntry * offsetIndexEntryBytes, this.bytes)
  }

  /** How many leading entries satisfy a condition that holds for a beginning only. */
  #count(holds: (at: number) => boolean): number {
    let low = 0
    let high = this.#entries
    while (low < high) {
      const middle = (low + high) >>> 1
      if (holds(middle * offsetIndexEntryBytes)) low = middle + 1
      else high = middle
    }
    return low
  }
}
