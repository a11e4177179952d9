/**
 * Snappy: raw blocks, and the xerial framing Java wraps around them.
 *
 * Owns both formats in both directions. Java writes the framing, librdkafka and Go write one raw block; readers tell them apart by the
 * framing's magic. Source: google/snappy format_description.txt; xerial/snappy-java SnappyOutputStream.
 */
import { corrupt, Output, tooLarge } from "./output.js"

/** Magic, version 1, lowest version that can read it 1. */
const xerialHeader = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
const xerialMagicBytes = 8
/** What Java cuts its input into. */
const xerialBlockBytes = 32768
/** A copy cannot make more than 64 bytes of 3: a header that promises more lies. */
const expansionMax = 22
/** Above this a call to copy memory is cheaper than a loop. */
const copyByCallBytesMin = 64

/** Reads the decoded length in front of a raw block; `next` is where the block's elements start. */
function readLength(bytes: Uint8Array, at: number, end: number): { length: number; next: number } {
  let length = 0
  for (let shift = 0; shift < 35 && at < end; shift += 7) {
    const byte = bytes[at++]!
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) {
      if (length > 0xffffffff) break
      return { length, next: at }
    }
  }
  throw corrupt("snappy: no length in front of the block")
}

function decodeBlock(bytes: Buffer, start: number, end: number, output: Output): void {
  const { length, next } = readLength(bytes, start, end)
  if (length > output.maxBytes - output.length) throw tooLarge(output.maxBytes)
  if (length > (end - next) * expansionMax) throw corrupt(`snappy: ${end - next} bytes cannot hold ${length}`)
  output.reserve(length)
  const out = output.bytes
  const base = output.length
  const limit = base + length
  let from = next
  let to = base
  while (from < end) {
    const tag = bytes[from++]!
    if ((tag & 3) === 0) {
      let count = tag >>> 2
      if (count >= 60) {
        const lengthBytes = count - 59
        if (lengthBytes > end - from) throw corrupt("snappy: cut inside a literal's length")
        count = 0
        for (let i = 0; i < lengthBytes; i++) count += bytes[from + i]! * 2 ** (8 * i)
        from += lengthBytes
      }
      count += 1
      if (count > end - from || count > limit - to) throw corrupt("snappy: literal beyond the end")
      if (count >= copyByCallBytesMin) bytes.copy(out, to, from, from + count)
      else for (let i = 0; i < count; i++) out[to + i] = bytes[from + i]!
      from += count
      to += count
      continue
    }
    let count: number
    let distance: number
    if ((tag & 3) === 1) {
      if (from >= end) throw corrupt("snappy: cut inside a copy")
      count = ((tag >>> 2) & 7) + 4
      distance = ((tag & 0xe0) << 3) | bytes[from]!
      from += 1
    } else if ((tag & 3) === 2) {
      if (end - from < 2) throw corrupt("snappy: cut inside a copy")
      count = (tag >>> 2) + 1
      distance = bytes[from]! | (bytes[from + 1]! << 8)
      from += 2
    } else {
      if (end - from < 4) throw corrupt("snappy: cut inside a copy")
      count = (tag >>> 2) + 1
      distance = (bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16) | (bytes[from + 3]! << 24)) >>> 0
      from += 4
    }
    if (distance === 0 || distance > to - base) throw corrupt("snappy: copy from before the start")
    if (count > limit - to) throw corrupt("snappy: copy beyond the end")
    for (const stop = to + count; to < stop; to++) out[to] = out[to - distance]!
  }
  if (to !== limit) throw corrupt(`snappy: ${to - base} bytes where ${length} were promised`)
  output.length = limit
}

const startsWithXerialMagic = (bytes: Buffer, at: number): boolean =>
  bytes.length - at >= xerialMagicBytes &&
  bytes.compare(xerialHeader, 0, xerialMagicBytes, at, at + xerialMagicBytes) === 0

/** Throws `DecompressError`. */
export function decompressSnappy(bytes: Buffer, maxBytes: number): Buffer {
  if (!startsWithXerialMagic(bytes, 0)) {
    const output = new Output(
      Math.min(readLength(bytes, 0, bytes.length).length, bytes.length * expansionMax),
      maxBytes,
    )
    decodeBlock(bytes, 0, bytes.length, output)
    return output.finish()
  }
  const output = new Output(Math.max(xerialBlockBytes, bytes.length * 4), maxBytes)
  let at = 0
  while (at < bytes.length) {
    // Streams may be joined: a header can stand wherever a block could.
    if (startsWithXerialMagic(bytes, at)) {
      if (bytes.length - at < xerialHeader.length) throw corrupt("snappy: cut inside the header")
      if (bytes.readInt32BE(at + 8) < 1) throw corrupt("snappy: framing version below 1")
      at += xerialHeader.length
      continue
    }
    if (bytes.length - at < 4) throw corrupt("snappy: cut inside a block length")
    const blockBytes = bytes.readUInt32BE(at)
    at += 4
    if (blockBytes > bytes.length - at) throw corrupt(`snappy: block of ${blockBytes} bytes, ${bytes.length - at} left`)
    decodeBlock(bytes, at, at + blockBytes, output)
    at += blockBytes
  }
  return output.finish()
}

const load32 = (b: Uint8Array, at: number): number =>
  b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)

function emitLiteral(bytes: Buffer, from: number, count: number, out: Buffer, to: number): number {
  if (count <= 60) out[to++] = (count - 1) << 2
  else if (count <= 256) {
    out[to++] = 60 << 2
    out[to++] = count - 1
  } else {
    out[to++] = 61 << 2
    out[to++] = (count - 1) & 0xff
    out[to++] = (count - 1) >>> 8
  }
  if (count >= copyByCallBytesMin) bytes.copy(out, to, from, from + count)
  else for (let i = 0; i < count; i++) out[to + i] = bytes[from + i]!
  return to + count
}

function emitCopy(distance: number, count: number, out: Buffer, to: number): number {
  // At least 4 bytes must be left for the last copy, so one of 65 to 67 is split as 60 and the rest.
  while (count >= 68) {
    out[to++] = (63 << 2) | 2
    out[to++] = distance & 0xff
    out[to++] = distance >>> 8
    count -= 64
  }
  if (count > 64) {
    out[to++] = (59 << 2) | 2
    out[to++] = distance & 0xff
    out[to++] = distance >>> 8
    count -= 60
  }
  if (count < 12 && distance < 2048) {
    out[to++] = ((distance >>> 8) << 5) | ((count - 4) << 2) | 1
    out[to++] = distance & 0xff
  } else {
    out[to++] = ((count - 1) << 2) | 2
    out[to++] = distance & 0xff
    out[to++] = distance >>> 8
  }
  return to
}

/** One raw block of `bytes[start, end)`, at most 65536 bytes, so that every position and distance fits 16 bits. */
function encodeBlock(bytes: Buffer, start: number, end: number, table: Uint16Array, out: Buffer, to: number): number {
  let length = end - start
  while (length > 0x7f) {
    out[to++] = (length & 0x7f) | 0x80
    length >>>= 7
  }
  out[to++] = length
  table.fill(0)
  const shift = Math.clz32(table.length) + 1
  let literalFrom = start
  let at = start + 1
  // A match is looked for only where 4 bytes can be read ahead of it and some input stays for the last literal.
  const searchEnd = end - 15
  let misses = 32
  while (at < searchEnd) {
    const word = load32(bytes, at)
    const slot = Math.imul(word, 0x1e35a7bd) >>> shift
    const candidate = start + table[slot]!
    table[slot] = at - start
    if (candidate >= at || load32(bytes, candidate) !== word) {
      at += misses++ >>> 5
      continue
    }
    misses = 32
    if (at > literalFrom) to = emitLiteral(bytes, literalFrom, at - literalFrom, out, to)
    let matched = 4
    while (at + matched < end && bytes[candidate + matched] === bytes[at + matched]) matched++
    to = emitCopy(at - candidate, matched, out, to)
    at += matched
    literalFrom = at
    if (at < searchEnd) table[Math.imul(load32(bytes, at - 1), 0x1e35a7bd) >>> shift] = at - 1 - start
  }
  return literalFrom < end ? emitLiteral(bytes, literalFrom, end - literalFrom, out, to) : to
}

/** As large as the input needs and no larger: clearing it would otherwise cost more than compressing a small batch. */
const hashTable = (inputBytes: number): Uint16Array =>
  new Uint16Array(2 ** Math.min(14, Math.max(8, 32 - Math.clz32(inputBytes))))

/** Xerial framing around blocks of 32 KiB, as Java writes it. */
export function compressSnappy(bytes: Buffer): Buffer {
  const blocks = Math.ceil(bytes.length / xerialBlockBytes)
  const out = Buffer.allocUnsafe(xerialHeader.length + bytes.length + Math.ceil(bytes.length / 6) + blocks * 40)
  const table = hashTable(Math.min(bytes.length, xerialBlockBytes))
  let to = xerialHeader.copy(out)
  for (let start = 0; start < bytes.length; start += xerialBlockBytes) {
    const end = encodeBlock(bytes, start, Math.min(start + xerialBlockBytes, bytes.length), table, out, to + 4)
    out.writeInt32BE(end - to - 4, to)
    to = end
  }
  return out.subarray(0, to)
}
