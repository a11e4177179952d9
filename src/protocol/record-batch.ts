/**
 * Record batches (magic 2) as wholes: building one, reading its records, walking several.
 *
 * Owns the layout behind the header; judges nothing about who may send what (`batch-validator.ts`). A batch built here is what Kafka's
 * own writer would have built, up to the compressor's choices. Source: Kafka's DefaultRecordBatch, DefaultRecord; KIP-98.
 */
import { crc32c } from "../base/crc32c.js"
import { MalformedError, Reader } from "../base/reader.js"
import { Writer } from "../base/writer.js"
import {
  attributeBits,
  batchAttributes,
  batchBaseOffset,
  batchBaseTimestamp,
  batchBytes,
  batchChecksum,
  batchChecksummedFrom,
  batchCompression,
  batchHeaderBytes,
  batchLogOverheadBytes,
  batchMaxTimestamp,
  batchRecordCount,
  type CompressionType,
  compressionTypes,
  setInt32,
  setInt64,
} from "./batch-header.js"
import { compress, DecompressError, decompress } from "./compression/compression.js"

export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** One record of a batch. Key, value and header values are views: of the batch, or of what it decompressed to. */
export interface RecordView {
  readonly offset: number
  readonly offsetDelta: number
  /** The record's own, or the batch's maximum where the batch carries the append time. -1: none. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface RecordInput {
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly timestamp?: number
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[]
  /** Default: the one after the previous record's. Gaps are what compaction leaves. */
  readonly offsetDelta?: number
}

export interface BatchInput {
  readonly records: readonly RecordInput[]
  readonly baseOffset?: number
  readonly leaderEpoch?: number
  readonly compression?: CompressionType
  readonly compressionLevel?: number
  /** `LogAppendTime`: `maxTimestamp` is what every reader will see. */
  readonly timestampType?: "CreateTime" | "LogAppendTime"
  /** Of records that say none. */
  readonly timestamp?: number
  /** Default: the largest of the records. */
  readonly maxTimestamp?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** Default: the last record's. Larger when compaction removed the last records. */
  readonly lastOffsetDelta?: number
}

function writeRecord(writer: Writer, record: RecordInput, offsetDelta: number, timestampDelta: number): void {
  const body = new Writer(64 + (record.key?.length ?? 0) + (record.value?.length ?? 0))
  body.int8(0)
  body.varlong(timestampDelta)
  body.varint(offsetDelta)
  writeNullable(body, record.key ?? null)
  writeNullable(body, record.value ?? null)
  const headers = record.headers ?? []
  body.varint(headers.length)
  for (const header of headers) {
    body.varint(Buffer.byteLength(header.key))
    body.utf8(header.key)
    writeNullable(body, header.value)
  }
  writer.varint(body.length)
  writer.raw(body.finishBuffer())
}

function writeNullable(writer: Writer, bytes: Uint8Array | null): void {
  writer.varint(bytes === null ? -1 : bytes.length)
  if (bytes !== null) writer.raw(bytes)
}

/**
 * One batch of the given records, checksummed.
 *
 * Shape:  defaults are those of a plain producer: base offset 0, leader epoch -1, no producer id, not compressed.
 * Units:  timestamps in ms since 1970, -1 none.
 */
export function buildBatch(input: BatchInput): Buffer {
  const { records } = input
  const timestamps = records.map((record) => record.timestamp ?? input.timestamp ?? -1)
  const baseTimestamp = timestamps[0] ?? -1
  const writer = new Writer(1024)
  let offsetDelta = -1
  let maxTimestamp = -1
  records.forEach((record, index) => {
    offsetDelta = record.offsetDelta ?? offsetDelta + 1
    maxTimestamp = Math.max(maxTimestamp, timestamps[index]!)
    writeRecord(writer, record, offsetDelta, timestamps[index]! - baseTimestamp)
  })
  const compression = input.compression ?? "none"
  const payload = writer.length === 0 ? Buffer.alloc(0) : writer.finishBuffer()
  const body = compress(compression, payload, input.compressionLevel)
  const batch = Buffer.allocUnsafe(batchHeaderBytes + body.length)
  body.copy(batch, batchHeaderBytes)
  setHeader(batch, input, compression, records.length, Math.max(offsetDelta, 0), baseTimestamp, maxTimestamp)
  sealBatch(batch, 0, batch.length)
  return batch
}

/** Writes everything of a header but the checksum, which `sealBatch` adds. */
export function setHeader(
  batch: Buffer,
  input: Omit<BatchInput, "records">,
  compression: CompressionType,
  recordCount: number,
  lastOffsetDelta: number,
  baseTimestamp: number,
  maxTimestamp: number,
): void {
  setInt64(batch, 0, input.baseOffset ?? 0)
  setInt32(batch, 8, batch.length - batchLogOverheadBytes)
  setInt32(batch, 12, input.leaderEpoch ?? -1)
  batch[16] = 2
  batch[21] = 0
  batch[22] =
    compressionTypes.indexOf(compression) |
    (input.timestampType === "LogAppendTime" ? attributeBits.logAppendTime : 0) |
    (input.isTransactional ? attributeBits.transactional : 0) |
    (input.isControl ? attributeBits.control : 0)
  setInt32(batch, 23, input.lastOffsetDelta ?? lastOffsetDelta)
  setInt64(batch, 27, baseTimestamp)
  setInt64(batch, 35, input.maxTimestamp ?? maxTimestamp)
  setInt64(batch, 43, input.producerId ?? -1)
  batch.writeInt16BE(input.producerEpoch ?? -1, 51)
  setInt32(batch, 53, input.baseSequence ?? -1)
  setInt32(batch, 57, recordCount)
}

/** Writes the header before records that are there already: not compressed, one timestamp, offsets without gaps. */
export function sealPlainBatch(batch: Buffer, recordCount: number, timestamp: number): void {
  setHeader(batch, {}, "none", recordCount, recordCount - 1, timestamp, timestamp)
  sealBatch(batch, 0, batch.length)
}

/** Computes the checksum of the batch at `[at, end)` and writes it. */
export function sealBatch(bytes: Buffer, at: number, end: number): void {
  setInt32(bytes, at + 17, crc32c(bytes, at + batchChecksummedFrom, end))
}

export const hasValidChecksum = (bytes: Buffer, at: number, end: number): boolean =>
  batchChecksum(bytes, at) === crc32c(bytes, at + batchChecksummedFrom, end)

/**
 * Where the batch at `at` ends, exclusive.
 *
 * Errors: `cut`: not all of it is before `end`, which is normal for the last one of a fetch; `malformed`: no batch can start here.
 */
export function batchEnd(bytes: Buffer, at: number, end: number = bytes.length): number | "cut" | "malformed" {
  if (end - at < batchLogOverheadBytes) return "cut"
  const size = batchBytes(bytes, at)
  if (size < batchHeaderBytes) return "malformed"
  if (end - at > 16 && bytes[at + 16] !== 2) return "malformed"
  return size > end - at ? "cut" : at + size
}

/** Where each whole batch starts and ends; stops silently at a cut tail. Throws `MalformedError` where no batch can start. */
export function* batchesIn(
  bytes: Buffer,
  start = 0,
  end: number = bytes.length,
): Generator<{ readonly start: number; readonly end: number }> {
  for (let at = start; at < end; ) {
    const next = batchEnd(bytes, at, end)
    if (next === "cut") return
    if (next === "malformed") throw new MalformedError(`no record batch at ${at}`)
    yield { start: at, end: next }
    at = next
  }
}

/** The record array of the batch at `[at, end)`, decompressed, as a view if it was not compressed; the error as a value. */
export function recordsPayload(bytes: Buffer, at: number, end: number, maxBytes: number): Buffer | DecompressError {
  const type = compressionTypes[batchCompression(bytes, at)]
  if (type === undefined) return new DecompressError("unavailable", `compression type ${batchCompression(bytes, at)}`)
  return decompress(type, bytes.subarray(at + batchHeaderBytes, end), { maxBytes })
}

/**
 * The records of the batch at `at`, one by one.
 *
 * Shape:  offsets are absolute, from the batch's base offset. The batch is whole and its checksum is the caller's business.
 * Units:  `maxBytes` bounds what it may decompress to.
 * Errors: throws `MalformedError` at the first record that is damaged, or at once if the payload does not decompress.
 */
export function* recordsOf(bytes: Buffer, at = 0, maxBytes: number = decompressedBytesMax): Generator<RecordView> {
  const end = batchEnd(bytes, at)
  if (typeof end === "string") throw new MalformedError(`record batch at ${at}: ${end}`)
  const payload = recordsPayload(bytes, at, end, maxBytes)
  if (payload instanceof DecompressError) throw new MalformedError(payload.message)
  const baseOffset = batchBaseOffset(bytes, at)
  const baseTimestamp = batchBaseTimestamp(bytes, at)
  const appendTime = (batchAttributes(bytes, at) & attributeBits.logAppendTime) !== 0
  const appendTimestamp = batchMaxTimestamp(bytes, at)
  const reader = new Reader(payload)
  const count = batchRecordCount(bytes, at)
  for (let index = 0; index < count; index++) {
    const length = reader.varint()
    const recordEnd = reader.take(length) + length
    reader.position = recordEnd - length
    reader.int8()
    const timestamp = baseTimestamp + reader.varlong()
    const offsetDelta = reader.varint()
    const key = readNullable(reader)
    const value = readNullable(reader)
    const headers = readHeaders(reader)
    if (reader.position !== recordEnd) throw new MalformedError(`record ${index} is not as long as it says`)
    yield {
      offset: baseOffset + offsetDelta,
      offsetDelta,
      timestamp: appendTime ? appendTimestamp : timestamp,
      key,
      value,
      headers,
    }
  }
  if (reader.remaining !== 0) throw new MalformedError(`${reader.remaining} bytes after the last record`)
}

/** What one batch may decompress to when nobody says otherwise: 32 times the default `max.message.bytes`. */
export const decompressedBytesMax = 32 << 20

const noHeaders: readonly RecordHeader[] = []

function readNullable(reader: Reader): Buffer | null {
  const length = reader.varint()
  return length < 0 ? null : reader.view(length)
}

function readHeaders(reader: Reader): readonly RecordHeader[] {
  const count = reader.varint()
  if (count === 0) return noHeaders
  // A header takes two bytes at least, so a count beyond what is left lies.
  if (count < 0 || count > reader.remaining / 2) throw new MalformedError(`${count} record headers`)
  const headers: RecordHeader[] = []
  for (let i = 0; i < count; i++) headers.push({ key: reader.utf8(reader.varint()), value: readNullable(reader) })
  return headers
}

/** Types of control records, in the key of the record. */
export const controlRecordTypes = {
  abort: 0,
  commit: 1,
  leaderChange: 2,
  snapshotHeader: 3,
  snapshotFooter: 4,
  kraftVersion: 5,
  kraftVoters: 6,
} as const

/** Key of a control record: version 0, type. */
export function controlRecordKey(type: number): Buffer {
  const key = Buffer.alloc(4)
  key.writeInt16BE(type, 2)
  return key
}

/** Type of a control record by its key, undefined if the key is none. Later versions may append fields. */
export function controlRecordType(key: Buffer | null): number | undefined {
  return key !== null && key.length >= 4 && key.readInt16BE(0) >= 0 ? key.readInt16BE(2) : undefined
}

/** Value of an ABORT or COMMIT marker: version 0, coordinator epoch. */
export function endTransactionMarkerValue(coordinatorEpoch: number): Buffer {
  const value = Buffer.alloc(6)
  value.writeInt32BE(coordinatorEpoch, 2)
  return value
}
