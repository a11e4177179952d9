/**
 * Reads of one log from its files.
 *
 * Owns finding where a read starts and ends, and telling a damaged index or log; the bytes themselves go from the file to the socket. Every
 * position that an answer starts or ends at was checked by reading a header there.
 */
import { invariant } from "../base/assert.js"
import { DiskError, type File } from "../env/env.js"
import { batchBaseOffset, batchHeaderBytes, batchLastOffset } from "../protocol/batch-header.js"
import { Errors } from "../protocol/errors.js"
import { scanBatches } from "./batch-scan.js"
import type { PooledFile } from "./file-pool.js"
import { isMissing, type LogCommon, nothing } from "./log-common.js"
import type { ReadResult } from "./log-contract.js"
import type { OffsetIndex } from "./offset-index.js"
import { floorSegment, type Segment, segmentName } from "./segment.js"
import type { SegmentIndexes } from "./segment-indexes.js"

/** Bytes read at a time to find a batch: an index interval and a header. */
export const readScanBytes = 4096 + 512

interface FoundBatch {
  readonly position: number
  readonly size: number
  readonly baseOffset: number
  readonly nextOffset: number
}

export class LogReader {
  readonly #common: LogCommon
  readonly #indexes: SegmentIndexes

  constructor(common: LogCommon, indexes: SegmentIndexes) {
    this.#common = common
    this.#indexes = indexes
  }

  /** As `Log.read`, for an offset within the log that is not in memory. */
  async read(offset: number, limit: number, maxBytes: number, minOne: boolean): Promise<ReadResult> {
    let wanted = offset
    let indexRebuilt = false
    for (;;) {
      const slot = floorSegment(this.#common.segments, wanted)
      const segment = this.#common.segments[slot]
      if (segment === undefined || offset < this.#common.logStartOffset)
        return { ok: false, error: Errors.OFFSET_OUT_OF_RANGE, message: `offset ${offset} was deleted meanwhile` }
      let pooled: PooledFile | undefined
      try {
        pooled = await this.#common.home.files.acquire(segment, () => this.#common.open(segment))
        const index = await this.#indexes.offsetIndex(segment, pooled.file)
        const end = segment.writtenBytes
        const from = index.positionFor(wanted)
        const found: FoundBatch[] = []
        const scan = await scanBatches(
          pooled.file,
          { from, end, fromOffset: segment.baseOffset, chunkBytes: readScanBytes },
          (bytes, at, position, size) => {
            if (batchLastOffset(bytes, at) < wanted) return true
            const baseOffset = batchBaseOffset(bytes, at)
            found.push({ position, size, baseOffset, nextOffset: batchLastOffset(bytes, at) + 1 })
            return false
          },
        )
        const first = found[0]
        const misled =
          from > 0 &&
          (scan.problem !== undefined || (first !== undefined && first.position === from && first.baseOffset > wanted))
        if (misled && !indexRebuilt) {
          indexRebuilt = true
          this.#common.home.env.log.log("warn", "offset index does not fit its log, rebuilding it", {
            log: this.#common.name,
            segment: segment.baseOffset,
          })
          await this.#indexes.rebuild(segment, pooled.file)
          pooled.release()
          continue
        }
        if (scan.problem !== undefined) {
          pooled.release()
          return this.#corrupt(segment, scan.position, scan.problem)
        }
        if (first === undefined) {
          pooled.release()
          const next = this.#common.segments[this.#common.segments.indexOf(segment) + 1]
          if (next === undefined || next.baseOffset >= limit) return emptyRead(offset)
          if (this.#common.gapless && next.baseOffset !== scan.nextOffset)
            return this.#corrupt(
              segment,
              scan.position,
              `records from ${scan.nextOffset} to ${next.baseOffset} are missing`,
            )
          wanted = next.baseOffset
          continue
        }
        if (first.nextOffset > limit || (first.size > maxBytes && !minOne)) {
          pooled.release()
          return emptyRead(offset)
        }
        const last = await this.#lastBatch(index, pooled.file, first, end, limit, maxBytes)
        const hold = pooled
        return {
          ok: true,
          payloads: [{ file: hold.file, position: first.position, length: last.position - first.position }],
          bytes: last.position - first.position,
          nextOffset: last.nextOffset,
          fromMemory: false,
          release: once(() => hold.release()),
        }
      } catch (error) {
        pooled?.release()
        if (isMissing(error) && !this.#common.segments.includes(segment)) continue
        if (this.#common.offlineReason !== undefined) return storageError(this.#common.offlineReason)
        if (isMissing(error)) return this.#corrupt(segment, 0, "its file is missing")
        this.#readFailed(error)
        return storageError(String(error))
      }
    }
  }

  /** Where the run of batches that starts with `first` ends, under the limits: a batch boundary, checked by reading the header before it. */
  async #lastBatch(
    index: OffsetIndex,
    file: File,
    first: FoundBatch,
    end: number,
    limit: number,
    maxBytes: number,
  ): Promise<{ position: number; nextOffset: number }> {
    const firstEnd = { position: first.position + first.size, nextOffset: first.nextOffset }
    const positionMax = Math.min(end, first.position + maxBytes)
    if (firstEnd.position + batchHeaderBytes > positionMax) return firstEnd
    const from = Math.max(
      firstEnd.position,
      Math.min(index.batchStartAtMost(positionMax), index.positionFor(limit - 1)),
    )
    let declined = -1
    const scan = await scanBatches(
      file,
      { from, end, fromOffset: first.nextOffset, chunkBytes: readScanBytes },
      (bytes, at, position, size) => {
        if (batchLastOffset(bytes, at) < limit && position + size <= positionMax) return true
        declined = batchBaseOffset(bytes, at)
        return false
      },
    )
    // A fault behind good batches is reported to whoever asks for it; the index is not believed without a header at its word.
    if (scan.position > from) return { position: scan.position, nextOffset: scan.nextOffset }
    return declined < 0 ? firstEnd : { position: from, nextOffset: declined }
  }

  #readFailed(error: unknown): void {
    this.#common.home.env.log.log("error", "reading a log failed", { log: this.#common.name, error: String(error) })
    // EMFILE and the like pass; an error of the medium does not.
    if (error instanceof DiskError && error.code === "EIO") this.#common.home.fail(error)
    else if (!(error instanceof DiskError)) throw error
  }

  #corrupt(segment: Segment, position: number, problem: string): ReadResult {
    const message = `${this.#common.name}: segment ${segmentName(segment.baseOffset)} is damaged at byte ${position}: ${problem}`
    this.#common.home.env.log.log("error", message)
    return { ok: false, error: Errors.CORRUPT_MESSAGE, message }
  }
}

export const storageError = (message: string): ReadResult => ({ ok: false, error: Errors.KAFKA_STORAGE_ERROR, message })

export function emptyRead(offset: number): ReadResult {
  return { ok: true, payloads: [], bytes: 0, nextOffset: offset, fromMemory: true, release: nothing }
}

function once(run: () => void): () => void {
  let done = false
  return () => {
    invariant(!done, "the result of a read was released twice")
    done = true
    run()
  }
}
