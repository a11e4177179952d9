/** Gzip by the zlib of Node, bounded. Several members one after the other are one stream (RFC 1952, 2.2). */
import { gunzipSync, gzipSync } from "node:zlib"
import { corrupt, tooLarge } from "./output.js"

const pieceBytesMax = 1 << 20

/** Throws `DecompressError`. */
export function decompressGzip(bytes: Buffer, maxBytes: number): Buffer {
  const chunkSize = Math.min(Math.max(bytes.length * 4, 16384), pieceBytesMax)
  try {
    // Zero is not a bound zlib takes; one byte too many is caught below.
    const out = gunzipSync(bytes, { maxOutputLength: Math.max(maxBytes, 1), chunkSize })
    if (out.length <= maxBytes) return out
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes)
    throw corrupt(`gzip: ${(error as Error).message}`)
  }
  throw tooLarge(maxBytes)
}

export const compressGzip = (bytes: Buffer, level: number): Buffer => gzipSync(bytes, { level })
