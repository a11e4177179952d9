import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { batchHeaderBytes } from "./batch-header.js"
import { buildBatch } from "./record-batch.js"
import { RecordWalk } from "./record-walk.js"

const baseTimestamp = 1_700_000_000_000

/** The walk as plainly as it can be said, with numbers of any size: the largest timestamp, or undefined where something is wrong. */
function reference(bytes: Buffer, count: number): number | undefined {
  let at = 0
  let isBad = false
  const varint = (bytesMax: number, bits: bigint): number => {
    let value = 0n
    for (let index = 0; index < bytesMax; index++) {
      if (at >= bytes.length) break
      const byte = bytes[at++]!
      value |= BigInt(byte & 0x7f) << BigInt(7 * index)
      if (byte < 0x80) {
        if (value >= 1n << bits) break
        return Number(value % 2n === 0n ? value / 2n : -(value + 1n) / 2n)
      }
    }
    isBad = true
    return 0
  }
  const skip = (length: number) => {
    at += Math.max(0, length)
  }
  let maxTimestamp = -1
  for (let index = 0; index < count; index++) {
    const length = varint(5, 32n)
    const recordEnd = at + length
    at += 1
    maxTimestamp = Math.max(maxTimestamp, baseTimestamp + varint(10, 64n))
    if (varint(5, 32n) !== index) return undefined
    skip(varint(5, 32n))
    skip(varint(5, 32n))
    const headers = varint(5, 32n)
    if (headers < 0 || headers > bytes.length) return undefined
    for (let header = 0; header < headers && !isBad; header++) {
      const keyBytes = varint(5, 32n)
      if (keyBytes < 0) return undefined
      skip(keyBytes)
      skip(varint(5, 32n))
    }
    if (isBad || length < 0 || at !== recordEnd || at > bytes.length) return undefined
  }
  return at === bytes.length ? maxTimestamp : undefined
}

type DrawnRecord = typeof someRecord extends fc.Arbitrary<infer Drawn> ? Drawn : never

const someRecord = fc.record({
  key: fc.option(fc.uint8Array({ maxLength: 80 })),
  valueBytes: fc.oneof(fc.integer({ min: -1, max: 200 }), fc.integer({ min: 8000, max: 9000 })),
  delta: fc.oneof(fc.nat(100), fc.integer({ min: -70_000, max: 5_000_000 }), fc.nat(2 ** 40)),
  headers: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
})

const recordsIn = (drawn: readonly DrawnRecord[]): Buffer =>
  buildBatch({
    records: drawn.map(({ key, valueBytes, delta, headers }, index) => ({
      key: key === null ? null : Buffer.from(key),
      value: valueBytes < 0 ? null : Buffer.alloc(valueBytes, index),
      timestamp: baseTimestamp + (index === 0 ? 0 : delta),
      headers: Array.from({ length: headers }, (_, at) => ({ key: `h${at}`, value: Buffer.from("v") })),
    })),
  }).subarray(batchHeaderBytes)

function verdict(bytes: Buffer, count: number): number | undefined {
  const walk = new RecordWalk(bytes, baseTimestamp)
  return walk.run(count, false, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY) ? walk.maxTimestamp : undefined
}

test("records of every kind, mixed, are walked as they were written", () => {
  fc.assert(
    fc.property(fc.array(someRecord, { minLength: 1, maxLength: 30 }), (drawn) => {
      const bytes = recordsIn(drawn)
      assert.equal(verdict(bytes, drawn.length), reference(bytes, drawn.length))
      assert.notEqual(verdict(bytes, drawn.length), undefined)
    }),
  )
})

test("what is damaged anywhere is refused exactly where the plain reading refuses it", () => {
  fc.assert(
    fc.property(
      fc.array(someRecord, { minLength: 1, maxLength: 12 }),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: -1, max: 1 }),
      (drawn, damages, more) => {
        const bytes = Buffer.from(recordsIn(drawn))
        for (const [at, byte] of damages) bytes[at % bytes.length] = byte
        const count = drawn.length + more
        assert.equal(verdict(bytes, count), reference(bytes, count))
      },
    ),
    { numRuns: 2000 },
  )
})

test("ten thousand plain records are as good as ten", () => {
  const bytes = recordsIn(
    Array.from({ length: 10_000 }, (_, delta) => ({ key: null, valueBytes: 3, delta, headers: 0 })),
  )
  assert.equal(verdict(bytes, 10_000), baseTimestamp + 9999)
})
