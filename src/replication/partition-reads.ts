/**
 * What a partition is read with, and what a read gives.
 *
 * Owns where a read may begin and where it ends for each kind of reader; who may read at all is the partition's decision.
 */
import type { BrokerId, LeaderEpoch, Offset } from "../base/ids.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { EpochEndOffset } from "../storage/leader-epoch-cache.js"
import type { Log, ReadResult } from "../storage/log.js"

/** What a read returns: the records and the offsets that frame them. */
export interface PartitionRead {
  readonly errorCode: ErrorCode
  readonly highWatermark: Offset
  readonly lastStableOffset: Offset
  readonly logStartOffset: Offset
  /** Where this reader's records end at the moment. */
  readonly readableOffset: Offset
  /** Undefined where there is nothing to return. Its `release` must run once the payloads are sent. */
  readonly records: (ReadResult & { ok: true }) | undefined
  /** A replica nearer to the reader that it should ask instead (KIP-392); nothing is returned then. */
  readonly preferredReadReplica?: BrokerId
  /** Where the reader's log parts from this one (KIP-595); nothing is returned then. */
  readonly divergingEpoch?: { readonly epoch: LeaderEpoch; readonly endOffset: Offset }
}

export interface ReadRequest {
  readonly fetchOffset: Offset
  readonly maxBytes: number
  readonly minOneMessage: boolean
  /** -1: the reader does not say. */
  readonly currentLeaderEpoch: LeaderEpoch
  /** -1: the reader does not say. */
  readonly lastFetchedEpoch: LeaderEpoch
}

/** How far a reader may see. `written`: followers, everything that is in the leader's file. */
export type Isolation = "read_uncommitted" | "read_committed" | "written"

export const failedRead = (errorCode: ErrorCode): PartitionRead => ({
  errorCode,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  readableOffset: -1,
  records: undefined,
})

/** What there is to read. */
interface Readable {
  readonly log: Log
  readonly highWatermark: Offset
  readonly lastStableOffset: Offset
  readonly logStartOffset: Offset
  endOffsetForEpoch(leaderEpoch: LeaderEpoch): EpochEndOffset
}

/** What is wrong with the position of a reader; undefined when its log agrees with this one up to there. */
export function checkPosition(partition: Readable, request: ReadRequest): PartitionRead | undefined {
  const { log, logStartOffset } = partition
  if (request.lastFetchedEpoch >= 0) {
    const end = partition.endOffsetForEpoch(request.lastFetchedEpoch)
    if (end.endOffset < 0 || request.fetchOffset < logStartOffset) return failedRead(Errors.OFFSET_OUT_OF_RANGE)
    if (end.leaderEpoch < request.lastFetchedEpoch || end.endOffset < request.fetchOffset) {
      return {
        errorCode: Errors.NONE,
        highWatermark: partition.highWatermark,
        lastStableOffset: partition.lastStableOffset,
        logStartOffset,
        readableOffset: -1,
        records: undefined,
        divergingEpoch: { epoch: end.leaderEpoch, endOffset: end.endOffset },
      }
    }
  }
  const isInside = request.fetchOffset >= logStartOffset && request.fetchOffset <= log.logEndOffset
  return isInside ? undefined : failedRead(Errors.OFFSET_OUT_OF_RANGE)
}

export function readRecords(
  partition: Readable,
  request: ReadRequest,
  isolation: Isolation,
): PartitionRead | Promise<PartitionRead> {
  const { log, highWatermark, lastStableOffset, logStartOffset } = partition
  const readableOffset =
    isolation === "read_uncommitted"
      ? highWatermark
      : isolation === "read_committed"
        ? lastStableOffset
        : log.writtenOffset
  const frame = {
    errorCode: Errors.NONE,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    readableOffset,
    records: undefined,
  } satisfies PartitionRead
  if (request.fetchOffset >= readableOffset) return frame
  const done = (result: ReadResult): PartitionRead =>
    result.ok ? { ...frame, records: result } : failedRead(result.error as ErrorCode)
  const result = log.read(request.fetchOffset, {
    maxBytes: request.maxBytes,
    maxOffset: readableOffset,
    minOneMessage: request.minOneMessage,
  })
  return result instanceof Promise ? result.then(done) : done(result)
}
