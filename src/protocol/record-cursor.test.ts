import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { MalformedError, Reader } from "../base/reader.js"
import { RecordCursor } from "./record-cursor.js"
import { buildBatch, recordsOf } from "./record-batch.js"

const bytes = fc.option(fc.uint8Array({ maxLength: 200 }))
const cursorOf = (batch: Buffer) => new RecordCursor(batch, 0, (payload) => new Reader(payload))

test("a cursor finds the records that recordsOf finds", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ key: bytes, value: bytes, headers: fc.constantFrom([], [{ key: "k", value: null }]) })),
      fc.constantFrom("none" as const, "gzip" as const),
      fc.nat(1e9),
      (records, compression, baseOffset) => {
        const batch = buildBatch({ records, compression, baseOffset, timestamp: 5 })
        const cursor = cursorOf(batch)
        const at = (start: number, count: number) =>
          count < 0 ? null : cursor.reader.bytes.subarray(start, start + count)
        for (const { offset, key, value } of recordsOf(batch)) {
          assert.ok(cursor.next())
          assert.equal(cursor.offset, offset)
          assert.deepEqual(at(cursor.keyAt, cursor.keyBytes), key)
          assert.deepEqual(at(cursor.valueAt, cursor.valueBytes), value)
          // Wherever decoding left the reader.
          cursor.reader.position = 0
        }
        assert.equal(cursor.next(), false)
      },
    ),
    { seed: 11 },
  )
})

test("damaged records are malformed, and never read beyond the batch", () => {
  const batch = buildBatch({ records: [{ key: Buffer.from("key"), value: Buffer.from("value") }], timestamp: 5 })
  fc.assert(
    fc.property(fc.integer({ min: 57, max: batch.length - 1 }), fc.nat(255), (at, byte) => {
      const damaged = Buffer.from(batch)
      damaged[at] = byte
      try {
        const cursor = cursorOf(damaged)
        while (cursor.next()) {
          assert.ok(cursor.keyAt + Math.max(0, cursor.keyBytes) <= cursor.valueAt)
          assert.ok(cursor.valueAt + Math.max(0, cursor.valueBytes) <= cursor.reader.end)
        }
      } catch (error) {
        assert.ok(error instanceof MalformedError, String(error))
      }
    }),
    { seed: 12, numRuns: 500 },
  )
})
