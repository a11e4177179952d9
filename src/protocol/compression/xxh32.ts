/** xxHash, 32 bits, seed 0: the checksum of LZ4 frames. Source: Cyan4973/xxHash doc/xxhash_spec.md. */
const prime1 = 0x9e3779b1
const prime2 = 0x85ebca77
const prime3 = 0xc2b2ae3d
const prime4 = 0x27d4eb2f
const prime5 = 0x165667b1

const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
const load32 = (b: Uint8Array, at: number): number =>
  b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)
const round = (lane: number, word: number): number =>
  Math.imul(rotateLeft((lane + Math.imul(word, prime2)) | 0, 13), prime1)

/** Of `bytes[start, end)`, as an unsigned number. */
export function xxh32(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  let hash: number
  if (end - start >= 16) {
    let a = (prime1 + prime2) | 0
    let b = prime2 | 0
    let c = 0
    let d = -prime1 | 0
    for (; at <= end - 16; at += 16) {
      a = round(a, load32(bytes, at))
      b = round(b, load32(bytes, at + 4))
      c = round(c, load32(bytes, at + 8))
      d = round(d, load32(bytes, at + 12))
    }
    hash = rotateLeft(a, 1) + rotateLeft(b, 7) + rotateLeft(c, 12) + rotateLeft(d, 18)
  } else hash = prime5
  hash = (hash + end - start) | 0
  for (; at <= end - 4; at += 4) {
    hash = Math.imul(rotateLeft((hash + Math.imul(load32(bytes, at), prime3)) | 0, 17), prime4)
  }
  for (; at < end; at++) hash = Math.imul(rotateLeft((hash + Math.imul(bytes[at]!, prime5)) | 0, 11), prime1)
  hash = Math.imul(hash ^ (hash >>> 15), prime2)
  hash = Math.imul(hash ^ (hash >>> 13), prime3)
  return (hash ^ (hash >>> 16)) >>> 0
}
