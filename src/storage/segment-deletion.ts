/**
 * Segments that leave a log: by retention, or because a truncation drops them.
 *
 * Owns the order in which that reaches the disk; which segments retention asks for is `retention.ts`. The log start offset is on the medium
 * before a name goes, so that a power cut, which may take names in any order, never leaves a gap.
 */
import { isMissing, type LogCommon, nothing } from "./log-common.js"
import type { LogWriter } from "./log-writer.js"
import type { ReadPositions } from "./read-positions.js"
import { planRetention } from "./retention.js"
import { deletedSuffix, type Segment, segmentSuffixes } from "./segment.js"
import type { SegmentIndexes } from "./segment-indexes.js"
import type { SegmentSeals } from "./segment-seals.js"

export class SegmentDeletion {
  readonly #common: LogCommon
  readonly #indexes: SegmentIndexes
  readonly #seals: SegmentSeals
  readonly #writer: LogWriter
  readonly #positions: ReadPositions

  constructor(
    common: LogCommon,
    indexes: SegmentIndexes,
    seals: SegmentSeals,
    writer: LogWriter,
    positions: ReadPositions,
  ) {
    this.#common = common
    this.#indexes = indexes
    this.#seals = seals
    this.#writer = writer
    this.#positions = positions
  }

  /** Deletes segments that retention no longer asks for. Resolves with their number when their names are gone. */
  deleteOldSegments(nowMs: number): Promise<number> {
    return this.#common.serially(async () => {
      if (this.#common.offlineReason !== undefined || this.#common.closing) return 0
      try {
        return await this.#deleteOldSegments(nowMs)
      } catch (error) {
        this.#common.workFailed(error)
        return 0
      }
    })
  }

  async #deleteOldSegments(nowMs: number): Promise<number> {
    const { retentionBytes, retentionMs, cleanupPolicy } = this.#common.config
    const unknownSizes = retentionBytes >= 0 && cleanupPolicy.delete
    if (unknownSizes) await this.#loadSizes()
    const known = new Map<Segment, number>()
    for (;;) {
      const segments = [...this.#common.segments]
      const plan = planRetention(
        segments.map((segment) => ({
          baseOffset: segment.baseOffset,
          size: Math.max(0, segment.size),
          // Not looked at yet: taken as new, then looked at if everything before it goes.
          maxTimestamp: segment.timestampKnown ? segment.maxTimestamp : Number.POSITIVE_INFINITY,
          modifiedMs: known.get(segment) ?? Number.POSITIVE_INFINITY,
        })),
        {
          retentionMs,
          retentionBytes,
          deleteByPolicy: cleanupPolicy.delete,
          logStartOffset: this.#common.logStartOffset,
          logEndOffset: this.#common.logEndOffset,
          highWatermark: this.#common.highWatermark,
          nowMs,
        },
      )
      const next = segments[plan.count]
      if (next !== undefined && cleanupPolicy.delete && retentionMs >= 0) {
        if (!next.timestampKnown) {
          await this.#common.withFile(next, (file) => this.#indexes.load(next, file))
          continue
        }
        if (next.maxTimestamp < 0 && !known.has(next) && next.size !== 0) {
          const stat = await this.#common.home.env.disk.stat(
            `${this.#common.path}/${next.fileName(segmentSuffixes.log)}`,
          )
          known.set(next, stat?.modifiedMs ?? nowMs)
          continue
        }
      }
      if (plan.count === 0) return 0
      if (plan.rollFirst) {
        if (this.#common.writtenOffset !== this.#common.logEndOffset) return 0
        this.#seals.rollTo(this.#common.logEndOffset, nowMs)
        await this.#seals.sealWritten()
      }
      const going = segments.slice(0, plan.count)
      const startOffset = this.#common.segments[plan.count]!.baseOffset
      if (startOffset > this.#common.logStartOffset) {
        this.#common.logStartOffset = startOffset
        this.#common.epochs.truncateFromStart(startOffset)
        this.#common.advanced()
      }
      // Names may go in any order in a power cut. With the start offset on the medium first, a gap below it is no gap in the log.
      await this.#common.home.checkpoint()
      if (plan.rollFirst) await this.ensureActiveFile()
      await this.removeSegments(going)
      return going.length
    }
  }

  async #loadSizes(): Promise<void> {
    for (const segment of [...this.#common.segments]) {
      if (segment.size >= 0) continue
      const stat = await this.#common.home.env.disk.stat(
        `${this.#common.path}/${segment.fileName(segmentSuffixes.log)}`,
      )
      if (segment.size < 0) segment.size = segment.writtenBytes = stat?.size ?? 0
    }
  }

  /** Bytes of all segments. */
  sizeBytes(): Promise<number> {
    return this.#common.serially(async () => {
      await this.#loadSizes()
      return this.#common.segments.reduce((total, segment) => total + segment.size, 0)
    })
  }

  /** The file of the active segment exists and its name is durable, so that the log is never without one. */
  async ensureActiveFile(): Promise<void> {
    await this.#common.withFile(this.#common.active, async () => {})
    await this.#common.home.env.disk.syncDirectory(this.#common.path)
    this.#common.active.nameDurable = true
  }

  /** Takes segments out of the log, renames their files, and unlinks them later: who is reading them keeps the open file. */
  async removeSegments(going: readonly Segment[]): Promise<void> {
    const { disk, timers } = this.#common.home.env
    this.#common.segments = this.#common.segments.filter((segment) => !going.includes(segment))
    this.#positions.clear()
    this.#seals.forget(going)
    const paths: string[] = []
    for (const segment of going) {
      this.#common.home.indexCache.forget(segment)
      const suffixes = Object.values(segmentSuffixes)
      const names = suffixes.map((suffix) => segment.fileName(suffix))
      segment.nameSuffix = deletedSuffix
      for (const name of names) {
        try {
          await disk.rename(`${this.#common.path}/${name}`, `${this.#common.path}/${name}${deletedSuffix}`)
          paths.push(`${this.#common.path}/${name}${deletedSuffix}`)
        } catch (error) {
          if (!isMissing(error)) throw error
        }
      }
      this.#writer.forget(segment)
      this.#common.home.files.retire(segment)
    }
    await disk.syncDirectory(this.#common.path)
    timers.after(this.#common.config.fileDeleteDelayMs, () => {
      for (const path of paths) disk.unlink(path).catch(nothing)
    })
  }
}
