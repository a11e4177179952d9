/**
 * Producer state from the disk: the newest snapshot, and the batches that came after it.
 *
 * Owns which snapshot is believed; the format is `ProducerState`'s. Snapshots above the log's end speak of records that are no more:
 * they must be gone before anything new is appended.
 */
import type { Disk, Env, File } from "../env/env.js"
import { batchLastOffset, batchProducerId } from "../protocol/batch-header.js"
import { scanBatches } from "./batch-scan.js"
import { ProducerState } from "./producer-state.js"
import { type Segment, segmentName, segmentSuffixes } from "./segment.js"

/** Batches are mostly smaller: one read instead of one for each header. */
const replayChunkBytes = 256 * 1024
/** 20 million producers; a larger file is not one. */
const snapshotFileBytesMax = 1024 * 1024 * 1024

export function snapshotOffsets(names: readonly string[]): number[] {
  return names.flatMap((name) => (/^\d{20}\.snapshot$/.test(name) ? [Number(name.slice(0, 20))] : []))
}

/** `names`: what is in the folder. When it resolves, snapshots of offsets beyond `offset` are gone for good; with those that are left. */
export async function removeSnapshotsAbove(
  disk: Disk,
  path: string,
  names: readonly string[],
  offset: number,
): Promise<number[]> {
  const offsets = snapshotOffsets(names)
  const going = offsets.filter((snapshot) => snapshot > offset)
  for (const snapshot of going) await disk.unlink(`${path}/${segmentName(snapshot)}${segmentSuffixes.snapshot}`)
  if (going.length > 0) await disk.syncDirectory(path)
  return offsets.filter((snapshot) => snapshot <= offset)
}

/** Producer state at `endOffset`: the newest of the snapshots (by offset) that can be believed, and the batches after it. */
export async function loadProducers(
  env: Env,
  path: string,
  snapshots: readonly number[],
  endOffset: number,
  segments: readonly Segment[],
  withFile: <T>(segment: Segment, use: (file: File) => Promise<T>) => Promise<T>,
): Promise<ProducerState> {
  const offsets = snapshots.filter((offset) => offset <= endOffset).sort((a, b) => b - a)
  let state: ProducerState | undefined
  let from = 0
  for (const offset of offsets) {
    const file = `${path}/${segmentName(offset)}${segmentSuffixes.snapshot}`
    const bytes = await env.disk.readFile(file, snapshotFileBytesMax)
    state = ProducerState.decodeSnapshot(bytes)
    from = offset
    if (state !== undefined) break
    env.log.log("warn", "a producer snapshot is damaged and not used", { file })
    await env.disk.unlink(file)
  }
  if (state === undefined) {
    state = new ProducerState()
    from = 0
  }
  const producers = state
  if (from >= endOffset) return producers
  for (const [slot, segment] of segments.entries()) {
    const next = segments[slot + 1]
    if (next !== undefined && next.baseOffset <= from) continue
    if (segment.size === 0) continue
    await withFile(segment, async (file) => {
      if (segment.size < 0) segment.size = segment.writtenBytes = await file.size()
      await scanBatches(file, replay(segment), (bytes, at) => {
        if (batchLastOffset(bytes, at) >= from && batchProducerId(bytes, at) >= 0) producers.record(bytes, at)
        return true
      })
    })
  }
  return producers
}

const replay = (segment: Segment) => ({
  from: 0,
  end: segment.writtenBytes,
  fromOffset: segment.baseOffset,
  chunkBytes: replayChunkBytes,
})
