/**
 * The 61-byte header of a record batch (magic 2), read and patched in place.
 *
 * Owns field positions; decodes nothing behind the header. `at` is where a batch starts in `bytes`; callers have checked that
 * `batchHeaderBytes` are there. Base offset, length and leader epoch lie outside the checksum, so a leader sets them without
 * touching it. Source: Kafka's DefaultRecordBatch; KIP-98, KIP-101.
 */
export const batchHeaderBytes = 61
/** Base offset and length: what precedes the part that `batchLength` counts. */
export const batchLogOverheadBytes = 12
/** The checksum covers everything from the attributes on. */
export const batchChecksummedFrom = 21

export const compressionTypes = ["none", "gzip", "snappy", "lz4", "zstd"] as const
export type CompressionType = (typeof compressionTypes)[number]

export const attributeBits = {
  compression: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const

const two32 = 4294967296
const int32 = (b: Uint8Array, at: number) => (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!
const int64 = (b: Uint8Array, at: number) => int32(b, at) * two32 + (int32(b, at + 4) >>> 0)

export const batchBaseOffset = (b: Uint8Array, at = 0): number => int64(b, at)
/** Size of the whole batch in bytes, header included. Not trusted: may be negative or beyond the data. */
export const batchBytes = (b: Uint8Array, at = 0): number => int32(b, at + 8) + batchLogOverheadBytes
export const batchLeaderEpoch = (b: Uint8Array, at = 0): number => int32(b, at + 12)
export const batchMagic = (b: Uint8Array, at = 0): number => b[at + 16]!
export const batchChecksum = (b: Uint8Array, at = 0): number => int32(b, at + 17) >>> 0
export const batchAttributes = (b: Uint8Array, at = 0): number => ((b[at + 21]! << 24) >> 16) | b[at + 22]!
export const batchLastOffsetDelta = (b: Uint8Array, at = 0): number => int32(b, at + 23)
export const batchBaseTimestamp = (b: Uint8Array, at = 0): number => int64(b, at + 27)
export const batchMaxTimestamp = (b: Uint8Array, at = 0): number => int64(b, at + 35)
export const batchProducerId = (b: Uint8Array, at = 0): number => int64(b, at + 43)
export const batchProducerEpoch = (b: Uint8Array, at = 0): number => ((b[at + 51]! << 24) >> 16) | b[at + 52]!
export const batchBaseSequence = (b: Uint8Array, at = 0): number => int32(b, at + 53)
export const batchRecordCount = (b: Uint8Array, at = 0): number => int32(b, at + 57)

export const batchLastOffset = (b: Uint8Array, at = 0): number => batchBaseOffset(b, at) + batchLastOffsetDelta(b, at)
/** Sequence of the last record; sequences wrap from 2^31 - 1 to 0. */
export const batchLastSequence = (b: Uint8Array, at = 0): number => {
  const base = batchBaseSequence(b, at)
  return base < 0 ? base : (base + batchLastOffsetDelta(b, at)) & 0x7fffffff
}
export const batchCompression = (b: Uint8Array, at = 0): number => b[at + 22]! & attributeBits.compression
export const isControlBatch = (b: Uint8Array, at = 0): boolean => (b[at + 22]! & attributeBits.control) !== 0
export const isTransactionalBatch = (b: Uint8Array, at = 0): boolean =>
  (b[at + 22]! & attributeBits.transactional) !== 0

export function setInt32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >> 24
  b[at + 1] = value >> 16
  b[at + 2] = value >> 8
  b[at + 3] = value
}

export function setInt64(b: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / two32)
  setInt32(b, at, high)
  setInt32(b, at + 4, value - high * two32)
}

export const setBatchBaseOffset = (b: Uint8Array, at: number, offset: number): void => setInt64(b, at, offset)
export const setBatchLeaderEpoch = (b: Uint8Array, at: number, epoch: number): void => setInt32(b, at + 12, epoch)
