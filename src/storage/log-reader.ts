/**
 * Reads of one log from its files.
 *
 * Owns finding where a read starts and ends, and telling a damaged index or log; the bytes themselves go from the file to the socket. Every
 * position that an answer starts or ends at was checked by reading a header there.
 */
import { invariant } from "../base/assert.js"
import { DiskError } from "../env/env.js"
import { batchBaseOffset, batchLastOffset } from "../protocol/batch-header.js"
import { Errors } from "../protocol/errors.js"
import { type Boundary, endOfRunAfter, endOfRunAt, readScanBytes } from "./batch-run.js"
import { scanBatches } from "./batch-scan.js"
import type { PooledFile } from "./file-pool.js"
import { isMissing, type LogCommon, nothing } from "./log-common.js"
import type { ReadResult } from "./log-contract.js"
import type { ReadPositions } from "./read-positions.js"
import { floorSegment, type Segment, segmentName } from "./segment.js"
import type { SegmentIndexes } from "./segment-indexes.js"

interface FoundBatch {
  readonly position: number
  readonly size: number
  readonly baseOffset: number
  readonly nextOffset: number
}

export class LogReader {
  readonly #common: LogCommon
  readonly #indexes: SegmentIndexes
  readonly #positions: ReadPositions

  constructor(common: LogCommon, indexes: SegmentIndexes, positions: ReadPositions) {
    this.#common = common
    this.#indexes = indexes
    this.#positions = positions
  }

  /** As `Log.read`, for an offset within the log that is not in memory. */
  async read(offset: number, limit: number, maxBytes: number, minOne: boolean): Promise<ReadResult> {
    const { home } = this.#common
    let wanted = offset
    let indexRebuilt = false
    for (;;) {
      const { segments } = this.#common
      const { generation } = this.#positions
      const segment = segments[floorSegment(segments, wanted)]
      if (segment === undefined || offset < this.#common.logStartOffset)
        return { ok: false, error: Errors.OFFSET_OUT_OF_RANGE, message: `offset ${offset} was deleted meanwhile` }
      let pooled: PooledFile | undefined
      try {
        pooled =
          home.files.acquireOpen(segment) ?? (await home.files.acquire(segment, () => this.#common.open(segment)))
        const index = this.#indexes.inMemory(segment) ?? (await this.#indexes.offsetIndex(segment, pooled.file))
        const end = segment.writtenBytes
        const limits = { end, maxOffset: limit, maxBytes, minOneMessage: minOne }
        const position = this.#positions.find(segment, wanted)
        if (position !== undefined) {
          const run = await endOfRunAt(pooled.file, index, position, wanted, limits)
          if (run !== undefined) return this.#found(run, offset, segment, position, pooled, generation)
        }
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
          home.env.log.log("warn", "offset index does not fit its log, rebuilding it", {
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
        const run = await endOfRunAfter(pooled.file, index, first.position, first.size, first.nextOffset, limits)
        return this.#found(run, offset, segment, first.position, pooled, generation)
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

  #found(
    run: Boundary | "nothing",
    offset: number,
    segment: Segment,
    position: number,
    pooled: PooledFile,
    generation: number,
  ): ReadResult {
    if (run === "nothing") {
      pooled.release()
      return emptyRead(offset)
    }
    this.#positions.remember(generation, segment, run.nextOffset, run.position)
    const bytes = run.position - position
    return {
      ok: true,
      payloads: [{ file: pooled.file, position, length: bytes }],
      bytes,
      nextOffset: run.nextOffset,
      fromMemory: false,
      release: once(() => pooled.release()),
    }
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
    this.#common.listener.onDamaged(this.#common.log, message)
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
