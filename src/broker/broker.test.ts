import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { createTopics } from "../protocol/messages/create-topics.js"
import { deleteTopics } from "../protocol/messages/delete-topics.js"
import { initProducerId } from "../protocol/messages/init-producer-id.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { bootstrapFeatures, missingFeatures } from "./features.js"
import { Node, StartError } from "./node.js"
import { type BrokerWorld, inBrokerWorld } from "./testing/broker-world.js"
import { loadServerConfig } from "../config/server-config.js"

const metadataFolder = "/data/__cluster_metadata-0"

test("records, topics and settings are there after kill and power cut", async () => {
  await inBrokerWorld(async (t) => {
    const topicId = await t.createTopic("t", 2, { "retention.ms": "86400000" })
    await t.produce("a")
    await t.crash("kill")
    await t.produce("b")
    await t.crash("power")
    assert.deepEqual(await t.readAll(), ["a", "b"])
    const { topics } = await t.metadata(["t"])
    assert.equal(topics[0]!.topicId, topicId)
    assert.equal(topics[0]!.partitions.length, 2)
  })
})

test("a clean stop leaves its mark, and the next start recovers nothing", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce("a")
    await t.broker.stop()
    assert.ok(t.disk.paths().includes("/data/.kafka_cleanshutdown"))
    t.world.logLines.length = 0
    await t.start()
    assert.ok(!t.disk.paths().includes("/data/.kafka_cleanshutdown"))
    assert.deepEqual(
      t.world.logLines.filter(({ message }) => /recover/i.test(message)),
      [],
    )
    assert.deepEqual(await t.readAll(), ["a"])
  })
})

test("a start that is cut off at any disk operation can be made again, and the cluster has its features", async () => {
  let operations = 0
  await inBrokerWorld(
    async (t) => {
      await t.boot()
      operations = t.disk.operationCount
    },
    { notStarted: true },
  )
  assert.ok(operations > 20)
  for (let at = 1; at <= operations; at++) {
    for (const how of ["kill", "power"] as const) {
      await inBrokerWorld(
        async (t) => {
          t.disk.intercept = ({ number }) => (number === at ? { crash: how, when: "after" } : undefined)
          await Promise.race([t.boot(), t.passTime(5000)])
          t.disk.intercept = undefined
          if (!t.node.alive) t.node.restart()
          else return
          await t.start()
          const { finalizedFeatures } = await t.client.send(apiVersions, 4, {
            clientSoftwareName: "a",
            clientSoftwareVersion: "1",
          })
          assert.deepEqual(
            new Map(finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel])),
            new Map(bootstrapFeatures.map(({ name, featureLevel }) => [name, featureLevel])),
            `cut off by ${how} at operation ${at}`,
          )
          await t.createTopic()
        },
        { notStarted: true, seed: `${at} ${how}` },
      )
    }
  }
})

test("metadata is the same after a crash at any disk operation of creating and deleting topics", async () => {
  const story = async (t: Parameters<Parameters<typeof inBrokerWorld>[0]>[0], done: (step: string) => void) => {
    await t.createTopic("a", 2)
    done("a")
    await t.createTopic("b", 1, { "retention.ms": "86400000" })
    done("b")
    assert.equal(await t.deleteTopic("a"), 0)
    done("not a")
  }
  let first = 0
  let last = 0
  await inBrokerWorld(async (t) => {
    first = t.disk.operationCount + 1
    await story(t, () => {})
    last = t.disk.operationCount
  })
  for (let at = first; at <= last; at++) {
    await inBrokerWorld(
      async (t) => {
        const steps: string[] = []
        t.disk.intercept = ({ number }) => (number === at ? { crash: "power", when: "after" } : undefined)
        await t.orDeath(
          story(t, (step) => steps.push(step)),
          5000,
        )
        t.disk.intercept = undefined
        if (t.node.alive) return
        t.node.restart()
        await t.start()
        const names = (await t.metadata(null)).topics.map(({ name }) => name)
        if (steps.includes("b")) assert.ok(names.includes("b"), `crash at ${at}`)
        if (steps.includes("not a")) assert.ok(!names.includes("a"), `crash at ${at}`)
        else if (steps.includes("b")) assert.ok(names.length <= 2)
        else if (steps.includes("a")) assert.ok(names.includes("a"), `crash at ${at}`)
        for (const name of names) {
          const { partitions } = (await t.metadata([name!])).topics[0]!
          for (const { partitionIndex } of partitions)
            assert.equal((await t.produce("x", { topic: name!, partition: partitionIndex })).errorCode, 0)
        }
        assert.deepEqual(t.fatal, [])
      },
      { seed: at },
    )
  }
})

test("producer ids are never given twice, not over a crash either", async () => {
  await inBrokerWorld(async (t) => {
    const seen = new Set<number>()
    for (let life = 0; life < 4; life++) {
      const ids = await Promise.all(
        Array.from({ length: 5 }, () =>
          t.client.send(initProducerId, 5, { transactionalId: null, transactionTimeoutMs: 0 }),
        ),
      )
      for (const { errorCode, producerId, producerEpoch } of ids) {
        assert.deepEqual([errorCode, producerEpoch], [0, 0])
        assert.ok(!seen.has(producerId))
        seen.add(producerId)
      }
      await t.crash(life % 2 === 0 ? "kill" : "power")
    }
  })
})

test("the metadata log is bounded by snapshots, and a node starts from one", async () => {
  await inBrokerWorld(
    async (t) => {
      for (let round = 0; round < 40; round++) {
        await t.createTopic(`t${round}`, 3)
        if (round % 2 === 0) assert.equal(await t.deleteTopic(`t${round}`), 0)
      }
      await t.passTime(100_000)
      const snapshots = () => t.disk.paths().filter((path) => /__cluster_metadata-0\/[\d-]+\.checkpoint$/.test(path))
      assert.equal(snapshots().length, 1)
      assert.ok(
        !t.disk.paths().includes(`${metadataFolder}/${"0".repeat(20)}.log`),
        "the log has let go of its beginning",
      )
      const topics = async () =>
        (await t.metadata(null)).topics.map(
          ({ name, topicId, partitions }) => `${name} ${topicId} ${partitions.length}`,
        )
      const before = await topics()
      await t.crash("power")
      assert.deepEqual((await topics()).sort(), before.sort())
      assert.equal(before.length, 20)
    },
    { settings: { "metadata.log.max.record.bytes.between.snapshots": "2000" } },
  )
})

test("what a restarted node reads of its log counts towards the next snapshot", async () => {
  await inBrokerWorld(
    async (t) => {
      const snapshots = () => t.disk.paths().filter((path) => /__cluster_metadata-0\/[\d-]+\.checkpoint$/.test(path))
      for (let round = 0; round < 12 && snapshots().length === 0; round++) {
        await t.createTopic(`t${round}`)
        await t.restart()
        await t.passTime(1000)
      }
      assert.equal(snapshots().length, 1)
    },
    { settings: { "metadata.log.max.record.bytes.between.snapshots": "3000" } },
  )
})

test("a metadata log whose disk fails stops the node", async () => {
  await inBrokerWorld(async (t) => {
    t.disk.intercept = ({ kind, path }) =>
      kind === "sync" && path.includes("__cluster_metadata") ? { error: "EIO" } : undefined
    void t.createTopic().catch(() => {})
    await t.passTime(1000)
    assert.equal(t.fatal.length, 1)
    assert.match(t.fatal[0]!, /EIO/)
  })
})

/** Lays out a directory as `kafka-storage format` leaves it. */
async function formattedByKafka(t: BrokerWorld, checkpoint: string): Promise<void> {
  const { disk } = t.node.env
  await disk.makeDirectory("/data")
  for (const [name, content] of [
    ["bootstrap.checkpoint", readFileSync(join(process.cwd(), "src/metadata/testdata", checkpoint))],
    [
      "meta.properties",
      Buffer.from("version=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\nnode.id=1\ndirectory.id=uJwFSXvTQmmqMBF2kqSg5w\n"),
    ],
  ] as const) {
    const file = await disk.open(`/data/${name}`, { create: true })
    await file.write([content], 0)
    await file.close()
  }
}

async function finalizedFeatures(t: BrokerWorld): Promise<Map<string, number>> {
  const answer = await t.client.send(apiVersions, 4, { clientSoftwareName: "a", clientSoftwareVersion: "1" })
  return new Map(answer.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]))
}

test("the directory that kafka-storage formatted is taken with the features it names", async () => {
  await inBrokerWorld(
    async (t) => {
      await formattedByKafka(t, "kafka-4.3.1-bootstrap.checkpoint")
      await t.start()
      assert.equal(t.broker.clusterId, "4L6g3nShT-eMCtK--X86sw")
      const features = await finalizedFeatures(t)
      assert.equal(features.get("metadata.version"), 30)
      assert.ok(features.size >= 5)
    },
    { notStarted: true },
  )
})

test("a cluster that has no group.version gets it at the next start, and keeps it", async () => {
  await inBrokerWorld(
    async (t) => {
      await formattedByKafka(t, "kafka-4.3.1-bootstrap-group-version-0.checkpoint")
      await t.start()
      assert.equal((await finalizedFeatures(t)).get("group.version"), 1)
      await t.restart()
      assert.equal((await finalizedFeatures(t)).get("group.version"), 1)
    },
    { notStarted: true },
  )
})

test("group.version needs a metadata.version that knows it", () => {
  assert.deepEqual(missingFeatures(new Map([["metadata.version", 21]])), [])
  assert.deepEqual(missingFeatures(new Map([["metadata.version", 22]])), [{ name: "group.version", featureLevel: 1 }])
  assert.deepEqual(missingFeatures(new Map(bootstrapFeatures.map((each) => [each.name, each.featureLevel]))), [])
})

test("two brokers live in one process", async () => {
  await inBrokerWorld(async (t) => {
    const other = await t.boot({
      listeners: `PLAINTEXT://${t.node.address}:9093`,
      "log.dirs": "/other",
      "node.id": "2",
    })
    await t.createTopic()
    await t.produce("mine")
    const client = await t.connect(9093)
    const answer = await client.send(createTopics, 7, {
      topics: [{ name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    })
    assert.equal(answer.topics[0]!.errorCode, 0)
    assert.deepEqual((await t.fetch(0, { client })).values, [])
    assert.deepEqual((await t.fetch(0)).values, ["mine"])
    await other.stop()
  })
})

const startErrors: readonly { rule: string; settings: Record<string, string>; message: RegExp; insecure?: boolean }[] =
  [
    { rule: "another node's directory", settings: { "node.id": "7" }, message: /belongs to node 1, this is node 7/ },
    {
      rule: "a listener that others reach, without --insecure",
      settings: { listeners: "PLAINTEXT://0.0.0.0:9092" },
      message: /--insecure/,
      insecure: false,
    },
  ]
for (const { rule, settings, message, insecure } of startErrors) {
  test(`a start is refused for ${rule}, and the same directory starts afterwards`, async () => {
    await inBrokerWorld(async (t) => {
      await t.broker.stop()
      const { config, errors } = loadServerConfig({
        overrides: { listeners: `PLAINTEXT://${t.node.address}:9092`, "log.dirs": "/data", ...settings },
      })
      assert.deepEqual(errors, [])
      await assert.rejects(
        Node.start(t.node.env, config!, { insecure: insecure ?? true, onFatal: () => {} }),
        (error) => error instanceof StartError && message.test(error.message),
      )
      await t.start()
      await t.createTopic()
    })
  })
}

test("a start is refused for a directory in use and for a port in use, and leaves nothing behind", async () => {
  await inBrokerWorld(async (t) => {
    await assert.rejects(
      t.boot(),
      (error) => error instanceof StartError && /held by another process/.test(error.message),
    )
    const listeners = `A://${t.node.address}:9100,B://${t.node.address}:9092`
    const settings = {
      listeners,
      "listener.security.protocol.map": "A:PLAINTEXT,B:PLAINTEXT,CONTROLLER:PLAINTEXT",
      "inter.broker.listener.name": "A",
      "log.dirs": "/other",
    }
    await assert.rejects(t.boot(settings), (error) => error instanceof StartError && /listeners/.test(error.message))
    // The first of its listeners was open already.
    await t.boot({ listeners: `PLAINTEXT://${t.node.address}:9100`, "log.dirs": "/other" })
  })
})

test("a topic made and deleted by two clients at once leaves no log behind", async () => {
  await inBrokerWorld(async (t) => {
    const other = await t.connect()
    for (let round = 0; round < 5; round++) {
      const made = t.createTopic(`t${round}`, 4)
      // The second connection's request arrives while the logs are being made.
      await t.passTime(0.2 * (round + 1))
      const gone = await other.send(deleteTopics, 6, {
        topics: [{ name: `t${round}`, topicId: "AAAAAAAAAAAAAAAAAAAAAA" }],
        topicNames: [],
        timeoutMs: 1000,
      })
      await made
      if (gone.responses[0]!.errorCode !== 0) assert.equal(await t.deleteTopic(`t${round}`), 0)
    }
    await t.passTime(120_000)
    assert.deepEqual(
      t.disk.paths().filter((path) => /^\/data\/t\d/.test(path)),
      [],
    )
  })
})
