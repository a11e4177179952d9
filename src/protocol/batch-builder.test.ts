import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Writer } from "../base/writer.js"
import type { FileRegion } from "../env/env.js"
import { BatchBuilder, recordBytesMax } from "./batch-builder.js"
import { batchHeaderBytes } from "./batch-header.js"
import { buildBatch } from "./record-batch.js"

const bytes = fc.uint8Array({ maxLength: 300 })

test("a batch built record by record is the one that is built of all its records", () => {
  const builder = new BatchBuilder()
  fc.assert(
    fc.property(
      fc.array(fc.record({ key: bytes, value: fc.option(bytes) }), { minLength: 1, maxLength: 100 }),
      fc.nat(),
      (records, timestamp) => {
        builder.clear()
        const source = new Writer<FileRegion>()
        let bytesMax = batchHeaderBytes
        for (const { key, value } of records) {
          const at = source.length
          source.raw(key)
          if (value !== null) source.raw(value)
          builder.add(source, at, key.length, value?.length ?? -1)
          bytesMax += recordBytesMax(key.length, value?.length ?? -1)
          assert.ok(builder.bytes <= bytesMax)
        }
        assert.equal(builder.count, records.length)
        const { bytes } = builder
        const batch = builder.build(timestamp)
        assert.equal(batch.length, bytes)
        assert.equal(builder.count, 0)
        assert.deepEqual(batch, buildBatch({ records, timestamp }))
      },
    ),
    { seed: 4242 },
  )
})

test("a writer that was cleared is used again", () => {
  const writer = new Writer<FileRegion>()
  writer.utf8("before")
  writer.clear()
  writer.utf8("after")
  assert.equal(writer.length, 5)
  assert.equal(writer.finishBuffer().toString(), "after")
})
