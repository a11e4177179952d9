/**
 * Indexes of the segments of one log, in memory when they are needed.
 *
 * Owns loading, believing and rebuilding them; persisting belongs to the seals. What is loaded from a file was checked against the segment's
 * size and its neighbours; what cannot be believed is built anew from the log itself.
 */
import { DiskError, type File } from "../env/env.js"
import { scanBatches } from "./batch-scan.js"
import type { LogCommon } from "./log-common.js"
import { OffsetIndex } from "./offset-index.js"
import { Segment, segmentSuffixes } from "./segment.js"
import { persistIndexes } from "./segment-files.js"
import { TimeIndex } from "./time-index.js"

/** Largest index file that is believed: Kafka's bound on `segment.index.bytes` is an int, its default 10 MiB. */
const indexFileBytesMax = 256 * 1024 * 1024

export class SegmentIndexes {
  readonly #common: LogCommon

  constructor(common: LogCommon) {
    this.#common = common
  }

  /** The offset index of a segment if it need not be loaded. */
  inMemory(segment: Segment): OffsetIndex | undefined {
    if (segment.offsetIndex === undefined || segment.timeIndex === undefined) return undefined
    this.#common.home.indexCache.touch(segment)
    return segment.offsetIndex
  }

  /** Indexes of a segment from memory, else from their files if these can be believed, else from the log itself. */
  async offsetIndex(segment: Segment, file: File): Promise<OffsetIndex> {
    await this.load(segment, file)
    this.#common.home.indexCache.touch(segment)
    return segment.offsetIndex!
  }

  /** When it resolves, both indexes of the segment are in memory, and its largest timestamp is known. */
  async load(segment: Segment, file: File): Promise<void> {
    if (segment.offsetIndex !== undefined && segment.timeIndex !== undefined) return
    if (segment.size < 0) {
      segment.size = await file.size()
      segment.writtenBytes = segment.size
    }
    const next = this.#common.segments[this.#common.segments.indexOf(segment) + 1]
    const endOffset = next?.baseOffset ?? this.#common.writtenOffset
    const [offsets, times] = await Promise.all([
      this.#readFile(segment, segmentSuffixes.offsetIndex),
      this.#readFile(segment, segmentSuffixes.timeIndex),
    ])
    if (segment.offsetIndex !== undefined) return
    const offsetIndex = offsets && OffsetIndex.parse(segment.baseOffset, offsets, segment.size)
    const timeIndex = times && TimeIndex.parse(segment.baseOffset, times, endOffset)
    if (
      offsetIndex === undefined ||
      timeIndex === undefined ||
      offsetIndex.lastOffset >= Math.max(endOffset, segment.baseOffset + 1)
    ) {
      this.#common.home.env.log.log("info", "rebuilding the indexes of a segment", {
        log: this.#common.name,
        segment: segment.baseOffset,
      })
      await this.rebuild(segment, file)
      return
    }
    segment.offsetIndex = offsetIndex
    segment.timeIndex = timeIndex
    if (!segment.timestampKnown) {
      segment.maxTimestamp = timeIndex.last?.timestamp ?? -1
      segment.maxTimestampOffset = timeIndex.last?.offset ?? -1
      segment.timestampKnown = true
    }
  }

  async #readFile(segment: Segment, suffix: string): Promise<Buffer | undefined> {
    try {
      return await this.#common.home.env.disk.readFile(
        `${this.#common.path}/${segment.fileName(suffix)}`,
        indexFileBytesMax,
      )
    } catch (error) {
      if (error instanceof DiskError && (error.code === "ENOENT" || error.code === "EFBIG")) return undefined
      throw error
    }
  }

  /** Builds what the log says into memory; the files are replaced when the segment's indexes are next persisted. */
  async rebuild(segment: Segment, file: File): Promise<void> {
    const rebuilt = new Segment(segment.baseOffset, segment.createdMs, 0).startEmpty()
    await scanBatches(
      file,
      { from: 0, end: segment.writtenBytes, fromOffset: segment.baseOffset },
      (bytes, at, _, size) => {
        rebuilt.appendBatch(bytes, at, size, this.#common.config.indexIntervalBytes)
        return true
      },
    )
    if (segment.sealed) rebuilt.seal()
    segment.offsetIndex = rebuilt.offsetIndex
    segment.timeIndex = rebuilt.timeIndex
    segment.persistedOffsetEntries = 0
    segment.persistedTimeEntries = 0
    if (!segment.timestampKnown) {
      segment.maxTimestamp = rebuilt.maxTimestamp
      segment.maxTimestampOffset = rebuilt.maxTimestampOffset
      segment.timestampKnown = true
    }
    if (segment.sealed)
      await persistIndexes(this.#common.home.env.disk, this.#common.path, segment).catch((error: unknown) =>
        this.#common.home.env.log.log("warn", "a rebuilt index could not be written", {
          log: this.#common.name,
          error: String(error),
        }),
      )
  }
}
