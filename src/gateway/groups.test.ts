import assert from "node:assert/strict"
import { test } from "node:test"
import { type GatewayWorld, inGatewayWorld } from "./testing/gateway-world.js"

/** A group waits for nobody who may come. */
const options = { settings: { "group.initial.rebalance.delay.ms": "0" } }
const inWorld = (story: (g: GatewayWorld) => Promise<void>) => inGatewayWorld(story, options)

const store = (g: GatewayWorld, values: readonly string[]) =>
  g.post("/topics/t/messages/batch", { messages: values.map((valueText) => ({ valueText, partition: 0 })) })

const subscribe = async (g: GatewayWorld, more: object = {}): Promise<string> => {
  const { status, json, text } = await g.post("/consumers/g/subscribe", { topics: ["t"], ...more })
  assert.equal(status, 200, text)
  return json.consumer_id as string
}

const poll = async (g: GatewayWorld, query = "value=text"): Promise<unknown[]> => {
  const { status, json, text } = await g.get(`/consumers/g/poll?${query}`)
  assert.equal(status, 200, text)
  return json.messages.map(({ valueText }) => valueText)
}

const lag = async (g: GatewayWorld) => (await g.get("/groups/g/lag")).json

/** A group is there once it has members or offsets. */
const committed = async (g: GatewayWorld): Promise<unknown> => {
  const { status, json } = await g.get("/groups/g/lag")
  return status === 404 ? [] : json.partitions
}

test("subscribe, poll and commit: the offsets are those that were said, and polling says none", () =>
  inWorld(async (g) => {
    await g.t.createTopic()
    await store(g, ["a", "b", "c"])
    await subscribe(g)
    assert.deepEqual(await poll(g, "value=text&max_records=2"), ["a", "b"])
    assert.deepEqual(await committed(g), [], "nothing is committed by polling")
    const { json } = await g.post("/consumers/g/offsets", { offsets: { t: { 0: 1 } } })
    assert.deepEqual(json, { offsets: { t: { 0: 1 } } })
    assert.equal((await lag(g)).total_lag, 2)
    // Without offsets: of what was polled.
    assert.deepEqual((await g.post("/consumers/g/offsets")).json, { offsets: { t: { 0: 2 } } })
    assert.deepEqual((await lag(g)).partitions, [
      { topic: "t", partition: 0, committed_offset: 2, end_offset: 3, lag: 1 },
    ])
    assert.deepEqual(await poll(g), ["c"])
    assert.deepEqual(await poll(g, "timeout_ms=50"), [])
  }))

test("reading goes on where it is told to: at an offset, at a time, at the beginning and the end", () =>
  inWorld(async (g) => {
    await g.t.createTopic()
    await store(g, ["a", "b", "c"])
    await subscribe(g)
    assert.deepEqual(await poll(g), ["a", "b", "c"])
    const seek = async (to: object) =>
      (await g.post("/consumers/g/seek", { topic: "t", partition: 0, ...to })).json.offset
    assert.equal(await seek({ offset: 1 }), 1)
    assert.deepEqual(await poll(g), ["b", "c"])
    assert.equal(await seek({ offset: "earliest" }), 0)
    assert.deepEqual(await poll(g), ["a", "b", "c"])
    assert.equal(await seek({ timestamp: 0 }), 0)
    assert.equal(await seek({ offset: "latest" }), 3)
    assert.deepEqual(await poll(g, "timeout_ms=50"), [])
  }))

test("a group has several consumers, told apart by their ids", () =>
  inWorld(async (g) => {
    await g.t.createTopic()
    await store(g, ["a"])
    const [first, second] = [await subscribe(g), await subscribe(g)]
    assert.notEqual(first, second)
    await g.refused(g.get("/consumers/g/poll"), 409, "consumer_id")
    assert.deepEqual(await poll(g, `value=text&consumer_id=${first}`), ["a"])
    const described = (await g.get(`/consumers/g/${first}`)).json
    assert.deepEqual(described.assignment, [{ topic: "t", partition: 0 }])
    assert.equal((await g.ask("DELETE", `/consumers/g/${second}`)).status, 204)
    await g.refused(g.get(`/consumers/g/poll?consumer_id=${second}`), 404, "consumer_id")
    assert.equal((await g.post("/consumers/g/offsets")).status, 200)
  }))

test("a consumer that nobody asks for leaves after its lease, and one that is used stays", () =>
  inWorld(async (g) => {
    await g.t.createTopic()
    const idle = await subscribe(g, { lease_ms: 5000 })
    const used = await subscribe(g, { lease_ms: 5000 })
    for (let step = 0; step < 3; step++) {
      await g.t.passTime(3000)
      await poll(g, `timeout_ms=0&consumer_id=${used}`)
    }
    await g.refused(g.get(`/consumers/g/poll?consumer_id=${idle}`), 404, "consumer_id")
    // A poll that takes longer than the lease is use.
    assert.deepEqual(await poll(g, `timeout_ms=8000&consumer_id=${used}`), [])
    assert.deepEqual(await poll(g, `timeout_ms=0&consumer_id=${used}`), [])
  }))

test("what a caller did not wait for is given to the next poll", () =>
  inWorld(async (g) => {
    await g.t.createTopic()
    await subscribe(g)
    const leaving = new AbortController()
    const left = g.get("/consumers/g/poll?timeout_ms=60000", { signal: leaving.signal })
    await g.t.passTime(1000)
    const busy = await g.get("/consumers/g/poll")
    assert.equal(busy.status, 409, "one poll at a time")
    leaving.abort()
    await left
    await store(g, ["a"])
    assert.deepEqual(await poll(g), ["a"])
  }))

test("what cannot be is refused, and nothing is committed", () =>
  inWorld(async (g) => {
    await g.t.createTopic("t", 2)
    await g.t.createTopic("other")
    await store(g, ["a", "b"])
    await g.refused(g.get("/consumers/g/poll"), 404, "consumer_id")
    await g.refused(g.post("/consumers/g/offsets", { offsets: { t: { 0: 1 } } }), 404, "consumer_id")
    await subscribe(g)
    await poll(g)
    const offsets = "/consumers/g/offsets"
    const seek = "/consumers/g/seek"
    const cases: [string, unknown, number, string][] = [
      [offsets, { offsets: { t: { 0: 3 } } }, 400, "offsets.t.0"],
      [offsets, { offsets: { t: { 0: 1, 1: 1 } } }, 400, "offsets.t.1"],
      [offsets, { offsets: { t: { 0: -1 } } }, 400, "offsets.t.0"],
      [offsets, { offsets: { t: { 0: 0.5 } } }, 400, "offsets.t.0"],
      [offsets, { offsets: { t: { 0: "1" } } }, 400, "offsets.t.0"],
      [offsets, { offsets: { t: { x: 1 } } }, 400, "offsets.t"],
      [offsets, { offsets: { t: { 2: 0 } } }, 404, "partition"],
      [offsets, { offsets: { none: { 0: 0 } } }, 404, "topic"],
      [offsets, { offsets: { other: { 0: 0 } } }, 409, "offsets.other.0"],
      [offsets, { offsets: 5 }, 400, "offsets"],
      [offsets, { offset: {} }, 400, "offset"],
      [offsets, '{"offsets":{"t":{"0":1}', 400, "body"],
      [seek, { topic: "t", partition: 0 }, 400, "offset"],
      [seek, { topic: "t", partition: 0, offset: 1, timestamp: 1 }, 400, "offset"],
      [seek, { topic: "t", partition: 0, offset: -1 }, 400, "offset"],
      [seek, { topic: "t", partition: 0, offset: 3 }, 400, "offset"],
      [seek, { topic: "t", partition: 0, offset: "middle" }, 400, "offset"],
      [seek, { topic: "t", partition: 7, offset: 0 }, 404, "partition"],
      [seek, { topic: "none", partition: 0, offset: 0 }, 404, "topic"],
      [seek, { topic: "other", partition: 0, offset: 0 }, 409, "partition"],
      ["/consumers/g/subscribe", { topics: [] }, 400, "topics"],
      ["/consumers/g/subscribe", { topics: "t" }, 400, "topics"],
      ["/consumers/g/subscribe", { topics: ["none"] }, 404, "topic"],
      ["/consumers/g/subscribe", { topics: ["../x"] }, 400, "topics.0"],
      ["/consumers/g/subscribe", { topics: ["t"], lease_ms: 1 }, 400, "lease_ms"],
      ["/consumers/g/subscribe", { topics: ["t"], from: "middle" }, 400, "from"],
    ]
    for (const [path, body, status, field] of cases) await g.refused(g.post(path, body), status, field)
    await g.refused(g.get("/consumers/g/poll?max_records=0"), 400, "max_records")
    await g.refused(g.get("/consumers/g/poll?timeout_ms=-1"), 400, "timeout_ms")
    await g.refused(g.ask("DELETE", "/consumers/g/nobody"), 404, "consumer_id")
    assert.deepEqual(await committed(g), [])
  }))
