import assert from "node:assert/strict"
import { test } from "node:test"
import { emptyImage, type MetadataImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { replay } from "../metadata/replay.js"
import { assignReplicasToDirs } from "./brokers.js"

const [topicId, goneId] = ["AAAAAAAAAAAAAAAAAAAAEA", "AAAAAAAAAAAAAAAAAAAAIA"]
const [directoryOf1, directoryOf2, otherDirectory] = [
  "AAAAAAAAAAAAAAAAAAAAMA",
  "AAAAAAAAAAAAAAAAAAAAQA",
  "AAAAAAAAAAAAAAAAAAAAUA",
]

function imageWithOnePartition(): MetadataImage {
  const records: MetadataRecord[] = [
    { type: "TopicRecord", value: { name: "orders", topicId } },
    {
      type: "PartitionRecord",
      value: {
        partitionId: 0,
        topicId,
        replicas: [1, 2],
        isr: [1, 2],
        removingReplicas: [],
        addingReplicas: [],
        leader: 1,
        leaderRecoveryState: 0,
        leaderEpoch: 0,
        partitionEpoch: 0,
        directories: [directoryOf1, directoryOf2],
        eligibleLeaderReplicas: null,
        lastKnownElr: null,
      },
    },
  ]
  return records.reduce((image, record, offset) => replay(image, record, offset, 1), emptyImage)
}

test("a broker changes the directory of its own replica, and of no other", () => {
  const image = imageWithOnePartition()
  const records = assignReplicasToDirs(image, 2, [{ topicId, partition: 0, directoryId: otherDirectory }])
  const after = records.reduce((before, record, index) => replay(before, record, 2 + index, 1), image)
  assert.deepEqual(after.topics.get("orders")!.partitions[0]!.directories, [directoryOf1, otherDirectory])
})

test("an assignment that says what is known, or of what is gone, changes nothing", () => {
  const image = imageWithOnePartition()
  for (const [brokerId, assignment] of [
    [2, { topicId, partition: 0, directoryId: directoryOf2 }],
    [2, { topicId: goneId, partition: 0, directoryId: otherDirectory }],
    [2, { topicId, partition: 7, directoryId: otherDirectory }],
    [3, { topicId, partition: 0, directoryId: otherDirectory }],
  ] as const)
    assert.deepEqual(assignReplicasToDirs(image, brokerId, [assignment]), [])
})
