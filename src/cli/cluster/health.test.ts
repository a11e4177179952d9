import assert from "node:assert/strict"
import { test } from "node:test"
import type { ClusterState } from "./cluster-state.js"
import { healthOf, lossOf } from "./health.js"
import { broker, cluster, partition, quorum, voter } from "./testing/states.js"

test("a cluster in which all is well has no problems", () => {
  assert.deepEqual(healthOf(cluster()), [])
})

const sick: [string, Partial<ClusterState>, string, readonly string[]][] = [
  [
    "a partition without a leader",
    { partitions: [partition(0, [1, 2], { leader: -1, isr: [1] })] },
    "leaderless",
    ["t-0"],
  ],
  [
    "too few in-sync replicas to write",
    { partitions: [partition(0, [1, 2, 3], { isr: [1] })] },
    "under-min-isr",
    ["t-0"],
  ],
  ["a replica out of sync", { partitions: [partition(0, [1, 2, 3], { isr: [1, 2] })] }, "under-replicated", ["t-0"]],
  ["a fenced broker", { brokers: [broker(1), broker(2, { fenced: true })] }, "fenced-broker", ["2"]],
  ["a quorum without a leader", { quorum: quorum([voter(1)], -1) }, "no-quorum", []],
  ["a quorum that does not answer", { quorum: "no answer" }, "no-quorum", []],
  ["a voter that is silent", { quorum: quorum([voter(1), voter(2, { silentMs: 60_000 })]) }, "quorum-lag", ["2"]],
  [
    "a voter that never fetched",
    { quorum: quorum([voter(1), voter(2, { silentMs: undefined })]) },
    "quorum-lag",
    ["2"],
  ],
  ["a voter far behind", { quorum: quorum([voter(1), voter(2, { lag: 5000 })]) }, "quorum-lag", ["2"]],
]
for (const [rule, fields, kind, affected] of sick) {
  test(`${rule} is a problem`, () => {
    const problem = healthOf(cluster(fields)).find((each) => each.kind === kind)
    assert.deepEqual(problem?.affected, affected)
  })
}

test("replicas that a reassignment is bringing in are no problem", () => {
  const moving = partition(0, [1, 2, 3, 4], { isr: [1, 2, 3], adding: [4], removing: [1] })
  assert.deepEqual(healthOf(cluster({ partitions: [moving] })), [])
})

const losses: [string, Partial<ClusterState>, number[], RegExp | undefined][] = [
  ["one of three", {}, [1], undefined],
  ["two of three", {}, [1, 2], /2 partitions would fall below min\.insync\.replicas/],
  ["the only replica", { partitions: [partition(0, [2])] }, [2], /1 partition would have no leader \(t-0\)/],
  ["the only one in sync", { partitions: [partition(0, [1, 2, 3], { isr: [2] })] }, [2], /no leader/],
  [
    "a voter while another lags",
    { quorum: quorum([voter(1), voter(2, { lag: 1e6 }), voter(3)]) },
    [3],
    /lose its majority/,
  ],
  ["the only voter", { quorum: quorum([voter(1)]) }, [1], /majority \(0 of 1 voters left, 1 needed\)/],
]
for (const [rule, fields, ids, expected] of losses) {
  test(`${rule} ${expected === undefined ? "can" : "cannot"} be missed`, () => {
    const reasons = lossOf(cluster(fields), new Set(ids)).join("; ")
    if (expected === undefined) assert.equal(reasons, "")
    else assert.match(reasons, expected)
  })
}
