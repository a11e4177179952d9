import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { deleteGroups } from "../protocol/messages/delete-groups.js"
import { explainGroup } from "../protocol/messages/explain-group.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { joinGroup } from "../protocol/messages/join-group.js"
import { listGroups } from "../protocol/messages/list-groups.js"
import { type BrokerWorld, inBrokerWorld } from "./testing/broker-world.js"
import { commitOffset, committedOffset, GroupMember, subscription } from "./testing/group-member.js"

const settings = { "offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0" }

const coordinator = (t: BrokerWorld, key: string) =>
  t.client.send(findCoordinator, 6, { key: "", keyType: 0, coordinatorKeys: [key] })

/** Two members that share a group, each on its own connection. */
async function sharedGroup(t: BrokerWorld): Promise<readonly [GroupMember, GroupMember]> {
  const a = new GroupMember(await t.connect(), "g")
  const b = new GroupMember(await t.connect(), "g")
  await a.join()
  await a.sync({ [a.memberId]: "all" })
  const joining = b.join()
  await t.passTime(10)
  assert.equal(await a.heartbeat(), Errors.REBALANCE_IN_PROGRESS)
  await Promise.all([joining, a.join()])
  const [leader, follower] = a.isLeader ? [a, b] : [b, a]
  await Promise.all([leader.sync({ [a.memberId]: "half of a", [b.memberId]: "half of b" }), follower.sync()])
  return [a, b]
}

async function inGroupWorld(story: (t: BrokerWorld) => Promise<void>): Promise<void> {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic("t", 2)
      assert.equal((await coordinator(t, "g")).coordinators[0]!.errorCode, Errors.NONE)
      await story(t)
      assert.deepEqual(t.fatal, [])
    },
    { settings },
  )
}

test("the first answer about a coordinator is right: the topic of offsets is made for it", () =>
  inBrokerWorld(
    async (t) => {
      const { coordinators } = await coordinator(t, "g")
      assert.deepEqual(
        coordinators.map(({ key, nodeId, errorCode }) => ({ key, nodeId, errorCode })),
        [{ key: "g", nodeId: 1, errorCode: Errors.NONE }],
      )
      const { topics } = await t.metadata(["__consumer_offsets"])
      assert.equal(topics[0]!.partitions.length, 3)
      assert.equal(topics[0]!.isInternal, true)
    },
    { settings },
  ))

for (const how of ["kill", "power"] as const)
  test(`members of a stable group go on after the broker's death by ${how}, without a rebalance`, () =>
    inGroupWorld(async (t) => {
      const members = await sharedGroup(t)
      await t.crash(how)
      for (const member of members) {
        const again = new GroupMember(await t.connect(), "g")
        Object.assign(again, { memberId: member.memberId, generationId: member.generationId })
        assert.equal(await again.heartbeat(), Errors.NONE)
        assert.equal((await again.sync()).assignment.toString().startsWith("half of"), true)
        assert.equal(await again.commit(7), Errors.NONE)
      }
    }))

test("members that do not come back after a restart are removed when their session is over", () =>
  inGroupWorld(async (t) => {
    const [a] = await sharedGroup(t)
    await t.restart()
    const again = new GroupMember(t.client, "g")
    Object.assign(again, { memberId: a.memberId, generationId: a.generationId })
    await t.passTime(6000)
    assert.equal(await again.heartbeat(), Errors.NONE)
    await t.passTime(6000)
    assert.equal(await again.heartbeat(), Errors.REBALANCE_IN_PROGRESS)
    assert.equal((await again.join()).members.length, 1)
  }))

test("a committed offset survives a power cut, and comes back with its metadata", () =>
  inGroupWorld(async (t) => {
    assert.equal(await commitOffset(t.client, "g", 41, { metadata: "first" }), Errors.NONE)
    assert.equal(await commitOffset(t.client, "g", 42, { metadata: "second" }), Errors.NONE)
    await t.crash("power")
    assert.deepEqual(await committedOffset(t.client, "g"), { offset: 42, metadata: "second", errorCode: 0 })
    assert.equal((await committedOffset(t.client, "other")).offset, -1)
  }))

test("a start reads each partition of offsets once", () =>
  inGroupWorld(async (t) => {
    assert.equal(await commitOffset(t.client, "g", 41), Errors.NONE)
    const before = t.world.logLines.length
    await t.restart()
    assert.equal((await committedOffset(t.client, "g")).offset, 41)
    const loads = t.world.logLines.slice(before).filter(({ message }) => message.includes("has loaded its state"))
    assert.equal(loads.length, 1)
  }))

test("a commit of an earlier generation is refused, one from outside an active group too", () =>
  inGroupWorld(async (t) => {
    const [a] = await sharedGroup(t)
    assert.equal(await a.commit(5), Errors.NONE)
    a.generationId--
    assert.equal(await a.commit(4), Errors.ILLEGAL_GENERATION)
    assert.equal(await commitOffset(t.client, "g", 3), Errors.UNKNOWN_MEMBER_ID)
    assert.equal((await committedOffset(t.client, "g")).offset, 5)
  }))

test("with a full disk commits fail and members live on; with room again commits are taken", () =>
  inGroupWorld(async (t) => {
    const [a, b] = await sharedGroup(t)
    assert.equal(await a.commit(5), Errors.NONE)
    t.disk.intercept = ({ kind, path }) =>
      kind === "write" && path.includes("__consumer_offsets") ? { error: "ENOSPC" } : undefined
    for (let i = 0; i < 3; i++) {
      assert.notEqual(await a.commit(6), Errors.NONE)
      await t.passTime(1000)
      assert.equal(await a.heartbeat(), Errors.NONE)
      assert.equal(await b.heartbeat(), Errors.NONE)
      assert.equal((await committedOffset(t.client, "g")).offset, 5)
    }
    t.disk.intercept = undefined
    for (let i = 0; i < 5; i++) {
      await t.passTime(5000)
      assert.equal(await a.heartbeat(), Errors.NONE)
      assert.equal(await b.heartbeat(), Errors.NONE)
    }
    assert.equal(await a.commit(6), Errors.NONE)
    assert.equal((await committedOffset(t.client, "g")).offset, 6)
  }))

test("a client whose id is too long for a member id is a member like others, and the leader can be told of it", () =>
  inGroupWorld(async (t) => {
    const member = new GroupMember(await t.connect(), "g")
    await member.join()
    await member.sync({ [member.memberId]: "all" })
    // Before v4 a member is in the group at once, under an id that begins with its client's.
    const request = { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000, memberId: "", protocolType: "consumer" }
    const protocols = [{ name: "range", metadata: subscription(["t"]) }]
    const joining = (await t.connect()).send(joinGroup, 3, { groupId: "g", ...request, protocols }, "c".repeat(32_760))
    await t.passTime(10)
    const { errorCode, members } = await member.join()
    assert.equal(errorCode, Errors.NONE)
    assert.deepEqual(
      new Set(members.map(({ memberId }) => memberId)),
      new Set([member.memberId, (await joining).memberId]),
    )
    assert.equal((await member.sync({ [member.memberId]: "all" })).errorCode, Errors.NONE)
    await t.crash("power")
    assert.equal((await committedOffset(t.client, "g")).errorCode, Errors.NONE)
  }))

test("offsets of a deleted topic are gone, and its successor of the same name begins without any", () =>
  inGroupWorld(async (t) => {
    assert.equal(await commitOffset(t.client, "g", 9), Errors.NONE)
    await t.deleteTopic("t")
    await t.createTopic("t")
    assert.equal((await committedOffset(t.client, "g")).offset, -1)
    await t.crash("power")
    assert.equal((await committedOffset(t.client, "g")).offset, -1)
  }))

test("offsets expire when their group has been empty for as long as is set, and the group with them", () =>
  inBrokerWorld(
    async (t) => {
      await t.createTopic("t")
      await coordinator(t, "g")
      const member = new GroupMember(t.client, "g")
      await member.join()
      await member.sync({ [member.memberId]: "all" })
      await member.commit(1)
      for (let minute = 0; minute < 10; minute += 0.1) {
        await t.passTime(6000)
        assert.equal(await member.heartbeat(), Errors.NONE)
      }
      assert.equal((await committedOffset(t.client, "g")).offset, 1)
      assert.equal(await member.leave(), Errors.NONE)
      await t.passTime(4 * 60_000)
      assert.equal((await committedOffset(t.client, "g")).offset, 1)
      await t.passTime(3 * 60_000)
      assert.equal((await committedOffset(t.client, "g")).offset, -1)
      const { groups } = await t.client.send(listGroups, 5, { statesFilter: [], typesFilter: [] })
      assert.deepEqual(groups, [])
    },
    {
      settings: {
        ...settings,
        "offsets.retention.minutes": "5",
        "offsets.retention.check.interval.ms": "60000",
      },
    },
  ))

test("a group is deleted with its offsets when nobody is in it, and not before", () =>
  inGroupWorld(async (t) => {
    const [a, b] = await sharedGroup(t)
    await a.commit(3)
    const remove = async () =>
      (await t.client.send(deleteGroups, 2, { groupsNames: ["g", "none"] })).results.map(({ errorCode }) => errorCode)
    assert.deepEqual(await remove(), [Errors.NON_EMPTY_GROUP, Errors.GROUP_ID_NOT_FOUND])
    await a.leave()
    await b.leave()
    assert.deepEqual(await remove(), [Errors.NONE, Errors.GROUP_ID_NOT_FOUND])
    await t.crash("power")
    assert.equal((await committedOffset(t.client, "g")).offset, -1)
    assert.deepEqual(await remove(), [Errors.GROUP_ID_NOT_FOUND, Errors.GROUP_ID_NOT_FOUND])
  }))

test("a group explains itself: who is in it, what happened, how far behind it is", () =>
  inGroupWorld(async (t) => {
    const [a, b] = await sharedGroup(t)
    for (let i = 0; i < 5; i++) await t.produce("x", { topic: "t" })
    await a.commit(2)
    await t.passTime(5000)
    await a.heartbeat()
    await t.passTime(6000)
    await a.heartbeat()
    const explained = await t.client.send(explainGroup, 0, { groupId: "g" })
    assert.equal(explained.errorCode, Errors.NONE)
    assert.equal(explained.groupType, "classic")
    assert.deepEqual(
      explained.topics.map(({ name, partitions: [first] }) => [
        name,
        first!.committedOffset,
        first!.endOffset,
        first!.lag,
      ]),
      [["t", 2, 5, 3]],
    )
    assert.ok(explained.topics[0]!.partitions[0]!.lagMs >= 11_000)
    assert.equal(explained.members.length, 1)
    assert.ok(explained.members[0]!.lateByMs < 0 || explained.groupState !== "Stable")
    const missed = explained.events.find(({ type }) => type === "member-missed-deadline")
    assert.equal(missed?.memberId, b.memberId)
    assert.equal(missed?.deadline, "session")
    assert.ok(explained.events.some(({ type }) => type === "rebalance-completed"))
  }))
