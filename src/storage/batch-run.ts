/**
 * Where a run of whole batches in a segment file ends.
 *
 * Owns the reads that find it, as few and as small as the index allows; opens nothing and decides nothing about damage. A run starts and ends
 * at the batch boundaries that headers told: an index is a hint where to read, never the answer.
 */
import type { File } from "../env/env.js"
import { batchBaseOffset, batchBytes, batchHeaderBytes, batchLastOffset } from "../protocol/batch-header.js"
import { headerProblem } from "./batch-scan.js"
import type { OffsetIndex } from "./offset-index.js"

/** Bytes read at a time to find a batch: an index interval and a header. */
export const readScanBytes = 4096 + 512

/** A boundary between batches and the offset that follows it. */
export interface Boundary {
  readonly position: number
  readonly nextOffset: number
}

export interface RunLimits {
  /** Whole batches of the segment end here in the file. */
  readonly end: number
  /** Exclusive: batches that reach this offset or beyond are left out. */
  readonly maxOffset: number
  readonly maxBytes: number
  /** The first batch may be larger than `maxBytes`. */
  readonly minOneMessage: boolean
}

/**
 * The end of the run that starts at `position` with the batch whose base offset is `baseOffset`; "nothing" when the limits allow no batch.
 * Undefined when there is no such batch, or the index contradicts it: a search must tell what is wrong. Rejects only if reading does.
 *
 * At most two reads, both asked for at once: where the first header is and where the last may be is known before either is read.
 */
export async function endOfRunAt(
  file: File,
  index: OffsetIndex,
  position: number,
  baseOffset: number,
  limits: RunLimits,
): Promise<Boundary | "nothing" | undefined> {
  const { end, maxBytes } = limits
  if (position + batchHeaderBytes > end) return undefined
  const positionMax = Math.min(end, position + maxBytes)
  const candidate = lastCandidate(index, positionMax, limits)
  const near = candidate <= position || positionMax - position <= readScanBytes
  const header = Buffer.allocUnsafe(near ? tailBytes(position, positionMax, end) : batchHeaderBytes)
  const tail = near ? header : Buffer.allocUnsafe(tailBytes(candidate, positionMax, end))
  const reading = file.read(header, 0, header.length, position)
  const counts = near ? [await reading] : await Promise.all([reading, file.read(tail, 0, tail.length, candidate)])
  if (counts[0]! < batchHeaderBytes) return undefined
  if (headerProblem(header, 0, end - position, baseOffset, true) !== undefined) return undefined
  const size = batchBytes(header)
  const first = { position: position + size, nextOffset: batchLastOffset(header) + 1 }
  if (!allowed(size, first.nextOffset, limits)) return "nothing"
  if (near) {
    const run = wholeBatches(header, counts[0]!, position, baseOffset, positionMax, limits)
    return run !== undefined && run.position > position ? run : first
  }
  return first.position > candidate
    ? undefined
    : wholeBatches(tail, counts[1]!, candidate, first.nextOffset, positionMax, limits)
}

/** As `endOfRunAt`, when the first batch was found by its header: `size` bytes at `position`, followed by `nextOffset`. One read. */
export async function endOfRunAfter(
  file: File,
  index: OffsetIndex,
  position: number,
  size: number,
  nextOffset: number,
  limits: RunLimits,
): Promise<Boundary | "nothing"> {
  if (!allowed(size, nextOffset, limits)) return "nothing"
  const first = { position: position + size, nextOffset }
  const positionMax = Math.min(limits.end, position + limits.maxBytes)
  if (first.position + batchHeaderBytes > positionMax) return first
  const from = Math.max(first.position, lastCandidate(index, positionMax, limits))
  const tail = Buffer.allocUnsafe(tailBytes(from, positionMax, limits.end))
  const count = await file.read(tail, 0, tail.length, from)
  return wholeBatches(tail, count, from, nextOffset, positionMax, limits) ?? first
}

function allowed(size: number, nextOffset: number, { maxOffset, maxBytes, minOneMessage }: RunLimits): boolean {
  return nextOffset <= maxOffset && (size <= maxBytes || minOneMessage)
}

/** The greatest batch start that the index knows to be within the limits: what lies before it need not be looked at. */
function lastCandidate(index: OffsetIndex, positionMax: number, { end, maxOffset }: RunLimits): number {
  // The index of an active segment runs ahead of the file: a batch that starts at `end` is on its way there.
  return Math.min(index.batchStartAtMost(Math.min(positionMax, end - 1)), index.positionFor(maxOffset - 1))
}

/** Bytes to read from a batch start on: a header, and what may hold more of them before `positionMax`. */
function tailBytes(from: number, positionMax: number, end: number): number {
  return Math.min(end - from, Math.max(batchHeaderBytes, Math.min(readScanBytes, positionMax - from)))
}

/**
 * How far whole batches within the limits go in `bytes`, of which `count` were read at `position`. Less far than they might where headers lie
 * behind these bytes: a run may always be shorter. Undefined when there is no sound header at `position`; a fault behind good batches is
 * reported to whoever asks for it.
 */
function wholeBatches(
  bytes: Buffer,
  count: number,
  position: number,
  fromOffset: number,
  positionMax: number,
  { end, maxOffset }: RunLimits,
): Boundary | undefined {
  let at = 0
  let next = fromOffset
  while (at + batchHeaderBytes <= count) {
    if (headerProblem(bytes, at, end - position - at, next, false) !== undefined) break
    const size = batchBytes(bytes, at)
    const nextOffset = batchLastOffset(bytes, at) + 1
    if (nextOffset > maxOffset || position + at + size > positionMax) {
      if (at === 0) return { position, nextOffset: batchBaseOffset(bytes, at) }
      break
    }
    at += size
    next = nextOffset
  }
  return at === 0 ? undefined : { position: position + at, nextOffset: next }
}
