/**
 * Snapshots of the metadata log as files: `<end offset>-<epoch>.checkpoint`.
 *
 * Owns their names, and their form: record batches between a header and a footer control record. A file without its footer is cut off and not believed; it never
 * gets its final name before everything in it is on the medium. Source: KIP-630, Kafka's RecordsSnapshotWriter.
 */
import type { Offset } from "../base/ids.js"
import type { Disk } from "../env/env.js"
import { batchChecksummedFrom, batchChecksum, isControlBatch } from "../protocol/batch-header.js"
import { crc32c } from "../base/crc32c.js"
import { MalformedError, Reader } from "../base/reader.js"
import {
  batchesIn,
  buildBatch,
  controlRecordKey,
  controlRecordType,
  controlRecordTypes,
  recordsOf,
} from "../protocol/record-batch.js"
import { snapshotFooterRecord, snapshotHeaderRecord } from "../protocol/messages/control-records.js"

export interface SnapshotId {
  /** Exclusive: the snapshot holds the result of everything below. */
  readonly endOffset: Offset
  readonly epoch: number
}

export const bootstrapFile = "bootstrap.checkpoint"
/** Bytes of a snapshot that is read into memory: a hundred thousand partitions take some 10 MB. */
export const snapshotBytesMax = 512 * 1024 * 1024
const recordsPerBatch = 1000

export const snapshotFileName = ({ endOffset, epoch }: SnapshotId): string =>
  `${String(endOffset).padStart(20, "0")}-${String(epoch).padStart(10, "0")}.checkpoint`

export function parseSnapshotFileName(name: string): SnapshotId | undefined {
  const match = /^(\d{20})-(\d{10})\.checkpoint$/.exec(name)
  return match === null ? undefined : { endOffset: Number(match[1]), epoch: Number(match[2]) }
}

/** The file's bytes. `timestampMs` is that of the last record it contains; `controls` say who votes (kraft.version 1). */
export function encodeSnapshot(
  values: Iterable<Buffer>,
  id: SnapshotId,
  timestampMs: number,
  controls: readonly { readonly key: Buffer; readonly value: Buffer }[] = [],
): Buffer {
  const batches: Buffer[] = []
  let baseOffset = 0
  const push = (records: readonly { key?: Buffer; value: Buffer }[], isControl: boolean) => {
    batches.push(buildBatch({ records, baseOffset, leaderEpoch: id.epoch, timestamp: timestampMs, isControl }))
    baseOffset += records.length
  }
  const header = { version: 0, lastContainedLogTimestamp: timestampMs }
  push(
    [
      {
        key: controlRecordKey(controlRecordTypes.snapshotHeader),
        value: snapshotHeaderRecord.encodeToBuffer(header, 0),
      },
      ...controls,
    ],
    true,
  )
  let records: { value: Buffer }[] = []
  for (const value of values) {
    records.push({ value })
    if (records.length === recordsPerBatch) {
      push(records, false)
      records = []
    }
  }
  if (records.length > 0) push(records, false)
  push(
    [
      {
        key: controlRecordKey(controlRecordTypes.snapshotFooter),
        value: snapshotFooterRecord.encodeToBuffer({ version: 0 }, 0),
      },
    ],
    true,
  )
  return Buffer.concat(batches)
}

export interface SnapshotContent {
  readonly values: Buffer[]
  /** Control records other than header and footer: who votes. */
  readonly controls: { readonly key: Buffer | null; readonly value: Buffer | null }[]
  readonly timestampMs: number
}

/** The values of the records, and the timestamp in the header. Errors: MalformedError for damage, a missing header or footer. */
export function decodeSnapshot(bytes: Buffer): SnapshotContent {
  const values: Buffer[] = []
  const controls: SnapshotContent["controls"] = []
  let timestampMs: number | undefined
  let ended = false
  let position = 0
  for (const { start, end } of batchesIn(bytes)) {
    if (crc32c(bytes, start + batchChecksummedFrom, end) !== batchChecksum(bytes, start))
      throw new MalformedError(`a batch at ${start} fails its checksum`)
    for (const { key, value } of recordsOf(bytes, start)) {
      if (!isControlBatch(bytes, start)) {
        if (value !== null) values.push(value)
        continue
      }
      const type = controlRecordType(key)
      if (type === controlRecordTypes.snapshotHeader && value !== null) {
        timestampMs = snapshotHeaderRecord.read(new Reader(value), 0).lastContainedLogTimestamp
      } else if (type === controlRecordTypes.snapshotFooter) ended = true
      else controls.push({ key, value })
    }
    position = end
  }
  if (timestampMs === undefined || !ended || position !== bytes.length)
    throw new MalformedError("the snapshot is cut off")
  return { values, controls, timestampMs }
}

/** When it resolves, the snapshot is on the medium under its name. */
export async function writeSnapshot(disk: Disk, directory: string, id: SnapshotId, bytes: Buffer): Promise<void> {
  const path = `${directory}/${snapshotFileName(id)}`
  const file = await disk.open(`${path}.part`, { create: true })
  try {
    await file.truncate(0)
    await file.write([bytes], 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(`${path}.part`, path)
  await disk.syncDirectory(directory)
}
