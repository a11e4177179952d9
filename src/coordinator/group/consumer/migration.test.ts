import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../../protocol/errors.js"
import { ClassicGroup } from "../classic/classic-group.js"
import { errorName, groupId } from "./testing/consumer-test.js"
import { initialDelayMs, MigrationTest } from "./testing/migration-test.js"

const twoClassic = () => MigrationTest.classicGroup({ a: ["t-0", "t-1"], b: ["t-2", "t-3"] }, { t: 4 })

test("a member of the consumer protocol turns a classic group into a consumer group; the others stay members and keep what they have", () => {
  const group = twoClassic()
  const generation = group.client("a").epoch
  assert.equal(group.join("c"), "NONE")
  assert.equal(group.kind, "consumer")
  assert.equal(group.group.classicMembers, 2)
  assert.equal(group.holds("a"), "t-0 t-1")
  assert.equal(group.client("c").epoch, generation + 1)
  assert.equal(group.holds("c"), "")
  assert.equal(group.classicBeat("a"), "REBALANCE_IN_PROGRESS")
  group.settleBoth(["a", "b"], ["c"])
  assert.equal(group.holds("a").split(" ").length + group.holds("b").split(" ").length, 3)
  assert.equal(group.client("c").holds.size, 1)
  assert.equal(new Set([...group.client("a").holds, ...group.client("b").holds, ...group.client("c").holds]).size, 4)
})

test("a conversion survives the move of the coordinator, sessions of classic members included", () => {
  const group = twoClassic()
  group.join("c")
  group.harness.reload()
  assert.equal(group.group.classicMembers, 2)
  group.settleBoth(["a", "b"], ["c"])
  for (let passed = 0; passed < 60_000; passed += 5000) {
    group.advance(5000)
    group.beat("c")
    if (group.kind === "consumer") group.classicBeat("a")
  }
  assert.ok(!group.group.members.has(group.client("b").memberId), "b was not heard of")
})

test("a classic member joins a consumer group and is served its assignment", () => {
  const group = new MigrationTest({ t: 4 })
  group.join("a")
  assert.equal(errorName(group.classicJoin("b").answer), "NONE")
  assert.equal(errorName(group.classicSync("b").answer), "NONE")
  group.advance(1000)
  group.settleBoth(["b"], ["a"])
  assert.equal(group.client("a").holds.size, 2)
  assert.equal(group.client("b").holds.size, 2)
  assert.equal(errorName(group.classicLeave("b").answer), "NONE")
  group.settle(["a"])
  assert.equal(group.client("a").holds.size, 4)
})

test("the group is classic again when the last member of the consumer protocol has left", () => {
  const group = twoClassic()
  group.join("c")
  group.settleBoth(["a", "b"], ["c"])
  assert.equal(group.leave("c"), "NONE")
  assert.equal(group.kind, "classic")
  const classic = group.harness.groups.get(groupId) as ClassicGroup
  assert.equal(classic.state, "PreparingRebalance")
  assert.equal(classic.members.size, 2)
  assert.equal(group.classicBeat("a"), "REBALANCE_IN_PROGRESS")
  group.harness.reload()
  assert.equal(group.kind, "classic")
  assert.equal((group.harness.groups.get(groupId) as ClassicGroup).generationId, classic.generationId)
})

test("a coordinator that takes over right after a group became classic again begins the rebalance that is due", () => {
  const group = twoClassic()
  group.join("c")
  group.settleBoth(["a", "b"], ["c"])
  group.leave("c")
  group.harness.reload()
  assert.equal((group.harness.groups.get(groupId) as ClassicGroup).state, "PreparingRebalance")
  assert.equal(group.classicBeat("a"), "REBALANCE_IN_PROGRESS", "what c had belongs to nobody")
})

test("a session that ends turns the group back, too", () => {
  const group = twoClassic()
  group.join("c")
  group.settleBoth(["a", "b"], ["c"])
  for (let passed = 0; passed < 50_000; passed += 5000) {
    group.advance(5000)
    for (const name of ["a", "b"]) group.classicBeat(name)
  }
  assert.equal(group.kind, "classic")
})

test("the policy decides", () => {
  for (const policy of ["disabled", "downgrade"] as const) {
    const group = twoClassic()
    ;(group.harness.settings as { consumerMigrationPolicy: string }).consumerMigrationPolicy = policy
    group.harness.reload()
    assert.equal(group.join("c"), "GROUP_ID_NOT_FOUND", policy)
    assert.equal(group.kind, "classic")
  }
  const group = new MigrationTest({ t: 4 }, { settings: { consumerMigrationPolicy: "upgrade" } })
  group.join("a")
  group.classicJoin("b")
  group.classicSync("b")
  group.leave("a")
  assert.equal(group.kind, "consumer", "it may not be turned back")
})

test("a group that cannot be understood is not converted, and goes on", () => {
  const group = new MigrationTest({ t: 4 })
  group.classicJoin("a", { metadata: Buffer.from("nonsense") })
  group.advance(initialDelayMs)
  assert.equal(group.join("c"), "GROUP_ID_NOT_FOUND")
  assert.equal(group.kind, "classic")
  const connect = new MigrationTest({ t: 4 })
  connect.classicJoin("a", { protocolType: "connect" })
  connect.advance(initialDelayMs)
  assert.equal(connect.join("c"), "GROUP_ID_NOT_FOUND")
})

test("an empty group gives way, either way", () => {
  const group = twoClassic()
  for (const name of ["a", "b"]) group.classicLeave(name)
  group.advance(initialDelayMs)
  assert.equal((group.harness.groups.get(groupId) as ClassicGroup).state, "Empty")
  assert.equal(group.join("c"), "NONE")
  assert.equal(group.kind, "consumer")
  assert.equal(group.holds("c"), "t-0 t-1 t-2 t-3")
  group.leave("c")
  assert.equal(group.kind, "consumer")
  group.client("a").memberId = ""
  group.classicJoin("a")
  assert.equal(group.kind, "classic")
  group.advance(initialDelayMs)
  assert.equal(group.client("a").epoch, 1)
  group.harness.reload()
  assert.equal(group.kind, "classic")
})

test("a join that waited in the classic group is told to come again", () => {
  const group = twoClassic()
  const waiting = group.classicJoin("d")
  assert.ok(!waiting.isAnswered)
  group.join("c")
  assert.ok(waiting.isAnswered)
  assert.notEqual(errorName(waiting.answer), "NONE")
})

test("a conversion that cannot be written leaves the group as it was", () => {
  const up = twoClassic()
  up.harness.refuseNextWrite(Errors.RECORD_LIST_TOO_LARGE)
  assert.equal(up.join("c"), "UNKNOWN_SERVER_ERROR")
  assert.equal(up.kind, "classic")
  assert.equal(up.classicBeat("a"), "NONE")

  const down = twoClassic()
  down.join("c")
  down.settleBoth(["a", "b"], ["c"])
  down.harness.refuseNextWrite(Errors.RECORD_LIST_TOO_LARGE)
  assert.equal(errorName(down.send("c", { memberEpoch: -1 }, "c leaves").answer), "UNKNOWN_SERVER_ERROR")
  assert.equal(down.kind, "consumer")
  assert.equal(down.classicBeat("a"), "NONE")
  assert.equal(down.beat("c"), "NONE")
})

test("a classic member's errors are those of the classic protocol", () => {
  const group = new MigrationTest({ t: 4 })
  group.join("a")
  assert.equal(errorName(group.classicJoin("b", { protocolType: "connect" }).answer), "INCONSISTENT_GROUP_PROTOCOL")
  assert.equal(errorName(group.classicJoin("b", { metadata: Buffer.from("x") }).answer), "INCONSISTENT_GROUP_PROTOCOL")
  group.classicJoin("b")
  assert.equal(errorName(group.classicJoin("d", { protocol: "range" }).answer), "INCONSISTENT_GROUP_PROTOCOL")
  const b = group.client("b")
  b.epoch += 5
  assert.equal(group.classicBeat("b"), "ILLEGAL_GENERATION")
  assert.equal(errorName(group.classicSync("b").answer), "ILLEGAL_GENERATION")
  b.epoch -= 5
  assert.equal(group.classicBeat("b"), "NONE")
  const a = group.client("a")
  b.memberId = a.memberId
  assert.equal(group.classicBeat("b"), "UNKNOWN_MEMBER_ID", "a does not speak the classic protocol")
  b.memberId = "nobody"
  assert.equal(group.classicBeat("b"), "UNKNOWN_MEMBER_ID")
  assert.deepEqual(group.classicLeave("b").answer.members.map(errorName), ["UNKNOWN_MEMBER_ID"])
})

test("a classic member that does not rejoin in time is removed", () => {
  const group = new MigrationTest({ t: 4 })
  group.classicJoin("b")
  group.advance(initialDelayMs)
  group.classicSync("b", { b: ["t-0", "t-1", "t-2", "t-3"] })
  group.join("a")
  for (let passed = 0; passed < 65_000; passed += 5000) {
    group.classicBeat("b")
    group.beat("a")
    group.advance(5000)
  }
  group.beat("a")
  assert.equal(group.group.members.size, 1)
  assert.equal(group.holds("a"), "t-0 t-1 t-2 t-3")
})

test("a static member changes its protocol in its place, both ways", () => {
  const group = MigrationTest.classicGroup({ a: ["t-0", "t-1"], b: ["t-2", "t-3"] }, { t: 4 })
  group.classicLeave("a")
  group.advance(initialDelayMs)
  const s = new MigrationTest({ t: 2 })
  s.classicJoin("s", { instanceId: "i" })
  s.advance(initialDelayMs)
  s.classicSync("s", { s: ["t-0", "t-1"] })
  // The same instance, now with the other protocol.
  s.client("s2").instanceId = "i"
  assert.equal(s.join("s2", { instanceId: "i" }), "NONE")
  assert.equal(s.group.members.size, 1)
  assert.equal(s.group.classicMembers, 0)
  assert.equal(s.holds("s2"), "t-0 t-1")
  // And back: the group follows.
  s.client("s3").instanceId = "i"
  s.client("s3").memberId = ""
  assert.equal(errorName(s.classicJoin("s3", { instanceId: "i" }).answer), "NONE")
  s.advance(1)
  assert.equal(s.kind, "classic")
  s.classicTurn("s3")
  s.advance(initialDelayMs)
  assert.equal(s.harness.groups.get(groupId) instanceof ClassicGroup, true)
})
