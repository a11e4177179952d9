import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { crc32c, crc32cPortable, nativeCrc32c, nativeCrc32cBytesMin } from "./crc32c.js"

test("the vectors of RFC 3720 B.4", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index)
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
  assert.equal(crc32c(ascending), 0x46dd794e)
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c)
  const read = Buffer.from(
    "01c00000000000000000000000000000140000000000040000000014000000182800000000000000020000000000000000",
    "hex",
  ).subarray(0, 48)
  assert.equal(crc32c(read), 0xd9963a56)
})

test("the check value of the catalogue, and of nothing", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(0)), 0)
})

test("a checksum goes on from the checksum of what precedes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2048 }), fc.nat(2048), (bytes, cut) => {
      const at = Math.min(cut, bytes.length)
      assert.equal(crc32c(bytes, at, bytes.length, crc32c(bytes, 0, at)), crc32c(bytes))
    }),
  )
})

/** The definition, bit by bit. */
function crc32cByBits(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test("the portable way computes the definition at every alignment and length", () => {
  const bytes = Uint8Array.from({ length: 700 }, (_, index) => (index * 7919) >>> 3)
  for (let start = 0; start < 8; start++) {
    for (let length = 0; length < 690; length += length < 40 || length > 250 ? 1 : 37) {
      const view = bytes.subarray(start, start + length)
      assert.equal(crc32cPortable(view), crc32cByBits(view))
      assert.equal(crc32cPortable(bytes, start, start + length), crc32cByBits(view))
    }
  }
})

test("the portable and the native way agree on every range", { skip: nativeCrc32c === undefined }, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3 * nativeCrc32cBytesMin }), fc.nat(), fc.integer(), (bytes, from, seed) => {
      const start = bytes.length === 0 ? 0 : from % bytes.length
      const expected = crc32cPortable(bytes, start, bytes.length, seed)
      assert.equal(nativeCrc32c!(bytes.subarray(start), seed >>> 0), expected)
      assert.equal(crc32c(bytes, start, bytes.length, seed >>> 0), expected)
    }),
  )
})
