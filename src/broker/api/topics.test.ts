import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../../base/ids.js"
import { Errors } from "../../protocol/errors.js"
import { createPartitions } from "../../protocol/messages/create-partitions.js"
import { createTopics } from "../../protocol/messages/create-topics.js"
import { deleteRecords } from "../../protocol/messages/delete-records.js"
import { deleteTopics } from "../../protocol/messages/delete-topics.js"
import { describeTopicPartitions } from "../../protocol/messages/describe-topic-partitions.js"
import { electLeaders } from "../../protocol/messages/elect-leaders.js"
import { buildBatch } from "../../protocol/record-batch.js"
import { type BrokerWorld, batchOf, inBrokerWorld } from "../testing/broker-world.js"

type Wanted = Partial<{
  numPartitions: number
  replicationFactor: number
  assignments: { partitionIndex: number; brokerIds: number[] }[]
  configs: { name: string; value: string | null }[]
}>

async function create(t: BrokerWorld, topics: Record<string, Wanted>, validateOnly = false) {
  const answer = await t.client.send(createTopics, 7, {
    topics: Object.entries(topics).map(([name, wanted]) => ({
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [],
      ...wanted,
    })),
    timeoutMs: 1000,
    validateOnly,
  })
  return answer.topics
}

const config = (name: string, value: string | null): Wanted => ({ configs: [{ name, value }] })
const assigned = (...brokers: (readonly [number, number[]])[]): Wanted => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: brokers.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
})

const refusals: readonly (readonly [name: string, wanted: Wanted, error: number])[] = [
  ["there", {}, Errors.TOPIC_ALREADY_EXISTS],
  ["bad name", {}, Errors.INVALID_TOPIC_EXCEPTION],
  ["", {}, Errors.INVALID_TOPIC_EXCEPTION],
  ["..", {}, Errors.INVALID_TOPIC_EXCEPTION],
  ["../../etc", {}, Errors.INVALID_TOPIC_EXCEPTION],
  ["x".repeat(250), {}, Errors.INVALID_TOPIC_EXCEPTION],
  ["a_b", {}, Errors.INVALID_TOPIC_EXCEPTION],
  // Its folder would be the metadata log's.
  ["__cluster_metadata", {}, Errors.INVALID_REQUEST],
  ["new", { replicationFactor: 2 }, Errors.INVALID_REPLICATION_FACTOR],
  ["new", { replicationFactor: 0 }, Errors.INVALID_REPLICATION_FACTOR],
  ["new", { numPartitions: 0 }, Errors.INVALID_PARTITIONS],
  ["new", { numPartitions: 2_000_000_000 }, Errors.POLICY_VIOLATION],
  ["new", config("nope", "1"), Errors.INVALID_CONFIG],
  ["new", config("retention.ms", "soon"), Errors.INVALID_CONFIG],
  ["new", config("retention.ms", null), Errors.INVALID_CONFIG],
  ["new", config("remote.storage.enable", "true"), Errors.INVALID_CONFIG],
  ["new", { ...assigned([0, [1]]), numPartitions: 1 }, Errors.INVALID_REQUEST],
  ["new", { ...assigned([0, [1]]), replicationFactor: 1 }, Errors.INVALID_REQUEST],
  ["new", assigned([1, [1]]), Errors.INVALID_REPLICA_ASSIGNMENT],
  ["new", assigned([0, [1, 1]]), Errors.INVALID_REPLICA_ASSIGNMENT],
  ["new", assigned([0, [9]]), Errors.INVALID_REPLICA_ASSIGNMENT],
  ["new", assigned([0, []]), Errors.INVALID_REPLICA_ASSIGNMENT],
]

test("a topic that cannot be made is refused with Kafka's error, and nothing of it is there", async () => {
  await inBrokerWorld(async (t) => {
    await create(t, { there: {}, "a.b": {} })
    for (const [name, wanted, error] of refusals)
      assert.equal((await create(t, { [name]: wanted }))[0]!.errorCode, error, `${name} ${JSON.stringify(wanted)}`)
    assert.deepEqual((await t.metadata(null)).topics.map(({ name }) => name).sort(), ["a.b", "there"])
    assert.equal((await create(t, { new: {} }))[0]!.errorCode, Errors.NONE)
    await t.crash("power")
    assert.equal((await t.metadata(null)).topics.length, 3)
  })
})

test("one topic's refusal is not another's", async () => {
  await inBrokerWorld(async (t) => {
    const answers = await create(t, { good: {}, "bad name": {}, better: assigned([0, [1]], [1, [1]]) })
    assert.deepEqual(
      answers.map(({ name, errorCode, numPartitions }) => [name, errorCode, numPartitions]),
      [
        ["good", Errors.NONE, 1],
        ["bad name", Errors.INVALID_TOPIC_EXCEPTION, -1],
        ["better", Errors.NONE, 2],
      ],
    )
  })
})

test("a topic that is only validated is answered as if made, and is not", async () => {
  await inBrokerWorld(async (t) => {
    const [answer] = await create(t, { t: { numPartitions: 3, ...config("retention.ms", "5") } }, true)
    assert.equal(answer!.errorCode, Errors.NONE)
    assert.equal(answer!.numPartitions, 3)
    assert.equal(answer!.configs!.find(({ name }) => name === "retention.ms")!.value, "5")
    assert.equal((await t.metadata(["t"])).topics[0]!.errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION)
  })
})

test("a topic made again under its name never shows the old one's records, whatever crash came between", async () => {
  for (const crash of [undefined, "kill", "power"] as const) {
    for (let ms = 0; ms < 3; ms += 0.5) {
      await inBrokerWorld(
        async (t) => {
          const first = await t.createTopic()
          await t.produce("old")
          const deleting = t.deleteTopic("t").catch(() => {})
          if (crash === undefined) await deleting
          else {
            await t.passTime(ms)
            await t.crash(crash)
            if ((await t.metadata(["t"])).topics[0]!.errorCode === Errors.NONE) await t.deleteTopic("t")
          }
          const second = await t.createTopic()
          assert.notEqual(second, first)
          assert.deepEqual(await t.readAll(), [])
          assert.equal((await t.produce("new")).baseOffset, 0)
          await t.crash("power")
          assert.deepEqual(await t.readAll(), ["new"])
          await t.passTime(120_000)
          assert.deepEqual(
            t.disk
              .paths()
              .filter((path) => path.startsWith("/data/t-0"))
              .filter((path) => !path.startsWith("/data/t-0/")),
            [],
          )
        },
        { seed: ms },
      )
    }
  }
})

test("a log whose topic the metadata does not know is left alone, and set aside when its name is wanted", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce("precious")
    await t.broker.stop()
    // Somebody lost the metadata.
    const { disk } = t.node.env
    await disk.removeDirectory("/data/__cluster_metadata-0")
    await disk.unlink("/data/recovery-point-offset-checkpoint")
    await t.start()
    assert.ok(
      t.world.logLines.some(({ level, message }) => level === "warn" && /no topic the metadata knows/.test(message)),
    )
    assert.ok(t.disk.paths().some((path) => path.startsWith("/data/t-0/")))
    await t.createTopic()
    assert.deepEqual(await t.readAll(), [])
    await t.produce("new")
    await t.passTime(120_000)
    await t.restart()
    assert.deepEqual(await t.readAll(), ["new"])
    assert.ok(t.disk.paths().some((path) => /^\/data\/t-0\.[0-9a-f]{32}-stray\/.*\.log$/.test(path)))
  })
})

test("topics are deleted by name or id, and named once", async () => {
  await inBrokerWorld(async (t) => {
    const a = await t.createTopic("a")
    await t.createTopic("b")
    const remove = async (topics: { name: string | null; topicId: string }[]) =>
      (await t.client.send(deleteTopics, 6, { topics, topicNames: [], timeoutMs: 1000 })).responses.map(
        ({ name, errorCode }) => [name, errorCode],
      )
    assert.deepEqual(await remove([{ name: "b", topicId: a }]), [["b", Errors.INVALID_REQUEST]])
    assert.deepEqual(
      await remove([
        { name: "b", topicId: zeroUuid },
        { name: "b", topicId: zeroUuid },
      ]),
      [["b", Errors.INVALID_REQUEST]],
    )
    assert.deepEqual(
      await remove([
        { name: null, topicId: a },
        { name: "nope", topicId: zeroUuid },
      ]),
      [
        ["a", Errors.NONE],
        ["nope", Errors.UNKNOWN_TOPIC_OR_PARTITION],
      ],
    )
    assert.deepEqual(await remove([{ name: null, topicId: a }]), [[null, Errors.UNKNOWN_TOPIC_ID]])
  })
})

test("partitions are added, never taken away", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const grow = async (name: string, count: number, brokers: number[][] | null = null, validateOnly = false) =>
      (
        await t.client.send(createPartitions, 3, {
          topics: [{ name, count, assignments: brokers?.map((brokerIds) => ({ brokerIds })) ?? null }],
          timeoutMs: 1000,
          validateOnly,
        })
      ).results[0]!.errorCode
    assert.equal(await grow("t", 3, null, true), Errors.NONE)
    assert.equal(await grow("t", 3), Errors.NONE)
    assert.equal(await grow("t", 3), Errors.INVALID_PARTITIONS)
    assert.equal(await grow("t", 2), Errors.INVALID_PARTITIONS)
    assert.equal(await grow("nope", 2), Errors.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal(await grow("t", 5, [[1]]), Errors.INVALID_REPLICA_ASSIGNMENT)
    assert.equal(await grow("t", 4, [[7]]), Errors.INVALID_REPLICA_ASSIGNMENT)
    assert.equal(await grow("t", 4, [[1]]), Errors.NONE)
    for (let partition = 0; partition < 4; partition++)
      assert.equal((await t.produce("x", { partition })).errorCode, Errors.NONE)
    await t.crash("power")
    assert.deepEqual(await t.readAll("t", 3), ["x"])
  })
})

test("deleted records stay deleted over a power cut", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce(batchOf(["a", "b", "c"]))
    const remove = async (offset: number, name = "t") => {
      const answer = await t.client.send(deleteRecords, 2, {
        topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
        timeoutMs: 1000,
      })
      const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!
      return [errorCode, lowWatermark]
    }
    assert.deepEqual(await remove(1), [Errors.NONE, 1])
    assert.deepEqual(await remove(0), [Errors.NONE, 1])
    assert.deepEqual(await remove(4), [Errors.OFFSET_OUT_OF_RANGE, -1])
    assert.deepEqual(await remove(-2), [Errors.OFFSET_OUT_OF_RANGE, -1])
    assert.deepEqual(await remove(0, "nope"), [Errors.UNKNOWN_TOPIC_OR_PARTITION, -1])
    await t.crash("power")
    assert.equal((await t.offsetAt(-2)).offset, 1)
    assert.deepEqual(await t.readAll(), ["b", "c"])
    assert.deepEqual(await remove(-1), [Errors.NONE, 3])
    await t.crash("power")
    assert.deepEqual(await t.readAll(), [])
    await t.createTopic("c", 1, { "cleanup.policy": "compact" })
    assert.deepEqual(await remove(0, "c"), [Errors.POLICY_VIOLATION, -1])
  })
})

test("metadata makes a missing topic where both sides allow it, once, ready to be written to", async () => {
  await inBrokerWorld(async (t) => {
    const others = await Promise.all([t.connect(), t.connect()])
    const asked = await Promise.all(
      [t.client, ...others].map((client) => {
        t.client = client
        return t.metadata(["auto"], { allowAutoTopicCreation: true })
      }),
    )
    const ids = new Set(asked.map(({ topics }) => topics[0]!.topicId))
    assert.equal(ids.size, 1)
    for (const { topics } of asked) {
      assert.equal(topics[0]!.errorCode, Errors.NONE)
      assert.equal(topics[0]!.partitions[0]!.leaderId, 1)
    }
    assert.equal((await t.produce("a", { topic: "auto" })).errorCode, Errors.NONE)
    const errorOf = async (name: string) =>
      (await t.metadata([name], { allowAutoTopicCreation: true })).topics[0]!.errorCode
    assert.equal(await errorOf("no good"), Errors.INVALID_TOPIC_EXCEPTION)
    // Whoever keeps his state there makes it, with the settings it needs.
    assert.equal(await errorOf("__consumer_offsets"), Errors.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal(await errorOf("__cluster_metadata"), Errors.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal((await t.metadata(["other"])).topics[0]!.errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION)
  })
})

test("metadata by name, by id, of all and of none", async () => {
  await inBrokerWorld(async (t) => {
    const topicId = await t.createTopic("t", 2)
    assert.equal((await t.metadata(null)).topics.length, 1)
    assert.equal((await t.metadata([])).topics.length, 0)
    assert.equal((await t.metadata([], {}, 0)).topics.length, 1)
    assert.equal((await t.metadata(["t", "t"])).topics.length, 1)
    const byId = async (id: string, version: number) =>
      (await t.metadata([], { topics: [{ name: null, topicId: id }] }, version)).topics[0]!
    assert.equal((await byId(topicId, 12)).name, "t")
    assert.equal((await byId("AAAAAAAAAAAAAAAAAAAABA", 12)).errorCode, Errors.UNKNOWN_TOPIC_ID)
    const { brokers, controllerId, clusterId } = await t.metadata([])
    assert.deepEqual(
      brokers.map(({ nodeId, host, port }) => [nodeId, host, port]),
      [[1, t.node.address, 9092]],
    )
    assert.equal(controllerId, 1)
    assert.equal(clusterId, t.broker.clusterId)
  })
})

test("pages of partitions join to all of them", async () => {
  await inBrokerWorld(
    async (t) => {
      for (const [name, count] of [
        ["a", 3],
        ["b", 1],
        ["c", 4],
      ] as const)
        await t.createTopic(name, count)
      const seen: string[] = []
      let cursor: { topicName: string; partitionIndex: number } | null = null
      let pages = 0
      do {
        const answer: Awaited<ReturnType<typeof page>> = await page(t, cursor)
        for (const { name, partitions } of answer.topics)
          for (const { partitionIndex } of partitions) seen.push(`${name}${partitionIndex}`)
        cursor = answer.nextCursor
        pages++
      } while (cursor !== null)
      assert.deepEqual(seen, ["a0", "a1", "a2", "b0", "c0", "c1", "c2", "c3"])
      assert.equal(pages, 4)
    },
    { settings: { "max.request.partition.size.limit": "2" } },
  )
})

const page = (t: BrokerWorld, cursor: { topicName: string; partitionIndex: number } | null) =>
  t.client.send(describeTopicPartitions, 0, { topics: [], responsePartitionLimit: 100, cursor })

test("an election that is not needed says so", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    for (const electionType of [0, 1]) {
      const answer = await t.client.send(electLeaders, 2, {
        electionType,
        topicPartitions: [{ topic: "t", partitions: [0, 9] }],
      })
      assert.deepEqual(
        answer.replicaElectionResults[0]!.partitionResult.map(({ errorCode }) => errorCode),
        [Errors.ELECTION_NOT_NEEDED, Errors.UNKNOWN_TOPIC_OR_PARTITION],
      )
    }
    const unknown = await t.client.send(electLeaders, 2, { electionType: 7, topicPartitions: null })
    assert.equal(unknown.errorCode, Errors.INVALID_REQUEST)
  })
})

test("ListOffsets finds the record, not the batch", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const base = 1_000_000
    for (const values of [
      [0, 10, 5],
      [20, 40, 30],
    ]) {
      await t.produce(
        buildBatch({ records: values.map((delta) => ({ value: Buffer.from("x"), timestamp: base + delta })) }),
      )
    }
    const find = async (delta: number) => {
      const { offset, timestamp } = await t.offsetAt(base + delta)
      return [offset, timestamp < 0 ? -1 : timestamp - base]
    }
    assert.deepEqual(await find(-5), [0, 0])
    assert.deepEqual(await find(1), [1, 10])
    assert.deepEqual(await find(11), [3, 20])
    assert.deepEqual(await find(21), [4, 40])
    assert.deepEqual(await find(41), [-1, -1])
    assert.equal((await t.offsetAt(-3)).offset, 4)
    assert.deepEqual([(await t.offsetAt(-2)).offset, (await t.offsetAt(-1)).offset], [0, 6])
    assert.equal((await t.offsetAt(-3, { version: 6 })).errorCode, Errors.UNSUPPORTED_VERSION)
    assert.equal((await t.offsetAt(-77)).errorCode, Errors.UNSUPPORTED_VERSION)
  })
})
