/**
 * Which segments a log no longer has to keep.
 *
 * Owns the rule, as a pure function; deletes nothing. Only whole segments, oldest first, every record of them below the high watermark.
 * Source: Kafka's UnifiedLog.deleteOldSegments; invariant M1.
 */
export interface RetainedSegment {
  readonly baseOffset: number
  readonly size: number
  /** -1 when no record carries one. */
  readonly maxTimestamp: number
  /** When its file was last written, for segments without timestamps. */
  readonly modifiedMs: number
}

export interface RetentionRules {
  /** -1 keeps for ever. */
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly highWatermark: number
  readonly nowMs: number
  /** False when only the log start offset counts: a compacted topic without `delete`. */
  readonly deleteByPolicy: boolean
}

export interface RetentionPlan {
  /** How many of the oldest segments go. */
  readonly count: number
  /** All of them would, so a new empty one must be rolled first. */
  readonly rollFirst: boolean
}

export function planRetention(segments: readonly RetainedSegment[], rules: RetentionRules): RetentionPlan {
  let excessBytes =
    rules.retentionBytes < 0 ? -1 : segments.reduce((total, segment) => total + segment.size, 0) - rules.retentionBytes
  let count = 0
  for (const [index, segment] of segments.entries()) {
    const endOffset = segments[index + 1]?.baseOffset ?? rules.logEndOffset
    const isEmptyActive = index === segments.length - 1 && segment.size === 0
    if (isEmptyActive || endOffset > rules.highWatermark) break
    const lastWritten = segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.modifiedMs
    const tooOld = rules.deleteByPolicy && rules.retentionMs >= 0 && rules.nowMs - lastWritten > rules.retentionMs
    const tooMuch = rules.deleteByPolicy && rules.retentionBytes >= 0 && excessBytes - segment.size >= 0
    // The active segment does not go because the log starts at its end: only DeleteRecords brings that about, and it leaves a log.
    const belowStart = index < segments.length - 1 && endOffset <= rules.logStartOffset
    if (!tooOld && !tooMuch && !belowStart) break
    excessBytes -= segment.size
    count++
  }
  return { count, rollFirst: count === segments.length && count > 0 }
}
