import assert from "node:assert/strict"
import { test } from "node:test"
import { lostDirectory } from "../metadata/image.js"
import { assignReplicasToDirs as api } from "../protocol/messages/assign-replicas-to-dirs.js"
import { assignReplicasToDirs } from "./directories.js"
import { ClusterTest, directoryOf, idOf } from "./testing/cluster-test.js"

function cluster(): ClusterTest {
  const t = new ClusterTest()
  t.start([1, 3])
  t.start([2], { logDirs: [directoryOf(2, 0), directoryOf(2, 1)] })
  t.topic("orders", [[1, 2]])
  return t
}

/** Applies what broker 2 says of one replica, and returns the error code. */
function assign(
  t: ClusterTest,
  brokerId: number,
  directoryId: string,
  topicId = idOf("orders", 0),
  partition = 0,
): number {
  const { records, response } = assignReplicasToDirs(
    t.view,
    api.request.create({
      brokerId,
      brokerEpoch: t.epochOf(brokerId),
      directories: [{ id: directoryId, topics: [{ topicId, partitions: [{ partitionIndex: partition }] }] }],
    }),
  )
  t.apply(records)
  return response.directories[0]!.topics[0]!.partitions[0]!.errorCode
}

test("a broker changes the directory of its own replica, and of no other", () => {
  const t = cluster()
  assert.equal(assign(t, 2, directoryOf(2, 1)), 0)
  assert.deepEqual(t.partition("orders").directories, [directoryOf(1), directoryOf(2, 1)])
  assert.equal(t.state("orders"), "1@0 isr 1,2")
  assert.equal(assign(t, 3, directoryOf(3)), 6)
})

test("an assignment that says what is known changes nothing, and one of what is gone fails alone", () => {
  const t = cluster()
  const before = t.partition("orders")
  assert.equal(assign(t, 2, directoryOf(2, 0)), 0)
  assert.equal(assign(t, 2, directoryOf(2, 1), idOf("gone", 0)), 100)
  assert.equal(assign(t, 2, directoryOf(2, 1), idOf("orders", 0), 7), 3)
  assert.equal(t.partition("orders"), before)
})

test("a replica whose log is lost leads nothing and is counted on no more where others are in sync", () => {
  const t = cluster()
  assert.equal(assign(t, 2, lostDirectory), 0)
  assert.equal(t.state("orders"), "1@0 isr 1")
  assert.deepEqual(t.partition("orders").elr, [])
  // Made anew, it is where its broker says, and joins when it has caught up.
  assert.equal(assign(t, 2, directoryOf(2, 1)), 0)
  assert.deepEqual(t.partition("orders").directories, [directoryOf(1), directoryOf(2, 1)])
  assert.equal(t.state("orders"), "1@0 isr 1")
})

test("the last replica in sync is waited for though its log is lost", () => {
  const t = cluster()
  assert.equal(assign(t, 2, lostDirectory), 0)
  assert.equal(assign(t, 1, lostDirectory), 0)
  assert.equal(t.partition("orders").leader, -1)
  assert.deepEqual([t.partition("orders").isr, t.partition("orders").elr], [[], [1]])
})

test("a report of another life of the broker is refused", () => {
  const t = cluster()
  const { response, records } = assignReplicasToDirs(
    t.view,
    api.request.create({ brokerId: 2, brokerEpoch: 1, directories: [] }),
  )
  assert.deepEqual([response.errorCode, records.length], [77, 0])
})

test("a replica in a directory that is not there leaves the ISR", () => {
  const t = cluster()
  assert.equal(assign(t, 2, idOf("unknown", 1)), 0)
  assert.equal(t.state("orders"), "1@0 isr 1")
})

// Not in Kafka: there an empty replica may become the last known leader.
test("a replica that was made anew because its directory is gone is empty, so it is elected by no rule but an unclean one", () => {
  const t = new ClusterTest()
  t.start([1])
  t.topic("alone", [[1]])
  t.fence(1)
  assert.equal(t.state("alone"), "-1@1 isr  elr 1 last 1")
  t.start([1], { logDirs: [directoryOf(1, 7)] })
  assert.equal(t.state("alone"), "-1@1 isr  last 1")
  assert.equal(assign(t, 1, directoryOf(1, 7), idOf("alone", 0)), 0)
  assert.equal(t.state("alone"), "-1@1 isr ")
  t.fence(1)
  t.unfence(1)
  assert.equal(t.state("alone"), "-1@1 isr ")
})
