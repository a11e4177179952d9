import assert from "node:assert/strict"
import { test } from "node:test"
import { InvariantError } from "../base/assert.js"
import { MalformedError, Reader } from "../base/reader.js"
import { EncodeError } from "./codec.js"
import { array, bytes, float64, int32, int64, string, struct, uint16, uint32, uuid } from "./field.js"
import { message } from "./message.js"

// Messages made up for what the declared ones do not show yet, or show only among much else.

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex")

test("a nullable struct is preceded by a byte: 1 is there, -1 is null", () => {
  const cursor = message({
    name: "Cursor",
    versions: "0",
    flexible: "0+",
    fields: { cursor: struct({ at: int32() }, { nullableVersions: "0+", default: null }) },
  })
  assert.deepEqual(cursor.encodeToBuffer({ cursor: { at: 7 } }, 0), hex("01 00000007 00 00"))
  assert.deepEqual(cursor.encodeToBuffer({}, 0), hex("ff 00"))
  assert.deepEqual(cursor.decode(new Reader(hex("ff 00")), 0), { cursor: null })
  assert.deepEqual(cursor.decode(new Reader(hex("01 00000007 00 00")), 0), { cursor: { at: 7 } })
})

test("a nullable struct in a tagged field is left out when null, if null is its default", () => {
  const member = message({
    name: "Member",
    versions: "0",
    flexible: "0+",
    fields: {
      classic: struct({ timeoutMs: int32() }, { taggedVersions: "0+", tag: 0, nullableVersions: "0+", default: null }),
    },
  })
  const golden = hex("01 00 06 01 00000007 00")
  assert.deepEqual(member.encodeToBuffer({ classic: { timeoutMs: 7 } }, 0), golden)
  assert.deepEqual(member.decode(new Reader(golden), 0), { classic: { timeoutMs: 7 } })
  assert.deepEqual(member.encodeToBuffer({ classic: null }, 0), hex("00"))
})

test("a nullable struct in a tagged field is preceded by a byte: 1 is there, 0 is null", () => {
  const member = message({
    name: "Member",
    versions: "0",
    flexible: "0+",
    fields: { classic: struct({ timeoutMs: int32() }, { taggedVersions: "0+", tag: 0, nullableVersions: "0+" }) },
  })
  const cases = [
    { classic: { timeoutMs: 7 }, golden: hex("01 00 06 01 00000007 00") },
    { classic: null, golden: hex("01 00 01 00") },
    { classic: { timeoutMs: 0 }, golden: hex("00") },
  ]
  for (const { classic, golden } of cases) {
    assert.deepEqual(member.encodeToBuffer({ classic }, 0), golden)
    assert.deepEqual(member.decode(new Reader(golden), 0), { classic })
  }
})

test("tagged fields travel in the order of their tags, whatever the order of the declaration", () => {
  const tags = message({
    name: "Tags",
    versions: "0",
    flexible: "0+",
    fields: {
      late: int32({ taggedVersions: "0+", tag: 5 }),
      early: string({ taggedVersions: "0+", tag: 2, nullableVersions: "0+", default: "x" }),
    },
  })
  const golden = hex("02 02 01 00 05 04 00000001")
  assert.deepEqual(tags.encodeToBuffer({ late: 1, early: null }, 0), golden)
  assert.deepEqual(tags.decode(new Reader(golden), 0), { late: 1, early: null })
  assert.deepEqual(tags.encodeToBuffer({ late: 0, early: "x" }, 0), hex("00"))
  assert.deepEqual(tags.decode(new Reader(hex("00")), 0), { late: 0, early: "x" })
})

test("a field may be ordinary in old versions and tagged in new ones", () => {
  const moved = message({
    name: "Moved",
    versions: "0-1",
    flexible: "1+",
    fields: { value: int32({ versions: "0+", taggedVersions: "1+", tag: 0 }) },
  })
  assert.deepEqual(moved.encodeToBuffer({ value: 3 }, 0), hex("00000003"))
  assert.deepEqual(moved.encodeToBuffer({ value: 3 }, 1), hex("01 00 04 00000003"))
  assert.deepEqual(moved.decode(new Reader(hex("01 00 04 00000003")), 1), { value: 3 })
})

test("unsigned types and both forms of bytes", () => {
  const plain = message({
    name: "Plain",
    versions: "0-1",
    flexible: "1+",
    fields: { port: uint16(), crc: uint32(), load: float64(), data: bytes({ nullableVersions: "1+" }) },
  })
  const value = { port: 65535, crc: 0xfffffffe, load: 0.5, data: Buffer.from([9]) }
  assert.deepEqual(plain.encodeToBuffer(value, 0), hex("ffff fffffffe 3fe0000000000000 00000001 09"))
  assert.deepEqual(plain.encodeToBuffer(value, 1), hex("ffff fffffffe 3fe0000000000000 02 09 00"))
  assert.deepEqual(plain.decode(new Reader(plain.encodeToBuffer({ ...value, data: null }, 1)), 1).data, null)
  assert.throws(() => plain.encodeToBuffer({ ...value, data: null }, 0), EncodeError)
  assert.throws(() => plain.decode(new Reader(hex("ffff fffffffe 3fe0000000000000 ffffffff")), 0), MalformedError)
})

test("a struct that a version lacks may hold nothing but its defaults", () => {
  const later = message({
    name: "Later",
    versions: "0-1",
    flexible: "none",
    fields: {
      inner: struct({ epoch: int64({ default: -1 }), names: array(string()), id: uuid() }, { versions: "1+" }),
    },
  })
  const defaults = later.create({})
  assert.deepEqual(defaults, { inner: { epoch: -1, names: [], id: "AAAAAAAAAAAAAAAAAAAAAA" } })
  assert.equal(later.encodeToBuffer(defaults, 0).length, 0)
  assert.throws(() => later.encodeToBuffer({ inner: { ...defaults.inner, names: ["a"] } }, 0), EncodeError)
  assert.deepEqual(later.decode(new Reader(Buffer.alloc(0)), 0), defaults)
})

test("defaults are made anew for every value", () => {
  const lists = message({
    name: "Lists",
    versions: "0-1",
    flexible: "none",
    fields: { list: array(int32(), { versions: "1+" }) },
  })
  const [one, other] = [0, 0].map((version) => lists.decode(new Reader(Buffer.alloc(0)), version))
  one!.list.push(1)
  assert.deepEqual(other!.list, [])
})

test("declarations that cannot travel are refused", () => {
  assert.throws(() => int32({ nullableVersions: "0+" }), InvariantError)
  assert.throws(() => int32({ tag: 1 }), InvariantError)
  assert.throws(() => struct({ "a; b": int32() }), InvariantError)
})

test("a version the message does not have is a mistake of ours, not of a peer", () => {
  const only = message({ name: "Only", versions: "1", flexible: "none", fields: {} })
  assert.throws(() => only.decode(new Reader(Buffer.alloc(0)), 0), InvariantError)
})
