import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { zeroUuid } from "./ids.js"
import { MalformedError, Reader } from "./reader.js"

const reader = (hex: string) => new Reader(Buffer.from(hex.replaceAll(" ", ""), "hex"))

test("integers are big-endian and signed where their name says so", () => {
  assert.equal(reader("80").int8(), -128)
  assert.equal(reader("80").uint8(), 128)
  assert.equal(reader("8000").int16(), -32768)
  assert.equal(reader("7fff").int16(), 32767)
  assert.equal(reader("fffe").uint16(), 65534)
  assert.equal(reader("80000000").int32(), -(2 ** 31))
  assert.equal(reader("01020304").int32(), 0x01020304)
  assert.equal(reader("fffffffe").uint32(), 2 ** 32 - 2)
  assert.equal(reader("3ff8000000000000").float64(), 1.5)
})

test("any byte but zero is true", () => {
  assert.deepEqual([reader("00").bool(), reader("01").bool(), reader("ff").bool()], [false, true, true])
})

test("a 64-bit integer is exact up to 2^53 and rounded above", () => {
  const cases: [string, number][] = [
    ["0000000000000000", 0],
    ["ffffffffffffffff", -1],
    ["0000000100000000", 2 ** 32],
    ["ffffffff00000000", -(2 ** 32)],
    ["001fffffffffffff", Number.MAX_SAFE_INTEGER],
    ["ffe0000000000001", Number.MIN_SAFE_INTEGER],
    ["7fffffffffffffff", 2 ** 63],
    ["8000000000000000", -(2 ** 63)],
  ]
  for (const [hex, value] of cases) assert.equal(reader(hex).int64(), value, hex)
})

test("an unsigned varint ends at 32 bits", () => {
  const cases: [string, number][] = [
    ["00", 0],
    ["7f", 127],
    ["8001", 128],
    ["ff7f", 16383],
    ["808001", 16384],
    ["ffffffff07", 2 ** 31 - 1],
    ["ffffffff0f", 2 ** 32 - 1],
  ]
  for (const [hex, value] of cases) assert.equal(reader(hex).uvarint(), value, hex)
  for (const hex of ["ffffffff10", "808080808001", "ffffffffff", "80", ""]) {
    assert.throws(() => reader(hex).uvarint(), MalformedError, hex)
  }
})

test("a varint is zigzag", () => {
  const cases: [string, number][] = [
    ["00", 0],
    ["01", -1],
    ["02", 1],
    ["feffffff0f", 2 ** 31 - 1],
    ["ffffffff0f", -(2 ** 31)],
  ]
  for (const [hex, value] of cases) assert.equal(reader(hex).varint(), value, hex)
})

test("a varlong ends at 64 bits", () => {
  const cases: [string, number][] = [
    ["00", 0],
    ["01", -1],
    ["8080808010", 2 ** 31],
    ["8080808020", 2 ** 32],
    ["feffffffffffff1f", Number.MAX_SAFE_INTEGER],
    ["fdffffffffffff1f", Number.MIN_SAFE_INTEGER],
    ["feffffffffffffffff01", 2 ** 63],
    ["ffffffffffffffffff01", -(2 ** 63)],
  ]
  for (const [hex, value] of cases) assert.equal(reader(hex).varlong(), value, hex)
  for (const hex of ["ffffffffffffffffff02", "8080808080808080808001", "80"]) {
    assert.throws(() => reader(hex).varlong(), MalformedError, hex)
  }
})

test("a uuid reads as Kafka prints it", () => {
  assert.equal(reader("00000000000000000000000000000000").uuid(), zeroUuid)
  assert.equal(reader("00000000000000000000000000000001").uuid(), "AAAAAAAAAAAAAAAAAAAAAQ")
  assert.equal(reader("ffffffffffffffffffffffffffffffff").uuid(), "_____________________w")
})

test("every uuid is base64url", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (raw) => {
      const bytes = Buffer.from(raw)
      assert.equal(new Reader(bytes).uuid(), bytes.toString("base64url"))
    }),
    { seed: 1 },
  )
})

test("a view shares the memory it was taken from", () => {
  const bytes = Buffer.from([1, 2, 3, 4])
  const view = new Reader(bytes, 1).view(2)
  bytes[1] = 9
  assert.deepEqual([...view], [9, 3])
})

test("nothing is read past the end, and a refused read does not move", () => {
  const reads: ((r: Reader) => unknown)[] = [
    (r) => r.int8(),
    (r) => r.uint8(),
    (r) => r.bool(),
    (r) => r.int16(),
    (r) => r.uint16(),
    (r) => r.int32(),
    (r) => r.uint32(),
    (r) => r.int64(),
    (r) => r.float64(),
    (r) => r.uuid(),
    (r) => r.uvarint(),
    (r) => r.view(1),
    (r) => r.utf8(1),
  ]
  for (const read of reads) {
    const bounded = new Reader(Buffer.alloc(32), 4, 4)
    assert.throws(() => read(bounded), MalformedError)
    assert.equal(bounded.position, 4)
  }
  assert.throws(() => reader("0000").view(-1), MalformedError)
  assert.throws(() => reader("0000").view(2 ** 32), MalformedError)
  assert.equal(reader("0102").view(2).length, 2)
})

test("bytes that are no UTF-8 become replacement characters", () => {
  assert.equal(reader("61ff62").utf8(3), "a\ufffdb")
})
