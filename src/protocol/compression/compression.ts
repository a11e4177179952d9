/**
 * The four codecs of record batches behind two synchronous functions.
 *
 * Owns the choice of codec and the promise that damaged or hostile input comes back as a value: never an exception, never more memory
 * than allowed. Synchronous because a decision that waits for a thread pool is not the same under simulation.
 */
import type { CompressionType } from "../batch-header.js"
import { compressGzip, decompressGzip } from "./gzip.js"
import { compressLz4, decompressLz4 } from "./lz4.js"
import { DecompressError } from "./output.js"
import { compressSnappy, decompressSnappy } from "./snappy.js"
import { compressZstd, decompressZstd, prepareZstd } from "./zstd.js"

export { DecompressError }

/** Kafka's defaults; -1 is zlib's own choice. */
export const defaultCompressionLevels = { gzip: -1, lz4: 9, zstd: 3 } as const

/** Resolves when `compress` and `decompress` work for every type. Awaited once at start; loads nothing where Node has all codecs. */
export const prepareCompression = (): Promise<void> => prepareZstd()

/**
 * Compresses bytes as the payload of a record batch.
 *
 * Shape:  snappy in Java's framing, lz4 as a frame, none returns `bytes` itself.
 * Units:  `level` as in `compression.<type>.level`; ignored where the codec has none.
 */
export function compress(type: CompressionType, bytes: Buffer, level?: number): Buffer {
  switch (type) {
    case "none":
      return bytes
    case "gzip":
      return compressGzip(bytes, level ?? defaultCompressionLevels.gzip)
    case "snappy":
      return compressSnappy(bytes)
    case "lz4":
      return compressLz4(bytes)
    case "zstd":
      return compressZstd(bytes, level ?? defaultCompressionLevels.zstd)
  }
}

/**
 * Decompresses the payload of a record batch.
 *
 * Shape:  none returns `bytes` itself, also beyond the bound.
 * Units:  at most `maxBytes` come out, and memory while decoding stays within twice that.
 * Errors: a `DecompressError` as value: `corrupt`, `too-large`, `unavailable` (zstd before `prepareCompression` has resolved).
 */
export function decompress(
  type: CompressionType,
  bytes: Buffer,
  limits: { maxBytes: number },
): Buffer | DecompressError {
  try {
    switch (type) {
      case "none":
        return bytes
      case "gzip":
        return decompressGzip(bytes, limits.maxBytes)
      case "snappy":
        return decompressSnappy(bytes, limits.maxBytes)
      case "lz4":
        return decompressLz4(bytes, limits.maxBytes)
      case "zstd":
        return decompressZstd(bytes, limits.maxBytes)
    }
  } catch (error) {
    if (error instanceof DecompressError) return error
    throw error
  }
}
