/**
 * What a leader checks of a batch that a client sent, and the few bytes it may change.
 *
 * Owns the rules and their error codes; knows no partition, no offsets and no producer state. In the usual case the bytes pass through
 * untouched. Source: Kafka's ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords, LogValidator, DefaultRecord.
 */
import { crc32c } from "../base/crc32c.js"
import {
  attributeBits,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestamp,
  batchBytes,
  batchChecksum,
  batchChecksummedFrom,
  batchCompression,
  batchHeaderBytes,
  batchLastOffsetDelta,
  batchLogOverheadBytes,
  batchMagic,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  type CompressionType,
  compressionTypes,
  isControlBatch,
  isTransactionalBatch,
  setInt32,
  setInt64,
} from "./batch-header.js"
import { compress, DecompressError } from "./compression/compression.js"
import { type ErrorCode, Errors } from "./errors.js"
import { recordsPayload, sealBatch } from "./record-batch.js"
import { RecordWalk } from "./record-walk.js"

export interface BatchRules {
  /** Version of the Produce request the batch came in. */
  readonly produceVersion: number
  /** Of the batch as sent, and again after it was compressed anew. */
  readonly maxMessageBytes: number
  readonly segmentBytes: number
  /** A compacted topic takes no record without a key. */
  readonly isCompacted: boolean
  readonly timestampType: "CreateTime" | "LogAppendTime"
  readonly beforeMaxMs: number
  readonly afterMaxMs: number
  /** `producer` keeps what came. */
  readonly compressionType: CompressionType | "producer"
  readonly compressionLevel?: number
  readonly nowMs: number
  /** What a compressed batch may hold. Default: `decompressionRatioMax` times `maxMessageBytes`. */
  readonly decompressedBytesMax?: number
}

/**
 * How much more a batch may hold than it may weigh. Kafka has no bound here; ours keeps a bomb from taking the process, or the loop for longer than a tenth of a
 * second. Producers bound a batch before they compress it, so honest ones stay far below.
 */
export const decompressionRatioMax = 16

export interface RecordError {
  /** Index in the batch. */
  readonly index: number
  readonly message: string
}

export interface ValidBatch {
  readonly ok: true
  /** The batch: a view of what was given, or a new buffer if it had to be compressed anew (`rebuilt`). */
  readonly bytes: Buffer
  readonly rebuilt: boolean
  readonly recordCount: number
  readonly lastOffsetDelta: number
  /** Of the records, or the append time. -1: no record has one. */
  readonly maxTimestamp: number
  /** What is in `bytes`. */
  readonly compression: CompressionType
  readonly isTransactional: boolean
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

export interface RefusedBatch {
  readonly ok: false
  readonly error: ErrorCode
  readonly message: string
  /** Only for faults of single records; at most `recordFaultsMax`. */
  readonly recordErrors?: readonly RecordError[]
}

const refuse = (error: ErrorCode, message: string, recordErrors?: readonly RecordError[]): RefusedBatch =>
  recordErrors === undefined ? { ok: false, error, message } : { ok: false, error, message, recordErrors }

const zstdType = compressionTypes.indexOf("zstd")

/**
 * Checks the records of one partition in a Produce request (version 3 and later), and makes them what the log stores.
 *
 * Shape:  `records` is exactly one v2 batch. Base offset and leader epoch are left for the appender. Changed in place, with a new checksum:
 *         a maximum timestamp that is not the records', and type and value of it on a LogAppendTime topic.
 * Units:  bytes; `nowMs` and timestamps are wall time.
 * Errors: as values: INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE, MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, INVALID_TIMESTAMP,
 *         RECORD_LIST_TOO_LARGE, in the order Kafka finds them. Never throws.
 */
export function validateBatches(records: Buffer | null, rules: BatchRules): ValidBatch | RefusedBatch {
  const fault = checkFrame(records, rules) ?? checkHeader(records!)
  if (fault !== undefined) return fault
  return checkRecords(records!, rules)
}

/** What can be said before the checksum is known to be right. */
function checkFrame(records: Buffer | null, rules: BatchRules): RefusedBatch | undefined {
  if (records === null || records.length < batchLogOverheadBytes) return refuse(Errors.INVALID_RECORD, noBatch(rules))
  if (records.length > 16 && batchMagic(records) !== 2) {
    const version = `Produce requests with version ${rules.produceVersion}`
    return refuse(Errors.INVALID_RECORD, `${version} are only allowed to contain record batches with magic version 2`)
  }
  const bytes = batchBytes(records)
  if (bytes < batchHeaderBytes) {
    return refuse(Errors.CORRUPT_MESSAGE, `Record size ${bytes} is less than the minimum of ${batchHeaderBytes} bytes`)
  }
  if (bytes > records.length) return refuse(Errors.INVALID_RECORD, noBatch(rules))
  const codec = batchCompression(records)
  if (codec === zstdType && rules.produceVersion < 7) {
    const version = `Produce requests with version ${rules.produceVersion}`
    return refuse(Errors.UNSUPPORTED_COMPRESSION_TYPE, `${version} are not allowed to use ZStandard compression`)
  }
  if (codec >= compressionTypes.length) {
    return refuse(Errors.UNSUPPORTED_COMPRESSION_TYPE, `Unknown compression type id: ${codec}`)
  }
  if (records.length > bytes) {
    const version = `Produce requests with version ${rules.produceVersion}`
    return refuse(
      Errors.INVALID_RECORD,
      `${version} are only allowed to contain exactly one record batch per partition`,
    )
  }
  const baseOffset = batchBaseOffset(records)
  if (baseOffset !== 0) {
    return refuse(Errors.INVALID_RECORD, `The baseOffset of the record batch should be 0, but it is ${baseOffset}`)
  }
  if (bytes > rules.maxMessageBytes) {
    const limit = `exceeds the maximum configured value of ${rules.maxMessageBytes}`
    return refuse(Errors.MESSAGE_TOO_LARGE, `The record batch size is ${bytes} bytes which ${limit}`)
  }
  const computed = crc32c(records, batchChecksummedFrom, bytes)
  if (computed !== batchChecksum(records)) {
    const stored = batchChecksum(records)
    return refuse(Errors.CORRUPT_MESSAGE, `Record is corrupt (stored crc = ${stored}, computed crc = ${computed})`)
  }
  return undefined
}

const noBatch = (rules: BatchRules): string =>
  `Produce requests with version ${rules.produceVersion} must have at least one record batch per partition`

function checkHeader(batch: Buffer): RefusedBatch | undefined {
  const count = batchRecordCount(batch)
  const lastOffsetDelta = batchLastOffsetDelta(batch)
  const invalid = (message: string) => refuse(Errors.INVALID_RECORD, message)
  if (lastOffsetDelta < 0) return invalid(`Batch has an invalid offset range: [0, ${lastOffsetDelta}]`)
  if (count <= 0) return invalid(`Invalid reported count for record batch: ${count}`)
  if (count !== lastOffsetDelta + 1) {
    return invalid(`Inconsistent batch offset range [0, ${lastOffsetDelta}] and count of records ${count}`)
  }
  if (isControlBatch(batch)) return invalid("Clients are not allowed to write control records")
  if (batchProducerId(batch) >= 0 && batchBaseSequence(batch) < 0) {
    return invalid(
      `Invalid sequence number ${batchBaseSequence(batch)} in record batch with producerId ${batchProducerId(batch)}`,
    )
  }
  if ((batch[22]! & attributeBits.logAppendTime) !== 0) {
    const message = "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime."
    return refuse(Errors.INVALID_TIMESTAMP, message)
  }
  return undefined
}

function checkRecords(batch: Buffer, rules: BatchRules): ValidBatch | RefusedBatch {
  const maxBytes = rules.decompressedBytesMax ?? decompressionRatioMax * rules.maxMessageBytes
  const payload = recordsPayload(batch, 0, batch.length, maxBytes)
  if (payload instanceof DecompressError) {
    const error = payload.kind === "too-large" ? Errors.MESSAGE_TOO_LARGE : Errors.INVALID_RECORD
    return refuse(error, `Failed to decompress record stream: ${payload.message}`)
  }
  const source = compressionTypes[batchCompression(batch)]!
  const createTime = rules.timestampType === "CreateTime"
  const walk = new RecordWalk(payload, batchBaseTimestamp(batch))
  const intact = walk.run(
    batchRecordCount(batch),
    rules.isCompacted,
    createTime ? rules.nowMs - rules.beforeMaxMs : Number.NEGATIVE_INFINITY,
    createTime ? rules.nowMs + rules.afterMaxMs : Number.POSITIVE_INFINITY,
  )
  if (!intact) return refuse(Errors.INVALID_RECORD, walk.fault)
  if (walk.faultyRecords > 0) return refuseRecords(walk, rules)

  let bytes = batch
  const target = rules.compressionType === "producer" ? source : rules.compressionType
  if (target !== source) bytes = recompress(batch, payload, target, rules.compressionLevel)
  const maxTimestamp = createTime ? walk.maxTimestamp : rules.nowMs
  const timestampChanged = !createTime || maxTimestamp !== batchMaxTimestamp(batch)
  if (timestampChanged) {
    if (!createTime) bytes[22] = bytes[22]! | attributeBits.logAppendTime
    setInt64(bytes, 35, maxTimestamp)
  }
  if (timestampChanged || bytes !== batch) sealBatch(bytes, 0, bytes.length)
  if (bytes.length > rules.maxMessageBytes) {
    const limit = `exceeds the maximum configured size of ${rules.maxMessageBytes}`
    return refuse(
      Errors.MESSAGE_TOO_LARGE,
      `Message batch size is ${bytes.length} bytes after compression, which ${limit}`,
    )
  }
  if (bytes.length > rules.segmentBytes) {
    const limit = `exceeds the maximum configured segment size of ${rules.segmentBytes}`
    return refuse(Errors.RECORD_LIST_TOO_LARGE, `Message batch size is ${bytes.length} bytes, which ${limit}`)
  }
  return {
    ok: true,
    bytes,
    rebuilt: bytes !== batch,
    recordCount: batchRecordCount(bytes),
    lastOffsetDelta: batchLastOffsetDelta(bytes),
    maxTimestamp,
    compression: target,
    isTransactional: isTransactionalBatch(bytes),
    producerId: batchProducerId(bytes),
    producerEpoch: batchProducerEpoch(bytes),
    baseSequence: batchBaseSequence(bytes),
  }
}

/** The records' own bytes stay as they are: only the compression around them changes. */
function recompress(batch: Buffer, payload: Buffer, target: CompressionType, level: number | undefined): Buffer {
  const body = compress(target, payload, level)
  const bytes = Buffer.allocUnsafe(batchHeaderBytes + body.length)
  batch.copy(bytes, 0, 0, batchHeaderBytes)
  body.copy(bytes, batchHeaderBytes)
  setInt32(bytes, 8, bytes.length - batchLogOverheadBytes)
  bytes[22] = (bytes[22]! & ~attributeBits.compression) | compressionTypes.indexOf(target)
  return bytes
}

/** Faults of single records were only counted on the way; now they are named. */
function refuseRecords(walk: RecordWalk, rules: BatchRules): RefusedBatch {
  const errors = walk.recordFaults.map(({ index, timestamp }): RecordError => {
    if (timestamp === undefined) return { index, message: "Compacted topic cannot accept message without key." }
    const range = `[${rules.nowMs - rules.beforeMaxMs}, ${rules.nowMs + rules.afterMaxMs}]`
    return {
      index,
      message: `Timestamp ${timestamp} of message with offset ${index} is out of range. The timestamp should be within ${range}`,
    }
  })
  if (walk.recordFaults.some(({ timestamp }) => timestamp !== undefined)) {
    const message = "One or more records have been rejected due to invalid timestamp"
    return refuse(Errors.INVALID_TIMESTAMP, message, errors)
  }
  const message = `One or more records have been rejected due to ${walk.faultyRecords} record errors in total`
  return refuse(Errors.INVALID_RECORD, message, errors)
}
