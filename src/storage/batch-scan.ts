/**
 * Walks the batches of a segment file in bounded memory.
 *
 * Owns reading in chunks, the sanity of headers and, when asked, the checksums; decides nothing about what a fault means. Nothing
 * behind a header is decoded. A length field is believed only as far as the file goes.
 */
import { crc32c } from "../base/crc32c.js"
import type { File } from "../env/env.js"
import {
  batchBaseOffset,
  batchBytes,
  batchChecksum,
  batchChecksummedFrom,
  batchHeaderBytes,
  batchLastOffsetDelta,
  batchMagic,
} from "../protocol/batch-header.js"

/** Bytes of file held in memory by a scan that reads everything. */
export const scanChunkBytes = 1024 * 1024
/** Bytes read at a time by a scan that only wants headers: an index interval and some. */
export const headerChunkBytes = 8 * 1024

/** A header and, without checksums, the one record of a control batch: what a visitor may look at. */
export const visibleBytes = batchHeaderBytes + 67

export interface ScanResult {
  /** End of the last good batch that was visited. */
  readonly position: number
  /** Offset that follows it. */
  readonly nextOffset: number
  /** Why the scan ended before `end` without being told to, if it did. */
  readonly problem?: string
}

export interface ScanOptions {
  /** Start of a batch. */
  readonly from: number
  /** Exclusive; what is shorter than its header or its length before here is a problem. */
  readonly end: number
  /** Lowest base offset the first batch may have. */
  readonly fromOffset: number
  /** Offsets must follow each other without a gap (logs that are never compacted). */
  readonly gapless?: boolean
  readonly checkCrc?: boolean
  readonly chunkBytes?: number
}

/**
 * Calls `visit` with each batch in order: `bytes` holds its header at `at` (and, when checksums are not checked, `visibleBytes` of it), `position` and `size` say
 * where it lies. `visit` returns false to stop in front of the batch. Rejects only if reading does.
 */
export async function scanBatches(
  file: File,
  options: ScanOptions,
  visit: (bytes: Buffer, at: number, position: number, size: number) => boolean | undefined,
): Promise<ScanResult> {
  const { end, gapless = false, checkCrc = false } = options
  const chunk = Buffer.allocUnsafe(
    Math.max(
      visibleBytes,
      Math.min(options.chunkBytes ?? (checkCrc ? scanChunkBytes : headerChunkBytes), end - options.from),
    ),
  )
  let chunkStart = options.from
  let chunkEnd = options.from
  let position = options.from
  let nextOffset = options.fromOffset
  const stop = (problem: string): ScanResult => ({ position, nextOffset, problem })
  const fill = async (from: number): Promise<void> => {
    chunkStart = from
    chunkEnd = from + (await file.read(chunk, 0, Math.min(chunk.length, end - from), from))
  }

  while (position < end) {
    if (end - position < batchHeaderBytes) return stop("shorter than a batch header")
    if (position < chunkStart || Math.min(end, position + visibleBytes) > chunkEnd) await fill(position)
    if (position + batchHeaderBytes > chunkEnd) return stop("the file ends inside a batch header")
    const at = position - chunkStart
    const problem = headerProblem(chunk, at, end - position, nextOffset, gapless)
    if (problem !== undefined) return stop(problem)
    const size = batchBytes(chunk, at)
    const baseOffset = batchBaseOffset(chunk, at)
    const following = baseOffset + batchLastOffsetDelta(chunk, at) + 1
    if (!checkCrc) {
      if (visit(chunk, at, position, size) === false) return { position, nextOffset }
    } else {
      const header = Buffer.from(chunk.subarray(at, at + batchHeaderBytes))
      let crc = 0
      let done = position + batchChecksummedFrom
      while (done < position + size) {
        if (done >= chunkEnd) await fill(done)
        const until = Math.min(chunkEnd, position + size)
        if (until <= done) return stop("the file ends inside a batch")
        crc = crc32c(chunk, done - chunkStart, until - chunkStart, crc)
        done = until
      }
      if (crc !== batchChecksum(header)) return stop("checksum does not match")
      if (visit(header, 0, position, size) === false) return { position, nextOffset }
    }
    position += size
    nextOffset = following
  }
  return { position, nextOffset }
}

/** What is wrong with a header, judged without what follows it; undefined when it could be one. `room` is bytes up to the end. */
export function headerProblem(
  bytes: Buffer,
  at: number,
  room: number,
  nextOffset: number,
  gapless: boolean,
): string | undefined {
  const size = batchBytes(bytes, at)
  if (size < batchHeaderBytes) return `batch length ${size} is too small`
  if (size > room) return `batch of ${size} bytes does not fit into the ${room} left`
  if (batchMagic(bytes, at) !== 2) return `magic ${batchMagic(bytes, at)}`
  if (batchLastOffsetDelta(bytes, at) < 0) return `last offset delta ${batchLastOffsetDelta(bytes, at)}`
  const baseOffset = batchBaseOffset(bytes, at)
  if (gapless ? baseOffset !== nextOffset : baseOffset < nextOffset)
    return `base offset ${baseOffset} where ${nextOffset} was expected`
  return undefined
}
