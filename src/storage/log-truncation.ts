/**
 * Cutting the end of a log, or all of it.
 *
 * Owns what becomes of files, indexes, producer state and epochs, in an order that a crash may interrupt anywhere; who decides to truncate is
 * replication. The recovery point goes down on the medium before anything is cut: what is scanned again cannot be believed wrongly.
 */
import { batchLastOffset } from "../protocol/batch-header.js"
import { scanBatches } from "./batch-scan.js"
import type { LogCommon } from "./log-common.js"
import type { LogMemory } from "./log-memory.js"
import type { LogWriter } from "./log-writer.js"
import { loadProducers, removeSnapshotsAbove } from "./producer-snapshots.js"
import type { ReadPositions } from "./read-positions.js"
import { floorSegment, Segment } from "./segment.js"
import type { SegmentDeletion } from "./segment-deletion.js"
import type { SegmentSeals } from "./segment-seals.js"

export class LogTruncation {
  readonly #common: LogCommon
  readonly #memory: LogMemory
  readonly #writer: LogWriter
  readonly #seals: SegmentSeals
  readonly #deletion: SegmentDeletion
  readonly #positions: ReadPositions

  constructor(
    common: LogCommon,
    memory: LogMemory,
    writer: LogWriter,
    seals: SegmentSeals,
    deletion: SegmentDeletion,
    positions: ReadPositions,
  ) {
    this.#common = common
    this.#memory = memory
    this.#writer = writer
    this.#seals = seals
    this.#deletion = deletion
    this.#positions = positions
  }

  /**
   * Cuts the log so that it ends at `offset`, or at the start of the batch that holds it. Appends are refused meanwhile. When it resolves, a crash
   * cannot bring back what was cut. Rejects only if the directory failed.
   */
  async truncateTo(offset: number): Promise<void> {
    if (offset >= this.#common.logEndOffset) return
    if (offset < this.#common.segments[0]!.baseOffset) return this.truncateFullyAndStartAt(offset)
    await this.#writer.exclusively(async () => {
      this.#common.flushedOffset = Math.min(this.#common.flushedOffset, offset)
      this.#common.highWatermark = Math.min(this.#common.highWatermark, offset)
      // The recovery point goes down first: once different records lie above it, no index entry of the old ones may be believed.
      await this.#common.home.checkpoint()
      const slot = floorSegment(this.#common.segments, offset)
      const segment = this.#common.segments[slot]!
      await this.#deletion.removeSegments(this.#common.segments.slice(slot + 1).reverse())
      await this.#common.withFile(segment, async (file) => {
        const kept = new Segment(segment.baseOffset, segment.createdMs, segment.jitterMs).startEmpty()
        if (segment.size < 0) segment.size = segment.writtenBytes = await file.size()
        const scan = await scanBatches(
          file,
          { from: 0, end: segment.writtenBytes, fromOffset: segment.baseOffset },
          (bytes, at, _, size) => {
            if (batchLastOffset(bytes, at) >= offset) return false
            kept.appendBatch(bytes, at, size, this.#common.config.indexIntervalBytes)
            return true
          },
        )
        await file.truncate(scan.position)
        await file.sync()
        segment.offsetIndex = kept.offsetIndex
        segment.timeIndex = kept.timeIndex
        segment.persistedOffsetEntries = 0
        segment.persistedTimeEntries = 0
        segment.rewind(kept.mark())
        segment.writtenBytes = scan.position
        this.#positions.clear()
        segment.timestampKnown = true
        segment.indexesDurable = false
        this.#common.home.indexCache.forget(segment)
        this.#common.logEndOffset = scan.position === 0 ? segment.baseOffset : scan.nextOffset
      })
      this.#common.writtenOffset = this.#common.logEndOffset
      this.#common.flushedOffset = this.#common.logEndOffset
      this.#common.highWatermark = Math.min(this.#common.highWatermark, this.#common.logEndOffset)
      this.#common.logStartOffset = Math.min(this.#common.logStartOffset, this.#common.logEndOffset)
      this.#memory.dropFrom(this.#common.logEndOffset)
      this.#common.epochs.truncateFromEnd(this.#common.logEndOffset)
      await this.#seals.persistEpochs()
      await this.#reloadProducers(await this.#removeSnapshotsAbove(this.#common.logEndOffset))
    })
    this.#common.advanced()
  }

  /** Drops everything and starts anew at `offset`: the leader no longer has what would have to come before. */
  async truncateFullyAndStartAt(offset: number): Promise<void> {
    await this.#writer.exclusively(async () => {
      const going = [...this.#common.segments]
      // Everything may be cut by a recovery from here on: old records are of no use, and there is no order in which their names vanish.
      this.#common.flushedOffset = Math.min(this.#common.segments[0]!.baseOffset, offset)
      await this.#common.home.checkpoint()
      this.#memory.dropFrom(-1)
      await this.#deletion.removeSegments(going.reverse())
      await this.#removeSnapshotsAbove(-1)
      this.#common.segments = [this.#common.newSegment(offset, this.#common.home.env.clock.wallMs())]
      this.#common.logStartOffset = offset
      this.#common.durableStartOffset = offset
      this.#common.logEndOffset = offset
      this.#common.writtenOffset = offset
      this.#common.flushedOffset = offset
      this.#common.highWatermark = offset
      this.#common.producers.clear()
      this.#common.epochs.clear()
      await this.#seals.persistEpochs()
      await this.#deletion.ensureActiveFile()
      await this.#common.home.checkpoint()
    })
    this.#common.advanced()
  }

  async #removeSnapshotsAbove(offset: number): Promise<number[]> {
    const { disk } = this.#common.home.env
    return removeSnapshotsAbove(disk, this.#common.path, await disk.list(this.#common.path), offset)
  }

  async #reloadProducers(snapshots: readonly number[]): Promise<void> {
    const loaded = await loadProducers(
      this.#common.home.env,
      this.#common.path,
      snapshots,
      this.#common.logEndOffset,
      this.#common.segments,
      (segment, use) => this.#common.withFile(segment, use),
    )
    this.#common.producers.replaceWith(loaded)
  }
}
