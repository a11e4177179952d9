import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../../protocol/errors.js"
import { ClassicGroup, pendingJoinsMax } from "./classic-group.js"
import { offeredBytesMax } from "./join.js"
import { errorName, GroupTest, groupId, rebalanceTimeoutMs, sessionTimeoutMs } from "./testing/group-test.js"

const uuidText = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

test("a member id is the client id, or the instance id, and a random uuid in Java's text form", () => {
  const group = new GroupTest()
  group.join("a")
  group.join("b", { instanceId: "i-1" })
  group.advance(rebalanceTimeoutMs)
  assert.match(group.memberId("a"), new RegExp(`^client-a-${uuidText}$`))
  assert.match(group.memberId("b"), new RegExp(`^i-1-${uuidText}$`))
})

test("in version 0 the session timeout is the rebalance timeout", () => {
  const group = new GroupTest()
  group.join("a", { version: 0, sessionTimeoutMs: 7000 })
  assert.equal(group.group.rebalanceTimeoutMs, 7000)
})

test("the first rebalance waits for newcomers, in all no longer than the rebalance timeout", () => {
  const group = new GroupTest()
  const first = group.join("m0", { version: 3, rebalanceTimeoutMs: 10_000 })
  let members = 1
  for (let ms = 0; ms < 9000; ms += 1000) {
    group.advance(1000)
    assert.ok(!first.isAnswered, `after ${ms} ms`)
    group.join(`m${members++}`, { version: 3, rebalanceTimeoutMs: 10_000 })
  }
  group.advance(1000)
  assert.equal(first.answer.members?.length, members)
})

test("the first rebalance does not wait where no delay is set", () => {
  const group = new GroupTest({ settings: { initialRebalanceDelayMs: 0 } })
  const first = group.enter("a")
  assert.ok(!first.isAnswered)
  group.advance(1)
  assert.equal(first.answer.generationId, 1)
})

test("a member that joins twice is answered on its new connection, and told to rejoin on the old one", () => {
  const group = GroupTest.stable(["a", "b"])
  const first = group.join("a")
  const second = group.join("a")
  assert.equal(errorName(first.answer), "REBALANCE_IN_PROGRESS")
  group.join("b")
  assert.equal(second.answer.generationId, 2)
})

test("a member that missed the answer to its join gets it again", () => {
  const group = GroupTest.stable(["a", "b"])
  group.join("a")
  const asked = group.join("b")
  const again = group.join("b")
  assert.deepEqual(again.answer, asked.answer)
  assert.equal(group.join("a").answer.members?.length, 2, "the leader its list of members too")
  assert.equal(group.state, "CompletingRebalance")
})

test("a follower that joins again with another subscription begins a rebalance", () => {
  const group = GroupTest.stable(["a", "b"])
  const asked = group.join("b", { protocols: { range: "other topics" } })
  assert.equal(group.state, "PreparingRebalance")
  const leader = group.join("a")
  assert.deepEqual(
    leader.answer.members?.map(({ metadata }) => metadata.toString()),
    ["topics of a", "other topics"],
  )
  assert.deepEqual(asked.answer.members, [])
})

test("an id that was given out is forgotten after the session timeout", () => {
  const group = new GroupTest()
  group.join("a")
  group.advance(sessionTimeoutMs)
  assert.equal(errorName(group.join("a").answer), "UNKNOWN_MEMBER_ID")
})

test("an id that was given out does not become a static member", () => {
  const group = new GroupTest()
  group.join("a")
  assert.equal(errorName(group.join("a", { instanceId: "i-1" }).answer), "UNKNOWN_MEMBER_ID")
})

test("ids that were given out and never used are bounded, and the oldest is forgotten", () => {
  const group = new ClassicGroup(groupId)
  const pending = (index: number) => ({
    memberId: `m${index}`,
    clientId: "",
    clientHost: "",
    sessionKey: "",
    sinceMs: 0,
    timeoutMs: 0,
  })
  for (let index = 0; index < pendingJoinsMax; index++) assert.equal(group.addPendingJoin(pending(index)), undefined)
  assert.equal(group.addPendingJoin(pending(pendingJoinsMax))?.memberId, "m0")
  assert.equal(group.pendingJoins.size, pendingJoinsMax)
})

test("a new member whose client is gone does not stay parked for ever", () => {
  const patient = { rebalanceTimeoutMs: 3_600_000 }
  const group = GroupTest.stable(["a"], {}, () => patient)
  const asked = group.enter("b", patient)
  for (let ms = 0; ms < 300_000; ms += 10_000) {
    assert.ok(!asked.isAnswered)
    group.advance(10_000)
    group.heartbeat("a")
  }
  assert.equal(errorName(asked.answer), "UNKNOWN_MEMBER_ID")
  assert.equal(group.group.members.size, 1)
})

test("the protocol that most members like best, of those that all support", () => {
  const group = GroupTest.stable(["a", "b", "c"], {}, (name) => ({
    protocols: name === "a" ? { range: "", roundrobin: "", sticky: "" } : { sticky: "", roundrobin: "", range: "" },
  }))
  assert.equal(group.group.protocolName, "sticky")
  assert.equal(errorName(group.enter("d", { protocols: { uniform: "" } }).answer), "INCONSISTENT_GROUP_PROTOCOL")
  group.enter("e", { protocols: { uniform: "", range: "" } })
  for (const name of ["a", "b", "c"]) group.join(name)
  assert.equal(group.group.protocolName, "range", "what not all support is out, whoever likes it")
})

test("a member cannot change to protocols that another does not support", () => {
  const group = GroupTest.stable(["a", "b"], {}, () => ({ protocols: { range: "", sticky: "" } }))
  assert.equal(errorName(group.join("a", { protocols: { uniform: "" } }).answer), "INCONSISTENT_GROUP_PROTOCOL")
  group.join("a", { protocols: { range: "" } })
  assert.equal(errorName(group.join("b", { protocols: { sticky: "" } }).answer), "INCONSISTENT_GROUP_PROTOCOL")
})

test("of a protocol that is named twice the first counts", () => {
  const group = new GroupTest()
  const { protocol } = group.harness
  const request = {
    groupId,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [
      { name: "range", metadata: Buffer.from("first") },
      { name: "range", metadata: Buffer.from("second") },
    ],
    reason: null,
  }
  const client = { clientId: "a", clientHost: "/127.0.0.1", version: 3 }
  const asked = group.harness.ask(undefined, (respond, now) => protocol.join(request, client, respond, now))
  group.advance(rebalanceTimeoutMs)
  assert.deepEqual((asked.answer as { members: { metadata: Buffer }[] }).members[0]?.metadata.toString(), "first")
})

test("any protocol type makes a group, and no other can join it", () => {
  const group = GroupTest.stable(["a"], {}, () => ({ protocolType: "connect", protocols: { default: "url" } }))
  assert.deepEqual(group.harness.protocol.listed(group.group), {
    groupState: "Stable",
    protocolType: "connect",
    groupType: "classic",
  })
  const other = group.enter("b", { protocolType: "consumer", protocols: { default: "url" } })
  assert.equal(errorName(other.answer), "INCONSISTENT_GROUP_PROTOCOL")
})

test("an empty group may become one of another type", () => {
  const group = GroupTest.stable(["a"])
  group.leave("a")
  const asked = group.enter("b", { protocolType: "connect", protocols: { default: "url" } })
  group.advance(rebalanceTimeoutMs)
  assert.equal(asked.answer.protocolType, "connect")
  assert.equal(asked.answer.generationId, 3, "generations go on")
})

test("group.max.size: a full group takes no newcomers, and its members stay", () => {
  const group = GroupTest.stable(["a", "b"], { settings: { classicMaxSize: 2 } })
  assert.equal(errorName(group.join("c").answer), "GROUP_MAX_SIZE_REACHED")
  assert.equal(group.heartbeat("b"), "NONE")
  group.join("a")
  assert.equal(errorName(group.join("c").answer), "MEMBER_ID_REQUIRED", "of those that rejoin the first are taken")
  group.join("c")
  assert.equal(errorName(group.join("b").answer), "GROUP_MAX_SIZE_REACHED")
  assert.equal(group.state, "CompletingRebalance", "the group goes on without the one that was refused")
  assert.deepEqual([...group.group.members.keys()].sort(), [group.memberId("a"), group.memberId("c")].sort())
})

test("a group whose members say too much takes no newcomers, and its members stay", () => {
  const group = new GroupTest()
  const large = { version: 3, protocols: { range: Buffer.alloc(offeredBytesMax + 1) } }
  group.join("a", large)
  assert.equal(errorName(group.join("b", { version: 3 }).answer), "GROUP_MAX_SIZE_REACHED")
  assert.equal(group.group.members.size, 1)
  group.advance(rebalanceTimeoutMs)
  group.leave("a")
  assert.equal(group.group.offeredBytes, 0)
  group.join("b", { version: 3 })
  assert.equal(group.group.members.size, 1)
})

test("group.max.size: a group that is too large when it is loaded loses the last to rejoin", () => {
  const names = ["a", "b", "c"]
  const group = GroupTest.stable(names)
  group.harness.settings = { ...group.harness.settings, classicMaxSize: 2 }
  group.harness.reload()
  assert.equal(group.state, "PreparingRebalance")
  assert.equal(group.commit("c"), "NONE", "all get the chance to commit")
  const asked = names.map((name) => group.join(name))
  assert.deepEqual(
    asked.map(({ answer }) => errorName(answer)),
    ["NONE", "NONE", "GROUP_MAX_SIZE_REACHED"],
  )
})

test("a static member that does not rejoin keeps its place until its session is over", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({
    instanceId: `i-${name}`,
    ...(name === "b" ? { sessionTimeoutMs: 300_000 } : {}),
  }))
  group.join("a")
  group.advance(rebalanceTimeoutMs)
  assert.equal(group.state, "CompletingRebalance")
  assert.equal(group.group.members.size, 2)
  group.sync("a", { a: "1", b: "2" })
  assert.equal(group.state, "Stable")
  group.advanceWithHeartbeats(rebalanceTimeoutMs, ["a"])
  assert.equal(group.group.members.has(group.memberId("b")), false, "but it must ask for its assignment")
})

test("a leader that does not rejoin is succeeded by one that did", () => {
  const group = GroupTest.stable(["a", "b"])
  const asked = group.enter("c")
  group.join("b")
  group.advanceWithHeartbeats(rebalanceTimeoutMs, ["a"])
  assert.equal(asked.answer.leader, group.memberId("b"))
})

test("while nobody has rejoined, a group of static members waits for their sessions to end", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({ instanceId: `i-${name}`, sessionTimeoutMs: 300_000 }))
  const c = group.enter("c")
  group.leave("c")
  assert.equal(errorName(c.answer), "UNKNOWN_MEMBER_ID", "whoever leaves is not left waiting")
  group.advance(rebalanceTimeoutMs * 3)
  assert.equal(group.state, "PreparingRebalance")
  assert.equal(group.group.generationId, 1)
  group.advance(300_000)
  assert.equal(group.state, "Empty")
  assert.equal(group.group.generationId, 2)
})

test("a static member that restarts with another protocol begins a rebalance", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({
    instanceId: `i-${name}`,
    protocols: { range: "", sticky: "" },
  }))
  assert.equal(group.group.protocolName, "range")
  group.restart("b")
  const asked = group.join("b", { protocols: { sticky: "" } })
  assert.equal(group.state, "PreparingRebalance")
  group.join("a")
  assert.equal(asked.answer.protocolName, "sticky")
})

test("a static member that restarts during a rebalance takes the place of the old one, which is fenced", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({ instanceId: `i-${name}` }))
  group.join("a")
  const old = group.join("b", { protocols: { range: "changed" } })
  assert.equal(group.state, "CompletingRebalance")
  assert.equal(errorName(old.answer), "NONE")
  const parked = group.sync("b")
  group.restart("b")
  const asked = group.join("b")
  assert.equal(errorName(parked.answer), "FENCED_INSTANCE_ID")
  assert.equal(group.state, "PreparingRebalance", "the leader may have been told of the old id")
  const formerId = group.memberId("b")
  group.restart("b")
  const newest = group.join("b")
  assert.equal(errorName(asked.answer), "FENCED_INSTANCE_ID")
  group.join("a")
  assert.equal(newest.answer.generationId, 3)
  assert.notEqual(group.memberId("b"), formerId)
  assert.equal(group.group.members.size, 2)
})

test("the new id of a static member is told when the log has it", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({ instanceId: `i-${name}` }))
  const old = group.memberId("b")
  group.restart("b")
  group.harness.holdWrites()
  const asked = group.join("b")
  assert.ok(!asked.isAnswered)
  group.harness.failWrites(Errors.NOT_COORDINATOR)
  assert.equal(errorName(asked.answer), "NOT_COORDINATOR")
  assert.equal(
    group.heartbeat("b", { memberId: old, generation: 1 }),
    "NONE",
    "it was not told, so nothing has changed",
  )
})

test("a static member whose new id cannot be written is the old one again", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({ instanceId: `i-${name}` }))
  const old = group.memberId("b")
  group.restart("b")
  group.harness.refuseNextWrite(Errors.RECORD_LIST_TOO_LARGE)
  assert.equal(errorName(group.join("b").answer), "UNKNOWN_SERVER_ERROR")
  assert.equal(group.heartbeat("b", { memberId: old, generation: 1 }), "NONE")
  assert.equal(group.group.assignmentOf(old).toString(), "share of b")
})

test("a rebalance that begins while the new id of a static member is written answers its join", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({ instanceId: `i-${name}` }))
  group.restart("b")
  group.harness.holdWrites()
  const asked = group.join("b")
  group.enter("c")
  group.harness.completeWrites()
  assert.ok(!asked.isAnswered)
  group.join("a")
  assert.equal(asked.answer.generationId, 2)
})

test("a group that cannot be written does not exist", () => {
  const group = new GroupTest()
  group.harness.refuseNextWrite(Errors.RECORD_LIST_TOO_LARGE)
  const asked = group.join("a", { version: 3 })
  assert.equal(errorName(asked.answer), "UNKNOWN_SERVER_ERROR")
  assert.equal(group.harness.groups.byId.size, 0)
  assert.deepEqual(group.harness.timerKeys(), [])
})

test("a classic group takes the place of an empty group of the other protocol", () => {
  const group = new GroupTest()
  group.harness.groups.put({ groupId, kind: "consumer" })
  const { protocol } = group.harness
  assert.equal(group.heartbeat("a", { memberId: "a-1", generation: 1 }), "UNKNOWN_MEMBER_ID")
  protocol.replay({ type: "GroupMetadata", key: { group: groupId }, value: null })
  assert.equal(group.harness.groups.get(groupId)?.kind, "consumer", "a tombstone of what it was before leaves it alone")
  group.enter("a")
  group.advance(6000)
  assert.equal(group.state, "CompletingRebalance")
})
