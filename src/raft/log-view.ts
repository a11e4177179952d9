/**
 * What the quorum's rules know of the log, and the judgement of positions in it.
 *
 * Owns when a reader's position continues the leader's log, when it diverges and where, and when only a snapshot helps. Reads only; `core.ts` asks it, `raft-log.ts` is the real
 * one. Source: KIP-595 (divergence), KIP-630 (snapshots); Kafka's KafkaMetadataLog.validateOffsetAndEpoch.
 */
import type { Offset } from "../base/ids.js"
import type { EpochEndOffset } from "../storage/leader-epoch-cache.js"
import type { SnapshotId } from "./snapshot-file.js"

export interface LogView {
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** Below it records are in the file and will not be taken back. */
  readonly writtenOffset: Offset
  /** Below it records survive a power cut. */
  readonly flushedOffset: Offset
  /** Epoch of the last record, or of the snapshot the log starts with; 0 for nothing at all. */
  readonly lastEpoch: number
  /** False: it is full, or being cut. */
  readonly takesAppends: boolean
  /** How long the disk has not done what it was asked, of whatever file. */
  readonly diskStalledMs: number
  readonly latestSnapshot: SnapshotId | undefined
  /** The snapshot that ends where the log starts. */
  readonly startSnapshot: SnapshotId | undefined
  /** See `LeaderEpochCache.endOffsetFor`. */
  endOffsetForEpoch(epoch: number): EpochEndOffset
}

export type PositionJudgement =
  | { readonly kind: "valid" }
  | { readonly kind: "diverging"; readonly epoch: number; readonly endOffset: Offset }
  | { readonly kind: "snapshot"; readonly id: SnapshotId }

/** Whether a log that ends at `fetchOffset` with a record of `lastFetchedEpoch` is a prefix of this one; asked of a leader. */
export function judgePosition(log: LogView, fetchOffset: Offset, lastFetchedEpoch: number): PositionJudgement {
  const { latestSnapshot, startSnapshot } = log
  if (fetchOffset === 0 && latestSnapshot !== undefined) return { kind: "snapshot", id: latestSnapshot }
  if (fetchOffset === 0 && log.logStartOffset === 0) return { kind: "valid" }
  if (latestSnapshot !== undefined && fetchOffset < log.logStartOffset) return { kind: "snapshot", id: latestSnapshot }
  if (latestSnapshot !== undefined && startSnapshot !== undefined) {
    if (
      (fetchOffset === log.logStartOffset && lastFetchedEpoch !== startSnapshot.epoch) ||
      lastFetchedEpoch < startSnapshot.epoch
    )
      return { kind: "snapshot", id: latestSnapshot }
    if (fetchOffset === log.logStartOffset) return { kind: "valid" }
  }
  const end = endOfEpoch(log, lastFetchedEpoch)
  return end.leaderEpoch !== lastFetchedEpoch || end.endOffset < fetchOffset
    ? { kind: "diverging", epoch: end.leaderEpoch, endOffset: end.endOffset }
    : { kind: "valid" }
}

/** Where the largest epoch up to `epoch` ends here. */
function endOfEpoch(log: LogView, epoch: number): EpochEndOffset {
  const end = log.endOffsetForEpoch(epoch)
  if (end.endOffset < 0) return { leaderEpoch: log.lastEpoch, endOffset: log.logEndOffset }
  // The log knows no epoch that old: all it can say is where it starts, and what the snapshot before that ended with.
  if (end.endOffset === log.logStartOffset && log.startSnapshot !== undefined)
    return { leaderEpoch: log.startSnapshot.epoch, endOffset: end.endOffset }
  return end
}

/** Where a follower cuts its log when the leader says that the epoch it diverges in ends at `diverging` (KIP-595). Never more than that is known to be wrong. */
export function truncationOffset(
  log: LogView,
  diverging: { readonly epoch: number; readonly endOffset: Offset },
): Offset {
  const own = endOfEpoch(log, diverging.epoch)
  return own.leaderEpoch === diverging.epoch ? Math.min(own.endOffset, diverging.endOffset) : own.endOffset
}

/** Whether everything in the log is on the medium and nothing is being cut: only then may its end be told to others. */
export const isSettled = (log: LogView): boolean => log.flushedOffset === log.logEndOffset

/** Raft §5.4.1: the log with the later last epoch is more up to date; of equal epochs the longer one. */
export const isUpToDate = (
  log: LogView,
  candidate: { readonly lastEpoch: number; readonly lastOffset: Offset },
): boolean =>
  candidate.lastEpoch !== log.lastEpoch ? candidate.lastEpoch > log.lastEpoch : candidate.lastOffset >= log.logEndOffset
