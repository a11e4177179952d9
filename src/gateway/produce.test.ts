import assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { test } from "node:test"
import { inGatewayWorld } from "./testing/gateway-world.js"

const base64 = (text: string) => Buffer.from(text).toString("base64")

test("a record is stored as it was sent, and the answer says where", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic("t", 2)
    const answer = await g.post("/topics/t/messages", {
      key: "k",
      value: base64("v"),
      headers: [
        { name: "h", value: "x" },
        { name: "b", valueBase64: "/w==" },
      ],
      partition: 1,
      timestamp: 1234,
    })
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual(answer.json, { topic: "t", partition: 1, offset: 0, timestamp: 1234 })
    const { json } = await g.get("/v1/topics/t/partitions/1/records")
    assert.deepEqual(json.messages, [
      {
        topic: "t",
        partition: 1,
        offset: 0,
        timestamp: 1234,
        key: "k",
        value: base64("v"),
        headers: [
          { name: "h", value: "x" },
          { name: "b", valueBase64: "/w==" },
        ],
      },
    ])
  }))

test("every form of key, value and header comes back as the same bytes", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    for (const body of [
      { keyBase64: "/w==", valueText: "žluť" },
      { keyJson: { id: 1 }, valueJson: [1, { a: null }] },
      { key: null, value: null },
      { headers: { plain: "text", 1: "one" } },
      {
        headers: [
          { name: "b", value: "1" },
          { name: "a", value: null },
          { name: "b", valueJson: [2] },
        ],
      },
      { valueText: "not json" },
    ])
      assert.equal((await g.post("/topics/t/messages", body)).status, 200)
    const page = (await g.get("/topics/t/partitions/0/records?value=json")).json
    const told = page.messages.map(({ topic: _t, partition: _p, offset: _o, timestamp: _s, ...rest }) => rest)
    assert.deepEqual(told, [
      { keyBase64: "/w==", value: base64("žluť"), headers: [] },
      { key: '{"id":1}', valueJson: [1, { a: null }], headers: [] },
      { key: null, value: null, headers: [] },
      {
        key: null,
        value: null,
        headers: [
          { name: "1", value: "one" },
          { name: "plain", value: "text" },
        ],
      },
      {
        key: null,
        value: null,
        headers: [
          { name: "b", value: "1" },
          { name: "a", value: null },
          { name: "b", value: "[2]" },
        ],
      },
      { key: null, value: base64("not json"), headers: [] },
    ])
    const text = (await g.get("/topics/t/partitions/0/records?value=text&limit=1")).json
    assert.equal(text.messages[0]!.valueText, "žluť")
  }))

test("a batch is answered with an offset for each message, in their order", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic("t", 2)
    const messages = Array.from({ length: 50 }, (_, index) => ({ value: base64(`v${index}`), partition: index % 2 }))
    const { status, json } = await g.post("/topics/t/messages/batch", { messages })
    assert.equal(status, 200)
    assert.deepEqual(json, {
      topic: "t",
      offsets: messages.map((_, index) => index >> 1),
      partitions: messages.map((_, index) => index % 2),
    })
    assert.equal(
      (await g.t.readAll("t", 1)).join(),
      messages
        .filter((_, index) => index % 2 === 1)
        .map((_, index) => `v${2 * index + 1}`)
        .join(),
    )
  }))

test("a batch of which some cannot be stored is answered with a result for each", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const { status, json } = await g.post("/topics/t/messages/batch", {
      messages: [
        { id: "a", valueText: "small" },
        { id: "b", valueText: "x".repeat(1 << 20) },
        { id: "c", valueText: "small too" },
      ],
    })
    assert.equal(status, 207)
    const results = json.results as unknown as {
      id: string
      status: number
      offset?: number
      error?: { kafka_error: { name: string }; remedy: string }
    }[]
    assert.deepEqual(
      results.map(({ id, status: each, offset }) => ({ id, each, offset })),
      [
        { id: "a", each: 200, offset: 0 },
        { id: "b", each: 413, offset: undefined },
        { id: "c", each: 200, offset: 1 },
      ],
    )
    assert.equal(results[1]!.error!.kafka_error.name, "MESSAGE_TOO_LARGE")
    assert.equal((await g.t.readAll()).length, 2)
  }))

test("a batch of which nothing can be stored is refused as a whole", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const { status, json } = await g.post("/topics/t/messages/batch", {
      messages: [{ valueText: "x".repeat(1 << 20) }],
    })
    assert.equal(status, 413)
    assert.equal(json.kafka_error.name, "MESSAGE_TOO_LARGE")
  }))

test("lines are stored while they come, and each is answered in its place", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const lines = [
      '{"valueText":"a","id":"1"}',
      "",
      "not json",
      '{"valueText":"b"}',
      '{"valeu":"c"}',
      '{"valueText":"d"}',
    ]
    const { status, text, headers } = await g.post("/topics/t/messages", lines.join("\n"), {
      headers: { "content-type": "application/x-ndjson" },
    })
    assert.equal(status, 200)
    assert.equal(headers.get("content-type"), "application/x-ndjson")
    const told = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { index: number; id?: string; status: number; offset?: number })
    assert.deepEqual(
      told.map(({ index, id, status: each, offset }) => [index, id, each, offset]),
      [
        [0, "1", 200, 0],
        [1, undefined, 400, undefined],
        [2, undefined, 200, 1],
        [3, undefined, 400, undefined],
        [4, undefined, 200, 2],
      ],
    )
    assert.deepEqual(await g.t.readAll(), ["a", "b", "d"])
  }))

test("an answer to a line does not wait for the next line", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    let send: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        send = controller
      },
    })
    const answered = g.gateway.fetch(
      new Request("http://localhost/topics/t/messages", {
        method: "POST",
        body,
        headers: { "content-type": "application/x-ndjson", host: "localhost" },
        duplex: "half",
      } as RequestInit),
    )
    send!.enqueue(Buffer.from('{"valueText":"a"}\n'))
    const reader = (await answered).body!.getReader()
    assert.match(String(Buffer.from((await reader.read()).value!)), /"offset":0/)
    send!.enqueue(Buffer.from('{"valueText":"b"}\n'))
    assert.match(String(Buffer.from((await reader.read()).value!)), /"offset":1/)
    send!.close()
    assert.equal((await reader.read()).done, true)
  }))

test("a bad request says which field is wrong and what to do, and writes nothing", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic("t", 2)
    const one = "/topics/t/messages"
    const many = "/topics/t/messages/batch"
    const cases: [string, unknown, number, string | RegExp][] = [
      [one, '{"valueText":"cut', 400, "body"],
      [one, "", 400, "body"],
      [one, "null", 400, "body"],
      [one, Buffer.from([0x22, 0xff, 0x22]), 400, "body"],
      [one, `${'{"keyJson":'.repeat(100)}1${"}".repeat(100)}`, 400, "body"],
      [one, '{"valueText":"a","valueText":"b"}', 400, "body"],
      [one, '{"__proto__":{"valueText":"a"}}', 400, /./],
      [one, { value: "not base64!" }, 400, "value"],
      [one, { value: "YQ" }, 400, "value"],
      [one, { value: 1 }, 400, "value"],
      [one, { value: base64("a"), valueText: "a" }, 400, "value"],
      [one, { key: "a", keyBase64: "YQ==" }, 400, "key"],
      [one, { key: 7 }, 400, "key"],
      [one, { valeu: "YQ==" }, 400, "valeu"],
      [one, { headers: 1 }, 400, "headers"],
      [one, { headers: [{ name: "a" }, { value: "b" }] }, 400, "headers"],
      [one, { headers: [{ name: "a", value: "b", valueBase64: "YQ==" }] }, 400, "headers.0.value"],
      [one, { partition: 2 }, 404, "partition"],
      [one, { partition: -1 }, 400, "partition"],
      [one, { partition: 0.5 }, 400, "partition"],
      [one, { timestamp: -5 }, 400, "timestamp"],
      [many, { messages: [] }, 400, "messages"],
      [many, {}, 400, "messages"],
      [many, { messages: {} }, 400, "messages"],
      [many, { messages: [{ valueText: "good" }, { value: "%" }] }, 400, "messages.1.value"],
      [many, { messages: [{ valueText: "good" }, { partition: 9 }] }, 404, "messages.1.partition"],
      ["/topics/none/messages", { valueText: "a" }, 404, "topic"],
      ["/topics/none/messages/batch", { messages: [{ valueText: "a" }] }, 404, "topic"],
      [`/topics/${"n".repeat(250)}/messages`, { valueText: "a" }, 400, "topic"],
      ["/topics/a%20b/messages", { valueText: "a" }, 400, "topic"],
    ]
    for (const [path, body, status, field] of cases) await g.refused(g.post(path, body), status, field)
    await g.refused(
      g.post(one, "a=b", { headers: { "content-type": "application/x-www-form-urlencoded" } }),
      415,
      "header Content-Type",
    )
    await g.refused(g.post(one, { valueText: "x".repeat(5 << 20) }), 413, "body")
    await g.refused(g.post(one, { valueText: "x" }, { headers: { "content-length": "99999999999" } }), 413, "body")
    assert.deepEqual([await g.t.readAll("t", 0), await g.t.readAll("t", 1)], [[], []])
    // Nobody has made a topic by asking for it.
    assert.doesNotMatch((await g.get("/topics")).text, /none/)
  }))

test("a body without a length is read up to the bound", () =>
  inGatewayWorld(
    async (g) => {
      await g.t.createTopic()
      const streamed = (bytes: number) =>
        g.gateway.fetch(
          new Request("http://localhost/topics/t/messages", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: new ReadableStream<Uint8Array>({
              start(controller) {
                controller.enqueue(Buffer.from('{"valueText":"'))
                controller.enqueue(Buffer.alloc(bytes, "x"))
                controller.enqueue(Buffer.from('"}'))
                controller.close()
              },
            }),
            duplex: "half",
          } as RequestInit),
        )
      assert.equal((await streamed(10)).status, 200)
      assert.equal((await streamed(2000)).status, 413)
    },
    { gateway: { bodyBytesMax: 1000 } },
  ))

test("the same request with the same key is done once; another with that key is refused", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const withKey = { headers: { "idempotency-key": "one" } }
    const both = await Promise.all([
      g.post("/topics/t/messages", { valueText: "a" }, withKey),
      g.post("/v1/topics/t/messages", { valueText: "a" }, withKey),
    ])
    assert.deepEqual(
      both.map(({ json }) => json.offset),
      [0, 0],
    )
    assert.deepEqual(
      both.map(({ headers }) => headers.get("idempotency-replayed")),
      [null, "true"],
    )
    await g.refused(g.post("/topics/t/messages", { valueText: "b" }, withKey), 422, "header Idempotency-Key")
    // It means something to this path only.
    assert.equal((await g.post("/topics/t/messages/batch", { messages: [{ valueText: "c" }] }, withKey)).status, 200)
    await g.t.passTime(700_000)
    assert.equal((await g.post("/topics/t/messages", { valueText: "b" }, withKey)).json.offset, 2)
    // Nothing was done: the key can be used again.
    const later = { headers: { "idempotency-key": "two" } }
    assert.equal((await g.post("/topics/later/messages", { valueText: "a" }, later)).status, 404)
    assert.equal((await g.post("/topics", { topic: "later" })).status, 201)
    assert.equal((await g.post("/topics/later/messages", { valueText: "a" }, later)).status, 200)
  }))

test("while no broker answers, a request is told so and when to try again", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    await g.post("/topics/t/messages", { valueText: "a" })
    await g.t.broker.stop()
    const known = await g.post("/topics/t/messages", { valueText: "b" })
    assert.equal(known.status, 504)
    const unknown = await g.post("/topics/other/messages", { valueText: "b" })
    assert.equal(unknown.status, 503, unknown.text)
    assert.equal(unknown.headers.get("retry-after"), "1")
    assert.equal(unknown.json.kafka_error.retriable, true)
  }))
