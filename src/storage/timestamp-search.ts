/**
 * Finds a record by its timestamp.
 *
 * Owns the only decoding of records in the log: the one batch that holds the answer. Compressed batches are unpacked within
 * a bound.
 */
import { MalformedError } from "../base/reader.js"
import type { File } from "../env/env.js"
import {
  attributeBits,
  batchAttributes,
  batchBaseOffset,
  batchLastOffset,
  batchLeaderEpoch,
  batchMaxTimestamp,
} from "../protocol/batch-header.js"
import { recordsOf } from "../protocol/record-batch.js"
import { scanBatches } from "./batch-scan.js"

export interface TimestampedOffset {
  readonly timestamp: number
  readonly offset: number
  /** Leadership under which the record was written, -1 when it is not known. */
  readonly leaderEpoch: number
}

/** Unpacked bytes of one batch that a search may hold. */
export const searchedBatchBytesMax = 256 * 1024 * 1024

/**
 * The first record at or above `fromOffset` whose timestamp is at least `timestamp`, in the batches of `file` from position `from` to `end`. Rejects
 * with `MalformedError` when a batch that must be looked into cannot be read.
 */
export async function findTimestamp(
  file: File,
  from: number,
  end: number,
  baseOffset: number,
  timestamp: number,
  fromOffset: number,
): Promise<TimestampedOffset | undefined> {
  let position = from
  for (;;) {
    const candidates: { position: number; size: number }[] = []
    await scanBatches(file, { from: position, end, fromOffset: baseOffset }, (bytes, at, batchPosition, size) => {
      if (batchMaxTimestamp(bytes, at) < timestamp || batchLastOffset(bytes, at) < fromOffset) return true
      candidates.push({ position: batchPosition, size })
      return false
    })
    const candidate = candidates[0]
    if (candidate === undefined) return undefined
    const batch = Buffer.allocUnsafe(candidate.size)
    const count = await file.read(batch, 0, candidate.size, candidate.position)
    if (count < candidate.size) throw new MalformedError(`a batch of ${candidate.size} bytes ends after ${count}`)
    const found = firstRecordAtLeast(batch, timestamp, fromOffset)
    if (found !== undefined) return found
    position = candidate.position + candidate.size
  }
}

/**
 * The largest timestamp of the records at or above `fromOffset`, -1 without one. Looks into the one batch that lies on both sides of that offset, and at the
 * headers of the others. Rejects as `findTimestamp`.
 */
export async function largestTimestamp(
  file: File,
  end: number,
  baseOffset: number,
  fromOffset: number,
): Promise<number> {
  let largest = -1
  const straddling: { position: number; size: number }[] = []
  await scanBatches(file, { from: 0, end, fromOffset: baseOffset }, (bytes, at, position, size) => {
    if (batchLastOffset(bytes, at) < fromOffset) return true
    if (batchBaseOffset(bytes, at) < fromOffset) straddling.push({ position, size })
    else largest = Math.max(largest, batchMaxTimestamp(bytes, at))
    return true
  })
  for (const { position, size } of straddling) {
    const batch = Buffer.allocUnsafe(size)
    const count = await file.read(batch, 0, size, position)
    if (count < size) throw new MalformedError(`a batch of ${size} bytes ends after ${count}`)
    for (const { offset, timestamp } of recordsOf(batch, 0, searchedBatchBytesMax))
      if (offset >= fromOffset) largest = Math.max(largest, timestamp)
  }
  return largest
}

/** The first record of one batch that is late enough. */
export function firstRecordAtLeast(
  batch: Buffer,
  timestamp: number,
  fromOffset: number,
): TimestampedOffset | undefined {
  const baseOffset = batchBaseOffset(batch)
  const leaderEpoch = batchLeaderEpoch(batch)
  const logAppendTime = (batchAttributes(batch) & attributeBits.logAppendTime) !== 0
  if (logAppendTime) {
    const appendTime = batchMaxTimestamp(batch)
    return appendTime >= timestamp
      ? { timestamp: appendTime, offset: Math.max(baseOffset, fromOffset), leaderEpoch }
      : undefined
  }
  for (const record of recordsOf(batch, 0, searchedBatchBytesMax))
    if (record.timestamp >= timestamp && record.offset >= fromOffset)
      return { timestamp: record.timestamp, offset: record.offset, leaderEpoch }
  return undefined
}
