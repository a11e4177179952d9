import assert from "node:assert/strict"
import { test } from "node:test"
import { type BrokerWorld, type BrokerWorldOptions, inBrokerWorld } from "../../broker/testing/broker-world.js"
import { ClientCore } from "../core.js"
import type { ClientOptions, ConsumerConfig } from "../options.js"
import type { Consumer } from "./consumer.js"

interface Story extends BrokerWorldOptions {
  readonly client?: ClientOptions
  readonly consumer?: ConsumerConfig
}

const inWorld = (
  options: Story,
  story: (t: BrokerWorld, client: ClientCore, read: (config?: ConsumerConfig) => Consumer) => Promise<void>,
): Promise<void> =>
  inBrokerWorld(async (t) => {
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092`, ...options.client })
    await story(t, client, (config) =>
      client.consumer({ topics: ["t"], from: "earliest", ...options.consumer, ...config }),
    )
    await client.close()
  }, options)

const take = async (consumer: Consumer, count: number): Promise<string[]> => {
  const values: string[] = []
  for await (const { value } of consumer) {
    values.push(String(value))
    if (values.length === count) break
  }
  return values
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `v${index}`)

test("what is stored is read in order, and what comes later as it comes", () =>
  inWorld({}, async (t, client, read) => {
    await t.createTopic()
    const producer = client.producer()
    const values = numbered(300)
    await producer.sendAll(values.slice(0, 200).map((value) => ({ topic: "t", value })))
    const consumer = read()
    assert.deepEqual(await take(consumer, 200), values.slice(0, 200))
    assert.equal(consumer.position("t", 0), 200n)
    assert.equal(consumer.lag("t", 0), 0)
    const later = take(consumer, 100)
    await t.passTime(50)
    await producer.sendAll(values.slice(200).map((value) => ({ topic: "t", value })))
    assert.deepEqual(await later, values.slice(200))
  }))

test("every partition of a topic is read, those that are added too, from their beginning", () =>
  inWorld({ consumer: { from: "latest" } }, async (t, client, read) => {
    await t.createTopic("t", 3)
    const producer = client.producer()
    await producer.sendAll([0, 1, 2].map((partition) => ({ topic: "t", partition, value: "old" })))
    const consumer = read()
    const found = take(consumer, 3)
    await t.passTime(1000)
    await producer.sendAll([0, 1, 2].map((partition) => ({ topic: "t", partition, value: `new ${partition}` })))
    assert.deepEqual((await found).sort(), ["new 0", "new 1", "new 2"])
  }))

test("reading begins where it is told: at an offset, at a time, at the end", () =>
  inWorld({}, async (t, client, read) => {
    await t.createTopic()
    const producer = client.producer()
    const now = t.node.env.clock.wallMs()
    for (const index of [0, 1, 2, 3])
      await producer.send({ topic: "t", value: `v${index}`, timestamp: now + 10 * index })
    assert.deepEqual(await take(read({ from: { timestamp: now + 15 } }), 2), ["v2", "v3"])
    const consumer = read()
    assert.deepEqual(await take(consumer, 4), ["v0", "v1", "v2", "v3"])
    consumer.seek("t", 0, 1n)
    assert.deepEqual(await take(consumer, 3), ["v1", "v2", "v3"])
    consumer.seek("t", 0, "latest")
    const next = take(consumer, 1)
    await t.passTime(100)
    await producer.send({ topic: "t", value: "v4" })
    assert.deepEqual(await next, ["v4"])
    const none = read({ from: { timestamp: now + 10_000 } })
    assert.deepEqual(await none.poll({ timeoutMs: 2_000 }), [])
  }))

test("a paused partition hands nothing out, and goes on where it was", () =>
  inWorld({}, async (t, client, read) => {
    await t.createTopic("t", 2)
    const producer = client.producer()
    await producer.sendAll([0, 1].map((partition) => ({ topic: "t", partition, value: `v${partition}` })))
    const consumer = read()
    await t.passTime(200)
    consumer.pause("t", 0)
    assert.deepEqual(await take(consumer, 1), ["v1"])
    assert.deepEqual(await consumer.poll({ timeoutMs: 1_000 }), [])
    consumer.resume("t", 0)
    assert.deepEqual(await take(consumer, 1), ["v0"])
  }))

test("reading goes on over kills and power cuts, with every record once", () =>
  inWorld({ consumer: { maxPartitionBytes: 2_000 } }, async (t, client, read) => {
    await t.createTopic()
    const producer = client.producer({ lingerMs: 0 })
    const values = numbered(200)
    const all = take(read(), 200)
    const sent: Promise<unknown>[] = []
    for (const [index, value] of values.entries()) {
      sent.push(producer.send({ topic: "t", value }))
      await t.passTime(2)
      if (index % 50 === 25) await t.crash(index % 100 === 25 ? "kill" : "power")
    }
    await Promise.all(sent)
    assert.deepEqual(await all, values)
  }))

test("from an offset that is not there reading goes on where `from` says", () =>
  inWorld({}, async (t, client, read) => {
    await t.createTopic()
    await client.producer().sendAll(["a", "b"].map((value) => ({ topic: "t", value })))
    const consumer = read()
    assert.deepEqual(await take(consumer, 2), ["a", "b"])
    consumer.seek("t", 0, 100n)
    assert.deepEqual(await take(consumer, 2), ["a", "b"])
  }))

test("close ends the iteration, an abort ends a poll", () =>
  inWorld({}, async (t, _client, read) => {
    await t.createTopic()
    const consumer = read()
    const controller = new AbortController()
    const polled = consumer.poll({ signal: controller.signal })
    await t.passTime(100)
    controller.abort()
    assert.deepEqual(await polled, [])
    const iterated = take(consumer, 1)
    await t.passTime(100)
    await consumer.close()
    assert.deepEqual(await iterated, [])
    await assert.rejects(consumer.poll(), { code: "CLOSED" })
  }))

test("a topic that does not come is an error that names it", () =>
  inWorld(
    { consumer: { topics: ["nowhere"], maxBlockMs: 2_000 }, client: { allowAutoTopicCreation: false } },
    async (_t, _client, read) => {
      await assert.rejects(read().poll(), /nowhere/)
    },
  ))

test("a consumer that waits for records does not hold up what else its client asks", () =>
  inWorld({ consumer: { maxWaitMs: 5_000, from: "latest" } }, async (t, client, read) => {
    await t.createTopic()
    await t.createTopic("other")
    const consumer = read()
    const polled = consumer.poll()
    await t.passTime(500)
    const { clock } = t.clients.env
    const startMs = clock.monotonicMs()
    await client.producer({ lingerMs: 0 }).send({ topic: "other", value: "v" })
    await client.admin().createTopics([{ name: "made" }])
    assert.ok(clock.monotonicMs() - startMs < 1_000, `it took ${clock.monotonicMs() - startMs} ms`)
    await client.producer().send({ topic: "t", value: "awaited" })
    assert.equal((await polled).length, 1)
  }))

test("who reads what is committed only reads records outside of transactions too, with or without a group", () =>
  inWorld({ consumer: { isolationLevel: "read_committed" } }, async (t, client, read) => {
    await t.createTopic()
    await client.producer().sendAll(["a", "b"].map((value) => ({ topic: "t", value })))
    const alone = read()
    assert.deepEqual(await take(alone, 2), ["a", "b"])
    assert.equal(alone.lag("t", 0), 0)
    const member = client.consumer({ groupId: "g", topics: ["t"], from: "earliest", isolationLevel: "read_committed" })
    assert.equal((await member.poll()).length, 2)
    assert.throws(() => read({ isolationLevel: "committed" as "read_committed" }), /isolationLevel: "committed"/)
  }))
