import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { zeroUuid } from "./ids.js"
import { Reader } from "./reader.js"
import { utf8Bytes, Writer } from "./writer.js"

function written(write: (writer: Writer) => void, initialBytes?: number): Buffer {
  const writer = new Writer(initialBytes)
  write(writer)
  return writer.finishBuffer()
}

const hex = (write: (writer: Writer) => void): string => written(write).toString("hex")

test("64-bit integers keep both ends of their range", () => {
  assert.equal(
    hex((w) => w.int64(2 ** 63)),
    "7fffffffffffffff",
  )
  assert.equal(
    hex((w) => w.int64(2 ** 70)),
    "7fffffffffffffff",
  )
  assert.equal(
    hex((w) => w.int64(-(2 ** 63))),
    "8000000000000000",
  )
  assert.equal(
    hex((w) => w.int64(-(2 ** 70))),
    "8000000000000000",
  )
  assert.equal(
    hex((w) => w.int64(-1)),
    "ffffffffffffffff",
  )
  assert.equal(
    hex((w) => w.int64(-(2 ** 32))),
    "ffffffff00000000",
  )
  assert.equal(
    hex((w) => w.int64(2 ** 32 - 1)),
    "00000000ffffffff",
  )
})

test("varlongs keep both ends of their range", () => {
  assert.equal(
    hex((w) => w.varlong(2 ** 63)),
    "feffffffffffffffff01",
  )
  assert.equal(
    hex((w) => w.varlong(-(2 ** 63))),
    "ffffffffffffffffff01",
  )
  assert.equal(
    hex((w) => w.varlong(2 ** 32)),
    "8080808020",
  )
})

test("what is written is what is read", () => {
  const int64 = fc.maxSafeInteger()
  const value = fc.oneof(
    fc.record({ type: fc.constant("int8" as const), value: fc.integer({ min: -128, max: 127 }) }),
    fc.record({ type: fc.constant("int16" as const), value: fc.integer({ min: -32768, max: 32767 }) }),
    fc.record({ type: fc.constant("int32" as const), value: fc.integer() }),
    fc.record({ type: fc.constant("int64" as const), value: int64 }),
    fc.record({ type: fc.constant("uvarint" as const), value: fc.nat({ max: 0xffffffff }) }),
    fc.record({ type: fc.constant("varint" as const), value: fc.integer() }),
    fc.record({ type: fc.constant("varlong" as const), value: int64 }),
    fc.record({ type: fc.constant("float64" as const), value: fc.double({ noNaN: true }) }),
  )
  fc.assert(
    fc.property(fc.array(value, { maxLength: 100 }), fc.nat({ max: 20 }), (values, initialBytes) => {
      const bytes = written((w) => {
        for (const one of values) w[one.type](one.value)
      }, initialBytes)
      const reader = new Reader(bytes)
      for (const one of values) assert.deepEqual(reader[one.type](), one.value)
      assert.equal(reader.remaining, 0)
    }),
    { seed: 1 },
  )
})

test("nothing is lost where the buffer grows", () => {
  const bytes = written((w) => {
    for (let i = 0; i < 5000; i++) w.int8(i)
  }, 1)
  assert.equal(bytes.length, 5000)
  for (let i = 0; i < 5000; i++) assert.equal(bytes[i], i & 0xff)
})

test("a uuid is 16 bytes, and what is no uuid is refused", () => {
  assert.equal(
    hex((w) => w.uuid(zeroUuid)),
    "00".repeat(16),
  )
  assert.equal(
    hex((w) => w.uuid("_____________________w")),
    "ff".repeat(16),
  )
  for (const text of [
    "",
    "AAAA",
    "AAAAAAAAAAAAAAAAAAAAA!",
    "+AAAAAAAAAAAAAAAAAAAAA",
    "éAAAAAAAAAAAAAAAAAAAAA",
    `${zeroUuid}A`,
  ]) {
    assert.throws(() => written((w) => w.uuid(text)), RangeError, text)
  }
})

test("every uuid that is read is written back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (raw) => {
      const uuid = new Reader(Buffer.from(raw)).uuid()
      assert.deepEqual(
        written((w) => w.uuid(uuid)),
        Buffer.from(raw),
      )
    }),
    { seed: 1 },
  )
})

test("text is written as UTF-8 and counted in bytes", () => {
  assert.equal(written((w) => assert.equal(w.utf8("é語"), 5)).toString(), "é語")
})

test("short and long text of any letters comes out as UTF-8", () => {
  const text = fc.oneof(fc.string({ maxLength: 100 }), fc.string({ unit: "grapheme", maxLength: 100 }))
  fc.assert(
    fc.property(text, (value) => {
      assert.equal(utf8Bytes(value), Buffer.byteLength(value))
      assert.deepEqual(
        written((w) => w.utf8(value)),
        Buffer.from(value),
      )
    }),
    { seed: 1 },
  )
})

test("a payload is attached in its place by reference", () => {
  const payload = Buffer.from("payload")
  const writer = new Writer()
  writer.int8(1)
  writer.attach(payload)
  writer.attach(Buffer.alloc(0))
  writer.int8(2)
  assert.equal(writer.length, 9)
  const parts = writer.finish()
  assert.equal(parts.length, 3)
  assert.equal(parts[1], payload)
  assert.equal(Buffer.concat(parts).toString("latin1"), "\x01payload\x02")
})

test("attachments may be first, last and next to each other", () => {
  const writer = new Writer<{ length: number }>()
  const [a, b] = [{ length: 3 }, { length: 4 }]
  writer.attach(a)
  writer.attach(b)
  assert.equal(writer.length, 7)
  assert.deepEqual(writer.finish(), [a, b])
})

test("growth after an attachment keeps what was written on both sides", () => {
  const writer = new Writer(8)
  writer.int32(1)
  writer.attach(Buffer.from([0xaa]))
  for (let i = 0; i < 100; i++) writer.int32(i)
  const bytes = writer.finishBuffer()
  assert.equal(bytes.length, 4 + 1 + 400)
  const reader = new Reader(bytes)
  assert.equal(reader.int32(), 1)
  assert.equal(reader.uint8(), 0xaa)
  for (let i = 0; i < 100; i++) assert.equal(reader.int32(), i)
})

test("four bytes are set afterwards, with growth and attachments in between", () => {
  for (const attached of [false, true]) {
    const writer = new Writer(4)
    writer.int32(0)
    writer.raw(Buffer.alloc(100, 7))
    if (attached) writer.attach(Buffer.alloc(10, 8))
    writer.raw(Buffer.alloc(1000, 9))
    writer.patchInt32(0, writer.length - 4)
    const bytes = writer.finishBuffer()
    assert.equal(bytes.readInt32BE(0), bytes.length - 4)
    assert.equal(bytes[4], 7)
    assert.equal(bytes.at(-1), 9)
  }
})
