import assert from "node:assert/strict"
import { test } from "node:test"
import { listGroups } from "../../../protocol/messages/list-groups.js"
import { type GroupWorld, inGroupWorld } from "./testing/group-world.js"

const groupType = async (t: GroupWorld): Promise<string | undefined> => {
  const { groups } = await t.world.client.send(listGroups, 5, { statesFilter: [], typesFilter: [] })
  return groups.find(({ groupId }) => groupId === "g")?.groupType
}

for (const assignor of ["range", "cooperative-sticky"])
  test(`a member of the consumer protocol converts a classic group with ${assignor}, and both share the partitions`, () =>
    inGroupWorld({ partitions: 4, settings: { "group.consumer.migration.policy": "bidirectional" } }, async (t) => {
      const classic = t.member("a", { assignors: [assignor] })
      await t.settled([classic])
      assert.equal(await groupType(t), "classic")
      t.produceSteadily(20)
      const modern = t.member("b", { groupProtocol: "consumer" })
      await t.settled([classic, modern])
      assert.equal(await groupType(t), "consumer")
      await t.passTime(2_000)
      await modern.close()
      await t.settled([classic])
      await t.stopProducing()
      await t.until("all is read", () => t.missing().length === 0)
      t.checkOrder()
    }))

test("where the broker does not convert groups, the member of the other protocol is refused, and is told by every poll", () =>
  inGroupWorld({ partitions: 2, settings: { "group.consumer.migration.policy": "disabled" } }, async (t) => {
    const classic = t.member("a")
    await t.settled([classic])
    const { consumer } = t.idle("b", { groupProtocol: "consumer" })
    for (let time = 0; time < 2; time++)
      await assert.rejects(consumer.poll(), (error: Error) => {
        assert.equal(error.name, "GroupError")
        assert.match(error.message, /online upgrade is disabled.*see groupProtocol/)
        return true
      })
    await t.settled([classic])
  }))

test("members without an assignor in common: the later one is refused, and the message names the option", () =>
  inGroupWorld({ partitions: 2 }, async (t) => {
    const a = t.member("a", { assignors: ["range"] })
    await t.settled([a])
    const { consumer } = t.idle("b", { assignors: ["sticky"] })
    await assert.rejects(consumer.poll(), { code: "INCONSISTENT_GROUP_PROTOCOL", message: /see assignors/ })
  }))

test("members with several assignors agree on one, and roll from one to the other", () =>
  inGroupWorld({ partitions: 4 }, async (t) => {
    const a = t.member("a", { assignors: ["range"] })
    const b = t.member("b", { assignors: ["cooperative-sticky", "range"] })
    await t.settled([a, b])
    t.produceSteadily(20)
    await a.close()
    const c = t.member("c", { assignors: ["cooperative-sticky"] })
    await t.settled([b, c])
    await t.stopProducing()
    await t.until("all is read", () => t.missing().length === 0)
    t.checkOrder()
  }))

test("two consumers with one groupInstanceId: the earlier one is fenced and told so", () =>
  inGroupWorld({ partitions: 2 }, async (t) => {
    const a = t.idle("a", { groupInstanceId: "i" })
    const polled = assert.rejects(a.consumer.poll(), { code: "FENCED_INSTANCE_ID", message: /give each its own/ })
    await t.settled([a])
    const b = t.member("b", { groupInstanceId: "i" })
    await t.settled([b])
    await polled
    assert.deepEqual(a.consumer.assignment, [])
    await assert.rejects(a.consumer.poll(), { code: "FENCED_INSTANCE_ID" })
  }))

test("under the consumer protocol the later one waits for the instance id, and has it when the session of the dead one is over", () =>
  inGroupWorld({ partitions: 2, consumer: { groupProtocol: "consumer", sessionTimeoutMs: 45_000 } }, async (t) => {
    const a = t.member("a", { groupInstanceId: "i" })
    await t.settled([a])
    a.kill()
    const b = t.member("b", { groupInstanceId: "i" })
    await t.until("it has the partitions", () => b.consumer.assignment.length === 2, 90_000)
  }))

test("what a group cannot be told is refused, by name", () =>
  inGroupWorld({}, async (t) => {
    const refused = (config: object, pattern: RegExp) =>
      assert.throws(() => t.idle("x", config as never), { name: "ConfigError", message: pattern })
    refused({ groupId: "" }, /^groupId:/)
    refused({ topics: [] }, /^topics:/)
    refused({ assignors: ["best"] }, /^assignors: "best" is none of range, roundrobin, sticky, cooperative-sticky/)
    refused({ groupProtocol: "consumer", assignors: ["range"] }, /^assignors: .*groupRemoteAssignor/)
    refused({ groupProtocol: "newest" }, /^groupProtocol:/)
    refused({ heartbeatIntervalMs: 10_000 }, /^heartbeatIntervalMs:/)
    refused({ partitions: [] }, /^partitions:/)
  }))
