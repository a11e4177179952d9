/**
 * CRC-32C (Castagnoli), the checksum of record batches and producer snapshots.
 *
 * Owns the polynomial and the choice of the fastest way to compute it: slicing tables here, the processor's instruction through an optional
 * native module for long inputs. Both give the same number for the same bytes, so which one ran never shows. Source: RFC 3720 B.4.
 */
import { createRequire } from "node:module"

const polynomial = 0x82f63b78

/** Row `slice` holds the checksum of a byte followed by `slice` zero bytes: 16 rows let 16 bytes be looked up independently. */
function buildTable(): Int32Array {
  const table = new Int32Array(16 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    table[byte] = crc
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let slice = 1; slice < 16; slice++) {
      const before = table[(slice - 1) * 256 + byte]!
      table[slice * 256 + byte] = (before >>> 8) ^ table[before & 0xff]!
    }
  }
  return table
}

const table = buildTable()

const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1
/** Below this, making a view of 32-bit words costs more than reading bytes does. */
const wordsBytesMin = 256

/** The register after 16 bytes at a time, read as words; `start` is aligned and the length a multiple of 16. */
function updateByWords(crc: number, bytes: Uint8Array, start: number, length: number): number {
  const t = table
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, length >>> 2)
  for (let i = 0; i < words.length; i += 4) {
    const a = crc ^ words[i]!
    const b = words[i + 1]!
    const c = words[i + 2]!
    const d = words[i + 3]!
    crc =
      t[3840 + (a & 0xff)]! ^
      t[3584 + ((a >>> 8) & 0xff)]! ^
      t[3328 + ((a >>> 16) & 0xff)]! ^
      t[3072 + (a >>> 24)]! ^
      t[2816 + (b & 0xff)]! ^
      t[2560 + ((b >>> 8) & 0xff)]! ^
      t[2304 + ((b >>> 16) & 0xff)]! ^
      t[2048 + (b >>> 24)]! ^
      t[1792 + (c & 0xff)]! ^
      t[1536 + ((c >>> 8) & 0xff)]! ^
      t[1280 + ((c >>> 16) & 0xff)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + (d & 0xff)]! ^
      t[512 + ((d >>> 8) & 0xff)]! ^
      t[256 + ((d >>> 16) & 0xff)]! ^
      t[d >>> 24]!
  }
  return crc
}

/** The same as `crc32c`, in JavaScript alone. */
export function crc32cPortable(bytes: Uint8Array, start = 0, end: number = bytes.length, seed = 0): number {
  let crc = ~seed
  if (littleEndian && end - start >= wordsBytesMin) {
    const aligned = start + (-(bytes.byteOffset + start) & 3)
    for (; start < aligned; start++) crc = (crc >>> 8) ^ table[(crc ^ bytes[start]!) & 0xff]!
    const length = (end - start) & ~15
    crc = updateByWords(crc, bytes, start, length)
    start += length
  }
  let at = start
  const t = table
  const wide = end - 7
  for (; at < wide; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      t[1792 + (low & 0xff)]! ^
      t[1536 + ((low >>> 8) & 0xff)]! ^
      t[1280 + ((low >>> 16) & 0xff)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}

type NativeCrc32c = (bytes: Uint8Array, initialState?: number) => number

/** The optional native module, or undefined where there is no build of it for the platform. Loaded once, never required. */
function loadNative(): NativeCrc32c | undefined {
  try {
    const loaded = createRequire(import.meta.url)("@node-rs/crc32") as { crc32c?: NativeCrc32c }
    const probe = loaded.crc32c?.(Buffer.from("123456789"))
    return probe === 0xe3069283 ? loaded.crc32c : undefined
  } catch {
    return undefined
  }
}

/** Undefined where the platform has no build of the native module. */
export const nativeCrc32c: NativeCrc32c | undefined = loadNative()

/** Where the call into the native module has paid for itself. */
export const nativeCrc32cBytesMin = 320

/**
 * CRC-32C of `bytes[start, end)`.
 *
 * Shape:  an unsigned 32-bit number. `seed` is the checksum of what precedes, so crc(a + b) = crc(b, seed = crc(a)).
 * Errors: none; the caller has checked `0 <= start <= end <= bytes.length`.
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, seed = 0): number {
  if (nativeCrc32c === undefined || end - start < nativeCrc32cBytesMin) return crc32cPortable(bytes, start, end, seed)
  return nativeCrc32c(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), seed)
}
