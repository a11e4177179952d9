import assert from "node:assert/strict"
import { test } from "node:test"
import { Writer } from "../../../base/writer.js"
import type { FileRegion } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../../protocol/messages/consumer-protocol.js"
import { groupRecord } from "./records.js"
import {
  assignmentText,
  errorName,
  GroupTest,
  groupId,
  rebalanceTimeoutMs,
  sessionTimeoutMs,
} from "./testing/group-test.js"

function subscription(topics: readonly string[], version = 3): Buffer {
  const writer = new Writer<FileRegion>()
  writer.int16(version)
  consumerProtocolSubscription.encode(writer, consumerProtocolSubscription.create({ topics: [...topics] }), version)
  return writer.finishBuffer()
}

test("sync: who is not in the leader's assignment gets nothing, and who is not in the group is ignored", () => {
  const group = GroupTest.stable(["a", "b"])
  group.join("a")
  group.join("b")
  const b = group.sync("b")
  const a = group.sync("a", { a: "1", stranger: "2" })
  assert.equal(assignmentText(a.answer), "1")
  assert.equal(assignmentText(b.answer), "")
})

test("sync: a leader that asks twice while its assignment is written gets what it handed in first", () => {
  const group = GroupTest.stable(["a"])
  group.join("a")
  group.harness.holdWrites()
  const first = group.sync("a", { a: "first" })
  const second = group.sync("a", { a: "second" })
  group.harness.completeWrites()
  assert.equal(errorName(first.answer), "REBALANCE_IN_PROGRESS", "its connection was given up")
  assert.equal(assignmentText(second.answer), "first")
})

test("sync: whoever joins while the assignment is written makes it nobody's", () => {
  const group = GroupTest.stable(["a", "b"])
  group.join("a")
  group.join("b")
  group.harness.holdWrites()
  const b = group.sync("b")
  const a = group.sync("a", { a: "1", b: "2" })
  group.enter("c")
  assert.deepEqual([errorName(a.answer), errorName(b.answer)], ["REBALANCE_IN_PROGRESS", "REBALANCE_IN_PROGRESS"])
  group.harness.completeWrites()
  assert.equal(group.state, "PreparingRebalance")
  group.join("a")
  group.join("b")
  assert.equal(group.group.generationId, 3)
})

test("sync: an assignment that cannot be written sends everybody back to join", () => {
  const group = GroupTest.stable(["a", "b"])
  group.join("a")
  group.join("b")
  group.harness.refuseNextWrite(Errors.RECORD_LIST_TOO_LARGE)
  const b = group.sync("b")
  const a = group.sync("a", { a: "1", b: "2" })
  assert.deepEqual([errorName(a.answer), errorName(b.answer)], ["UNKNOWN_SERVER_ERROR", "UNKNOWN_SERVER_ERROR"])
  assert.equal(group.state, "PreparingRebalance")
  group.join("a")
  group.join("b")
  group.syncAll(["a", "b"])
  assert.equal(group.state, "Stable")
})

test("sync: a protocol that is not the group's is refused (KIP-559)", () => {
  const group = GroupTest.stable(["a"])
  const sync = (options: { protocolType?: string; protocolName?: string }) =>
    errorName(group.sync("a", {}, options).answer)
  assert.equal(sync({ protocolType: "connect" }), "INCONSISTENT_GROUP_PROTOCOL")
  assert.equal(sync({ protocolName: "sticky" }), "INCONSISTENT_GROUP_PROTOCOL")
  assert.equal(sync({ protocolType: "consumer", protocolName: "range" }), "NONE")
})

test("sync: a static member that restarts before it has synced still has to", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => ({ instanceId: `i-${name}` }))
  group.join("a", { protocols: { range: "changed" } })
  group.join("b")
  group.sync("a", { a: "1", b: "2" })
  assert.equal(group.state, "Stable")
  group.restart("b")
  assert.equal(errorName(group.join("b").answer), "NONE")
  group.advanceWithHeartbeats(rebalanceTimeoutMs, ["a", "b"])
  assert.equal(group.group.members.has(group.memberId("b")), false)
})

test("leave: each of a batch gets its own answer, and one rebalance follows", () => {
  const group = GroupTest.stable(["a", "b", "c"], {}, (name) => (name === "c" ? { instanceId: "i-c" } : {}))
  group.join("d")
  const { answer } = group.leaveAs([
    { memberId: group.memberId("b"), groupInstanceId: null },
    { memberId: "nobody", groupInstanceId: null },
    { memberId: "", groupInstanceId: "i-c" },
    { memberId: "c-before", groupInstanceId: "i-c" },
    { memberId: group.memberId("d"), groupInstanceId: null },
    { memberId: "", groupInstanceId: null },
  ])
  assert.equal(answer.errorCode, Errors.NONE)
  assert.deepEqual(answer.members.map(errorName), [
    "NONE",
    "UNKNOWN_MEMBER_ID",
    "NONE",
    "UNKNOWN_MEMBER_ID",
    "NONE",
    "UNKNOWN_MEMBER_ID",
  ])
  assert.equal(group.state, "PreparingRebalance")
  assert.equal(group.join("a").answer.generationId, 2)
})

test("leave: an id that was given out and not used goes without a rebalance", () => {
  const group = GroupTest.stable(["a"])
  group.join("b")
  assert.equal(errorName(group.leave("b").answer.members[0]!), "NONE")
  assert.equal(group.state, "Stable")
})

test("leave: a rebalance does not wait for an id that was given back", () => {
  const group = GroupTest.stable(["a"])
  group.join("b")
  const asked = group.join("a")
  assert.ok(!asked.isAnswered)
  group.leave("b")
  assert.equal(asked.answer.generationId, 2)
})

test("leave: a member that goes while it waits for its assignment is told so", () => {
  const group = GroupTest.stable(["a", "b"])
  group.join("a")
  group.join("b")
  const parked = group.sync("b")
  group.leave("b")
  assert.equal(errorName(parked.answer), "UNKNOWN_MEMBER_ID")
})

test("leave: the last one is answered when the log knows that the group is empty", () => {
  const group = GroupTest.stable(["a"])
  group.harness.holdWrites()
  const asked = group.leave("a")
  assert.ok(!asked.isAnswered)
  group.harness.completeWrites()
  assert.equal(errorName(asked.answer.members[0]!), "NONE")
  group.harness.reload()
  assert.deepEqual([group.state, group.group.generationId], ["Empty", 2])
})

test("commits of a member keep its session alive", () => {
  const group = GroupTest.stable(["a"])
  for (let ms = 0; ms < 3 * sessionTimeoutMs; ms += 10_000) {
    group.advance(10_000)
    assert.equal(group.commit("a"), "NONE")
  }
})

test("a load starts sessions anew, and the generation goes on", () => {
  const group = GroupTest.stable(["a", "b"], {}, (name) => (name === "b" ? { instanceId: "i-b" } : {}))
  group.harness.reload()
  assert.equal(group.state, "Stable")
  assert.equal(group.group.leaderId, group.memberId("a"))
  assert.equal(assignmentText(group.sync("b").answer), "share of b")
  group.advance(sessionTimeoutMs - 1)
  group.heartbeat("a")
  assert.equal(group.state, "Stable")
  group.advance(1)
  assert.equal(group.state, "PreparingRebalance")
  assert.equal(group.group.members.size, 1)
})

test("a group that is loaded takes what a member supports from its next join", () => {
  const group = GroupTest.stable(["a"], {}, () => ({ protocols: { range: "r", sticky: "s" } }))
  group.harness.reload()
  assert.equal(errorName(group.enter("b", { protocols: { sticky: "" } }).answer), "INCONSISTENT_GROUP_PROTOCOL")
  group.enter("b", { protocols: { sticky: "", range: "" } })
  group.join("a")
  assert.equal(group.group.protocolName, "range")
})

test("a crash in a rebalance goes back to the last generation", () => {
  const group = GroupTest.stable(["a", "b"])
  group.enter("c")
  group.join("a")
  group.join("b")
  group.harness.reload()
  assert.deepEqual([group.state, group.group.generationId], ["Stable", 1])
  assert.equal(group.heartbeat("a"), "ILLEGAL_GENERATION")
  assert.equal(group.heartbeat("c"), "UNKNOWN_MEMBER_ID")
})

test("a log that another broker wrote is understood", () => {
  const group = new GroupTest()
  const value = {
    protocolType: "consumer",
    generation: 7,
    protocol: "range",
    leader: "m-1",
    currentStateTimestamp: 12,
    members: [
      {
        memberId: "m-1",
        groupInstanceId: null,
        clientId: "c",
        clientHost: "/10.0.0.1",
        rebalanceTimeout: -1,
        sessionTimeout: 30_000,
        subscription: Buffer.from("s"),
        assignment: Buffer.from("a"),
      },
    ],
  }
  group.harness.writeDirectly([
    { type: "GroupMetadata", key: { group: groupId }, value: { ...value, generation: 6, members: [] } },
    { type: "GroupMetadata", key: { group: groupId }, value },
    { type: "GroupMetadata", key: { group: "gone" }, value },
    { type: "GroupMetadata", key: { group: "gone" }, value: null },
  ])
  group.harness.reload()
  assert.deepEqual([...group.harness.groups.byId.keys()], [groupId])
  assert.equal(group.group.rebalanceTimeoutMs, 30_000, "without a rebalance timeout the session timeout stands in")
  assert.equal(group.heartbeat("a", { memberId: "m-1", generation: 7 }), "NONE")
  const again = groupRecord(group.group, 99, (id) => group.group.assignmentOf(id))
  assert.deepEqual(again.value, { ...value, members: [{ ...value.members[0], rebalanceTimeout: 30_000 }] })
})

test("a group that was removed leaves nothing that runs", () => {
  const group = GroupTest.stable(["a"])
  group.leave("a")
  group.join("b")
  const { protocol } = group.harness
  group.harness.run(() => ({ records: protocol.tombstones(group.group) }))
  assert.equal(group.harness.groups.byId.size, 0)
  assert.deepEqual(group.harness.timerKeys(), [])
  assert.equal(errorName(group.join("b").answer), "UNKNOWN_MEMBER_ID")
})

test("a group that was of the other protocol is adopted with all that its members support", () => {
  const before = GroupTest.stable(["a", "b"], {}, () => ({ protocols: { range: "r" } }))
  const record = groupRecord(before.group, 5, (id) => before.group.assignmentOf(id))
  const group = new GroupTest()
  const { protocol } = group.harness
  const both = ["range", "sticky"].map((name) => ({ name, metadata: Buffer.from(name) }))
  group.harness.run((now) => {
    const adopted = protocol.adopt(record, () => both, now)
    const { records } = protocol.startRebalance(adopted, "the last member of the other protocol left", now)
    return { records: [record, ...records] }
  })
  assert.equal(group.state, "PreparingRebalance")
  const memberId = before.memberId("a")
  assert.equal(group.heartbeat("a", { memberId, generation: 1 }), "REBALANCE_IN_PROGRESS")
  assert.ok(!group.join("a", { memberId, protocols: { sticky: "" } }).isAnswered, "sticky is supported by both")
  group.harness.reload()
  assert.equal(group.state, "Stable")
})

test("offsets of an empty group expire from the time it became empty, of consumers by topic, of strangers not at all", () => {
  const topics = { protocols: { range: subscription(["orders"]) } }
  const group = GroupTest.stable(["a"], {}, () => topics)
  const { protocol } = group.harness
  const expiration = () => protocol.offsetExpiration(group.group)
  assert.equal(expiration()?.isSubscribedTo("orders"), true)
  assert.equal(expiration()?.isSubscribedTo("returns"), false)
  assert.equal(expiration()?.baseTimestampMs(5), 5)
  assert.deepEqual(
    [protocol.isSubscribedTo(group.group, "orders"), protocol.isSubscribedTo(group.group, "returns")],
    [true, false],
  )
  group.enter("b", { protocols: { range: subscription(["returns"], 0) } })
  assert.equal(expiration(), undefined, "not in a rebalance")
  group.join("a")
  group.syncAll(["a", "b"])
  assert.equal(protocol.isSubscribedTo(group.group, "returns"), true)
  group.advance(1000)
  const emptiedMs = group.harness.now().wallMs
  group.leave(["a", "b"])
  group.advance(1000)
  assert.equal(expiration()?.baseTimestampMs(5), emptiedMs)
  assert.equal(expiration()?.isSubscribedTo("orders"), false)
  assert.equal(protocol.isRemovable(group.group), true)
  const connect = GroupTest.stable(["a"], {}, () => ({ protocolType: "connect" }))
  assert.equal(connect.harness.protocol.offsetExpiration(connect.group), undefined)
  assert.equal(connect.harness.protocol.isSubscribedTo(connect.group, "orders"), false)
})

test("a subscription that cannot be read keeps nobody out, and counts as subscribed to everything", () => {
  for (const metadata of [
    Buffer.alloc(0),
    Buffer.from("ffff", "hex"),
    Buffer.from("0000ffffffff", "hex"),
    Buffer.from("00007fffffff00", "hex"),
  ]) {
    const group = GroupTest.stable(["a"], {}, () => ({ protocols: { range: metadata } }))
    assert.equal(group.harness.protocol.isSubscribedTo(group.group, "anything"), true)
    assert.equal(group.harness.protocol.offsetExpiration(group.group), undefined)
  }
})

test("a subscription of a version that nobody knows yet is read as far as it is known", () => {
  const later = Buffer.concat([subscription(["orders"]), Buffer.from("and more")])
  later.writeInt16BE(99, 0)
  const group = GroupTest.stable(["a"], {}, () => ({ protocols: { range: later } }))
  assert.equal(group.harness.protocol.isSubscribedTo(group.group, "returns"), false)
})

test("describe: what members said is shown of a stable group, their assignments always", () => {
  const group = GroupTest.stable(["a"], {}, () => ({ instanceId: "i-a" }))
  const { protocol } = group.harness
  const member = {
    memberId: group.memberId("a"),
    groupInstanceId: "i-a",
    clientId: "client-a",
    clientHost: "/127.0.0.1",
    memberMetadata: Buffer.from("topics of a"),
    memberAssignment: Buffer.from("share of a"),
  }
  const described = { errorCode: 0, errorMessage: null, groupId, protocolType: "consumer" }
  assert.deepEqual(protocol.describe(group.group), {
    ...described,
    groupState: "Stable",
    protocolData: "range",
    members: [member],
  })
  group.enter("b")
  assert.deepEqual(protocol.describe(group.group), {
    ...described,
    groupState: "PreparingRebalance",
    protocolData: "",
    members: [
      { ...member, memberMetadata: Buffer.alloc(0) },
      {
        memberId: group.memberId("b"),
        groupInstanceId: null,
        clientId: "client-b",
        clientHost: "/127.0.0.1",
        memberMetadata: Buffer.alloc(0),
        memberAssignment: Buffer.alloc(0),
      },
    ],
  })
})

test("explain: who is waited for, and how much time is left", () => {
  const group = GroupTest.stable(["a", "b"])
  const explained = () => {
    const { state, members } = group.harness.protocol.explain(group.group, group.harness.now())
    return [state, ...members.map((member) => [member.state, member.lateByMs, member.sinceLastHeartbeatMs])]
  }
  group.advance(1000)
  assert.deepEqual(explained(), ["Stable", ["stable, leads", undefined, 1000], ["stable", undefined, 1000]])
  group.join("c")
  group.join("b", { protocols: { range: "other" } })
  group.advance(2000)
  assert.deepEqual(explained(), [
    "PreparingRebalance",
    ["has not rejoined yet", 2000 - rebalanceTimeoutMs, 3000],
    ["has joined, waits for the others", undefined, 2000],
    ["was given its id, has not joined with it yet", 2000 - sessionTimeoutMs, 2000],
  ])
  group.leave("c")
  group.join("a")
  group.sync("b")
  assert.deepEqual(explained(), [
    "CompletingRebalance",
    ["leads, has not handed in the assignment yet", -rebalanceTimeoutMs, 0],
    ["waits for the leader's assignment", undefined, 0],
  ])
})

test("explain: assigned partitions where they can be read", () => {
  const writer = new Writer<FileRegion>()
  writer.int16(1)
  const assignedPartitions = [{ topic: "orders", partitions: [0, 2] }]
  consumerProtocolAssignment.encode(writer, { assignedPartitions, userData: null }, 1)
  const group = GroupTest.stable(["a"])
  const { protocol } = group.harness
  assert.deepEqual(protocol.explain(group.group, group.harness.now()).members[0]?.partitions, [])
  group.join("a")
  group.sync("a", { a: writer.finishBuffer().toString("latin1") })
  assert.deepEqual(protocol.explain(group.group, group.harness.now()).members[0]?.partitions, assignedPartitions)
})
