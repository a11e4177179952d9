import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { before, test } from "node:test"
import fc from "fast-check"
import { MalformedError } from "../base/reader.js"
import {
  batchBaseOffset,
  batchBaseSequence,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  compressionTypes,
  isControlBatch,
  isTransactionalBatch,
} from "./batch-header.js"
import { prepareCompression } from "./compression/compression.js"
import {
  batchEnd,
  batchesIn,
  buildBatch,
  controlRecordKey,
  controlRecordType,
  controlRecordTypes,
  endTransactionMarkerValue,
  hasValidChecksum,
  recordsOf,
  type RecordView,
} from "./record-batch.js"

before(() => prepareCompression())

/** The batch of the golden bytes: three records with a null value, headers and timestamps that go back. */
const golden = JSON.parse(readFileSync(join(process.cwd(), "src/protocol/testdata/batches.json"), "utf8")) as Record<
  string,
  string
>
const goldenRecords = [
  { key: Buffer.from("k1"), value: Buffer.from("hello"), timestamp: 1700000000000 },
  {
    key: null,
    value: Buffer.from("x".repeat(300)),
    timestamp: 1700000000500,
    headers: [
      { key: "trace", value: Buffer.from("abc") },
      { key: "trace", value: null },
    ],
  },
  { key: Buffer.from("k3"), value: null, timestamp: 1699999999000 },
]
const goldenInput = {
  records: goldenRecords,
  baseOffset: 42,
  leaderEpoch: 7,
  producerId: 1234567890123,
  producerEpoch: 3,
  baseSequence: 2147483646,
  isTransactional: true,
}

test("an uncompressed batch is byte for byte what kafka-clients 4.3.1 builds", () => {
  assert.equal(buildBatch(goldenInput).toString("hex"), Buffer.from(golden.none!, "base64").toString("hex"))
})

for (const compression of compressionTypes) {
  test(`a ${compression} batch of kafka-clients 4.3.1 is read`, () => {
    const batch = Buffer.from(golden[compression]!, "base64")
    assert.ok(hasValidChecksum(batch, 0, batch.length))
    assert.deepEqual(
      [...recordsOf(batch)],
      goldenRecords.map((record, index) => ({
        offset: 42 + index,
        offsetDelta: index,
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
        headers: record.headers ?? [],
      })),
    )
    assert.equal(batchBaseOffset(batch), 42)
    assert.equal(batchLastOffset(batch), 44)
    assert.equal(batchLeaderEpoch(batch), 7)
    assert.equal(batchMaxTimestamp(batch), 1700000000500)
    assert.equal(batchProducerId(batch), 1234567890123)
    assert.equal(batchProducerEpoch(batch), 3)
    assert.equal(batchBaseSequence(batch), 2147483646)
    assert.ok(isTransactionalBatch(batch))
  })
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value))
const header = fc.record(
  { key: fc.string({ maxLength: 6, unit: "grapheme" }), value: fc.option(bytes) },
  { noNullPrototype: true },
)
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestamp: fc.integer({ min: 0, max: 2 ** 45 }),
  headers: fc.array(header, { maxLength: 3 }),
})

test("what a batch is built from is what is read from it", () => {
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 12 }),
      fc.constantFrom(...compressionTypes),
      fc.nat(2 ** 50),
      (records, compression, baseOffset) => {
        const batch = buildBatch({ records, compression, baseOffset })
        assert.equal(batchEnd(batch, 0), batch.length)
        assert.ok(hasValidChecksum(batch, 0, batch.length))
        assert.deepEqual(
          [...recordsOf(batch)].map(({ key, value, timestamp, headers, offset }) => ({
            key,
            value,
            timestamp,
            headers,
            offset,
          })),
          records.map((each, index) => ({ ...each, offset: baseOffset + index })),
        )
      },
    ),
    { numRuns: 150 },
  )
})

test("with the append time set every record reads as the batch's maximum timestamp", () => {
  const records = [{ timestamp: 5 }, { timestamp: 9 }]
  const batch = buildBatch({ records, timestampType: "LogAppendTime", maxTimestamp: 77 })
  assert.deepEqual(
    [...recordsOf(batch)].map(({ timestamp }) => timestamp),
    [77, 77],
  )
})

test("offsets that compaction left gaps in are kept", () => {
  const batch = buildBatch({ records: [{ offsetDelta: 2 }, { offsetDelta: 5 }], baseOffset: 10, lastOffsetDelta: 9 })
  assert.deepEqual(
    [...recordsOf(batch)].map(({ offset }) => offset),
    [12, 15],
  )
  assert.equal(batchLastOffsetDelta(batch), 9)
})

test("batches are walked up to a cut tail", () => {
  const one = buildBatch({ records: [{ value: Buffer.from("a") }] })
  const two = buildBatch({ records: [{ value: Buffer.from("bb") }], compression: "gzip" })
  const whole = Buffer.concat([one, two])
  const expected = [
    { start: 0, end: one.length },
    { start: one.length, end: whole.length },
  ]
  assert.deepEqual([...batchesIn(whole)], expected)
  for (let length = one.length; length < whole.length; length++) {
    assert.deepEqual([...batchesIn(whole.subarray(0, length))], expected.slice(0, 1))
  }
})

test("bytes that cannot be a batch are malformed: too short a length, another magic", () => {
  const short = buildBatch({ records: [{}] })
  short.writeInt32BE(48, 8)
  assert.equal(batchEnd(short, 0), "malformed")
  const old = buildBatch({ records: [{}] })
  old[16] = 1
  assert.equal(batchEnd(old, 0), "malformed")
  assert.throws(() => [...batchesIn(old)], MalformedError)
})

test("damaged records throw MalformedError and nothing else, whatever the damage", () => {
  const batches = compressionTypes.map((compression) => buildBatch({ ...goldenInput, compression }))
  fc.assert(
    fc.property(
      fc.constantFrom(...batches),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (batch, hits) => {
        const damaged = Buffer.from(batch)
        for (const [at, value] of hits) damaged[at % damaged.length] = value
        const seen: RecordView[] = []
        try {
          for (const each of recordsOf(damaged)) seen.push(each)
        } catch (error) {
          assert.ok(error instanceof MalformedError, String(error))
        }
        assert.ok(seen.length <= damaged.length * 32)
      },
    ),
    { numRuns: 500 },
  )
})

test("a control batch holds the marker a transaction ends with", () => {
  const batch = buildBatch({
    records: [{ key: controlRecordKey(controlRecordTypes.commit), value: endTransactionMarkerValue(9) }],
    isControl: true,
    isTransactional: true,
    producerId: 5,
    producerEpoch: 1,
  })
  const [marker] = [...recordsOf(batch)]
  assert.ok(isControlBatch(batch) && isTransactionalBatch(batch))
  assert.equal(controlRecordType(marker!.key), controlRecordTypes.commit)
  assert.equal(marker!.value!.toString("hex"), "000000000009")
})
