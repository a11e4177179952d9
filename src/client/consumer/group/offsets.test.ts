import assert from "node:assert/strict"
import { test } from "node:test"
import { committedOffset } from "../../../broker/testing/group-member.js"
import { GroupError } from "../../errors.js"
import { type GroupConfig, type GroupWorld, inGroupWorld } from "./testing/group-world.js"

const committed = async (t: GroupWorld, partition = 0) =>
  (await committedOffset(t.world.client, "g", "t", partition)).offset

const protocols: readonly { name: string; config: GroupConfig }[] = [
  { name: "classic", config: {} },
  { name: "consumer protocol", config: { groupProtocol: "consumer" } },
]

for (const { name, config } of protocols) {
  test(`${name}: a poll is processed when the next one begins, and then committed by itself`, () =>
    inGroupWorld({ consumer: config }, async (t) => {
      await t.produce(10)
      const { consumer } = t.idle("a")
      assert.equal((await consumer.poll({ max: 4 })).length, 4)
      await t.passTime(6_000)
      assert.equal(await committed(t), 0, "where reading began is committed, so that others begin there too")
      assert.equal((await consumer.poll({ max: 4 })).length, 4)
      await t.passTime(6_000)
      assert.equal(await committed(t), 4)
      await consumer.close()
      assert.equal(await committed(t), 4, "closing does not take the last poll for processed")
    }))

  test(`${name}: of an iteration the record before the one asked for is processed`, () =>
    inGroupWorld({ consumer: config }, async (t) => {
      await t.produce(10)
      const { consumer } = t.idle("a")
      let seen = 0
      for await (const _ of consumer) if (++seen === 3) break
      await consumer.close()
      assert.equal(await committed(t), 2)
    }))

  test(`${name}: commit without offsets says that all that was handed out is processed`, () =>
    inGroupWorld({ consumer: { ...config, autoCommit: false } }, async (t) => {
      await t.produce(10)
      const { consumer } = t.idle("a")
      await consumer.poll({ max: 4 })
      await t.passTime(6_000)
      assert.equal(await committed(t), -1)
      await consumer.commit()
      assert.equal(await committed(t), 4)
      assert.deepEqual(await consumer.committed(), [{ topic: "t", partition: 0, offset: 4n, metadata: "" }])
      await consumer.commit([{ topic: "t", partition: 0, offset: 2n, metadata: "here" }])
      assert.deepEqual(await consumer.committed(), [{ topic: "t", partition: 0, offset: 2n, metadata: "here" }])
      await consumer.close()
      assert.equal(await committed(t), 2, "nothing is committed by itself")
      const again = t.idle("b").consumer
      assert.equal((await again.poll())[0]!.offset, 2n)
    }))

  test(`${name}: a commit waits for a broker that is away, and none overtakes another`, () =>
    inGroupWorld({ consumer: { ...config, autoCommit: false } }, async (t) => {
      await t.produce(10)
      const { consumer } = t.idle("a")
      await consumer.poll({ max: 1 })
      t.world.node.crash("kill")
      const commits = [1n, 2n, 3n].map((offset) => consumer.commit([{ topic: "t", partition: 0, offset }]))
      await t.passTime(3_000)
      t.world.node.restart()
      await t.world.start()
      await Promise.all(commits)
      assert.equal(await committed(t), 3)
    }))

  test(`${name}: without a broker a commit ends within its time, as an error that may be tried again`, () =>
    inGroupWorld({ consumer: { ...config, autoCommit: false }, client: { requestTimeoutMs: 5_000 } }, async (t) => {
      await t.produce(1)
      const { consumer } = t.idle("a")
      await consumer.poll()
      t.world.node.crash("kill")
      await t.takes(7_000, () => assert.rejects(consumer.commit(), { name: "ConnectionError", retriable: true }))
    }))

  test(`${name}: who was taken out of the group cannot commit, and is told why`, () =>
    inGroupWorld({ consumer: { ...config, autoCommit: false } }, async (t) => {
      await t.produce(2)
      const a = t.idle("a")
      await a.consumer.poll({ max: 1 })
      a.node.pause(70_000)
      // Its name comes first, so that it keeps the partition.
      const b = t.member("0")
      await t.settled([b], 90_000)
      await t.passTime(70_000)
      const refused = a.consumer.commit([{ topic: "t", partition: 0, offset: 1n }])
      await assert.rejects(refused, (error: unknown) => {
        assert.ok(error instanceof GroupError, String(error))
        assert.match(error.code, /UNKNOWN_MEMBER_ID|ILLEGAL_GENERATION|STALE_MEMBER_EPOCH/)
        assert.match(error.message, /group g: offsets of t-0 are not committed.*read again/)
        return true
      })
    }))

  test(`${name}: who does not come back for more within maxPollIntervalMs leaves, and joins again when it does`, () =>
    inGroupWorld({ partitions: 2, consumer: { ...config, maxPollIntervalMs: 20_000 } }, async (t) => {
      await t.produce(4)
      const a = t.idle("a")
      const [record] = await a.consumer.poll({ max: 1 })
      const b = t.member("b")
      await t.settled([b], 40_000)
      assert.ok(a.events.some(({ type }) => type === "lost" || type === "revoked"))
      await t.until("all is read by the other", () => t.missing().length === 0)
      assert.ok(record !== undefined)
      a.read()
      await t.settled([a, b])
    }))

  test(`${name}: reading begins at \`from\` where nothing is committed, and that is committed too`, () =>
    inGroupWorld({ consumer: { ...config, from: "latest" } }, async (t) => {
      await t.produce(5)
      const a = t.member("a")
      await t.settled([a])
      await t.passTime(6_000)
      assert.equal(await committed(t), 5)
      a.kill()
      await t.produce(3)
      const b = t.member("b")
      await t.until("what came meanwhile is read", () => b.values.length === 3, 90_000)
    }))
}

test("a rebalance waits for whoever works with records, so that nothing is processed twice", () =>
  inGroupWorld({ partitions: 2 }, async (t) => {
    await t.produce(4)
    const a = t.idle("a")
    const polled = await a.consumer.poll({ max: 2 })
    const b = t.member("b")
    await t.passTime(30_000)
    assert.equal(a.events.filter(({ type }) => type === "revoked").length, 0)
    const { partition } = polled[0]!
    a.read()
    await t.settled([a, b])
    assert.equal(await committed(t, partition), 2)
    await t.until("the rest is read", () => t.readCount === 2)
  }))

test("after a seek reading and commits go on there", () =>
  inGroupWorld({}, async (t) => {
    await t.produce(10)
    const { consumer } = t.idle("a")
    await consumer.poll()
    consumer.seek("t", 0, 3n)
    assert.equal((await consumer.poll({ max: 1 }))[0]!.offset, 3n)
    await consumer.poll({ max: 1 })
    await consumer.close()
    assert.equal(await committed(t), 4)
  }))
