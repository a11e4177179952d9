import assert from "node:assert/strict"
import { test } from "node:test"
import type { BrokerWorld } from "../../broker/testing/broker-world.js"
import { GroupMember } from "../../broker/testing/group-member.js"
import { Writer } from "../../base/writer.js"
import { consumerGroupHeartbeat } from "../../protocol/messages/consumer-group-heartbeat.js"
import { consumerProtocolAssignment } from "../../protocol/messages/consumer-protocol.js"
import { findCoordinator } from "../../protocol/messages/find-coordinator.js"
import { errorOf, inAdminWorld, inThreeNodes, refusal } from "./testing/admin-world.js"

function assignment(topic: string, partitions: number[]): string {
  const writer = new Writer(64)
  writer.int16(0)
  const fields = { assignedPartitions: [{ topic, partitions }], userData: Buffer.alloc(0) }
  consumerProtocolAssignment.encode(writer, fields, 0)
  return writer.finishBuffer().toString("latin1")
}

/** A classic group with one member that reads t-0 and t-1. */
async function classicGroup(t: BrokerWorld, groupId = "classic"): Promise<GroupMember> {
  await t.client.send(findCoordinator, 6, { key: "", keyType: 0, coordinatorKeys: [groupId] })
  const member = new GroupMember(await t.connect(), groupId)
  await member.join()
  await member.sync({ [member.memberId]: assignment("t", [0, 1]) })
  return member
}

/** A member of a group of the consumer protocol, which is to read all of t. */
async function consumerGroup(t: BrokerWorld, groupId = "consumer"): Promise<void> {
  const client = await t.connect()
  const beat = (epoch: number, isFirst: boolean) =>
    client.send(consumerGroupHeartbeat, 1, {
      groupId,
      memberId: "AAAAAAAAAAAAAAAAAAAABQ",
      memberEpoch: epoch,
      rebalanceTimeoutMs: isFirst ? 10_000 : -1,
      subscribedTopicNames: isFirst ? ["t"] : null,
      topicPartitions: isFirst ? [] : null,
    })
  const { memberEpoch } = await beat(0, true)
  await beat(memberEpoch, false)
}

test("groups of both protocols are listed, and described in one shape", () =>
  inAdminWorld(async (t, admin) => {
    assert.deepEqual(await admin.listGroups(), [])
    await admin.alterGroupOffsets("idle", [{ topic: "t", partition: 0, offset: 0n }])
    const { memberId } = await classicGroup(t)
    await consumerGroup(t)
    assert.deepEqual(
      (await admin.listGroups()).map(({ groupId, type, state }) => [groupId, type, state]),
      [
        ["classic", "classic", "Stable"],
        ["consumer", "consumer", "Stable"],
        ["idle", "classic", "Empty"],
      ],
    )
    assert.deepEqual(
      (await admin.listGroups({ types: ["consumer"] })).map(({ groupId }) => groupId),
      ["consumer"],
    )
    const [classic, missing, consumer] = await admin.describeGroups(["classic", "missing", "consumer"])
    assert.ok(classic!.error === undefined && consumer!.error === undefined)
    const all = [0, 1].map((partition) => ({ topic: "t", partition }))
    assert.deepEqual([classic!.type, classic!.state, classic!.assignor], ["classic", "Stable", "range"])
    assert.deepEqual(
      classic!.members.map((member) => [member.memberId, member.assignment]),
      [[memberId, all]],
    )
    assert.deepEqual([consumer!.type, consumer!.assignor], ["consumer", "uniform"])
    assert.deepEqual(
      consumer!.members.map(({ assignment: own }) => own),
      [all],
    )
    assert.equal(refusal(missing), "GROUP_ID_NOT_FOUND: group missing: there is no group missing")
  }))

test("offsets of a group are set, read and deleted; a group with members keeps its own", () =>
  inAdminWorld(async (t, admin) => {
    const altered = await admin.alterGroupOffsets("g", [
      { topic: "t", partition: 1, offset: 2n ** 40n, metadata: "by hand" },
      { topic: "t", partition: 0, offset: 0n },
      { topic: "t", partition: 9, offset: 1n },
      { topic: "missing", partition: 0, offset: 1n },
    ])
    assert.deepEqual(
      altered.map(({ error }) => error?.code),
      [undefined, undefined, "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION"],
    )
    assert.match(refusal(altered[3]), /there is no topic missing$/)
    assert.deepEqual(
      (await admin.listGroupOffsets("g")).map(({ leaderEpoch: _, ...each }) => each),
      [
        { topic: "t", partition: 0, offset: 0n, metadata: "" },
        { topic: "t", partition: 1, offset: 2n ** 40n, metadata: "by hand" },
      ],
    )
    const [deleted] = await admin.deleteGroupOffsets("g", [{ topic: "t", partition: 1 }])
    assert.equal(deleted!.error, undefined)
    assert.equal((await admin.listGroupOffsets("g")).length, 1)
    assert.deepEqual(await admin.listGroupOffsets("missing"), [])
    assert.match(
      refusal((await admin.deleteGroupOffsets("missing", [{ topic: "t", partition: 0 }]))[0]),
      /there is no group missing/,
    )
    await classicGroup(t)
    const refused = await admin.alterGroupOffsets("classic", [{ topic: "t", partition: 0, offset: 0n }])
    assert.match(refusal(refused[0]), /^UNKNOWN_MEMBER_ID: .*the group has members, .*stop them first$/)
    const subscribed = await admin.deleteGroupOffsets("classic", [{ topic: "t", partition: 0 }])
    assert.match(refusal(subscribed[0]), /^GROUP_SUBSCRIBED_TO_TOPIC: /)
  }))

test("a group without members is deleted, one with members is not, and members are removed", () =>
  inAdminWorld(async (t, admin) => {
    const member = await classicGroup(t)
    const [refused, missing] = await admin.deleteGroups(["classic", "missing"])
    assert.match(refusal(refused), /^NON_EMPTY_GROUP: group classic: /)
    assert.match(refusal(missing), /^GROUP_ID_NOT_FOUND: .*there is no group missing$/)
    const [stranger] = await admin.removeMembers("classic", [{ memberId: "nobody" }])
    assert.match(refusal(stranger), /^UNKNOWN_MEMBER_ID: member nobody: /)
    const [removed] = await admin.removeMembers("classic", "all", { reason: "test" })
    assert.deepEqual([removed!.error, removed!.memberId], [undefined, member.memberId])
    const [deleted] = await admin.deleteGroups(["classic"])
    assert.equal(deleted!.error, undefined)
    assert.match(await errorOf(admin.removeMembers("classic", "all")), /^GROUP_ID_NOT_FOUND: /)
  }))

test("what happened to a group is told by its coordinator", () =>
  inAdminWorld(async (t, admin) => {
    const { memberId } = await classicGroup(t)
    const { groupType, members, events } = await admin.explainGroup("classic")
    assert.deepEqual([groupType, members.map((member) => member.memberId)], ["classic", [memberId]])
    assert.ok(events.some(({ type }) => type === "member-joined"))
    assert.match(await errorOf(admin.explainGroup("missing")), /^GROUP_ID_NOT_FOUND: .*there is no group missing/)
  }))

test("groups of all coordinators come together, and follow when a coordinator is lost", () =>
  inThreeNodes(async (t, admin) => {
    await admin.createTopics([{ name: "t", partitions: 1 }])
    const names = Array.from({ length: 8 }, (_, index) => `g${index}`)
    for (const name of names)
      assert.equal(
        (await admin.alterGroupOffsets(name, [{ topic: "t", partition: 0, offset: 5n }]))[0]!.error,
        undefined,
      )
    const listed = await admin.listGroups()
    assert.deepEqual(
      listed.map(({ groupId }) => groupId),
      names,
    )
    assert.ok(new Set(listed.map(({ coordinator }) => coordinator)).size > 1)
    t.crash(3)
    const described = await admin.describeGroups(names)
    assert.deepEqual(
      described.map(({ groupId, error }) => error?.message ?? groupId),
      names,
    )
    for (const name of names) assert.equal((await admin.listGroupOffsets(name))[0]!.offset, 5n)
  }))
