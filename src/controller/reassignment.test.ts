import assert from "node:assert/strict"
import { test } from "node:test"
import { listPartitionReassignments as listApi } from "../protocol/messages/list-partition-reassignments.js"
import { Errors } from "../protocol/errors.js"
import { listPartitionReassignments } from "./reassignment.js"
import { ClusterTest } from "./testing/cluster-test.js"

function cluster(replicas: readonly number[] = [1, 2, 3], settings = {}): ClusterTest {
  const t = new ClusterTest()
  t.start([1, 2, 3, 4, 5])
  t.topic("a", [replicas], settings)
  return t
}

const list = (t: ClusterTest, topics: { name: string; partitionIndexes: number[] }[] | null = null) => {
  const { image, index } = t.view
  return listPartitionReassignments(image, index, listApi.request.create({ topics })).topics
}

test("old and new replicas first, then, when the new ones are in sync, the new ones alone (KIP-455)", () => {
  const t = cluster()
  assert.equal(t.reassign("a", [4, 5, 3]).errorCode, 0)
  assert.equal(t.state("a"), "1@0 isr 1,2,3 replicas 4,5,3,1,2 +4,5 -1,2")
  assert.deepEqual(list(t), [
    {
      name: "a",
      partitions: [{ partitionIndex: 0, replicas: [4, 5, 3, 1, 2], addingReplicas: [4, 5], removingReplicas: [1, 2] }],
    },
  ])
  assert.equal(t.alterIsr("a", [1, 2, 3, 4]), 0)
  assert.equal(t.state("a"), "1@0 isr 1,2,3,4 replicas 4,5,3,1,2 +4,5 -1,2")
  // The leader has to go: it learns that the change happened, and that it leads no more.
  assert.equal(t.alterIsr("a", [1, 2, 3, 4, 5]), Errors.NEW_LEADER_ELECTED)
  assert.equal(t.state("a"), "4@1 isr 3,4,5")
  assert.deepEqual(t.partition("a").replicas, [4, 5, 3])
  assert.equal(t.partition("a").directories.length, 3)
  assert.deepEqual(list(t), [])
})

test("replicas in another order are there at once", () => {
  const t = cluster()
  t.reassign("a", [3, 2, 1])
  assert.deepEqual([t.state("a"), t.partition("a").replicas], ["1@0 isr 1,2,3", [3, 2, 1]])
})

test("fewer replicas: the leader epoch rises, so that those that are gone are not taken for followers", () => {
  const t = cluster()
  t.reassign("a", [1, 2])
  assert.deepEqual([t.state("a"), t.partition("a").replicas], ["1@1 isr 1,2", [1, 2]])
})

test("a cancel goes back to what was before", () => {
  const t = cluster()
  t.reassign("a", [4, 5, 3])
  t.alterIsr("a", [1, 2, 3, 4])
  assert.equal(t.reassign("a", null).errorCode, 0)
  assert.deepEqual([t.state("a"), t.partition("a").replicas], ["1@1 isr 1,2,3", [3, 1, 2]])
  assert.deepEqual(t.reassign("a", null), {
    partitionIndex: 0,
    errorCode: Errors.NO_REASSIGNMENT_IN_PROGRESS,
    errorMessage: "No partition reassignment is in progress.",
  })
})

test("a reassignment in place of another can still be cancelled to what was before both", () => {
  const t = cluster()
  t.reassign("a", [4, 2, 3])
  t.alterIsr("a", [1, 2, 3])
  t.reassign("a", [5, 2, 3])
  assert.equal(t.state("a"), "1@0 isr 1,2,3 replicas 5,2,3,4,1 +5,4 -4,1")
  t.reassign("a", null)
  assert.deepEqual([t.state("a"), [...t.partition("a").replicas].sort()], ["1@1 isr 1,2,3", [1, 2, 3]])
})

test("a reassignment in place of another ends with its own replicas", () => {
  const t = cluster()
  t.reassign("a", [4, 2, 3])
  t.reassign("a", [5, 2, 3])
  assert.equal(t.alterIsr("a", [1, 2, 3, 4, 5]), Errors.NEW_LEADER_ELECTED)
  assert.deepEqual([t.state("a"), t.partition("a").replicas], ["5@1 isr 2,3,5", [5, 2, 3]])
})

test("a cancel that would have to give up records is refused, unless the topic allows that", () => {
  for (const uncleanLeaderElectionEnable of [false, true]) {
    const t = cluster([1], { uncleanLeaderElectionEnable })
    t.reassign("a", [4, 5])
    t.alterIsr("a", [1, 4])
    t.fence(1)
    t.unfence(1)
    assert.equal(t.state("a"), "4@1 isr 4 replicas 4,5,1 +4,5 -1")
    const { errorCode, errorMessage } = t.reassign("a", null)
    if (uncleanLeaderElectionEnable) {
      assert.equal(t.state("a"), "1@2 isr 1 recovering")
      continue
    }
    assert.equal(errorCode, Errors.INVALID_REPLICA_ASSIGNMENT)
    assert.equal(
      errorMessage,
      "Unable to revert partition assignment for a:0 because it would require an unclean leader election.",
    )
  }
})

test("a cancel finds an eligible leader among the old replicas where there is one (KIP-966)", () => {
  const t = cluster([1, 2], { minInsyncReplicas: 2 })
  t.reassign("a", [4, 5])
  t.alterIsr("a", [1, 4])
  t.alterIsr("a", [1, 4, 2])
  t.fence(2)
  t.fence(1)
  t.unfence(1)
  assert.equal(t.state("a"), "4@1 isr 4 elr 1 replicas 4,5,1,2 +4,5 -1,2")
  assert.equal(t.reassign("a", null).errorCode, 0)
  assert.equal(t.state("a"), "1@2 isr 1")
})

const refused: readonly [what: string, replicas: number[], text: string][] = [
  ["to nobody", [], "The manual partition assignment includes an empty replica list."],
  ["to one broker twice", [1, 1], "The manual partition assignment includes the broker 1 more than once."],
  [
    "to who is not there",
    [1, 9],
    "The manual partition assignment includes broker 9, but no such broker is registered.",
  ],
  [
    "to one machine twice",
    [1, 6, 7],
    "The manual partition assignment includes brokers 6 and 7, which are on the same machine (m): its failure would take both replicas.",
  ],
]

for (const [what, replicas, text] of refused)
  test(`a reassignment ${what} is refused`, () => {
    const t = cluster()
    t.start([6, 7], { machineId: "m" })
    const before = t.partition("a")
    assert.deepEqual(t.reassign("a", replicas), {
      partitionIndex: 0,
      errorCode: Errors.INVALID_REPLICA_ASSIGNMENT,
      errorMessage: text,
    })
    assert.equal(t.partition("a"), before)
  })

test("who forbids another replication factor gets none, counted without the replicas on their way out (KIP-860)", () => {
  const t = cluster()
  const options = { allowReplicationFactorChange: false }
  assert.deepEqual(t.reassign("a", [1, 2], options), {
    partitionIndex: 0,
    errorCode: Errors.INVALID_REPLICATION_FACTOR,
    errorMessage: "The replication factor is changed from 3 to 2",
  })
  assert.equal(t.reassign("a", [4, 5, 3], options).errorCode, 0)
  assert.equal(t.reassign("a", [4, 2, 3], options).errorCode, 0)
})

test("what is not there is named as such, and lists of it are empty", () => {
  const t = cluster()
  t.reassign("a", [4, 5, 3])
  assert.equal(t.reassign("a", [1], { partition: 9 }).errorMessage, "Unable to find partition a:9.")
  assert.deepEqual(
    list(t, [
      { name: "b", partitionIndexes: [0] },
      { name: "a", partitionIndexes: [7] },
    ]),
    [],
  )
  assert.equal(list(t, [{ name: "a", partitionIndexes: [0] }]).length, 1)
})
