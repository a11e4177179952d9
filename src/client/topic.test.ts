import assert from "node:assert/strict"
import { test } from "node:test"
import { inBrokerWorld, type BrokerWorld } from "../broker/testing/broker-world.js"
import { bytes, type Codec, json, string } from "./codecs.js"
import { ClientCore } from "./core.js"
import type { StandardSchema } from "./standard-schema.js"
import { CodecError, type Topic, topic, type TypedRecord } from "./topic.js"

interface Order {
  readonly id: number
  readonly item: string
}

const orderSchema: StandardSchema<Order> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const { id, item } = value as Partial<Order>
      if (typeof id !== "number") return { issues: [{ message: "must be a number", path: ["id"] }] }
      return { value: { id, item: String(item).trim() } }
    },
  },
}

const orders = topic("t", { key: string, value: json(orderSchema) })

const inWorld = (story: (t: BrokerWorld, client: ClientCore) => Promise<void>): Promise<void> =>
  inBrokerWorld(async (t) => {
    await t.createTopic()
    await using client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
    await story(t, client)
  })

async function take<K, V>(from: AsyncIterable<TypedRecord<K, V>>, count: number): Promise<(V | null)[]> {
  const values: (V | null)[] = []
  for await (const { value } of from) if (values.push(value) === count) break
  return values
}

test("what is sent with types is read with them, as its schema makes it", () =>
  inWorld(async (_t, client) => {
    const producer = client.producer()
    await orders.send(producer, { key: "a", value: { id: 1, item: " pen " } })
    await orders.send(producer, { key: "a", value: null })
    const consumer = client.consumer({ topics: [orders.name], from: "earliest" })
    assert.deepEqual(await take(orders.read(consumer), 2), [{ id: 1, item: "pen" }, null])
  }))

test("what the schema does not allow is not sent, and the error names topic and field", () =>
  inWorld(async (t, client) => {
    const producer = client.producer()
    await assert.rejects(orders.send(producer, { value: { id: "1" } as never }), (error: unknown) => {
      assert.ok(error instanceof CodecError)
      assert.equal(error.message, "the value of a record for t: id: must be a number")
      return error.code === "INVALID_RECORD" && !error.retriable
    })
    assert.deepEqual(await t.readAll(), [])
  }))

test("a record that cannot be read ends the iteration with where it is, and the next begins behind it", () =>
  inWorld(async (_t, client) => {
    const producer = client.producer()
    await producer.send({ topic: "t", value: "no JSON" })
    await orders.send(producer, { value: { id: 2, item: "ink" } })
    const consumer = client.consumer({ topics: [orders.name], from: "earliest" })
    await assert.rejects(take(orders.read(consumer), 1), (error: unknown) => {
      assert.ok(error instanceof CodecError)
      assert.match(error.message, /^the value of t-0 at 0: /)
      return error.record?.value?.toString() === "no JSON"
    })
    assert.deepEqual(await take(orders.read(consumer), 1), [{ id: 2, item: "ink" }])
  }))

test("with onInvalid, records that cannot be read are told and left out", () =>
  inWorld(async (_t, client) => {
    const producer = client.producer()
    const numbers = topic("t", { key: bytes, value: json<number>() })
    for (const value of ["1", "{", "2"]) await producer.send({ topic: "t", value })
    const told: string[] = []
    const consumer = client.consumer({ topics: ["t"], from: "earliest" })
    const read = numbers.read(consumer, { onInvalid: ({ record }) => void told.push(String(record?.offset)) })
    assert.deepEqual(await take(read, 2), [1, 2])
    assert.deepEqual(told, ["1"])
  }))

test("records go in the order of the calls, also when an earlier one takes longer to encode", () =>
  inWorld(async (t, client) => {
    const producer = client.producer()
    let finish = () => {}
    const slow: Codec<string> = {
      encode: (value) => (value === "slow" ? new Promise((resolve) => (finish = () => resolve(value))) : value),
      decode: (value) => value.toString(),
    }
    const texts: Topic<string, string> = topic("t", { key: string, value: slow })
    const sent = ["slow", "fast", "faster"].map((value) => texts.send(producer, { value }))
    await t.passTime(10)
    finish()
    await Promise.all(sent)
    assert.deepEqual(await t.readAll(), ["slow", "fast", "faster"])
  }))

test("text that is not UTF-8 is an error, and the replacement character itself is none", async () => {
  assert.equal(await string.decode(Buffer.from("a\ufffdb")), "a\ufffdb")
  assert.throws(() => string.decode(Buffer.from([0x61, 0xff])), /UTF-8/)
})

test("what has no form in JSON is not sent", () => {
  assert.throws(() => json().encode(undefined), /undefined has no form/)
})
