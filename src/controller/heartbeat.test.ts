import assert from "node:assert/strict"
import { test } from "node:test"
import { place } from "./topic-assignment.js"
import { staleEpoch } from "./heartbeat.js"
import { ClusterTest, directoryOf } from "./testing/cluster-test.js"

type Start = "fenced" | "unfenced" | "leading" | "controlled-shutdown" | "handed-over"

function cluster(start: Start): ClusterTest {
  const t = new ClusterTest()
  t.start([2])
  t.register(1)
  if (start === "fenced") return t
  t.unfence(1)
  if (start === "leading") t.topic("a", [[1, 2]])
  if (start === "unfenced") return t
  if (start === "controlled-shutdown" || start === "handed-over") {
    t.topic("a", [[1, 2]])
    t.heartbeat(1, { wantShutDown: true })
  }
  return t
}

// KIP-631, KIP-841: every state, every wish.
const table: readonly [
  Start,
  { wantFence?: boolean; wantShutDown?: boolean; behind?: boolean; othersAt?: number },
  string,
][] = [
  ["fenced", {}, "unfenced"],
  ["fenced", { behind: true }, "fenced"],
  ["fenced", { wantFence: true }, "fenced"],
  ["fenced", { wantShutDown: true }, "shutdown-now"],
  ["fenced", { wantFence: true, wantShutDown: true }, "shutdown-now"],
  ["unfenced", {}, "unfenced"],
  ["unfenced", { behind: true }, "unfenced"],
  ["unfenced", { wantFence: true }, "fenced"],
  ["unfenced", { wantFence: true, wantShutDown: true }, "shutdown-now"],
  ["unfenced", { wantShutDown: true }, "shutdown-now"],
  ["leading", {}, "unfenced"],
  ["leading", { wantShutDown: true }, "controlled-shutdown"],
  ["leading", { wantFence: true }, "fenced"],
  ["controlled-shutdown", {}, "controlled-shutdown"],
  ["controlled-shutdown", { wantShutDown: true, othersAt: 4 }, "controlled-shutdown"],
  ["handed-over", { wantShutDown: true, othersAt: 5 }, "shutdown-now"],
]

for (const [start, { behind = false, othersAt = 0, ...wants }, expected] of table) {
  const said = Object.entries({ behind, othersAt, ...wants }).flatMap(([name, value]) =>
    value ? [`${name} ${value}`] : [],
  )
  test(`heartbeat: ${start}, ${said.join(", ") || "nothing asked"}: ${expected}`, () => {
    const t = cluster(start)
    const result = t.heartbeat(
      1,
      { ...wants, ...(behind && { currentMetadataOffset: t.epochOf(1) - 1 }) },
      { shutdownOffset: 5, lowestActiveOffset: othersAt },
    )
    assert.deepEqual(result, { state: expected, isCaughtUp: !behind })
    const { fenced, inControlledShutdown } = t.image.brokers.get(1)!
    assert.equal(fenced, expected === "fenced" || expected === "shutdown-now")
    if (expected === "controlled-shutdown") assert.equal(inControlledShutdown, true)
  })
}

test("a heartbeat of another life is stale (KIP-631)", () => {
  const t = cluster("unfenced")
  assert.equal(staleEpoch(t.view, 1, t.epochOf(1)), undefined)
  assert.equal(staleEpoch(t.view, 1, 0)?.errorMessage, `Expected broker epoch ${t.epochOf(1)}, but got broker epoch 0`)
  assert.equal(staleEpoch(t.view, 9, 0)?.errorMessage, "No broker registration found for broker id 9")
})

test("a broker that wants to stop leads nothing and is in no ISR before it is told that it may (KIP-841)", () => {
  const t = new ClusterTest()
  t.start([1, 2, 3])
  t.topic("a", [
    [1, 2, 3],
    [2, 1, 3],
    [3, 2],
  ])
  t.heartbeat(1, { wantShutDown: true })
  assert.deepEqual(
    [0, 1, 2].map((id) => t.state("a", id)),
    ["2@1 isr 2,3", "2@0 isr 2,3", "3@0 isr 3,2"],
  )
  // The second one finds nothing to do.
  const offset = t.image.offset
  t.heartbeat(1, { wantShutDown: true }, { shutdownOffset: 9, lowestActiveOffset: 8 })
  assert.equal(t.image.offset, offset)
})

test("a directory that failed takes its replicas out of leaderships and ISRs, and leaves the others alone (KIP-858)", () => {
  for (const survivesCrash of [true, false]) {
    const t = new ClusterTest()
    t.start([2])
    t.start([1], { logDirs: [directoryOf(1, 0), directoryOf(1, 1)] })
    t.topic("a", [[1, 2]], { minInsyncReplicas: 2, survivesCrash })
    t.heartbeat(1, { offlineLogDirs: [directoryOf(1, 1)] })
    assert.equal(t.state("a"), "1@0 isr 1,2")
    assert.deepEqual(t.image.brokers.get(1)!.logDirs, [directoryOf(1, 0)])
    // Told again, it changes nothing.
    const offset = t.image.offset
    t.heartbeat(1, { offlineLogDirs: [directoryOf(1, 1)] })
    assert.equal(t.image.offset, offset)
  }
})

test("what was in a failed directory remains an eligible leader only under a policy that survives it", () => {
  for (const [survivesCrash, elr] of [
    [true, " elr 1"],
    [false, ""],
  ] as const) {
    const t = new ClusterTest()
    t.start([2])
    t.start([1], { logDirs: [directoryOf(1, 0), directoryOf(1, 1)] })
    t.topic("a", [[1, 2]], { minInsyncReplicas: 2, survivesCrash })
    t.heartbeat(1, { offlineLogDirs: [directoryOf(1, 0)] })
    assert.equal(t.state("a"), `2@1 isr 2${elr}`)
    t.heartbeat(2, { wantFence: true })
    // Nobody can lead: the one is fenced, and the other's directory is away.
    assert.match(t.state("a"), /^-1@2 isr {2}elr /)
  }
})

test("a broker whose directories have all failed is fenced, and stays so", () => {
  const t = cluster("leading")
  assert.equal(t.heartbeat(1, { offlineLogDirs: [directoryOf(1)] }).state, "fenced")
  assert.equal(t.state("a"), "2@1 isr 2")
  assert.equal(t.heartbeat(1, { offlineLogDirs: [directoryOf(1)] }).state, "fenced")
})

test("a broker that comes with a failed directory is unfenced once the controller has taken it down", () => {
  const t = new ClusterTest()
  t.start([1], { logDirs: [directoryOf(1, 0), directoryOf(1, 1)] })
  t.topic("a", [[1]])
  t.fence(1)
  assert.equal(t.heartbeat(1, { offlineLogDirs: [directoryOf(1, 0)] }).state, "fenced")
  assert.equal(t.heartbeat(1, { offlineLogDirs: [directoryOf(1, 0)] }).state, "unfenced")
  assert.equal(t.state("a"), "-1@1 isr  elr 1 last 1")
})

test("directories that take no new replicas are noted (KIP-1066)", () => {
  const t = cluster("unfenced")
  t.heartbeat(1, { cordonedLogDirs: [directoryOf(1)] })
  assert.deepEqual(t.image.brokers.get(1)!.cordonedLogDirs, [directoryOf(1)])
  t.heartbeat(1, { cordonedLogDirs: null })
  assert.deepEqual(t.image.brokers.get(1)!.cordonedLogDirs, [directoryOf(1)])
})

test("brokers whose directories are all cordoned get no new replicas, and those with another one do (KIP-1066)", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.start([3], { logDirs: [directoryOf(3, 0), directoryOf(3, 1)] })
  t.heartbeat(1, { cordonedLogDirs: [directoryOf(1)] })
  t.heartbeat(3, { cordonedLogDirs: [directoryOf(3, 1)] })
  const defaults = {
    numPartitions: 1,
    replicationFactor: 1,
    configProblem: () => undefined,
    newUuid: () => "",
    randomInt: () => 0,
  }
  const placed = place(t.image, 0, 6, 2, defaults)
  assert.ok("ok" in placed && placed.ok.every((replicas) => [...replicas].sort().join() === "2,3"))
  const refused = place(t.image, 0, 1, 3, defaults)
  assert.match("failure" in refused ? refused.failure.errorMessage! : "", /only 2 broker\(s\) .* not cordoned/)
})

test("a broker that was stuck hands over to others of its ISRs, stays in them, and keeps what nobody else can lead", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2], [1]], { uncleanLeaderElectionEnable: true })
  t.topic("b", [[1, 2]], { uncleanLeaderElectionEnable: true })
  t.alterIsr("b", [1])
  t.demoted.add(1)
  t.heartbeat(1)
  assert.deepEqual([t.state("a", 0), t.state("a", 1), t.state("b")], ["2@1 isr 1,2", "1@0 isr 1", "1@0 isr 1"])
  // As soon as somebody else is in sync, it takes over.
  assert.equal(t.alterIsr("b", [1, 2]), 108)
  assert.equal(t.state("b"), "2@1 isr 1,2")
})

test("where all who could lead were stuck, leaders stay", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[2, 1]])
  t.demoted.add(1).add(2)
  t.heartbeat(1)
  t.heartbeat(2)
  assert.equal(t.state("a"), "2@0 isr 2,1")
})

test("a broker whose disk hangs leaves the ISRs that have enough without it, and does not join one before it moves", () => {
  const t = new ClusterTest()
  t.start([1, 2, 3])
  t.topic(
    "a",
    [
      [1, 2, 3],
      [2, 1],
    ],
    { minInsyncReplicas: 2 },
  )
  t.topic("b", [[2, 1]])
  t.topic("c", [[1]])
  t.demoted.add(1)
  t.stuck.add(1)
  t.heartbeat(1)
  assert.deepEqual(
    [t.state("a", 0), t.state("a", 1), t.state("b"), t.state("c")],
    ["2@1 isr 2,3", "2@0 isr 2,1", "2@0 isr 2", "1@0 isr 1"],
  )
  assert.equal(t.alterIsr("b", [2, 1]), 107)
  t.stuck.clear()
  assert.equal(t.alterIsr("b", [2, 1]), 0)
  assert.equal(t.state("b"), "2@0 isr 2,1")
})

test("a broker whose disk hangs hands over where it may not leave, and nobody counts on another that hangs", () => {
  const t = new ClusterTest()
  t.start([1, 2, 3])
  t.topic("a", [[1, 2]], { minInsyncReplicas: 2 })
  t.topic("b", [[1, 2, 3]])
  t.demoted.add(1).add(3)
  t.stuck.add(1).add(3)
  t.heartbeat(1)
  t.heartbeat(3)
  assert.deepEqual([t.state("a"), t.state("b")], ["2@1 isr 1,2", "2@1 isr 2"])
})
