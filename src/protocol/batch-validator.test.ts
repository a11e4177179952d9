import assert from "node:assert/strict"
import { before, test } from "node:test"
import fc from "fast-check"
import { batchAttributes, batchMaxTimestamp, compressionTypes, setInt32, setInt64 } from "./batch-header.js"
import { type BatchRules, type RefusedBatch, validateBatches, type ValidBatch } from "./batch-validator.js"
import { Errors } from "./errors.js"
import { prepareCompression } from "./compression/compression.js"
import { type BatchInput, buildBatch, hasValidChecksum, recordsOf, sealBatch } from "./record-batch.js"
import { recordFaultsMax } from "./record-walk.js"

before(() => prepareCompression())

const nowMs = 1_700_000_000_000
const rules: BatchRules = {
  produceVersion: 13,
  maxMessageBytes: 1048588,
  segmentBytes: 1 << 30,
  isCompacted: false,
  timestampType: "CreateTime",
  beforeMaxMs: 2 ** 63,
  afterMaxMs: 3600000,
  compressionType: "producer",
  nowMs,
}
const plain: BatchInput = {
  records: [
    { key: Buffer.from("a"), value: Buffer.from("one"), timestamp: nowMs },
    { key: null, value: Buffer.alloc(300, 7), timestamp: nowMs - 5, headers: [{ key: "h", value: Buffer.from("v") }] },
    { key: Buffer.from("c"), value: null, timestamp: nowMs - 1 },
  ],
}

function accepted(batch: Buffer, changed: Partial<BatchRules> = {}): ValidBatch {
  const result = validateBatches(batch, { ...rules, ...changed })
  assert.ok(result.ok, JSON.stringify(result))
  return result
}

function refused(batch: Buffer | null, changed: Partial<BatchRules> = {}): RefusedBatch {
  const result = validateBatches(batch, { ...rules, ...changed })
  assert.ok(!result.ok, "the batch was accepted")
  return result
}

/** A batch with bytes changed and the checksum made right again: only the rule under test can refuse it. */
function altered(input: BatchInput, change: (batch: Buffer) => void): Buffer {
  const batch = buildBatch(input)
  change(batch)
  sealBatch(batch, 0, batch.length)
  return batch
}

for (const compression of compressionTypes) {
  test(`a ${compression} batch passes as the same bytes in the same memory`, () => {
    const batch = buildBatch({ ...plain, compression, producerId: 7, producerEpoch: 2, baseSequence: 30 })
    const copy = Buffer.from(batch)
    const result = accepted(batch)
    assert.equal(result.bytes, batch)
    assert.ok(batch.equals(copy))
    const { bytes: _, ...facts } = result
    assert.deepEqual(facts, {
      ok: true,
      rebuilt: false,
      recordCount: 3,
      lastOffsetDelta: 2,
      maxTimestamp: nowMs,
      compression,
      isTransactional: false,
      producerId: 7,
      producerEpoch: 2,
      baseSequence: 30,
    })
  })
}

function setCount(batch: Buffer, count: number): void {
  setInt32(batch, 23, count - 1)
  setInt32(batch, 57, count)
}

const good = () => buildBatch(plain)
const refusals: {
  rule: string
  batch: () => Buffer | null
  rules?: Partial<BatchRules>
  error: number
  says: RegExp
}[] = [
  { rule: "no records at all", batch: () => null, error: Errors.INVALID_RECORD, says: /at least one record batch/ },
  {
    rule: "an empty record set",
    batch: () => Buffer.alloc(0),
    error: Errors.INVALID_RECORD,
    says: /at least one record batch/,
  },
  {
    rule: "a batch that is cut",
    batch: () => good().subarray(0, -1),
    error: Errors.INVALID_RECORD,
    says: /at least one record batch/,
  },
  {
    rule: "two batches",
    batch: () => Buffer.concat([good(), good()]),
    error: Errors.INVALID_RECORD,
    says: /exactly one record batch/,
  },
  {
    rule: "bytes after the batch",
    batch: () => Buffer.concat([good(), Buffer.alloc(1)]),
    error: Errors.INVALID_RECORD,
    says: /exactly one/,
  },
  {
    rule: "a message set of magic 1",
    batch: () => altered(plain, (b) => (b[16] = 1)),
    error: Errors.INVALID_RECORD,
    says: /only allowed to contain record batches with magic version 2/,
  },
  {
    rule: "a length smaller than the header",
    batch: () => altered(plain, (b) => setInt32(b, 8, 48)),
    error: Errors.CORRUPT_MESSAGE,
    says: /less than the minimum/,
  },
  {
    rule: "a negative length",
    batch: () => altered(plain, (b) => setInt32(b, 8, -60)),
    error: Errors.CORRUPT_MESSAGE,
    says: /less than/,
  },
  {
    rule: "zstd before Produce 7",
    batch: () => buildBatch({ ...plain, compression: "zstd" }),
    rules: { produceVersion: 6 },
    error: Errors.UNSUPPORTED_COMPRESSION_TYPE,
    says: /not allowed to use ZStandard/,
  },
  {
    rule: "a codec nobody knows",
    batch: () => altered(plain, (b) => (b[22] = 5)),
    error: Errors.UNSUPPORTED_COMPRESSION_TYPE,
    says: /Unknown compression type id: 5/,
  },
  {
    rule: "a base offset other than 0",
    batch: () => buildBatch({ ...plain, baseOffset: 3 }),
    error: Errors.INVALID_RECORD,
    says: /baseOffset of the record batch should be 0, but it is 3/,
  },
  {
    rule: "more bytes than max.message.bytes",
    batch: good,
    rules: { maxMessageBytes: 100 },
    error: Errors.MESSAGE_TOO_LARGE,
    says: /exceeds the maximum configured value of 100/,
  },
  {
    rule: "a wrong checksum",
    batch: () => {
      const batch = good()
      batch[batch.length - 1]! ^= 1
      return batch
    },
    error: Errors.CORRUPT_MESSAGE,
    says: /Record is corrupt/,
  },
  {
    rule: "more bytes than segment.bytes",
    batch: good,
    rules: { segmentBytes: 100 },
    error: Errors.RECORD_LIST_TOO_LARGE,
    says: /exceeds the maximum configured segment size/,
  },
  {
    rule: "no record in the batch",
    batch: () => buildBatch({ records: [] }),
    error: Errors.INVALID_RECORD,
    says: /Invalid reported count/,
  },
  {
    rule: "a negative last offset delta",
    batch: () => altered(plain, (b) => setInt32(b, 23, -1)),
    error: Errors.INVALID_RECORD,
    says: /invalid offset range/,
  },
  {
    rule: "a record count that is not the offset range",
    batch: () => altered(plain, (b) => setInt32(b, 23, 5)),
    error: Errors.INVALID_RECORD,
    says: /Inconsistent batch offset range/,
  },
  {
    rule: "more records than there are",
    batch: () => altered(plain, (b) => setCount(b, 4)),
    error: Errors.INVALID_RECORD,
    says: /Incorrect declared batch size/,
  },
  {
    rule: "fewer records than there are",
    batch: () => altered(plain, (b) => setCount(b, 2)),
    error: Errors.INVALID_RECORD,
    says: /records still remaining/,
  },
  {
    rule: "a control batch",
    batch: () => buildBatch({ ...plain, isControl: true }),
    error: Errors.INVALID_RECORD,
    says: /not allowed to write control records/,
  },
  {
    rule: "a producer id without a sequence",
    batch: () => buildBatch({ ...plain, producerId: 5, producerEpoch: 0 }),
    error: Errors.INVALID_RECORD,
    says: /Invalid sequence number -1/,
  },
  {
    rule: "the append-time bit from a producer",
    batch: () => buildBatch({ ...plain, timestampType: "LogAppendTime" }),
    error: Errors.INVALID_TIMESTAMP,
    says: /Producer should not set timestamp type to LogAppendTime/,
  },
  {
    rule: "offsets with a gap",
    batch: () => buildBatch({ records: [{ offsetDelta: 0 }, { offsetDelta: 2 }], lastOffsetDelta: 1 }),
    error: Errors.INVALID_RECORD,
    says: /incremental offsets, expected 1, found 2/,
  },
  {
    rule: "offsets with a gap under compression",
    batch: () =>
      buildBatch({ records: [{ offsetDelta: 0 }, { offsetDelta: 2 }], lastOffsetDelta: 1, compression: "lz4" }),
    error: Errors.INVALID_RECORD,
    says: /incremental offsets/,
  },
  {
    rule: "a payload that is not what its codec says",
    batch: () => altered(plain, (b) => (b[22] = 3)),
    error: Errors.INVALID_RECORD,
    says: /Failed to decompress/,
  },
  {
    rule: "a batch that decompresses to more than allowed",
    batch: () => buildBatch({ records: [{ value: Buffer.alloc(100000) }], compression: "zstd" }),
    rules: { decompressedBytesMax: 50000 },
    error: Errors.MESSAGE_TOO_LARGE,
    says: /more than 50000 bytes/,
  },
]

for (const { rule, batch, rules: changed, error, says } of refusals) {
  test(`refused: ${rule}`, () => {
    const result = refused(batch(), changed)
    assert.equal(result.error, error)
    assert.match(result.message, says)
  })
}

for (const compression of ["none", "zstd"] as const) {
  test(`a compacted topic takes no ${compression} record without a key, and names it`, () => {
    const result = refused(buildBatch({ ...plain, compression }), { isCompacted: true })
    assert.equal(result.error, Errors.INVALID_RECORD)
    assert.deepEqual(
      result.recordErrors!.map(({ index }) => index),
      [1],
    )
    assert.match(result.recordErrors![0]!.message, /without key/)
  })

  test(`a ${compression} record outside the timestamp window is named`, () => {
    const ahead = { timestamp: nowMs + 3600001 }
    const edge = { timestamp: nowMs + 3600000 }
    const result = refused(buildBatch({ records: [edge, ahead, edge, ahead], compression }))
    assert.equal(result.error, Errors.INVALID_TIMESTAMP)
    assert.deepEqual(
      result.recordErrors!.map(({ index }) => index),
      [1, 3],
    )
    accepted(buildBatch({ records: [edge], compression }))
  })
}

test("a record too far back is refused, and one at the edge is not", () => {
  const back = (ms: number) => buildBatch({ records: [{ timestamp: nowMs - ms }] })
  assert.equal(refused(back(1001), { beforeMaxMs: 1000 }).error, Errors.INVALID_TIMESTAMP)
  accepted(back(1000), { beforeMaxMs: 1000 })
})

test("a record without a timestamp is in every window", () => {
  const result = accepted(buildBatch({ records: [{}] }), { beforeMaxMs: 1000 })
  assert.equal(result.maxTimestamp, -1)
})

test("the records named at fault are bounded", () => {
  const records = Array.from({ length: recordFaultsMax + 5 }, () => ({}))
  const result = refused(buildBatch({ records }), { isCompacted: true })
  assert.equal(result.recordErrors!.length, recordFaultsMax)
  assert.match(result.message, new RegExp(`${recordFaultsMax + 5} record errors in total`))
})

test("a maximum timestamp that is not the records' is corrected", () => {
  const batch = altered(plain, (b) => setInt64(b, 35, 12345))
  const result = accepted(batch)
  assert.equal(result.maxTimestamp, nowMs)
  assert.equal(batchMaxTimestamp(result.bytes), nowMs)
  assert.ok(hasValidChecksum(result.bytes, 0, result.bytes.length))
})

test("on a LogAppendTime topic the batch carries the broker's time, whatever the records say", () => {
  const batch = buildBatch({ records: [{ timestamp: 1 }, { timestamp: nowMs * 2 }] })
  const result = accepted(batch, { timestampType: "LogAppendTime" })
  assert.equal(result.maxTimestamp, nowMs)
  assert.equal(batchAttributes(result.bytes), 8)
  assert.ok(hasValidChecksum(result.bytes, 0, result.bytes.length))
  assert.deepEqual(
    [...recordsOf(result.bytes)].map(({ timestamp }) => timestamp),
    [nowMs, nowMs],
  )
})

for (const from of compressionTypes) {
  for (const to of compressionTypes.filter((type) => type !== from)) {
    test(`a topic of compression.type ${to} stores a ${from} batch compressed anew, with the same records`, () => {
      const batch = buildBatch({ ...plain, compression: from, producerId: 7, producerEpoch: 2, baseSequence: 30 })
      const result = accepted(batch, { compressionType: to })
      assert.ok(result.rebuilt)
      assert.equal(result.compression, to)
      assert.equal(result.producerId, 7)
      assert.deepEqual([...recordsOf(result.bytes)], [...recordsOf(batch)])
      assert.ok(accepted(result.bytes).bytes.equals(result.bytes))
    })
  }
}

test("a batch that grows past max.message.bytes when it is stored uncompressed is refused", () => {
  const batch = buildBatch({ records: [{ value: Buffer.alloc(5000) }], compression: "gzip" })
  const result = refused(batch, { compressionType: "none", maxMessageBytes: 1000 })
  assert.equal(result.error, Errors.MESSAGE_TOO_LARGE)
})

test("a valid batch with any checksummed byte changed is refused", () => {
  for (const compression of compressionTypes) {
    const batch = buildBatch({ ...plain, compression, producerId: 1, producerEpoch: 1, baseSequence: 1 })
    for (let at = 21; at < batch.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = Buffer.from(batch)
        damaged[at]! ^= flip
        assert.ok(!validateBatches(damaged, rules).ok, `${compression} at ${at}`)
      }
    }
  }
})

test("whatever the records are, the answer is a value, and what is accepted can be read", () => {
  const inputs = compressionTypes.map((compression) => buildBatch({ ...plain, compression }))
  const hits = fc.array(fc.tuple(fc.integer({ min: 8, max: 500 }), fc.nat(255)), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fc.constantFrom(...inputs), hits, (batch, changes) => {
      const damaged = Buffer.from(batch)
      for (const [at, value] of changes) damaged[at % damaged.length] = value
      sealBatch(damaged, 0, damaged.length)
      const result = validateBatches(damaged, rules)
      if (result.ok) assert.equal([...recordsOf(result.bytes)].length, result.recordCount)
    }),
    { numRuns: 2000 },
  )
})
