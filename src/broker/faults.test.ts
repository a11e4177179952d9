import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { deleteRecords } from "../protocol/messages/delete-records.js"
import { describeLogDirs } from "../protocol/messages/describe-log-dirs.js"
import { type BrokerWorld, inBrokerWorld } from "./testing/broker-world.js"

test("a metadata log without room refuses changes, keeps what there is, and goes on when there is room", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic("before")
    t.disk.intercept = ({ kind, path }) =>
      kind === "write" && path.includes("__cluster_metadata") ? { error: "ENOSPC" } : undefined
    for (const name of ["lost", "refused"]) {
      const error = await t.createTopic(name).then(
        () => undefined,
        (failed: Error) => failed,
      )
      assert.ok(error instanceof assert.AssertionError, name)
    }
    assert.deepEqual(
      (await t.metadata(null)).topics.map(({ name }) => name),
      ["before"],
    )
    t.disk.intercept = undefined
    await t.passTime(30_000)
    await t.createTopic("lost")
    assert.deepEqual(t.fatal, [])
    await t.crash("power")
    assert.deepEqual((await t.metadata(null)).topics.map(({ name }) => name).sort(), ["before", "lost"])
    assert.equal((await t.produce("a", { topic: "lost" })).errorCode, Errors.NONE)
  })
})

test("snapshots are written while topics come and go, and a crash at any moment finds all that was answered", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    await inBrokerWorld(
      async (t) => {
        const there = new Set<string>()
        let unsure: string | undefined
        const changes = async () => {
          for (let number = 0; ; number++) {
            unsure = `t${number}`
            await t.createTopic(unsure)
            there.add(unsure)
            if (number % 3 === 2) {
              unsure = `t${number - 1}`
              await t.deleteTopic(unsure)
              there.delete(unsure)
            }
          }
        }
        await t.orDeath(changes(), 40 + seed * 7)
        await t.crash(seed % 2 === 0 ? "kill" : "power")
        const names = (await t.metadata(null)).topics.map(({ name }) => name!)
        assert.deepEqual(
          names.filter((name) => name !== unsure).sort(),
          [...there].filter((name) => name !== unsure).sort(),
        )
        for (const topic of names) assert.equal((await t.produce("x", { topic })).errorCode, Errors.NONE)
        assert.deepEqual(t.fatal, [])
      },
      { seed, settings: { "metadata.log.max.record.bytes.between.snapshots": "700" } },
    )
  }
})

test("a sync that fails is never tried again: the node of that only directory stops, and nothing unsafe was acknowledged", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce("safe")
    t.disk.intercept = ({ kind, path }) =>
      (kind === "sync" || kind === "syncFileSystem") && !path.includes("metadata") ? { error: "EIO" } : undefined
    assert.equal((await t.produce("unsafe")).errorCode, Errors.KAFKA_STORAGE_ERROR)
    assert.equal(t.fatal.length, 1)
    t.disk.intercept = undefined
    await t.crash("power")
    assert.equal((await t.readAll())[0], "safe")
    assert.equal((await t.produce("after")).errorCode, Errors.NONE)
  })
})

async function topicPerDirectory(t: BrokerWorld): Promise<Map<string, string>> {
  await t.createTopic("one")
  await t.createTopic("two")
  const { results } = await t.client.send(describeLogDirs, 4, { topics: null })
  return new Map(results.map(({ logDir, topics }) => [logDir, topics[0]!.name]))
}

test("with one of two directories failed the other serves on, and clients are told which replicas are offline", async () => {
  await inBrokerWorld(
    async (t) => {
      const topics = await topicPerDirectory(t)
      const [gone, alive] = [topics.get("/b")!, topics.get("/a")!]
      for (const topic of [gone, alive]) await t.produce("x", { topic })
      t.disk.intercept = ({ kind, path }) =>
        kind.startsWith("sync") && path.startsWith("/b") ? { error: "EIO" } : undefined
      assert.equal((await t.produce("y", { topic: gone })).errorCode, Errors.KAFKA_STORAGE_ERROR)
      assert.equal((await t.produce("y", { topic: alive })).errorCode, Errors.NONE)
      assert.equal((await t.fetch(0, { topic: gone })).errorCode, Errors.KAFKA_STORAGE_ERROR)
      const { topics: described } = await t.metadata([gone, alive])
      assert.deepEqual(
        described.map(({ partitions }) => partitions[0]!.offlineReplicas),
        [[1], []],
      )
      const { results } = await t.client.send(describeLogDirs, 4, { topics: null })
      assert.deepEqual(
        results.map(({ logDir, errorCode }) => [logDir, errorCode]),
        [
          ["/a", Errors.NONE],
          ["/b", Errors.KAFKA_STORAGE_ERROR],
        ],
      )
      // A new topic goes where there is a disk.
      await t.createTopic("three", 3)
      for (let partition = 0; partition < 3; partition++)
        assert.equal((await t.produce("z", { topic: "three", partition })).errorCode, Errors.NONE)
      assert.deepEqual(t.fatal, [])
    },
    { settings: { "log.dirs": "/a,/b" } },
  )
})

test("the directory with the metadata log takes the node with it", async () => {
  await inBrokerWorld(
    async (t) => {
      const topics = await topicPerDirectory(t)
      t.disk.intercept = ({ kind, path }) =>
        kind.startsWith("sync") && path.startsWith("/a") ? { error: "EIO" } : undefined
      await t.produce("y", { topic: topics.get("/a")! })
      assert.equal(t.fatal.length, 1)
    },
    { settings: { "log.dirs": "/a,/b" } },
  )
})

test("a stop with requests waiting ends, and what was acknowledged is there", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const consumer = await t.connect()
    t.fetch(0, { client: consumer, maxWaitMs: 600_000, minBytes: 1_000_000 }).catch(() => {})
    const acknowledged: string[] = []
    for (let number = 0; number < 50; number++) {
      const value = `v${number}`
      t.produce(value, { acks: 1 }).then(
        ({ errorCode }) => errorCode === Errors.NONE && acknowledged.push(value),
        () => {},
      )
    }
    await t.passTime(1)
    const startMs = t.world.nowMs
    await t.restart()
    assert.ok(t.world.nowMs - startMs < 5000)
    const values = await t.readAll()
    assert.deepEqual(values.slice(0, acknowledged.length), acknowledged)
  })
})

test("a start that fails gives back the directories it had, as they were", async () => {
  await inBrokerWorld(
    async (t) => {
      t.disk.intercept = ({ kind, path }) =>
        kind === "write" && path.startsWith("/a") ? { error: "EROFS" } : undefined
      await assert.rejects(t.boot(), /EROFS/)
      t.disk.intercept = undefined
      await t.start()
      await t.createTopic()
      await t.produce("a")
      await t.produce("b")
      await t.client.send(deleteRecords, 2, {
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 1 }] }],
        timeoutMs: 1000,
      })
      await t.broker.stop()
      t.disk.intercept = ({ path }) => (path.endsWith("quorum-state") ? { error: "EIO" } : undefined)
      await assert.rejects(t.boot(), /EIO/)
      t.disk.intercept = undefined
      await t.start()
      assert.deepEqual(await t.readAll(), ["b"])
    },
    { notStarted: true, settings: { "log.dirs": "/b,/a" } },
  )
})

test("a log whose making was cut short belongs to its topic, and goes with it (M3)", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    t.node.crash("kill")
    t.node.restart()
    // As after a kill between making the folder and writing down the topic's id.
    await t.node.env.disk.unlink("/data/t-0/partition.metadata")
    await t.start()
    assert.equal((await t.produce("old")).errorCode, Errors.NONE)
    await t.deleteTopic("t")
    await t.createTopic()
    assert.deepEqual(await t.readAll(), [])
    await t.crash("power")
    assert.deepEqual(await t.readAll(), [])
  })
})
