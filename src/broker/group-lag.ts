/**
 * How far a group is behind in one partition: in records, and in time.
 *
 * Owns the measurement, from the log itself. The lag in time is the age of the first record that was not committed, so that a group without new records to read has none.
 */
import type { Offset } from "../base/ids.js"
import { isFileRegion, type Payload } from "../env/env.js"
import { batchBaseTimestamp, batchHeaderBytes, batchMaxTimestamp } from "../protocol/batch-header.js"
import type { Partition } from "../replication/partition.js"

export interface Lag {
  /** End of what a consumer sees. -1: not known here, as the rest then. */
  readonly endOffset: Offset
  readonly records: number
  readonly ms: number
}

const unknownLag: Lag = { endOffset: -1, records: -1, ms: -1 }

/** `partition` undefined: this broker does not hold it. */
export async function lagOf(partition: Partition | undefined, committedOffset: Offset, nowMs: number): Promise<Lag> {
  if (partition === undefined || !partition.isLeader) return unknownLag
  const endOffset = partition.lastStableOffset
  const nextOffset = Math.max(committedOffset, partition.logStartOffset)
  if (nextOffset >= endOffset) return { endOffset, records: 0, ms: 0 }
  const timestampMs = await timestampAt(partition, nextOffset)
  return {
    endOffset,
    records: endOffset - nextOffset,
    ms: timestampMs < 0 ? -1 : Math.max(0, nowMs - timestampMs),
  }
}

/** Of the batch that holds the offset; -1 if it cannot be read. */
async function timestampAt(partition: Partition, offset: Offset): Promise<number> {
  const read = await partition.read(
    {
      fetchOffset: offset,
      maxBytes: batchHeaderBytes,
      minOneMessage: true,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    },
    "read_committed",
  )
  if (read.records === undefined) return -1
  try {
    const [first] = read.records.payloads
    const header = first === undefined ? undefined : await headerOf(first)
    if (header === undefined) return -1
    const baseTimestamp = batchBaseTimestamp(header)
    return baseTimestamp < 0 ? batchMaxTimestamp(header) : baseTimestamp
  } finally {
    read.records.release()
  }
}

async function headerOf(payload: Payload): Promise<Buffer | undefined> {
  if (!isFileRegion(payload)) return payload.length < batchHeaderBytes ? undefined : (payload as Buffer)
  const header = Buffer.alloc(batchHeaderBytes)
  const count = await payload.file.read(header, 0, batchHeaderBytes, payload.position)
  return count < batchHeaderBytes ? undefined : header
}
