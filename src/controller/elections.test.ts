import assert from "node:assert/strict"
import { test } from "node:test"
import { balanceLeaders, electionsPerPassMax, electLeaders, electUncleanLeaders, everyPartition } from "./elections.js"
import { ClusterTest } from "./testing/cluster-test.js"

function elect(t: ClusterTest, unclean: boolean): number {
  const { records, results } = electLeaders(t.view, [{ topic: "a", partitions: [0] }], { unclean })
  t.apply(records)
  return results[0]![0]!.errorCode
}

test("the leader stays the leader while it can; then the first replica in sync that lives leads", () => {
  const t = new ClusterTest()
  t.start([1, 2, 3])
  t.topic("a", [[1, 2, 3]])
  t.alterIsr("a", [3, 1, 2])
  t.fence(1)
  assert.equal(t.state("a"), "2@1 isr 3,2")
  t.unfence(1)
  assert.equal(t.alterIsr("a", [1, 2, 3]), 0)
  assert.equal(t.state("a"), "2@1 isr 1,2,3")
})

test("elections are clean unless the topic allows others (KIP-106)", () => {
  for (const [uncleanLeaderElectionEnable, expected] of [
    [false, "-1@1 isr  elr 1 last 1"],
    [true, "2@1 isr 2 recovering"],
  ] as const) {
    const t = new ClusterTest()
    t.start([1, 2])
    t.topic("a", [[1, 2]], { uncleanLeaderElectionEnable })
    t.alterIsr("a", [1])
    t.fence(1)
    assert.equal(t.state("a"), expected)
  }
})

test("without eligible leader replicas the last member stays in the ISR, and leads again when it is back", () => {
  const t = new ClusterTest({ elr: false })
  t.start([1, 2])
  t.topic("a", [[1, 2]])
  t.alterIsr("a", [1])
  t.fence(1)
  assert.equal(t.state("a"), "-1@1 isr 1")
  t.unfence(1)
  assert.equal(t.state("a"), "1@2 isr 1")
})

test("an eligible leader leads when it is the first to come back, and is alone in the ISR (KIP-966)", () => {
  const t = new ClusterTest()
  t.start([1, 2, 3])
  t.topic("a", [[1, 2, 3]], { minInsyncReplicas: 2 })
  for (const id of [3, 2, 1]) t.fence(id)
  assert.equal(t.state("a"), "-1@1 isr  elr 2,1 last 1")
  t.unfence(3)
  assert.equal(t.state("a"), "-1@1 isr  elr 2,1 last 1")
  t.unfence(2)
  assert.equal(t.state("a"), "2@2 isr 2 elr 1")
  t.unfence(1)
  assert.equal(t.alterIsr("a", [2, 1]), 0)
  assert.equal(t.state("a"), "2@2 isr 2,1")
})

test("with no eligible leader left the last one is elected, and recovers (KIP-966, balanced recovery)", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]], { survivesCrash: false })
  t.fence(2)
  t.fence(1)
  t.register(2)
  t.unfence(2)
  assert.equal(t.state("a"), "-1@1 isr  elr 1 last 1")
  t.register(1)
  assert.equal(t.state("a"), "-1@1 isr  last 1")
  t.unfence(1)
  assert.equal(t.state("a"), "1@2 isr 1 recovering")
})

test("a leader elected under a minimum that was lowered meanwhile has no eligible successors: it commits alone", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]], { minInsyncReplicas: 2 })
  t.fence(2)
  t.fence(1)
  assert.equal(t.state("a"), "-1@1 isr  elr 2,1 last 1")
  t.settings.set("a", { minInsyncReplicas: 1 })
  t.unfence(1)
  assert.equal(t.state("a"), "1@2 isr 1")
})

test("elections by request: preferred, or anybody alive (KIP-183, KIP-460)", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]])
  assert.equal(elect(t, false), 84)
  t.fence(1)
  assert.equal(elect(t, false), 80)
  assert.equal(elect(t, true), 84)
  t.unfence(1)
  assert.equal(elect(t, false), 80)
  t.alterIsr("a", [2, 1])
  assert.equal(elect(t, false), 0)
  assert.equal(t.state("a"), "1@2 isr 2,1")
  t.alterIsr("a", [1])
  t.fence(1)
  assert.equal(elect(t, true), 0)
  assert.equal(t.state("a"), "2@4 isr 2 recovering")
  t.fence(2)
  assert.equal(elect(t, true), 83)
  const { results } = electLeaders(
    t.view,
    [
      { topic: "b", partitions: [0] },
      { topic: "a", partitions: [7] },
    ],
    { unclean: false },
  )
  assert.deepEqual(
    results.flat().map(({ errorCode, errorMessage }) => [errorCode, errorMessage]),
    [
      [3, "No such topic as b"],
      [3, "No such partition as a-7"],
    ],
  )
  assert.deepEqual(everyPartition(t.view), [{ topic: "a", partitions: [0] }])
})

test("leaders go back to their preferred brokers, so many at a time, but not to one that was stuck", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic(
    "a",
    Array.from({ length: electionsPerPassMax + 1 }, () => [1, 2]),
  )
  t.fence(1)
  t.unfence(1)
  assert.deepEqual(balanceLeaders(t.view), { records: [], isMore: false })
  for (let id = 0; id <= electionsPerPassMax; id++) t.alterIsr("a", [2, 1], { partition: id })
  t.demoted.add(1)
  assert.deepEqual(balanceLeaders(t.view), { records: [], isMore: false })
  t.demoted.clear()
  const first = balanceLeaders(t.view)
  assert.deepEqual([first.records.length, first.isMore], [electionsPerPassMax, true])
  t.apply(first.records)
  const second = balanceLeaders(t.view)
  assert.deepEqual([second.records.length, second.isMore], [1, false])
})

test("where unclean elections are allowed afterwards, they are held by time", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]])
  t.alterIsr("a", [1])
  t.fence(1)
  assert.equal(electUncleanLeaders(t.view).records.length, 0)
  t.settings.set("a", { uncleanLeaderElectionEnable: true })
  t.apply(electUncleanLeaders(t.view).records)
  assert.equal(t.state("a"), "2@2 isr 2 recovering")
})
