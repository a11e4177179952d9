import assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { test } from "node:test"
import * as v from "valibot"
import { isSurelyRecordWithId, recordWithIdSchema } from "./payload.js"
import { type GatewayWorld, inGatewayWorld } from "./testing/gateway-world.js"

const url = "/topics/t/messages"
const headersFor = (body: string) => [
  "Host",
  "localhost",
  "Content-Type",
  "application/json",
  "Content-Length",
  `${Buffer.byteLength(body)}`,
]
const plain = (g: GatewayWorld, path: string, body: string, rawHeaders = headersFor(body), method = "POST") =>
  g.gateway.answerPlain({ method, url: path, rawHeaders }, () => Promise.resolve(Buffer.from(body)))

test("a plain request is answered as the same request is that goes the long way, also when it is refused", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const bodies = [
      '{"valueText":"a","timestamp":5}',
      '{"value":"%"}',
      '{"key":1}',
      "{",
      '{"partition":9}',
      "[]",
      '{"id":"a"}',
    ]
    const requests = [
      ...bodies.flatMap((body) => [
        [url, body],
        [`/v1${url}/batch`, `{"messages":[${body}]}`],
      ]),
      [`${url}/batch`, '{"messages":[]}'],
      [`${url}/batch`, '{"messages":[{}],"more":1}'],
      ["/topics/none/messages", "{}"],
    ] as [string, string][]
    for (const [path, body] of requests) {
      const long = await g.ask("POST", path, body)
      const short = await plain(g, path, body)!
      assert.equal(short.status, long.status, body)
      for (const [name, value] of Object.entries(short.headers)) assert.equal(long.headers.get(name), value)
      const differing = /"(offsets?|timestamp)":\[?\d+/g
      assert.equal(short.body.replace(differing, ""), long.text.replace(differing, ""))
    }
  }))

test("what is unusual about a request is left to the long way", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const headers = headersFor("{}")
    const withHeader = (name: string, value: string) => [...headers, name, value]
    for (const each of [
      withHeader("Origin", "http://localhost"),
      withHeader("Sec-Fetch-Site", "cross-site"),
      withHeader("Idempotency-Key", "a"),
      withHeader("Transfer-Encoding", "chunked"),
      withHeader("host", "evil.example"),
      withHeader("content-type", "application/json"),
      headers.slice(2),
      headers.slice(0, 4),
      headers.with(1, "evil.example"),
      headers.with(1, "localhost:80:80"),
      headers.with(3, "application/x-ndjson"),
      headers.with(5, "99999999999"),
      headers.with(5, "x"),
    ])
      assert.equal(plain(g, url, "{}", each), undefined, each.join())
    for (const path of [
      "/topics/../messages",
      "/topics/a%20b/messages",
      "/topics//messages",
      `${url}?a=b`,
      "/topics/t",
      `${url}/`,
    ])
      assert.equal(plain(g, path, "{}"), undefined, path)
    assert.equal(plain(g, url, "{}", headers, "GET"), undefined)
    assert.deepEqual(await g.t.readAll(), [])
  }))

test("a body that is cut is refused and writes nothing, and nothing of it is held any more", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const cut = () => Promise.reject(new Error("the connection ended"))
    const answer = await g.gateway.answerPlain({ method: "POST", url, rawHeaders: headersFor("{}") }, cut)!
    assert.equal(answer.status, 400)
    assert.match((await g.get("/metrics")).text, /^ottla_http_body_bytes 0$/m)
    assert.deepEqual(await g.t.readAll(), [])
  }))

test("a record that is surely right is one that the schema takes and leaves as it is", () => {
  const values = [undefined, null, "", "a", "YQ==", "%", 0, 1, -1, 0.5, 2 ** 31, 9e15, {}, []]
  let sure = 0
  for (const name of [
    "key",
    "keyBase64",
    "keyJson",
    "value",
    "valueText",
    "valueJson",
    "headers",
    "partition",
    "timestamp",
    "id",
    "x",
  ])
    for (const value of values) {
      const record = { valueText: "v", [name]: value }
      if (!isSurelyRecordWithId(record)) continue
      sure++
      const result = v.safeParse(recordWithIdSchema, record)
      assert.ok(result.success, JSON.stringify(record))
      assert.deepEqual(result.output, record)
    }
  assert.ok(sure > 10)
  for (const other of [[], null, 1, JSON.parse('{"__proto__":{"key":"a"}}')])
    assert.equal(isSurelyRecordWithId(other), false)
})
