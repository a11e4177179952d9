import assert from "node:assert/strict"
import { test } from "node:test"
import { type GroupWorld, type GroupStory, inGroupWorld } from "./testing/group-world.js"

const protocols: readonly { name: string; config: GroupStory["consumer"] }[] = [
  { name: "eager", config: {} },
  { name: "cooperative", config: { assignors: ["cooperative-sticky"] } },
  { name: "consumer protocol", config: { groupProtocol: "consumer" } },
]

for (const { name, config } of protocols) {
  const story = (options: GroupStory, run: (t: GroupWorld) => Promise<void>) =>
    inGroupWorld({ ...options, consumer: { ...config, ...options.consumer } }, run)

  test(`${name}: one member reads everything, and a later one goes on where it was`, () =>
    story({ partitions: 2 }, async (t) => {
      await t.produce(40)
      const first = t.member("a")
      await t.until("everything is read", () => first.values.length === 40)
      await first.close()
      await t.produce(10)
      const second = t.member("b")
      await t.until("the rest is read", () => t.missing().length === 0)
      // The last record that was handed out is not known to be processed.
      assert.ok(second.values.length <= 11, `${second.values.length} read`)
      t.checkOrder()
    }))

  test(`${name}: members share partitions, and every record is read`, () =>
    story({ partitions: 6 }, async (t) => {
      const members = [t.member("a"), t.member("b"), t.member("c")]
      await t.settled(members)
      assert.deepEqual(
        members.map(({ consumer }) => consumer.assignment.length),
        [2, 2, 2],
      )
      await t.produce(60)
      await t.until("all is read", () => t.missing().length === 0)
      assert.equal(t.readCount, 60)
      t.checkOrder()
    }))

  test(`${name}: who joins gets a share, who leaves gives it back, and nothing is read twice`, () =>
    story({ partitions: 4 }, async (t) => {
      const a = t.member("a")
      await t.settled([a])
      t.produceSteadily(5)
      await t.passTime(2_000)
      const b = t.member("b")
      await t.settled([a, b])
      await t.passTime(2_000)
      await b.close()
      await t.settled([a])
      await t.stopProducing()
      await t.until("all is read", () => t.missing().length === 0)
      t.checkOrder()
      // Closing does not count the last record as processed.
      assert.ok(t.readCount - t.sentCount <= 1, `${t.readCount} of ${t.sentCount}`)
    }))

  test(`${name}: what a killed member had goes to the others after its session`, () =>
    story({ partitions: 4 }, async (t) => {
      const a = t.member("a")
      const b = t.member("b")
      await t.settled([a, b])
      t.produceSteadily(20)
      await t.passTime(1_000)
      b.kill()
      await t.settled([a], 90_000)
      await t.stopProducing()
      await t.until("all is read", () => t.missing().length === 0)
      t.checkOrder()
    }))

  test(`${name}: a member that stood still longer than its session begins again`, () =>
    story({ partitions: 4 }, async (t) => {
      const a = t.member("a")
      const b = t.member("b")
      await t.settled([a, b])
      t.produceSteadily(50)
      await t.passTime(1_000)
      b.node.pause(70_000)
      await t.settled([a], 90_000)
      await t.settled([a, b], 90_000)
      assert.ok(b.events.some(({ type }) => type === "lost"))
      await t.stopProducing()
      await t.until("all is read", () => t.missing().length === 0)
      t.checkOrder()
    }))

  test(`${name}: members and their offsets live through kills and power cuts of the broker`, () =>
    story({ partitions: 4 }, async (t) => {
      const a = t.member("a")
      const b = t.member("b")
      await t.settled([a, b])
      t.produceSteadily(20)
      for (const how of ["kill", "power", "kill"] as const) {
        await t.passTime(4_000)
        await t.world.crash(how)
      }
      await t.passTime(4_000)
      await t.stopProducing()
      await t.until("all is read", () => t.missing().length === 0, 120_000)
      t.checkOrder()
    }))

  test(`${name}: a static member that is back within its session has its partitions, and the other notices nothing`, () =>
    story({ partitions: 4 }, async (t) => {
      const a = t.member("a", { groupInstanceId: "i-a" })
      const b = t.member("b", { groupInstanceId: "i-b" })
      await t.settled([a, b])
      const before = b.consumer.assignment
      const events = a.events.length
      await b.close()
      await t.passTime(2_000)
      const again = t.member("b2", { groupInstanceId: "i-b" })
      await t.until("it has its partitions", () => again.consumer.assignment.length === 2)
      assert.deepEqual(again.consumer.assignment, before)
      assert.equal(a.events.length, events)
    }))

  test(`${name}: partitions that are added are shared out too`, () =>
    story({ partitions: 2, client: { metadataMaxAgeMs: 3_000 } }, async (t) => {
      const a = t.member("a")
      const b = t.member("b")
      await t.settled([a, b])
      await t.addPartitions(4)
      await t.until(
        "all are shared out",
        () => a.consumer.assignment.length === 2 && b.consumer.assignment.length === 2,
      )
    }))

  test(`${name}: close ends in bounded time, also in the middle of a rebalance and without a broker`, () =>
    story({ partitions: 2 }, async (t) => {
      const a = t.member("a")
      await t.settled([a])
      const b = t.member("b")
      await t.passTime(50)
      await t.takes(11_000, () => Promise.all([b.close(), t.member("c").close()]))
      await t.settled([a])
      t.world.node.crash("kill")
      await t.takes(45_000, () => a.close())
    }))
}

test("a join that waits at a broker which loses its power is sent again", () =>
  inGroupWorld({ partitions: 2 }, async (t) => {
    await t.produce(2)
    const a = t.idle("a")
    assert.equal((await a.consumer.poll({ max: 1 })).length, 1)
    const b = t.member("b")
    // The other has records in its hands, so that the group waits for it.
    await t.passTime(5_000)
    await t.world.crash("power")
    a.read()
    await t.settled([a, b], 30_000)
  }))

test("a member with nothing to do gets nothing", () =>
  inGroupWorld({ partitions: 1 }, async (t) => {
    const a = t.member("a")
    const b = t.member("b")
    await t.until("one has it", () => a.consumer.assignment.length + b.consumer.assignment.length === 1)
  }))
