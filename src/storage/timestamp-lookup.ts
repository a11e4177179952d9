/**
 * Offsets by timestamp, over the segments of one log.
 *
 * Owns which segment is searched; the search within one is `timestamp-search.ts`. Answers come from the files, so what was appended before
 * the call is written first.
 */
import type { LogCommon } from "./log-common.js"
import type { LogWriter } from "./log-writer.js"
import type { Segment } from "./segment.js"
import type { SegmentIndexes } from "./segment-indexes.js"
import { findTimestamp, largestTimestamp, type TimestampedOffset } from "./timestamp-search.js"

export class TimestampLookup {
  readonly #common: LogCommon
  readonly #indexes: SegmentIndexes
  readonly #writer: LogWriter

  constructor(common: LogCommon, indexes: SegmentIndexes, writer: LogWriter) {
    this.#common = common
    this.#indexes = indexes
    this.#writer = writer
  }

  /** The first record whose timestamp is at least `timestamp`, exact to the record; undefined when there is none. */
  async offsetForTimestamp(timestamp: number): Promise<TimestampedOffset | undefined> {
    await this.#writer.written()
    return this.#common.serially(async () => {
      for (const segment of [...this.#common.segments]) {
        if (!this.#common.segments.includes(segment)) continue
        const found = await this.#findInSegment(segment, timestamp)
        if (found !== undefined) return found
      }
      return undefined
    })
  }

  /** The first record with the largest timestamp in the log; undefined when the log is empty. */
  async offsetForMaxTimestamp(): Promise<TimestampedOffset | undefined> {
    await this.#writer.written()
    return this.#common.serially(async () => {
      let best: { segment: Segment; timestamp: number } | undefined
      for (const segment of [...this.#common.segments]) {
        const timestamp = await this.#largestTimestamp(segment)
        if (timestamp >= 0 && (best === undefined || timestamp > best.timestamp)) best = { segment, timestamp }
      }
      return best && this.#findInSegment(best.segment, best.timestamp)
    })
  }

  /** Of the records that can be read: those below the log's start do not count, though their segment is still there. */
  async #largestTimestamp(segment: Segment): Promise<number> {
    const { logStartOffset } = this.#common
    if (!segment.timestampKnown) await this.#common.withFile(segment, (file) => this.#indexes.load(segment, file))
    if (segment.baseOffset >= logStartOffset || segment.size === 0) return segment.maxTimestamp
    return this.#common.withFile(segment, (file) =>
      largestTimestamp(file, segment.writtenBytes, segment.baseOffset, logStartOffset),
    )
  }

  async #findInSegment(segment: Segment, timestamp: number): Promise<TimestampedOffset | undefined> {
    if (segment.timestampKnown && segment.maxTimestamp < timestamp) return undefined
    return this.#common.withFile(segment, async (file) => {
      await this.#indexes.load(segment, file)
      if (segment.maxTimestamp < timestamp) return undefined
      const from = segment.offsetIndex!.positionFor(segment.timeIndex!.offsetBefore(timestamp))
      const found = await findTimestamp(
        file,
        from,
        segment.writtenBytes,
        segment.baseOffset,
        timestamp,
        this.#common.logStartOffset,
      )
      return found && { ...found, leaderEpoch: this.#common.epochs.epochAt(found.offset) }
    })
  }
}
