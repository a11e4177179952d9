import assert from "node:assert/strict"
import { test } from "node:test"
import { MalformedError } from "../base/reader.js"
import { randomMessage } from "./generate.js"
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecordInput } from "./metadata-record.js"
import { metadataRecords } from "./messages/metadata-records.js"
import { seededInt } from "./testdata/random.js"

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex")

// Put together by hand: frame version 1, key 12, version 0, compact "metadata.version", level 30, no tags.
test("a feature level is stored as Kafka stores it", () => {
  const golden = bytes("01 0c 00 11 6d657461646174612e76657273696f6e 001e 00")
  const record = {
    type: "FeatureLevelRecord",
    version: 0,
    value: { name: "metadata.version", featureLevel: 30 },
  } as const
  assert.deepEqual(encodeMetadataRecord(record), golden)
  assert.deepEqual(decodeMetadataRecord(golden), record)
})

test("a change of a partition carries only what changed", () => {
  const encoded = encodeMetadataRecord({
    type: "PartitionChangeRecord",
    version: 0,
    value: { partitionId: 1, topicId: "AAAAAAAAAAAAAAAAAAAAAQ", leader: 2 },
  })
  assert.deepEqual(encoded, bytes(`01 05 00 00000001 ${"00".repeat(15)}01 01 01 04 00000002`))
  const decoded = decodeMetadataRecord(encoded)
  assert.ok(decoded.type === "PartitionChangeRecord")
  assert.deepEqual([decoded.value.leader, decoded.value.isr], [2, null])
})

test("every record of every version survives its envelope", () => {
  for (const declared of metadataRecords) {
    for (let version = declared.versions.min; version <= declared.versions.max; version++) {
      const value = randomMessage(declared, version, seededInt(version))
      const record = { type: declared.name, version, value } as unknown as MetadataRecordInput
      assert.deepEqual(decodeMetadataRecord(encodeMetadataRecord(record)), record)
    }
  }
})

test("another frame version, an unknown type or version, and bytes left over are malformed", () => {
  const cases = {
    "frame version 0": "00 14 00 00",
    "frame version 2": "02 14 00 00",
    "type 13": "01 0d 00 00",
    "version 1 of a record that has 0 only": "01 14 01 00",
    "a byte left over": "01 14 00 00 00",
    nothing: "",
  }
  assert.equal(decodeMetadataRecord(bytes("01 14 00 00")).type, "NoOpRecord")
  for (const [name, hex] of Object.entries(cases)) {
    assert.throws(() => decodeMetadataRecord(bytes(hex)), MalformedError, name)
  }
})
