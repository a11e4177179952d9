import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { MalformedError } from "../../base/reader.js"
import { randomMessage } from "../../protocol/generate.js"
import type { RecordMessage } from "../../protocol/message.js"
import { groupRecords } from "../../protocol/messages/group-records.js"
import { seededInt } from "../../protocol/testdata/random.js"
import { decodeGroupRecord, encodeGroupRecord, type GroupRecordInput } from "./group-records.js"

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex")
const offsetKey = bytes("0001 0001 67 0001 74 00000002")
const offset = { group: "g", topic: "t", partition: 2 }

const declared: readonly { readonly key: RecordMessage; readonly value: RecordMessage }[] = groupRecords

const written: { readonly [name: string]: number } = { OffsetCommit: 4, GroupMetadata: 3 }

interface Golden {
  readonly name: string
  readonly key: string
  readonly value: string | null
  readonly record: unknown
}

const goldenPath = join(process.cwd(), "src/coordinator/group/testdata/kafka-4.3.1-group-records.json")
const golden = (JSON.parse(readFileSync(goldenPath, "utf8")) as { readonly records: readonly Golden[] }).records

const asJson = (record: unknown): unknown =>
  JSON.parse(JSON.stringify(record), (_, value: unknown) => {
    const isBuffer = typeof value === "object" && value !== null && "type" in value && value.type === "Buffer"
    return isBuffer ? Buffer.from((value as unknown as { data: number[] }).data).toString("hex") : value
  })

for (const { name, key, value, record } of golden) {
  test(`as Kafka writes it: ${name}`, () => {
    const decoded = decodeGroupRecord(bytes(key), value === null ? null : bytes(value))
    assert.ok(decoded)
    assert.deepEqual(asJson(decoded), record)
    // 64 bits of hash do not fit a number; nothing depends on more than that another hash is another one.
    if (decoded.type === "ConsumerGroupMetadata" && decoded.value?.metadataHash !== 0 && value !== null) return
    const encoded = encodeGroupRecord(decoded)
    assert.equal(encoded.key.toString("hex"), key)
    assert.equal(encoded.value?.toString("hex") ?? null, value)
  })
}

test("every type of record that Kafka writes today is among its own bytes", () => {
  const types = new Set(golden.map(({ record }) => (record as { type: string }).type))
  assert.deepEqual(
    groupRecords.map(({ key }) => key.name.slice(0, -"Key".length)).filter((type) => !types.has(type)),
    ["LegacyOffsetCommit"],
  )
})

test("every record survives its envelope, in the version that is written", () => {
  const nextInt = seededInt(7)
  for (const { key, value } of declared) {
    const type = key.name.slice(0, -"Key".length)
    if (type === "LegacyOffsetCommit") continue
    for (let round = 0; round < 20; round++) {
      const version = written[type] ?? 0
      const record = {
        type,
        key: randomMessage(key, 0, nextInt),
        value: randomMessage(value, version, nextInt),
      } as unknown as GroupRecordInput
      const encoded = encodeGroupRecord(record)
      assert.deepEqual(
        [encoded.key.readInt16BE(0), encoded.value!.readInt16BE(0)],
        [key.key, version],
        `${type}: type and version`,
      )
      assert.deepEqual(decodeGroupRecord(encoded.key, encoded.value), record)
    }
  }
})

test("every version of a value that Kafka ever wrote is read", () => {
  const nextInt = seededInt(11)
  for (const { key, value } of declared) {
    for (let version = value.versions.min; version <= value.versions.max; version++) {
      const fields = randomMessage(key, 0, nextInt)
      const random = randomMessage(value, version, nextInt)
      const record = decodeGroupRecord(
        Buffer.concat([int16(key.key), key.encodeToBuffer(fields as never, 0)]),
        Buffer.concat([int16(version), value.encodeToBuffer(random as never, version)]),
      )
      assert.deepEqual(record?.key, fields, `${key.name}`)
      assert.deepEqual({ ...record?.value, ...random }, record?.value, `${value.name} v${version}`)
    }
  }
})

const int16 = (value: number): Buffer => {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}

test("no value is a tombstone, both ways", () => {
  const tombstone = { type: "OffsetCommit", key: offset, value: null } as const
  assert.deepEqual(encodeGroupRecord(tombstone), { key: offsetKey, value: null })
  assert.deepEqual(decodeGroupRecord(offsetKey, null), tombstone)
})

test("an offset that says when it expires is written in the version that can", () => {
  const value = { offset: 5, metadata: "m", commitTimestamp: 6, expireTimestamp: 7 }
  const encoded = encodeGroupRecord({ type: "OffsetCommit", key: offset, value })
  assert.deepEqual(encoded.value, bytes("0001 0000000000000005 0001 6d 0000000000000006 0000000000000007"))
  const decoded = decodeGroupRecord(encoded.key, encoded.value)
  assert.ok(decoded?.type === "OffsetCommit")
  assert.equal(decoded.value?.expireTimestamp, 7)
})

test("an offset under the legacy key is an offset", () => {
  const key = bytes("0000 0001 67 0001 74 00000002")
  const decoded = decodeGroupRecord(key, bytes("0000 0000000000000005 0001 6d 0000000000000006"))
  assert.ok(decoded?.type === "OffsetCommit")
  assert.deepEqual(decoded.key, offset)
  assert.deepEqual([decoded.value?.offset, decoded.value?.leaderEpoch, decoded.value?.metadata], [5, -1, "m"])
  assert.deepEqual(decodeGroupRecord(key, null), { type: "OffsetCommit", key: offset, value: null })
})

test("types and versions of a later release are skipped, as are those of other kinds of groups", () => {
  for (const type of ["0009", "000b", "0018", "7fff", "ffff"]) {
    assert.equal(decodeGroupRecord(bytes(`${type} 0001 67`), bytes("0000")), undefined, type)
  }
  assert.equal(decodeGroupRecord(offsetKey, bytes("0005 00")), undefined, "version 5 of an offset")
  assert.equal(decodeGroupRecord(offsetKey, bytes("ffff 00")), undefined, "version -1")
  assert.equal(decodeGroupRecord(bytes("0000 0001 67 0001 74 00000002"), bytes("0001 00")), undefined, "legacy 1")
})

test("what ends too early is malformed, in key and value", () => {
  const { key, value } = encodeGroupRecord({
    type: "OffsetCommit",
    key: offset,
    value: { offset: 5, metadata: "m", commitTimestamp: 6 },
  })
  for (let length = 0; length < key.length; length++) {
    assert.throws(() => decodeGroupRecord(key.subarray(0, length), value), MalformedError, `key of ${length}`)
  }
  for (let length = 0; length < value!.length; length++) {
    assert.throws(() => decodeGroupRecord(key, value!.subarray(0, length)), MalformedError, `value of ${length}`)
  }
})
