import assert from "node:assert/strict"
import { test } from "node:test"
import { type BrokerWorld, type BrokerWorldOptions, inBrokerWorld } from "../../broker/testing/broker-world.js"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { batchesIn, recordsOf } from "../../protocol/record-batch.js"
import { ClientCore } from "../core.js"
import type { ClientError } from "../errors.js"
import type { ClientOptions, ProducerConfig } from "../options.js"
import { partitionOfKey } from "../murmur2.js"
import { type SendEvent, unobserved } from "../observer.js"
import type { Producer, ProducerRecord } from "./producer.js"

interface Story extends BrokerWorldOptions {
  readonly client?: ClientOptions
  readonly producer?: ProducerConfig
}

/** A broker, and a producer on another machine. */
const inWorld = (options: Story, story: (t: BrokerWorld, producer: Producer) => Promise<void>): Promise<void> =>
  inBrokerWorld(async (t) => {
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092`, ...options.client })
    const producer = client.producer(options.producer)
    await story(t, producer)
    await client.close()
  }, options)

const codeOf = (sent: Promise<unknown>): Promise<string> =>
  sent.then(
    () => "stored",
    ({ code }: ClientError) => code,
  )

test("a record is stored where its promise says, and records without a key keep their order", () =>
  inWorld({}, async (t, producer) => {
    await t.createTopic()
    const sent = await producer.sendAll(["a", "b", "c"].map((value) => ({ topic: "t", value, timestamp: 7 })))
    assert.deepEqual(
      sent,
      [0n, 1n, 2n].map((offset) => ({ topic: "t", partition: 0, offset, timestamp: 7 })),
    )
    assert.deepEqual(await t.readAll(), ["a", "b", "c"])
  }))

test("a key's records go to the partition where Kafka's Java client puts them, in their order", () =>
  inWorld({ producer: { batchBytes: 300 } }, async (t, producer) => {
    await t.createTopic("t", 5)
    const keys = Array.from({ length: 12 }, (_, index) => `key ${index}`)
    const values = Array.from({ length: 20 }, (_, index) => `v${index}`)
    await producer.sendAll(
      values.flatMap((value) => keys.map((key) => ({ topic: "t", key, value: `${key} ${value}` }))),
    )
    for (let partition = 0; partition < 5; partition++) {
      const own = keys.filter((key) => partitionOfKey(Buffer.from(key), 5) === partition)
      const expected = values.flatMap((value) => own.map((key) => `${key} ${value}`))
      assert.deepEqual(await t.readAll("t", partition), expected)
    }
  }))

// Loads outside of any world, whose time does not wait for it.
await prepareCompression()

for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const)
  test(`everything a record can hold arrives, with compression ${compression}`, () =>
    inWorld({ producer: { compression } }, async (t, producer) => {
      await t.createTopic("t", 1, { "message.timestamp.after.max.ms": `${2n ** 63n - 1n}` })
      await producer.sendAll([
        { topic: "t", key: "ключ", value: Buffer.from([0, 255, 1]), headers: { trace: "1", none: null, "": "" } },
        { topic: "t", value: "several", headers: { name: ["1", Buffer.from("2")], other: "3" } },
        {
          topic: "t",
          value: "listed",
          headers: [
            { key: "b", value: "1" },
            { key: "a", value: null },
            { key: "b", value: "2" },
          ],
        },
        { topic: "t", key: Buffer.from("k"), value: null },
        { topic: "t", value: "x".repeat(3000), timestamp: 0 },
        { topic: "t", value: "", timestamp: 2 ** 41 - 1 },
      ])
      const fetched = await t.fetch(0)
      const records = [...batchesIn(fetched.records!)].flatMap(({ start, end }) => [
        ...recordsOf(fetched.records!.subarray(start, end)),
      ])
      assert.deepEqual(
        records.map(({ key, value, headers }) => [
          key?.toString() ?? null,
          value?.toString("hex") ?? null,
          headers.map((header) => [header.key, header.value?.toString() ?? null]),
        ]),
        [
          [
            "ключ",
            "00ff01",
            [
              ["trace", "1"],
              ["none", null],
              ["", ""],
            ],
          ],
          [
            null,
            Buffer.from("several").toString("hex"),
            [
              ["name", "1"],
              ["name", "2"],
              ["other", "3"],
            ],
          ],
          [
            null,
            Buffer.from("listed").toString("hex"),
            [
              ["b", "1"],
              ["a", null],
              ["b", "2"],
            ],
          ],
          ["k", null, []],
          [null, Buffer.from("x".repeat(3000)).toString("hex"), []],
          [null, "", []],
        ],
      )
      assert.deepEqual(
        records.slice(4).map(({ timestamp }) => timestamp),
        [0, 2 ** 41 - 1],
      )
    }))

test("a broker that is killed and comes back has every record once, in order, whatever was on its way", () =>
  inWorld({ producer: { lingerMs: 1, batchBytes: 400 } }, async (t, producer) => {
    await t.createTopic("t", 2)
    const sent: Promise<unknown>[] = []
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 60; index++) {
        sent.push(producer.send({ topic: "t", partition: index % 2, value: `${round}.${index}` }))
        await t.passTime(0.3)
      }
      await t.crash(round % 2 === 0 ? "kill" : "power")
    }
    await Promise.all(sent)
    for (const partition of [0, 1]) {
      const expected = Array.from({ length: 300 }, (_, number) => [Math.floor(number / 60), number % 60] as const)
        .filter(([, index]) => index % 2 === partition)
        .map(([round, index]) => `${round}.${index}`)
      assert.deepEqual(await t.readAll("t", partition), expected)
    }
  }))

test("what was sent before the topic is there waits for it, and is told when it does not come", () =>
  inWorld({ producer: { maxBlockMs: 2_000 }, client: { allowAutoTopicCreation: false } }, async (t, producer) => {
    const early = producer.send({ topic: "t", value: "early" })
    const never = codeOf(producer.send({ topic: "never", value: "x" }))
    await t.passTime(500)
    await t.createTopic()
    assert.equal((await early).offset, 0n)
    assert.equal(await never, "TIMED_OUT")
  }))

test("a record that the broker refuses fails alone, and what was sent behind it is stored", () =>
  inWorld({ producer: { batchBytes: 256, lingerMs: 0 } }, async (t, producer) => {
    await t.createTopic("t", 1, { "max.message.bytes": "2000" })
    const sent = ["a", "x".repeat(3000), "b", "c"].map((value) => codeOf(producer.send({ topic: "t", value })))
    assert.deepEqual(await Promise.all(sent), ["stored", "MESSAGE_TOO_LARGE", "stored", "stored"])
    assert.deepEqual(await t.readAll(), ["a", "b", "c"])
    assert.equal(await codeOf(producer.send({ topic: "t", value: "x".repeat(2 << 20) })), "RECORD_TOO_LARGE")
    assert.equal(await codeOf(producer.send({ topic: "t", value: "d", partition: 3 })), "INVALID_CONFIG")
  }))

test("a full buffer holds records back until there is room, and nothing is lost", () =>
  inWorld({ producer: { bufferBytes: 4096, batchBytes: 1024 } }, async (t, producer) => {
    await t.createTopic()
    const values = Array.from({ length: 200 }, (_, index) => `${index} ${"x".repeat(100)}`)
    const sent = producer.sendAll(values.map((value) => ({ topic: "t", value })))
    assert.ok(producer.bufferedBytes <= 4096)
    await sent
    assert.deepEqual(await t.readAll(), values)
    assert.equal(producer.bufferedBytes, 0)
  }))

test("close stores what was sent before it, and refuses what comes after", () =>
  inWorld({ producer: { lingerMs: 10_000 } }, async (t, producer) => {
    await t.createTopic()
    const sent = producer.send({ topic: "t", value: "last" })
    await producer.close()
    assert.equal((await sent).offset, 0n)
    assert.equal(await codeOf(producer.send({ topic: "t", value: "later" })), "CLOSED")
  }))

test("nobody there: the error says which address was tried and what came from it", () =>
  inWorld({ producer: { maxBlockMs: 1_000 }, client: { bootstrap: "10.0.0.9:1234" } }, async (_t, producer) => {
    await assert.rejects(producer.send({ topic: "t", value: "x" }), /10\.0\.0\.9:1234/)
  }))

test("acks 0: a record is done with when it is sent, without an offset, and is stored in its order beside what is answered", () =>
  inWorld({ producer: { acks: 0, lingerMs: 0, batchBytes: 300, maxInFlightRequests: 5 } }, async (t, producer) => {
    await t.createTopic()
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
    const beside = client.producer({ acks: 0 })
    const values = Array.from({ length: 100 }, (_, index) => `v${index}`)
    const sent = await producer.sendAll(values.map((value) => ({ topic: "t", value, timestamp: 7 })))
    assert.deepEqual(sent[99], { topic: "t", partition: 0, offset: -1n, timestamp: 7 })
    assert.equal(producer.bufferedBytes, 0)
    await t.passTime(100)
    await beside.send({ topic: "t", value: "beside" })
    await t.passTime(100)
    assert.equal((await client.admin().listTopics()).length, 1)
    await client.producer().send({ topic: "t", value: "answered" })
    await client.close()
    assert.deepEqual(await t.readAll(), [...values, "beside", "answered"])
  }))

test("acks 0: what a broker refuses or a kill takes is lost, and what is sent later is stored behind what came before", () =>
  inWorld({ producer: { acks: 0, lingerMs: 0, batchBytes: 256 } }, async (t, producer) => {
    await t.createTopic("t", 1, { "max.message.bytes": "2000" })
    for (const value of ["0", "x".repeat(3000), "1"]) {
      assert.equal(await codeOf(producer.send({ topic: "t", value })), "stored")
      await t.passTime(200)
    }
    assert.deepEqual(await t.readAll(), ["0", "1"])
    const sent: Promise<unknown>[] = []
    for (let index = 2; index < 200; index++) {
      sent.push(producer.send({ topic: "t", value: `${index}` }))
      await t.passTime(1)
      if (index % 60 === 0) await t.crash("kill")
    }
    await Promise.all(sent)
    await t.passTime(100)
    const stored = (await t.readAll()).map(Number)
    assert.deepEqual(
      stored,
      stored.toSorted((a, b) => a - b),
    )
    assert.equal(stored.at(-1), 199)
    assert.ok(stored.length > 180, `${stored.length} stored`)
  }))

test("acks 0 is not idempotent, and other numbers are refused with what may be", () =>
  inWorld({}, async (t) => {
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
    assert.throws(() => client.producer({ acks: 0, idempotent: true }), /idempotent: true needs acks "all", not 0/)
    assert.throws(() => client.producer({ acks: 2 as 1 }), /acks: 2 is neither "all", 1 nor 0/)
  }))

test("a record that cannot be is refused with the name of its field, also while others wait, and those are stored", () =>
  inWorld({ producer: { lingerMs: 0 } }, async (t, producer) => {
    const malformed: readonly [unknown, RegExp][] = [
      [undefined, /^record: undefined/],
      [{ value: "v" }, /^topic: /],
      [{ topic: "t", key: 7 }, /^key: 7 /],
      [{ topic: "t", value: { a: 1 } }, /^value: Object /],
      [{ topic: "t", partition: -1 }, /^partition: -1 /],
      [{ topic: "t", timestamp: 1.5 }, /^timestamp: 1.5 /],
      [{ topic: "t", timestamp: Number.POSITIVE_INFINITY }, /^timestamp: Infinity /],
      [{ topic: "t", headers: 7 }, /^headers: 7 /],
      [{ topic: "t", headers: null }, /^headers: null /],
      [{ topic: "t", headers: "trace" }, /^headers: trace /],
      [{ topic: "t", headers: new Map([["a", "b"]]) }, /^headers: Map /],
      [{ topic: "t", headers: { trace: 7 } }, /^headers: the value of "trace": 7 /],
      [{ topic: "t", headers: { trace: undefined } }, /^headers: the value of "trace": undefined /],
      [{ topic: "t", headers: { trace: ["1", {}] } }, /^headers: the value of "trace": Object /],
      [{ topic: "t", headers: [{ trace: "1" }] }, /^headers: \[0\]\.key: undefined /],
      [{ topic: "t", headers: [{ key: "a", value: "1" }, { key: "b" }] }, /^headers: \[1\]\.value: undefined /],
      [{ topic: "t", headers: [null] }, /^headers: \[0\]: null /],
    ]
    const early = producer.send({ topic: "t", value: "waits for its topic" })
    for (const [record, message] of malformed)
      await assert.rejects(producer.send(record as ProducerRecord), { code: "INVALID_CONFIG", message })
    await t.createTopic()
    for (const [record, message] of malformed)
      await assert.rejects(producer.send(record as ProducerRecord), { name: "ConfigError", message })
    await early
    await producer.send({ topic: "t", value: "good", headers: [] })
    assert.deepEqual(await t.readAll(), ["waits for its topic", "good"])
  }))

test("acks 0: what a broker refuses disturbs nothing else of its client", () =>
  inWorld({}, async (t) => {
    await t.createTopic("t", 1, { "max.message.bytes": "2000" })
    const attempts: number[] = []
    const send = { hasSubscribers: true, publish: (event: SendEvent) => void attempts.push(event.attempts) }
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` }, { ...unobserved, send })
    const [unanswered, answered] = [
      client.producer({ acks: 0, lingerMs: 0 }),
      client.producer({ acks: 1, lingerMs: 0 }),
    ]
    for (let round = 0; round < 5; round++)
      await Promise.all([
        unanswered.send({ topic: "t", value: "x".repeat(3000) }),
        answered.send({ topic: "t", value: `${round}` }),
      ])
    assert.deepEqual(attempts, new Array(10).fill(1))
    assert.deepEqual(await t.readAll(), ["0", "1", "2", "3", "4"])
    await client.close()
  }))

test("records that are settled together are told of each in its place: where it is, or why it is not", () =>
  inWorld({}, async (t, producer) => {
    await t.createTopic("t", 2)
    const record = (value: string, partition: number) => ({ topic: "t", value, partition, timestamp: 7 })
    const settled = await producer.sendAllSettled([
      ...[record("a", 1), record("x".repeat(2 << 20), 0), record("b", 1)],
      ...[record("c", 0), record("d", 5)],
    ])
    assert.deepEqual(settled.offsets, [0, -1, 1, 0, -1])
    assert.deepEqual(settled.partitions, [1, -1, 1, 0, -1])
    assert.deepEqual(settled.timestamps, [7, -1, 7, 7, -1])
    const failed = [...settled.failed].map(([index, error]) => [index, (error as ClientError).code])
    assert.deepEqual(
      new Map(failed as [number, string][]),
      new Map([
        [1, "RECORD_TOO_LARGE"],
        [4, "INVALID_CONFIG"],
      ]),
    )
    assert.deepEqual((await producer.sendAllSettled([])).offsets, [])
    assert.deepEqual(await t.readAll("t", 1), ["a", "b"])
  }))
