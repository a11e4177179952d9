import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { batchLeaderEpoch, isControlBatch } from "../protocol/batch-header.js"
import { batchesIn, recordsOf } from "../protocol/record-batch.js"
import { configOverrides, emptyImage, type MetadataImage, topicById } from "./image.js"
import { decodeRecord, encodeRecord, type MetadataRecord } from "./records.js"
import { replay, replayBatch } from "./replay.js"
import { snapshotRecords } from "./snapshot.js"

/** The metadata log of an Apache Kafka 4.3.1 node: formatted, started, topic t1 with two partitions made, one setting altered, stopped. */
function kafkaLog(): { record: MetadataRecord; offset: number; epoch: number }[] {
  const bytes = readFileSync("src/metadata/testdata/kafka-4.3.1.log")
  const records: { record: MetadataRecord; offset: number; epoch: number }[] = []
  for (const at of batchesIn(bytes)) {
    if (isControlBatch(bytes, at.start)) continue
    for (const { offset, value } of recordsOf(bytes, at.start)) {
      records.push({ record: decodeRecord(value!), offset, epoch: batchLeaderEpoch(bytes, at.start) })
    }
  }
  return records
}

const replayAll = (records: Iterable<{ record: MetadataRecord; offset: number; epoch: number }>): MetadataImage =>
  [...records].reduce((image, { record, offset, epoch }) => replay(image, record, offset, epoch), emptyImage)

test("the log of an Apache Kafka node replays to what that node had", () => {
  const image = replayAll(kafkaLog())
  assert.equal(image.features.get("metadata.version"), 30)
  assert.equal(image.features.get("transaction.version"), 2)
  const topic = image.topics.get("t1")!
  assert.equal(topic.topicId, "qrQ6cCUnR3CX37zFf-eUvQ")
  assert.equal(topic.partitions.length, 2)
  assert.deepEqual(topicById(image, topic.topicId), topic)
  assert.deepEqual(configOverrides(image, 2, "t1"), new Map([["retention.ms", "86400000"]]))
  // The node fenced itself on its way out, and is the only eligible leader of what it led (KIP-966).
  assert.equal(image.brokers.get(1)!.fenced, true)
  assert.deepEqual(topic.partitions[0]!.isr, [])
  assert.deepEqual(topic.partitions[0]!.elr, [1])
  assert.equal(topic.partitions[0]!.leader, -1)
  assert.equal(topic.partitions[0]!.leaderEpoch, 1)
})

test("records between begin and end of a transaction count only at its end", () => {
  const image = kafkaLog().reduce((before, { record, offset, epoch }) => {
    const after = replay(before, record, offset, epoch)
    if (offset < 9) assert.equal(after.features.size, 0)
    return after
  }, emptyImage)
  assert.equal(image.openTransaction, undefined)
})

test("an aborted transaction changes nothing", () => {
  const records: MetadataRecord[] = [
    { type: "BeginTransactionRecord", value: { name: "bootstrap" } },
    { type: "FeatureLevelRecord", value: { name: "group.version", featureLevel: 1 } },
    { type: "AbortTransactionRecord", value: { reason: null } },
  ]
  const image = records.reduce((before, record, offset) => replay(before, record, offset, 1), emptyImage)
  assert.equal(image.features.size, 0)
})

const comparable = (image: MetadataImage) => ({
  ...image,
  topics: new Map(image.topics),
  topicNames: new Map(image.topicNames),
  configs: new Map(image.configs),
  carried: new Map(image.carried),
})

test("a snapshot of an image replays to the same image", () => {
  const image = replayAll(kafkaLog())
  const copies = [...snapshotRecords(image)].map((record) => decodeRecord(encodeRecord(record)))
  const copy = copies.reduce((before, record) => replay(before, record, image.offset, image.epoch), emptyImage)
  assert.deepEqual(comparable(copy), comparable(image))
})

test("records this version does not act on survive a snapshot, and their removal too", () => {
  const acl = (id: string): MetadataRecord => ({
    type: "AccessControlEntryRecord",
    value: {
      id,
      resourceType: 2,
      resourceName: "t",
      patternType: 3,
      principal: "User:a",
      host: "*",
      operation: 3,
      permissionType: 3,
    },
  })
  const records: MetadataRecord[] = [
    acl("AAAAAAAAAAAAAAAAAAAAAQ"),
    acl("AAAAAAAAAAAAAAAAAAAAAg"),
    { type: "RemoveAccessControlEntryRecord", value: { id: "AAAAAAAAAAAAAAAAAAAAAQ" } },
  ]
  const image = records.reduce((before, record, offset) => replay(before, record, offset, 1), emptyImage)
  assert.deepEqual([...snapshotRecords(image)], [acl("AAAAAAAAAAAAAAAAAAAAAg")])
})

test("deleting a topic takes its settings and its id with it", () => {
  const topicId = "qrQ6cCUnR3CX37zFf-eUvQ"
  const image = replay(replayAll(kafkaLog()), { type: "RemoveTopicRecord", value: { topicId } }, 100, 2)
  assert.equal(image.topics.has("t1"), false)
  assert.equal(topicById(image, topicId), undefined)
  assert.equal(configOverrides(image, 2, "t1").size, 0)
})

test("a batch replays to what its records do one by one, over topics, transactions and everything between", () => {
  const records = kafkaLog().map(({ record }) => record)
  for (const length of [1, 2, 3, 5, records.length]) {
    let batched = emptyImage
    let single = emptyImage
    for (let from = 0; from < records.length; from += length) {
      const batch = records.slice(from, from + length)
      batched = replayBatch(batched, batch, from, 1)
      single = batch.reduce((image, record, index) => replay(image, record, from + index, 1), single)
      assert.deepEqual(batched, single)
    }
  }
})

test("changes of many partitions in one batch, some of them twice, come in their order", () => {
  const topicIds = ["AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAAAg"]
  const created = kafkaLog().find(({ record }) => record.type === "PartitionRecord")!.record
  const changed = kafkaLog().find(({ record }) => record.type === "PartitionChangeRecord")!.record
  const about = <R extends MetadataRecord>(record: R, topic: number, partitionId: number): MetadataRecord =>
    ({ ...record, value: { ...record.value, topicId: topicIds[topic]!, partitionId } }) as MetadataRecord
  const records: MetadataRecord[] = [
    { type: "TopicRecord", value: { name: "a", topicId: topicIds[0]! } },
    { type: "TopicRecord", value: { name: "b", topicId: topicIds[1]! } },
    ...[0, 1, 2].map((index) => about(created, 0, index)),
    ...[0, 1].map((index) => about(created, 1, index)),
    ...[2, 0, 2].map((index) => about(changed, 0, index)),
    about(changed, 1, 1),
  ]
  const image = replayBatch(emptyImage, records, 0, 1)
  assert.deepEqual(
    image,
    records.reduce((before, record, offset) => replay(before, record, offset, 1), emptyImage),
  )
  const epochs = (topic: string) => image.topics.get(topic)!.partitions.map(({ partitionEpoch }) => partitionEpoch)
  const [first] = epochs("b")
  assert.deepEqual(
    epochs("a").map((epoch) => epoch - first!),
    [1, 0, 2],
  )
})
