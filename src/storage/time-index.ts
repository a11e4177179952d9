/**
 * The sparse time index of one segment: the largest timestamp so far, and up to which offset it was seen.
 *
 * Owns the entries in memory, in the bytes of Kafka's `.timeindex` file; does no I/O. Timestamps strictly increase, offsets never
 * decrease; an entry (t, o) says that no record before o's batch end has a timestamp above t.
 */
import { setInt32, setInt64 } from "../protocol/batch-header.js"

export const timeIndexEntryBytes = 12

const two32 = 4294967296
const int32 = (b: Uint8Array, at: number) => (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!
const int64 = (b: Uint8Array, at: number) => int32(b, at) * two32 + (int32(b, at + 4) >>> 0)

export interface TimestampOffset {
  readonly timestamp: number
  readonly offset: number
}

export class TimeIndex {
  #bytes: Buffer
  #entries = 0

  constructor(
    readonly baseOffset: number,
    bytes: Buffer = Buffer.alloc(0),
  ) {
    this.#bytes = bytes
    this.#entries = Math.floor(bytes.length / timeIndexEntryBytes)
  }

  /** Takes over the content of a time index file, or undefined when it cannot be what was written. `endOffset` is exclusive. */
  static parse(baseOffset: number, bytes: Buffer, endOffset: number): TimeIndex | undefined {
    if (bytes.length % timeIndexEntryBytes !== 0) return undefined
    const index = TimeIndex.parsePrefix(baseOffset, bytes, endOffset)
    for (let at = index.bytes; at < bytes.length; at++) if (bytes[at] !== 0) return undefined
    return index
  }

  static parsePrefix(baseOffset: number, bytes: Buffer, endOffset: number): TimeIndex {
    let entries = 0
    let lastTimestamp = -1
    let lastOffset = -1
    for (let at = 0; at + timeIndexEntryBytes <= bytes.length; at += timeIndexEntryBytes) {
      const timestamp = int64(bytes, at)
      const offset = int32(bytes, at + 8)
      // A timestamp of zero is not worth an entry to the writer (nothing is earlier), so zeros are padding.
      if (timestamp <= lastTimestamp || offset < lastOffset || baseOffset + offset >= endOffset) break
      if (timestamp === 0) break
      lastTimestamp = timestamp
      lastOffset = offset
      entries++
    }
    return new TimeIndex(baseOffset, bytes.subarray(0, entries * timeIndexEntryBytes))
  }

  get entries(): number {
    return this.#entries
  }

  get bytes(): number {
    return this.#entries * timeIndexEntryBytes
  }

  get last(): TimestampOffset | undefined {
    return this.#entries === 0 ? undefined : this.#entry(this.#entries - 1)
  }

  /** One entry is kept free for the one forced when the segment is rolled. */
  isFull(maxBytes: number): boolean {
    return this.#entries >= Math.floor(maxBytes / timeIndexEntryBytes) - 1
  }

  /** Adds an entry if the timestamp is greater than any before. `offset` is the last offset of the batch that holds it. */
  maybeAppend(timestamp: number, offset: number): void {
    const last = this.last
    if (timestamp <= (last?.timestamp ?? 0) || offset < (last?.offset ?? this.baseOffset)) return
    const at = this.bytes
    if (at + timeIndexEntryBytes > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(96, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, at)
      this.#bytes = grown
    }
    setInt64(this.#bytes, at, timestamp)
    setInt32(this.#bytes, at + 8, offset - this.baseOffset)
    this.#entries++
  }

  /** From which offset to look for a first record of at least `timestamp`: nothing before it is that late. */
  offsetBefore(timestamp: number): number {
    let low = 0
    let high = this.#entries
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entry(middle).timestamp < timestamp) low = middle + 1
      else high = middle
    }
    return low === 0 ? this.baseOffset : this.#entry(low - 1).offset
  }

  /** Drops entries that name `offset` or more. */
  truncateTo(offset: number): void {
    while (this.#entries > 0 && this.#entry(this.#entries - 1).offset >= offset) this.#entries--
  }

  truncateToEntries(entries: number): void {
    this.#entries = Math.min(this.#entries, entries)
  }

  encoded(fromEntry = 0): Buffer {
    return this.#bytes.subarray(fromEntry * timeIndexEntryBytes, this.bytes)
  }

  #entry(slot: number): TimestampOffset {
    const at = slot * timeIndexEntryBytes
    return { timestamp: int64(this.#bytes, at), offset: this.baseOffset + int32(this.#bytes, at + 8) }
  }
}
