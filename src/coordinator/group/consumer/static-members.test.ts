import assert from "node:assert/strict"
import { test } from "node:test"
import { leavingStaticEpoch } from "./consumer-member.js"
import { ConsumerTest, errorName } from "./testing/consumer-test.js"

const options = { settings: { consumerAssignmentIntervalMs: () => 0 } }

function withStatic(): ConsumerTest {
  const group = new ConsumerTest({ t: 4 }, options)
  group.join("s", { instanceId: "i" })
  group.join("a")
  group.settle()
  return group
}

test("a static member that left for a while finds its place again under another member id, without a rebalance", () => {
  const group = withStatic()
  const held = group.holds("s")
  assert.equal(group.leaveForAWhile("s"), "NONE")
  assert.equal(group.group.members.get("s")?.memberEpoch, leavingStaticEpoch)
  const epoch = group.group.groupEpoch
  group.advance(20_000)
  group.beat("a")
  assert.equal(group.client("a").holds.size, 2, "its partitions are kept for it")
  assert.equal(group.join("s2", { instanceId: "i" }), "NONE")
  assert.equal(group.holds("s2"), held)
  assert.equal(group.group.groupEpoch, epoch)
  assert.equal(group.group.members.size, 2)
  assert.ok(!group.group.members.has("s"))
  assert.equal(group.state, "Stable")
})

test("an instance that is in use is not given to another", () => {
  const group = withStatic()
  assert.equal(group.join("s2", { instanceId: "i" }), "UNRELEASED_INSTANCE_ID")
  assert.equal(group.join("s", { instanceId: "i" }), "NONE", "it may start over itself")
})

test("the member that was replaced is fenced", () => {
  const group = withStatic()
  group.leaveForAWhile("s")
  group.join("s2", { instanceId: "i" })
  assert.equal(errorName(group.send("s", { memberEpoch: 2, instanceId: "i" }, "s asks").answer), "FENCED_INSTANCE_ID")
  assert.equal(
    errorName(group.send("s", { memberEpoch: -1, instanceId: "i" }, "s leaves").answer),
    "FENCED_INSTANCE_ID",
  )
  assert.equal(errorName(group.send("s", { memberEpoch: 2, instanceId: "j" }, "s asks").answer), "UNKNOWN_MEMBER_ID")
  assert.equal(errorName(group.send("s", { memberEpoch: 2, instanceId: null }, "s asks").answer), "UNKNOWN_MEMBER_ID")
})

test("who does not come back within its session loses its place", () => {
  const group = withStatic()
  group.leaveForAWhile("s")
  for (let passed = 0; passed < 50_000; passed += 5000) {
    group.advance(5000)
    group.beat("a")
  }
  assert.equal(group.group.members.size, 1)
  group.settle(["a"])
  assert.equal(group.client("a").holds.size, 4)
})

test("a static member can leave for good", () => {
  const group = withStatic()
  assert.equal(group.leave("s"), "NONE")
  assert.equal(group.group.members.size, 1)
})

test("what a member was to let go of is free when it leaves for a while", () => {
  const group = new ConsumerTest({ t: 4 }, options)
  group.join("s", { instanceId: "i" })
  group.beat("s")
  group.join("a")
  group.beat("s")
  group.leaveForAWhile("s")
  group.beat("a")
  assert.equal(group.client("a").holds.size, 2)
})

test("a replacement comes with its own subscription", () => {
  const group = new ConsumerTest({ t: 2, u: 2 }, options)
  group.join("s", { instanceId: "i", topics: ["t"] })
  group.leaveForAWhile("s")
  group.join("s2", { instanceId: "i", topics: ["u"] })
  group.settle(["s2"])
  assert.equal(group.holds("s2"), "u-0 u-1")
})

test("a replacement is found after the coordinator moved", () => {
  const group = withStatic()
  group.leaveForAWhile("s")
  group.harness.reload()
  assert.equal(group.join("s2", { instanceId: "i" }), "NONE")
  assert.equal(group.client("s2").holds.size, 2)
  group.harness.reload()
  assert.equal(group.beat("s2"), "NONE")
})
