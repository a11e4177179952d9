import assert from "node:assert/strict"
import { test } from "node:test"
import { inBrokerWorld, type BrokerWorld } from "../broker/testing/broker-world.js"
import { CompressionTypes, ConfigResourceTypes, logLevel } from "./constants.js"
import type { Consumer, ConsumerRunConfig } from "./consumer.js"
import { KafkaCore } from "./kafka.js"
import type { LogEntry } from "./logger.js"
import { Partitioners } from "./partitioners.js"

interface Stage {
  readonly t: BrokerWorld
  readonly kafka: KafkaCore
  readonly logged: LogEntry[]
}

const inWorld = (story: (stage: Stage) => Promise<void>): Promise<void> =>
  inBrokerWorld(
    async (t) => {
      const logged: LogEntry[] = []
      const kafka = new KafkaCore(
        t.clients.env,
        { brokers: [`${t.node.address}:9092`], logLevel: logLevel.WARN },
        (entry) => logged.push(entry),
      )
      await story({ t, kafka, logged })
    },
    { settings: { "group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "1" } },
  )

async function produce(kafka: KafkaCore, values: readonly string[], partition?: number): Promise<void> {
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({
    topic: "t",
    messages: values.map((value) => ({ value, ...(partition !== undefined && { partition }) })),
  })
  await producer.disconnect()
}

const begin = async (kafka: KafkaCore, run: ConsumerRunConfig, groupId = "g"): Promise<Consumer> => {
  const consumer = kafka.consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topics: ["t"], fromBeginning: true })
  await consumer.run(run)
  return consumer
}

/** Until the condition holds. */
async function until(t: BrokerWorld, holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1000, "it does not come to hold")
    await t.passTime(50)
  }
}

test("messages arrive as kafkajs's programs see them: text offsets and times, headers as buffers, null keys", () =>
  inWorld(async ({ t, kafka }) => {
    await t.createTopic()
    const producer = kafka.producer()
    await producer.connect()
    const answers = await producer.send({
      ...{ topic: "t", compression: CompressionTypes.GZIP },
      messages: [
        { key: "k", value: "v", headers: { one: "1", two: ["2", Buffer.from("3")] }, timestamp: "1767225600001" },
        { value: null },
      ],
    })
    assert.deepEqual(answers, [{ topicName: "t", partition: 0, errorCode: 0, baseOffset: "0", logAppendTime: "-1" }])
    await producer.disconnect()
    const seen: unknown[] = []
    const consumer = await begin(kafka, {
      eachMessage: async ({ topic, partition, message }) => {
        const { key, value, offset, timestamp, headers } = message
        seen.push([topic, partition, offset, key?.toString(), value?.toString(), timestamp, headers])
      },
    })
    await until(t, () => seen.length === 2)
    assert.deepEqual(seen[0], [
      ...["t", 0, "0", "k", "v", "1767225600001"],
      { one: Buffer.from("1"), two: [Buffer.from("2"), Buffer.from("3")] },
    ])
    assert.deepEqual((seen[1] as unknown[]).slice(2, 5), ["1", undefined, undefined])
    await consumer.disconnect()
  }))

test("what was processed is committed, and the next consumer of the group goes on behind it", () =>
  inWorld(async ({ t, kafka }) => {
    await t.createTopic()
    await produce(kafka, ["a", "b", "c"])
    const first: string[] = []
    const consumer = await begin(kafka, { eachMessage: async ({ message }) => void first.push(String(message.value)) })
    await until(t, () => first.length === 3)
    await consumer.disconnect()
    await produce(kafka, ["d"])
    const second: string[] = []
    const next = await begin(kafka, { eachMessage: async ({ message }) => void second.push(String(message.value)) })
    await until(t, () => second.length === 1)
    assert.deepEqual(second, ["d"])
    await next.disconnect()
  }))

test("a message whose handler throws is handed out again, after consumer.crash has told of it", () =>
  inWorld(async ({ t, kafka, logged }) => {
    await t.createTopic()
    await produce(kafka, ["a", "bad", "c"])
    const seen: string[] = []
    const consumer = kafka.consumer({ groupId: "g" })
    await consumer.connect()
    const crashes: string[] = []
    consumer.on<{ error: Error; restart: boolean }>("consumer.crash", ({ payload }) => {
      crashes.push(`${payload.error.message} ${payload.restart}`)
    })
    await consumer.subscribe({ topic: "t", fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message }) => {
        const value = String(message.value)
        seen.push(value)
        if (value === "bad" && seen.filter((each) => each === "bad").length === 1) throw new Error("not today")
      },
    })
    await until(t, () => seen.length === 4)
    assert.deepEqual(seen, ["a", "bad", "bad", "c"])
    assert.deepEqual(crashes, ["not today true"])
    assert.match(logged[0]?.log.message ?? "", /not today/)
    await consumer.disconnect()
  }))

test("eachBatch resolves what it has done, and only that is committed", () =>
  inWorld(async ({ t, kafka }) => {
    await t.createTopic()
    await produce(kafka, ["a", "b", "c", "d"])
    const batches: string[][] = []
    const consumer = await begin(kafka, {
      eachBatchAutoResolve: false,
      eachBatch: async ({
        batch,
        resolveOffset,
        heartbeat,
        commitOffsetsIfNecessary,
        uncommittedOffsets,
        isRunning,
      }) => {
        batches.push(batch.messages.map(({ value }) => String(value)))
        assert.equal(batch.lastOffset(), "3")
        assert.equal(batch.offsetLag(), "0")
        if (batches.length === 1) for (const { offset } of batch.messages.slice(0, 2)) resolveOffset(offset)
        await heartbeat()
        await commitOffsetsIfNecessary(uncommittedOffsets())
        assert.ok(isRunning())
      },
    })
    await until(t, () => batches.length >= 2)
    assert.deepEqual(batches.slice(0, 2), [
      ["a", "b", "c", "d"],
      ["c", "d"],
    ])
    await consumer.disconnect()
    const admin = kafka.admin()
    await admin.connect()
    assert.deepEqual(await admin.fetchOffsets({ groupId: "g", topics: ["t"] }), [
      { topic: "t", partitions: [{ partition: 0, offset: "2", metadata: null }] },
    ])
    await admin.disconnect()
  }))

test("partitions are worked on side by side up to partitionsConsumedConcurrently, each in order", () =>
  inWorld(async ({ t, kafka }) => {
    await t.createTopic("t", 3)
    for (const partition of [0, 1, 2])
      await produce(
        kafka,
        ["a", "b", "c"].map((value) => `${partition}${value}`),
        partition,
      )
    let active = 0
    let most = 0
    const seen: string[] = []
    const consumer = await begin(kafka, {
      partitionsConsumedConcurrently: 2,
      eachMessage: async ({ message }) => {
        most = Math.max(most, ++active)
        await t.passTime(20)
        seen.push(String(message.value))
        active--
      },
    })
    await until(t, () => seen.length === 9)
    assert.equal(most, 2)
    for (const partition of ["0", "1", "2"])
      assert.deepEqual(
        seen.filter((value) => value.startsWith(partition)),
        ["a", "b", "c"].map((value) => partition + value),
      )
    await consumer.disconnect()
  }))

test("pause holds a topic back until resume, and seek goes on elsewhere", () =>
  inWorld(async ({ t, kafka }) => {
    await t.createTopic()
    await produce(kafka, ["a", "b", "c"])
    const seen: string[] = []
    const consumer = await begin(kafka, {
      eachMessage: async ({ message, pause }) => {
        seen.push(String(message.value))
        if (seen.length === 1) pause()
      },
    })
    await until(t, () => seen.length === 1)
    await t.passTime(2000)
    assert.deepEqual(seen, ["a"])
    assert.deepEqual(consumer.paused(), [{ topic: "t", partitions: [0] }])
    consumer.resume([{ topic: "t" }])
    await until(t, () => seen.length === 3)
    consumer.seek({ topic: "t", partition: 0, offset: "1" })
    await until(t, () => seen.length === 5)
    assert.deepEqual(seen, ["a", "b", "c", "b", "c"])
    await consumer.disconnect()
  }))

test("a partitioner of the user's own is told of the partitions, and obeyed", () =>
  inWorld(async ({ t, kafka }) => {
    await t.createTopic("t", 3)
    const counts: number[] = []
    const producer = kafka.producer({
      createPartitioner:
        () =>
        ({ partitionMetadata, message }) => {
          counts.push(partitionMetadata.length)
          return Number(message.key)
        },
    })
    await producer.connect()
    await producer.send({ topic: "t", messages: [{ key: "2", value: "v" }] })
    await producer.disconnect()
    assert.deepEqual(counts, [3])
    assert.deepEqual(await t.readAll("t", 2), ["v"])
  }))

test("the default partitioner is the hash of Kafka's Java client", () => {
  const partitionMetadata = Array.from({ length: 7 }, (_, partitionId) => ({
    ...{ partitionErrorCode: 0, partitionId, leader: 1, replicas: [1], isr: [1] },
  }))
  const choose = Partitioners.DefaultPartitioner()
  const of = (message: { key?: string; value: string }) => choose({ topic: "t", partitionMetadata, message })
  assert.equal(of({ key: "21", value: "" }), (-973932308 & 0x7fffffff) % 7)
  assert.deepEqual([of({ value: "" }), of({ value: "" })], [0, 1])
})

test("the admin does what kafkajs's does", () =>
  inWorld(async ({ kafka }) => {
    const admin = kafka.admin()
    await admin.connect()
    assert.equal(
      await admin.createTopics({
        topics: [{ topic: "t", numPartitions: 2, configEntries: [{ name: "retention.ms", value: "1000" }] }],
      }),
      true,
    )
    assert.equal(await admin.createTopics({ topics: [{ topic: "t" }] }), false)
    assert.deepEqual(await admin.listTopics(), ["t"])
    await admin.createPartitions({ topicPartitions: [{ topic: "t", count: 3 }] })
    assert.equal((await admin.fetchTopicMetadata({ topics: ["t"] })).topics[0]?.partitions.length, 3)
    await produce(kafka, ["a", "b"], 1)
    assert.deepEqual((await admin.fetchTopicOffsets("t"))[1], { partition: 1, offset: "2", high: "2", low: "0" })
    await admin.setOffsets({ groupId: "g", topic: "t", partitions: [{ partition: 1, offset: "1" }] })
    await admin.deleteTopicRecords({ topic: "t", partitions: [{ partition: 1, offset: "1" }] })
    assert.equal((await admin.fetchTopicOffsets("t"))[1]?.low, "1")
    const resource = { type: ConfigResourceTypes.TOPIC, name: "t" }
    const { resources } = await admin.describeConfigs({ resources: [{ ...resource, configNames: ["retention.ms"] }] })
    assert.deepEqual(
      resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
      [["retention.ms", "1000"]],
    )
    assert.deepEqual((await admin.listGroups()).groups, [{ groupId: "g", protocolType: "" }])
    await admin.deleteGroups(["g"])
    assert.equal((await admin.describeCluster()).brokers.length, 1)
    await admin.deleteTopics({ topics: ["t"] })
    await assert.rejects(admin.fetchTopicMetadata({ topics: ["t"] }), {
      name: "KafkaJSProtocolError",
      type: "UNKNOWN_TOPIC_OR_PARTITION",
      code: 3,
    })
    await admin.disconnect()
  }))

test("what this façade cannot do is refused by name, and a producer that is not connected says so", () =>
  inWorld(async ({ t, kafka }) => {
    const brokers = [`${t.node.address}:9092`]
    assert.throws(() => new KafkaCore(t.clients.env, { brokers, ssl: true }, () => {}), /ssl/)
    assert.throws(() => kafka.producer({ transactionalId: "x" }), /transactions/)
    await assert.rejects(kafka.producer().send({ topic: "t", messages: [] }), /The producer is disconnected/)
    const away = new KafkaCore(t.clients.env, { brokers: [`${t.node.address}:1`], requestTimeout: 500 }, () => {})
    await assert.rejects(away.producer().connect(), /:1: nobody listens there/)
  }))
