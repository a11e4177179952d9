import assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { test } from "node:test"
import { compress } from "../protocol/compression/compression.js"
import { type GatewayWorld, inGatewayWorld } from "./testing/gateway-world.js"

const store = async (g: GatewayWorld, values: readonly string[], more: object = {}): Promise<void> => {
  const messages = values.map((valueText) => ({ valueText, partition: 0, ...more }))
  assert.equal((await g.post("/topics/t/messages/batch", { messages })).status, 200)
}

const page = "/topics/t/partitions/0/records"

test("a page begins where it is told and says where the next one does", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    await store(g, ["a", "b"], { timestamp: 1000 })
    await store(g, ["c", "d"], { timestamp: 2000 })
    const values = async (query: string) => {
      const { status, json, text } = await g.get(`${page}?value=text&${query}`)
      assert.equal(status, 200, text)
      return [json.messages.map(({ valueText }) => valueText).join(""), json.next_offset]
    }
    assert.deepEqual(await values(""), ["abcd", 4])
    assert.deepEqual(await values("limit=3"), ["abc", 3])
    assert.deepEqual(await values("offset=3"), ["d", 4])
    assert.deepEqual(await values("offset=4"), ["", 4])
    assert.deepEqual(await values("offset=latest"), ["", 4])
    assert.deepEqual(await values("offset=earliest&limit=1"), ["a", 1])
    assert.deepEqual(await values("timestamp=1500"), ["cd", 4])
    assert.deepEqual(await values("timestamp=9999"), ["", 4])
    const lines = await g.get(`${page}?value=text&limit=2`, { headers: { accept: "application/x-ndjson" } })
    assert.deepEqual(
      lines.text
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { offset: number }).offset),
      [0, 1],
    )
    assert.equal(lines.headers.get("next-offset"), "2")
  }))

test("compressed records are read too", () =>
  inGatewayWorld(async (g) => {
    assert.ok(compress("gzip", Buffer.from("x"), undefined).length > 0)
    await g.t.createTopic("t", 1, { "compression.type": "gzip" })
    await store(g, ["a", "b"])
    assert.equal((await g.get(page)).json.messages.length, 2)
  }))

test("a read that cannot be says which field is wrong and what to do", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    await store(g, ["a", "b"])
    const cases: [string, number, string][] = [
      [`${page}?offset=-1`, 400, "offset"],
      [`${page}?offset=3`, 400, "offset"],
      [`${page}?offset=99999999999999999999`, 400, "offset"],
      [`${page}?offset=1&timestamp=1`, 400, "timestamp"],
      [`${page}?offset=1&offset=2`, 400, "offset"],
      [`${page}?limit=0`, 400, "limit"],
      [`${page}?limit=ten`, 400, "limit"],
      [`${page}?value=hex`, 400, "value"],
      [`${page}?from=1`, 400, "from"],
      ["/topics/t/partitions/1/records", 404, "partition"],
      ["/topics/t/partitions/x/records", 400, "partition"],
      ["/topics/none/partitions/0/records", 404, "topic"],
      ["/topics/none/stream", 404, "topic"],
      ["/topics/t/stream?from=middle", 400, "from"],
      ["/topics/t/stream?partition=1", 404, "partition"],
    ]
    for (const [path, status, field] of cases) await g.refused(g.get(path), status, field)
    for (const id of ["x", "0:", "0:1,", "0:-1", "0:99"])
      await g.refused(g.get("/topics/t/stream", { headers: { "last-event-id": id } }), 400, "header Last-Event-ID")
  }))

interface Event {
  readonly id: string
  readonly event: string
  readonly data: { readonly valueText?: string; readonly offset?: number }
}

/** Reads events of a stream until there are `count` records, and leaves. */
async function follow(g: GatewayWorld, path: string, count: number, lastEventId?: string): Promise<Event[]> {
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId }
  const response = await g.request("GET", path, undefined, { headers })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get("content-type"), "text/event-stream")
  const reader = response.body!.getReader()
  let text = ""
  const records = () =>
    text
      .split("\n\n")
      .slice(0, -1)
      .filter((each) => each.includes("event: record"))
      .map((each) => {
        const fields = Object.fromEntries(
          each.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
        )
        return { id: fields.id!, event: fields.event!, data: JSON.parse(fields.data!) as Event["data"] }
      })
  while (records().length < count) {
    const { done, value } = await reader.read()
    assert.equal(done, false, text)
    text += Buffer.from(value!).toString()
  }
  await reader.cancel()
  return records()
}

test("a stream tells records as they come, and goes on after the last one that was seen", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic("t", 2)
    await store(g, ["a", "b"])
    const first = await follow(g, "/topics/t/stream?from=earliest&value=text", 2)
    assert.deepEqual(
      first.map(({ data }) => data.valueText),
      ["a", "b"],
    )
    assert.equal(first[0]!.id, "0:1,1:0")
    await store(g, ["c"])
    assert.deepEqual(
      (await follow(g, "/topics/t/stream?value=text", 2, first[0]!.id)).map(({ data }) => data.valueText),
      ["b", "c"],
    )
    const latest = follow(g, "/topics/t/stream?value=text&partition=0", 1)
    await g.t.passTime(1000)
    await store(g, ["d"])
    assert.equal((await latest)[0]!.data.valueText, "d")
  }))

test("a stream that has nothing to tell says that it lives", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const response = await g.request("GET", "/topics/t/stream")
    const reader = response.body!.getReader()
    assert.match(Buffer.from((await reader.read()).value!).toString(), /event: open/)
    assert.equal(Buffer.from((await reader.read()).value!).toString(), ": alive\n\n")
    await reader.cancel()
  }))

test("as many streams are open as may be, and those that were left count no more", () =>
  inGatewayWorld(
    async (g) => {
      await g.t.createTopic()
      const open = await Promise.all(Array.from({ length: 50 }, () => g.request("GET", "/topics/t/stream")))
      const refused = await g.get("/topics/t/stream")
      assert.equal(refused.status, 429)
      assert.equal(refused.headers.get("retry-after"), "1")
      await open[0]!.body!.cancel()
      const again = await g.request("GET", "/topics/t/stream")
      assert.equal(again.status, 200)
      await Promise.all([again, ...open.slice(1)].map((each) => each.body!.cancel()))
    },
    { gateway: { streamsMax: 50 } },
  ))
