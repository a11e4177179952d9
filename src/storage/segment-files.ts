/**
 * Index and snapshot files of a segment, written so that they can be counted on.
 *
 * Owns the order write, sync; the caller syncs the folder for new names. When a function resolves the bytes are on the medium.
 */
import type { Disk } from "../env/env.js"
import { type Segment, segmentName, segmentSuffixes } from "./segment.js"

/** Index files hold exactly the entries in memory. */
export async function persistIndexes(disk: Disk, path: string, segment: Segment): Promise<void> {
  const { offsetIndex, timeIndex } = segment
  if (offsetIndex === undefined || timeIndex === undefined) return
  // Entries are copied and counted first: the active segment goes on growing while they are written.
  const offsetEntries = offsetIndex.entries
  const offsetTail = Buffer.from(offsetIndex.encoded(segment.persistedOffsetEntries))
  const timeEntries = timeIndex.entries
  const timeTail = Buffer.from(timeIndex.encoded(segment.persistedTimeEntries))
  const offsetBytes = offsetIndex.bytes
  const timeBytes = timeIndex.bytes
  await writeTail(disk, `${path}/${segment.fileName(segmentSuffixes.offsetIndex)}`, offsetTail, offsetBytes)
  await writeTail(disk, `${path}/${segment.fileName(segmentSuffixes.timeIndex)}`, timeTail, timeBytes)
  // What was dropped meanwhile (a full disk takes appends back) has to be written again.
  segment.persistedOffsetEntries = Math.min(offsetEntries, segment.offsetIndex?.entries ?? offsetEntries)
  segment.persistedTimeEntries = Math.min(timeEntries, segment.timeIndex?.entries ?? timeEntries)
}

async function writeTail(disk: Disk, path: string, tail: Buffer, bytes: number): Promise<void> {
  const file = await disk.open(path, { create: true })
  try {
    await file.truncate(bytes - tail.length)
    if (tail.length > 0) await file.write([tail], bytes - tail.length)
    await file.sync()
  } finally {
    await file.close()
  }
}

export async function writeSnapshot(disk: Disk, path: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await disk.open(`${path}/${segmentName(offset)}${segmentSuffixes.snapshot}`, { create: true })
  try {
    await file.truncate(0)
    await file.write([bytes], 0)
    await file.sync()
  } finally {
    await file.close()
  }
}
