/**
 * One segment of a log: the bytes from a base offset on, and what is known of them.
 *
 * Owns sizes, indexes and the largest timestamp of the segment, and the decision to roll; opens and writes nothing. `size` runs ahead of
 * `writtenBytes` by what is on its way to the file.
 */
import { invariant } from "../base/assert.js"
import { batchBytes, batchHeaderBytes, batchLastOffset, batchMaxTimestamp } from "../protocol/batch-header.js"
import type { LogConfig } from "../config/log-config.js"
import { OffsetIndex } from "./offset-index.js"
import { TimeIndex } from "./time-index.js"

/** Offsets in the indexes are relative and signed 32 bit. */
export const relativeOffsetMax = 0x7fffffff

export const segmentName = (offset: number): string => String(offset).padStart(20, "0")

export const segmentSuffixes = {
  log: ".log",
  offsetIndex: ".index",
  timeIndex: ".timeindex",
  transactionIndex: ".txnindex",
  snapshot: ".snapshot",
} as const
export const deletedSuffix = ".deleted"

/** What an append changed, enough to take it back. */
export interface SegmentMark {
  readonly size: number
  readonly offsetIndexEntries: number
  readonly timeIndexEntries: number
  readonly bytesSinceIndexEntry: number
  readonly maxTimestamp: number
  readonly maxTimestampOffset: number
  readonly rollTimestamp: number
}

export class Segment {
  /** Bytes appended; -1 while a sealed segment has not been looked at. */
  size = 0
  /** Bytes of whole batches in the file. */
  writtenBytes = 0
  /** The name of its file is on the medium. */
  nameDurable = false
  /** No more appends; its successor exists. */
  sealed = false
  /** Indexes, and the snapshot at its end, are on the medium: it need not be scanned after a crash. */
  indexesDurable = false
  /** Entries of the offset and time index that are in their files. */
  persistedOffsetEntries = 0
  persistedTimeEntries = 0
  offsetIndex: OffsetIndex | undefined
  timeIndex: TimeIndex | undefined
  bytesSinceIndexEntry = 0
  /** Largest timestamp, -1 when there is none or it is not known yet; `timestampKnown` tells which. */
  maxTimestamp = -1
  maxTimestampOffset = -1
  timestampKnown = false
  /** Largest timestamp of the first batch, from which age is counted; -1 before it. */
  rollTimestamp = -1
  /** Suffix of its file names while it waits to be unlinked. */
  nameSuffix = ""

  constructor(
    readonly baseOffset: number,
    readonly createdMs: number,
    /** Random part taken off the age at which it is rolled. */
    readonly jitterMs: number,
  ) {}

  fileName(suffix: string): string {
    return `${segmentName(this.baseOffset)}${suffix}${this.nameSuffix}`
  }

  /** Makes it an empty segment that can be appended to. */
  startEmpty(): this {
    this.offsetIndex = new OffsetIndex(this.baseOffset)
    this.timeIndex = new TimeIndex(this.baseOffset)
    this.timestampKnown = true
    return this
  }

  /** Whether the next append of `bytes` up to `lastOffset` belongs into a new segment. Kafka's LogSegment.shouldRoll. */
  shouldRoll(config: LogConfig, bytes: number, lastOffset: number, maxTimestamp: number, nowMs: number): boolean {
    const { offsetIndex, timeIndex } = this
    invariant(offsetIndex && timeIndex, "the active segment keeps its indexes in memory")
    if (lastOffset - this.baseOffset > relativeOffsetMax) return true
    if (this.size === 0) return false
    return (
      this.size > config.segmentBytes - bytes ||
      this.ageMs(maxTimestamp, nowMs) > config.segmentMs - this.jitterMs ||
      offsetIndex.isFull(config.segmentIndexBytes) ||
      timeIndex.isFull(config.segmentIndexBytes)
    )
  }

  /** Age on the records' own clock; on the wall's when they carry none. */
  ageMs(maxTimestamp: number, nowMs: number): number {
    return this.rollTimestamp >= 0 && maxTimestamp >= 0 ? maxTimestamp - this.rollTimestamp : nowMs - this.createdMs
  }

  /** Takes in the batches of `bytes`, which start at position `size`; index entries as Kafka's LogSegment.append writes them. */
  append(bytes: Buffer, indexIntervalBytes: number): void {
    for (let at = 0; at + batchHeaderBytes <= bytes.length; at += batchBytes(bytes, at))
      this.appendBatch(bytes, at, batchBytes(bytes, at), indexIntervalBytes)
  }

  /** One batch of `size` bytes whose header is at `at`; also used to rebuild the indexes from a scan. */
  appendBatch(bytes: Buffer, at: number, size: number, indexIntervalBytes: number): void {
    const { offsetIndex, timeIndex } = this
    invariant(offsetIndex && timeIndex, "the active segment keeps its indexes in memory")
    const lastOffset = batchLastOffset(bytes, at)
    const timestamp = batchMaxTimestamp(bytes, at)
    if (timestamp > this.maxTimestamp) {
      this.maxTimestamp = timestamp
      this.maxTimestampOffset = lastOffset
    }
    if (this.rollTimestamp < 0) this.rollTimestamp = timestamp
    if (this.bytesSinceIndexEntry > indexIntervalBytes) {
      offsetIndex.append(lastOffset, this.size)
      timeIndex.maybeAppend(this.maxTimestamp, this.maxTimestampOffset)
      this.bytesSinceIndexEntry = 0
    }
    this.size += size
    this.bytesSinceIndexEntry += size
  }

  /** The last entry of a sealed segment's time index is its largest timestamp. */
  seal(): void {
    this.sealed = true
    if (this.maxTimestamp > 0) this.timeIndex?.maybeAppend(this.maxTimestamp, this.maxTimestampOffset)
  }

  mark(): SegmentMark {
    return {
      size: this.size,
      offsetIndexEntries: this.offsetIndex!.entries,
      timeIndexEntries: this.timeIndex!.entries,
      bytesSinceIndexEntry: this.bytesSinceIndexEntry,
      maxTimestamp: this.maxTimestamp,
      maxTimestampOffset: this.maxTimestampOffset,
      rollTimestamp: this.rollTimestamp,
    }
  }

  /** Back to an earlier `mark`; the segment is active again. */
  rewind(mark: SegmentMark): void {
    this.size = mark.size
    this.sealed = false
    this.offsetIndex!.truncateToEntries(mark.offsetIndexEntries)
    this.timeIndex!.truncateToEntries(mark.timeIndexEntries)
    this.persistedOffsetEntries = Math.min(this.persistedOffsetEntries, mark.offsetIndexEntries)
    this.persistedTimeEntries = Math.min(this.persistedTimeEntries, mark.timeIndexEntries)
    this.bytesSinceIndexEntry = mark.bytesSinceIndexEntry
    this.maxTimestamp = mark.maxTimestamp
    this.maxTimestampOffset = mark.maxTimestampOffset
    this.rollTimestamp = mark.rollTimestamp
  }
}

/** Position in `segments` (by base offset, ascending) of the one that holds `offset`, -1 when all start above it. */
export function floorSegment(segments: readonly Segment[], offset: number): number {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (segments[middle]!.baseOffset <= offset) low = middle + 1
    else high = middle
  }
  return low - 1
}
