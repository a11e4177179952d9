/**
 * LZ4 frames as Kafka's readers and writers know them.
 *
 * Owns the frame and the block format in both directions. Reads what Java reads: version 1, independent blocks, header checksum
 * required, block checksums checked, content size and content checksum skipped. Writes 64 KiB independent blocks without checksums, as
 * Java does. Source: lz4_Frame_format.md, lz4_Block_format.md; Kafka's Lz4BlockInputStream.
 */
import { corrupt, Output, repeat, tooLarge } from "./output.js"
import { xxh32 } from "./xxh32.js"

const magic = 0x184d2204
const versionBits = 0xc0
const version1 = 0x40
const blockIndependence = 0x20
const blockChecksum = 0x10
const contentSize = 0x08
const contentChecksum = 0x04
const reservedOrDictionary = 0x03
/** Block maximum 4 means 64 KiB, each further one four times as much, up to 7. */
const blockMaximum64KiB = 4
const storedBit = 0x80000000
const minMatchBytes = 4
/** The format's end conditions: the last 5 bytes are literals, and no match starts within the last 12. */
const lastLiteralBytes = 5
const matchStartFromEndMin = 12
const copyByCallBytesMin = 64
const blockBytesMax = 65536

function decodeBlock(bytes: Buffer, start: number, end: number, blockMaxBytes: number, output: Output): void {
  const base = output.length
  // Room for all this block can become, or for what is still allowed: no growth inside the loop. A byte makes at most 255.
  const roomBytes = Math.min(blockMaxBytes, (end - start) * 255, output.maxBytes - base)
  output.reserve(roomBytes)
  const out = output.bytes
  const limit = base + roomBytes
  const overflow = (what: string) =>
    limit === output.maxBytes ? tooLarge(output.maxBytes) : corrupt(`lz4: ${what} beyond the end`)
  let from = start
  let to = base
  for (;;) {
    if (from >= end) throw corrupt("lz4: cut before a sequence")
    const token = bytes[from++]!
    let literals = token >>> 4
    if (literals === 15) {
      let byte = 255
      while (byte === 255) {
        if (from >= end) throw corrupt("lz4: cut inside a length")
        literals += byte = bytes[from++]!
      }
    }
    if (literals > end - from) throw corrupt("lz4: cut inside literals")
    if (literals > limit - to) throw overflow("literals")
    if (literals >= copyByCallBytesMin) bytes.copy(out, to, from, from + literals)
    else for (let i = 0; i < literals; i++) out[to + i] = bytes[from + i]!
    from += literals
    to += literals
    if (from === end) break
    if (end - from < 2) throw corrupt("lz4: cut inside a distance")
    const distance = bytes[from]! | (bytes[from + 1]! << 8)
    from += 2
    if (distance === 0 || distance > to - base) throw corrupt("lz4: match from before the start")
    let count = token & 15
    if (count === 15) {
      let byte = 255
      while (byte === 255) {
        if (from >= end) throw corrupt("lz4: cut inside a length")
        count += byte = bytes[from++]!
      }
    }
    count += minMatchBytes
    if (count > limit - to) throw overflow("match")
    if (count >= copyByCallBytesMin) {
      repeat(out, to, distance, count)
      to += count
    } else for (const stop = to + count; to < stop; to++) out[to] = out[to - distance]!
  }
  output.length = to
}

/** Throws `DecompressError`. */
export function decompressLz4(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length < 7) throw corrupt("lz4: shorter than a frame header")
  if (bytes.readUInt32LE(0) !== magic) throw corrupt("lz4: not a frame")
  const flags = bytes[4]!
  const descriptor = bytes[5]!
  if ((flags & versionBits) !== version1) throw corrupt("lz4: frame version is not 1")
  if ((flags & reservedOrDictionary) !== 0) throw corrupt("lz4: reserved flag set")
  if ((flags & blockIndependence) === 0) throw corrupt("lz4: blocks that depend on each other are not read")
  if ((descriptor & 0x8f) !== 0) throw corrupt("lz4: reserved descriptor bit set")
  const blockMaximum = descriptor >>> 4
  if (blockMaximum < blockMaximum64KiB) throw corrupt(`lz4: block maximum ${blockMaximum}`)
  const blockMaxBytes = 65536 * 4 ** (blockMaximum - blockMaximum64KiB)
  let at = 6 + ((flags & contentSize) !== 0 ? 8 : 0)
  if (at >= bytes.length) throw corrupt("lz4: cut inside the header")
  if (bytes[at] !== ((xxh32(bytes, 4, at) >>> 8) & 0xff)) throw corrupt("lz4: header checksum differs")
  at += 1

  const output = new Output(Math.max(bytes.length * 4, 4096), maxBytes)
  for (;;) {
    if (bytes.length - at < 4) throw corrupt("lz4: cut before the end mark")
    const word = bytes.readUInt32LE(at)
    at += 4
    if (word === 0) break
    const stored = word >= storedBit
    const blockBytes = stored ? word - storedBit : word
    if (blockBytes > blockMaxBytes)
      throw corrupt(`lz4: block of ${blockBytes} bytes where ${blockMaxBytes} are allowed`)
    const checksumBytes = (flags & blockChecksum) !== 0 ? 4 : 0
    if (blockBytes + checksumBytes > bytes.length - at) throw corrupt("lz4: cut inside a block")
    if (checksumBytes > 0 && bytes.readUInt32LE(at + blockBytes) !== xxh32(bytes, at, at + blockBytes)) {
      throw corrupt("lz4: block checksum differs")
    }
    if (stored) output.append(bytes, at, at + blockBytes)
    else decodeBlock(bytes, at, at + blockBytes, blockMaxBytes, output)
    at += blockBytes + checksumBytes
  }
  if ((flags & contentChecksum) !== 0 && bytes.length - at < 4) throw corrupt("lz4: cut before the content checksum")
  return output.finish()
}

const load32 = (b: Uint8Array, at: number): number =>
  b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)

function emitLength(rest: number, out: Buffer, to: number): number {
  for (; rest >= 255; rest -= 255) out[to++] = 255
  out[to++] = rest
  return to
}

function emitLiterals(
  bytes: Buffer,
  from: number,
  count: number,
  matchNibble: number,
  out: Buffer,
  to: number,
): number {
  out[to++] = (Math.min(count, 15) << 4) | matchNibble
  if (count >= 15) to = emitLength(count - 15, out, to)
  if (count >= copyByCallBytesMin) bytes.copy(out, to, from, from + count)
  else for (let i = 0; i < count; i++) out[to + i] = bytes[from + i]!
  return to + count
}

/** One block of at most 64 KiB, so that every position and distance fits 16 bits. Returns where it ends in `out`. */
function encodeBlock(bytes: Buffer, start: number, end: number, table: Uint16Array, out: Buffer, to: number): number {
  table.fill(0)
  const shift = Math.clz32(table.length) + 1
  const searchEnd = end - matchStartFromEndMin
  const matchEnd = end - lastLiteralBytes
  let literalFrom = start
  let at = start + 1
  let misses = 64
  while (at < searchEnd) {
    const word = load32(bytes, at)
    const slot = Math.imul(word, 0x9e3779b1) >>> shift
    const candidate = start + table[slot]!
    table[slot] = at - start
    if (candidate >= at || load32(bytes, candidate) !== word) {
      at += misses++ >>> 6
      continue
    }
    misses = 64
    let from = candidate
    while (at > literalFrom && from > start && bytes[at - 1] === bytes[from - 1]) {
      at--
      from--
    }
    let matched = minMatchBytes
    while (at + matched < matchEnd && bytes[from + matched] === bytes[at + matched]) matched++
    const rest = matched - minMatchBytes
    to = emitLiterals(bytes, literalFrom, at - literalFrom, Math.min(rest, 15), out, to)
    out[to++] = (at - from) & 0xff
    out[to++] = (at - from) >>> 8
    if (rest >= 15) to = emitLength(rest - 15, out, to)
    at += matched
    literalFrom = at
    if (at < searchEnd) table[Math.imul(load32(bytes, at - 2), 0x9e3779b1) >>> shift] = at - 2 - start
  }
  return emitLiterals(bytes, literalFrom, end - literalFrom, 0, out, to)
}

/** As large as the input needs and no larger: clearing it would otherwise cost more than compressing a small batch. */
const hashTable = (inputBytes: number): Uint16Array =>
  new Uint16Array(2 ** Math.min(14, Math.max(8, 32 - Math.clz32(inputBytes))))

/** Kafka's levels above the default choose a slower search for a better ratio; here every level is the fast one. */
export function compressLz4(bytes: Buffer): Buffer {
  const blocks = Math.ceil(bytes.length / blockBytesMax)
  const out = Buffer.allocUnsafe(15 + bytes.length + Math.ceil(bytes.length / 255) + blocks * 24)
  out.writeUInt32LE(magic, 0)
  out[4] = version1 | blockIndependence
  out[5] = blockMaximum64KiB << 4
  out[6] = (xxh32(out, 4, 6) >>> 8) & 0xff
  let to = 7
  const table = hashTable(Math.min(bytes.length, blockBytesMax))
  for (let start = 0; start < bytes.length; start += blockBytesMax) {
    const end = Math.min(start + blockBytesMax, bytes.length)
    const next = encodeBlock(bytes, start, end, table, out, to + 4)
    if (next - to - 4 < end - start) {
      out.writeUInt32LE(next - to - 4, to)
      to = next
    } else {
      out.writeUInt32LE(storedBit + (end - start), to)
      to += 4 + bytes.copy(out, to + 4, start, end)
    }
  }
  out.writeUInt32LE(0, to)
  return out.subarray(0, to + 4)
}
