import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { alterPartition as api } from "../protocol/messages/alter-partition.js"
import { alterPartition } from "./alter-partition.js"
import { ClusterTest, directoryOf, idOf } from "./testing/cluster-test.js"

function cluster(): ClusterTest {
  const t = new ClusterTest()
  t.start([1, 2, 3, 4])
  t.topic("a", [[1, 2, 3]])
  // Epochs that can be too low.
  t.fence(4)
  t.alterIsr("a", [1, 2])
  t.fence(1)
  t.unfence(1)
  t.alterIsr("a", [2, 1])
  return t
}

type Options = Parameters<ClusterTest["alterIsr"]>[2]

// Kafka's order of checks: protocol.md, AlterPartition (KIP-497, 841, 903).
const table: readonly { what: string; isr: readonly number[]; options?: (t: ClusterTest) => Options; code: number }[] =
  [
    { what: "an ISR that grows", isr: [2, 1, 3], code: 0 },
    { what: "an ISR that shrinks", isr: [2], code: 0 },
    { what: "an ISR as it is", isr: [2, 1], code: 0 },
    {
      what: "a partition that is not there",
      isr: [2],
      options: () => ({ partitionIndex: 9 }),
      code: Errors.UNKNOWN_TOPIC_OR_PARTITION,
    },
    {
      what: "a leader epoch of the future",
      isr: [2],
      options: () => ({ leaderEpoch: 9 }),
      code: Errors.NOT_CONTROLLER,
    },
    {
      what: "a partition epoch of the future",
      isr: [2],
      options: () => ({ partitionEpoch: 99 }),
      code: Errors.NOT_CONTROLLER,
    },
    { what: "an old leader epoch", isr: [2], options: () => ({ leaderEpoch: 0 }), code: Errors.FENCED_LEADER_EPOCH },
    { what: "who does not lead", isr: [1], options: () => ({ brokerId: 1 }), code: Errors.INVALID_REQUEST },
    {
      what: "an old partition epoch",
      isr: [2],
      options: () => ({ partitionEpoch: 0 }),
      code: Errors.INVALID_UPDATE_VERSION,
    },
    { what: "a member that is no replica", isr: [2, 4], code: Errors.INVALID_REQUEST },
    { what: "a member named twice", isr: [2, 1, 1], code: Errors.INVALID_REQUEST },
    { what: "an ISR without the leader", isr: [1, 3], code: Errors.INVALID_REQUEST },
    { what: "nobody", isr: [], code: Errors.INVALID_REQUEST },
    {
      what: "recovery with followers",
      isr: [2, 1],
      options: () => ({ leaderRecoveryState: 1 }),
      code: Errors.INVALID_REQUEST,
    },
    {
      what: "recovery of who has recovered",
      isr: [2],
      options: () => ({ leaderRecoveryState: 1 }),
      code: Errors.INVALID_REQUEST,
    },
    {
      what: "a recovery state there is none of",
      isr: [2],
      options: () => ({ leaderRecoveryState: 7 }),
      code: Errors.INVALID_REQUEST,
    },
    {
      what: "another life of the sender",
      isr: [2],
      options: () => ({ brokerEpoch: 1 }),
      code: Errors.STALE_BROKER_EPOCH,
    },
    {
      what: "another life of a member (KIP-903)",
      isr: [2, 1],
      options: (t) => ({
        newIsrWithEpochs: [
          { brokerId: 2, brokerEpoch: t.epochOf(2) },
          { brokerId: 1, brokerEpoch: 0 },
        ],
      }),
      code: Errors.INELIGIBLE_REPLICA,
    },
    {
      what: "members without epochs, as version 2 has them",
      isr: [],
      options: () => ({ newIsrWithEpochs: [], newIsr: [2, 1, 3] }),
      code: 0,
    },
  ]

for (const { what, isr, options, code } of table)
  test(`${what}: ${code}`, () => {
    const t = cluster()
    const before = t.partition("a")
    assert.equal(t.alterIsr("a", isr, options?.(t)), code)
    if (code !== 0) assert.equal(t.partition("a"), before)
  })

// KIP-858. Its leader may not have heard yet, and tell what the replica had.
test("a member whose directory is gone cannot join before it is somewhere else", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.start([3], { logDirs: [directoryOf(3), directoryOf(3, 1)] })
  t.topic("a", [[1, 2, 3]])
  t.heartbeat(3, { offlineLogDirs: [directoryOf(3)] })
  assert.deepEqual(t.partition("a").isr, [1, 2])
  assert.equal(t.alterIsr("a", [1, 2, 3]), Errors.INELIGIBLE_REPLICA)
})

for (const [what, change] of [
  ["fenced", (t: ClusterTest) => void t.fence(3)],
  ["on its way out", (t: ClusterTest) => void t.heartbeat(3, { wantShutDown: true })],
  [
    "not registered",
    (t: ClusterTest) => void t.apply([{ type: "UnregisterBrokerRecord", value: { brokerId: 3, brokerEpoch: 0 } }]),
  ],
] as const)
  test(`a member that is ${what} cannot join (KIP-841)`, () => {
    const t = cluster()
    t.topic("b", [[3]])
    change(t)
    assert.equal(t.alterIsr("a", [2, 1, 3]), Errors.INELIGIBLE_REPLICA)
  })

test("an unknown topic id fails alone, and so does a partition named twice", () => {
  const t = cluster()
  const { leaderEpoch, partitionEpoch } = t.partition("a")
  const proposal = {
    partitionIndex: 0,
    leaderEpoch,
    partitionEpoch,
    newIsr: [],
    newIsrWithEpochs: [{ brokerId: 2, brokerEpoch: -1 }],
  }
  const { response, records } = alterPartition(
    t.view,
    api.request.create({
      brokerId: 2,
      brokerEpoch: t.epochOf(2),
      topics: [
        { topicId: idOf("gone", 0), partitions: [proposal] },
        { topicId: idOf("a", 0), partitions: [proposal, proposal] },
      ],
    }),
  )
  assert.deepEqual(
    response.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode)),
    [[Errors.UNKNOWN_TOPIC_ID], [0, Errors.INVALID_REQUEST]],
  )
  assert.equal(records.length, 1)
})

test("a smaller ISR has no new leader epoch (KAFKA-15021), and the answer tells what there is now", () => {
  const t = cluster()
  const { leaderEpoch, partitionEpoch } = t.partition("a")
  assert.equal(t.alterIsr("a", [2]), 0)
  const after = t.partition("a")
  assert.deepEqual([after.leaderEpoch, after.partitionEpoch, after.isr], [leaderEpoch, partitionEpoch + 1, [2]])
})

test("below the minimum, who leaves the ISR is an eligible leader, until the minimum is reached again (KIP-966)", () => {
  const t = new ClusterTest()
  t.start([1, 2, 3])
  t.topic("a", [[1, 2, 3]], { minInsyncReplicas: 2 })
  const states: string[] = []
  for (const isr of [[1, 2], [1], [1, 3]]) {
    assert.equal(t.alterIsr("a", isr), 0)
    states.push(t.state("a"))
  }
  assert.deepEqual(states, ["1@0 isr 1,2", "1@0 isr 1 elr 2", "1@0 isr 1,3"])
})

test("a leader that recovered from an unclean election says so with its first proposal", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]], { uncleanLeaderElectionEnable: true })
  t.alterIsr("a", [1])
  t.fence(1)
  assert.equal(t.state("a"), "2@1 isr 2 recovering")
  t.unfence(1)
  assert.equal(t.alterIsr("a", [2, 1], { leaderRecoveryState: 1 }), Errors.INVALID_REQUEST)
  assert.equal(t.alterIsr("a", [2, 1]), 0)
  assert.equal(t.state("a"), "2@1 isr 2,1")
})
