import assert from "node:assert/strict"
import { test } from "node:test"
import { describeLogDirs } from "../protocol/messages/describe-log-dirs.js"
import { deleteRecords } from "../protocol/messages/delete-records.js"
import { Errors } from "../protocol/errors.js"
import { type BrokerWorld, batchOf, inBrokerWorld } from "../broker/testing/broker-world.js"

const settings = { "log.dirs": "/a,/b" }

async function homeOf(t: BrokerWorld): Promise<string[]> {
  const { results } = await t.client.send(describeLogDirs, 4, { topics: null })
  return results.flatMap(({ logDir, topics }) =>
    topics
      .filter(({ name }) => name === "t")
      .flatMap(({ partitions }) => partitions.map(({ isFutureKey }) => (isFutureKey ? `${logDir} future` : logDir))),
  )
}

const otherThan = (path: string) => (path === "/a" ? "/b" : "/a")

async function settled(t: BrokerWorld): Promise<string> {
  for (let round = 0; round < 200; round++) {
    const homes = await homeOf(t)
    if (homes.length === 1) return homes[0]!
    await t.passTime(10)
  }
  throw new Error(`the move does not end: ${await homeOf(t)}`)
}

/** Produces one value after the other without waiting for answers; returns those that were acknowledged once all are answered. */
async function load(t: BrokerWorld, count: number): Promise<string[]> {
  const acknowledged: string[] = []
  const sent: Promise<unknown>[] = []
  // One connection throughout: only there an order is promised.
  const { client } = t
  for (let number = 0; number < count; number++) {
    const value = `v${number}`
    sent.push(
      t.produce(value, { client, acks: number % 2 === 0 ? 1 : -1 }).then(
        ({ errorCode }) => {
          assert.equal(errorCode, Errors.NONE)
          acknowledged.push(value)
        },
        () => {},
      ),
    )
    if (number % 5 === 4) await t.passTime(0.3)
  }
  await Promise.all(sent)
  return acknowledged
}

test("a replica moves to another directory under load, and nothing is lost, doubled or out of order", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    await inBrokerWorld(
      async (t) => {
        await t.createTopic()
        const before = await settled(t)
        const loading = load(t, 200)
        await t.passTime(5)
        const other = await t.connect()
        assert.equal(await t.moveReplica(otherThan(before), "t", [0], other), Errors.NONE)
        const acknowledged = await loading
        assert.equal(await settled(t), otherThan(before))
        assert.equal(acknowledged.length, 200)
        assert.deepEqual(
          await t.readAll(),
          Array.from({ length: 200 }, (_, number) => `v${number}`),
        )
        assert.equal((await t.produce("after")).baseOffset, 200)
        await t.crash("power")
        assert.deepEqual((await t.readAll()).length, 201)
        assert.deepEqual(await homeOf(t), [otherThan(before)])
      },
      { settings, seed },
    )
  }
})

test("a move that a crash interrupts loses nothing, and ends after the next start", async () => {
  let first = 0
  let last = 0
  const story = async (t: BrokerWorld) => {
    first = t.disk.operationCount
    const home = await settled(t)
    assert.equal(await t.moveReplica(otherThan(home)), Errors.NONE)
    await settled(t)
    last = t.disk.operationCount
  }
  const begin = async (t: BrokerWorld) => {
    await t.createTopic()
    await load(t, 20)
  }
  await inBrokerWorld(
    async (t) => {
      await begin(t)
      await story(t)
    },
    { settings },
  )
  assert.ok(last - first > 15)
  for (let at = first + 1; at <= last; at++) {
    const how = at % 2 === 0 ? "kill" : "power"
    await inBrokerWorld(
      async (t) => {
        await begin(t)
        t.disk.intercept = ({ number }) => (number === at ? { crash: how, when: "after" } : undefined)
        await t.orDeath(story(t), 3000)
        t.disk.intercept = undefined
        if (t.node.alive) return
        t.node.restart()
        await t.start()
        assert.deepEqual(
          await t.readAll(),
          Array.from({ length: 20 }, (_, number) => `v${number}`),
          `crash by ${how} at ${at}`,
        )
        await settled(t)
        assert.equal((await t.produce("after")).baseOffset, 20, `crash by ${how} at ${at}`)
        assert.equal((await t.readAll()).length, 21)
        assert.deepEqual(t.fatal, [])
      },
      { settings },
    )
  }
})

test("a copy that cannot be read or written to its end never takes the original's place", async () => {
  for (const fault of ["target is full", "source cannot be read"] as const) {
    await inBrokerWorld(
      async (t) => {
        await t.createTopic()
        const home = await settled(t)
        for (let number = 0; number < 10; number++) await t.produce(`v${number}`)
        await t.restart()
        t.disk.intercept = ({ kind, path }) => {
          if (fault === "target is full")
            return kind === "write" && path.includes("-future/") && path.endsWith(".log")
              ? { error: "ENOSPC" }
              : undefined
          return kind === "read" && path === `${home}/t-0/${"0".repeat(20)}.log` ? { error: "EIO" } : undefined
        }
        await t.moveReplica(otherThan(home))
        await t.passTime(2000)
        t.disk.intercept = undefined
        if (fault === "target is full") {
          assert.deepEqual(await homeOf(t), [home])
          assert.equal((await t.readAll()).length, 10)
        } else assert.ok(!t.disk.paths().some((path) => path.startsWith(`${otherThan(home)}/t-0/`)))
      },
      { settings: { ...settings, "ottla.hot.cache.bytes": "0" } },
    )
  }
})

test("a log that starts inside a batch moves with its start", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic()
      await t.produce(batchOf(["0", "1", "2", "3"]))
      await t.produce(batchOf(["4"]))
      await t.client.send(deleteRecords, 2, {
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 2 }] }],
        timeoutMs: 1000,
      })
      const home = await settled(t)
      await t.moveReplica(otherThan(home))
      assert.equal(await settled(t), otherThan(home))
      assert.deepEqual(await t.readAll(), ["2", "3", "4"])
      await t.crash("power")
      assert.deepEqual(await t.readAll(), ["2", "3", "4"])
    },
    { settings },
  )
})

test("a retry behind a move is stored once, though its records were deleted before", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic()
      const idempotent = batchOf(["once"], { producerId: 7, producerEpoch: 0, baseSequence: 0 })
      const sendIt = async () => (await t.produce(Buffer.from(idempotent))).baseOffset
      assert.equal(await sendIt(), 0)
      await t.produce(batchOf(["1", "2"]))
      await t.client.send(deleteRecords, 2, {
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 2 }] }],
        timeoutMs: 1000,
      })
      assert.equal(await sendIt(), 0)
      const home = await settled(t)
      await t.moveReplica(otherThan(home))
      assert.equal(await settled(t), otherThan(home))
      assert.equal(await sendIt(), 0)
      await t.crash("power")
      assert.equal(await sendIt(), 0)
      assert.deepEqual(await t.readAll(), ["2"])
    },
    { settings },
  )
})

test("a topic deleted while its replica moves leaves neither copy", async () => {
  for (let ms = 0; ms < 4; ms += 0.5) {
    await inBrokerWorld(
      async (t) => {
        await t.createTopic()
        await load(t, 20)
        const home = await settled(t)
        await t.moveReplica(otherThan(home))
        await t.passTime(ms)
        assert.equal(await t.deleteTopic("t"), Errors.NONE)
        await t.passTime(120_000)
        assert.deepEqual(
          t.disk.paths().filter((path) => path.includes("/t-0")),
          [],
        )
        assert.deepEqual(t.fatal, [])
      },
      { settings },
    )
  }
})

test("errors of a move: a directory that is not ours, a topic and a partition that are not there", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic()
      assert.equal(await t.moveReplica("/c"), Errors.LOG_DIR_NOT_FOUND)
      assert.equal(await t.moveReplica("/a", "nope"), Errors.UNKNOWN_TOPIC_OR_PARTITION)
      assert.equal(await t.moveReplica("/a", "t", [5]), Errors.UNKNOWN_TOPIC_OR_PARTITION)
      assert.equal(await t.moveReplica((await homeOf(t))[0]!), Errors.NONE)
    },
    { settings },
  )
})
