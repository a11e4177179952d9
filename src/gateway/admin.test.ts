import assert from "node:assert/strict"
import { test } from "node:test"
import { inGatewayWorld } from "./testing/gateway-world.js"

test("a topic is made, listed, described and deleted", () =>
  inGatewayWorld(async (g) => {
    const made = await g.post("/topics", { topic: "t", partitions: 2, configs: { "cleanup.policy": "compact" } })
    assert.equal(made.status, 201, made.text)
    assert.deepEqual(made.json, { topic: "t", partitions: 2, replication_factor: 1, internal: false })
    assert.deepEqual((await g.get("/topics")).json.topics, [made.json])
    await g.post("/topics/t/messages", { key: "k", valueText: "a", partition: 1 })
    const { topic_id: id, ...described } = (await g.get("/topics/t")).json
    assert.match(id as string, /^[A-Za-z0-9_-]{22}$/)
    const partition = { leader: 1, leader_epoch: 0, replicas: [1], isr: [1], earliest_offset: 0 }
    assert.deepEqual(described, {
      topic: "t",
      internal: false,
      partitions: [
        { partition: 0, ...partition, latest_offset: 0 },
        { partition: 1, ...partition, latest_offset: 1 },
      ],
    })
    assert.equal((await g.ask("DELETE", "/topics/t")).status, 204)
    await g.refused(g.get("/topics/t"), 404, "topic")
    await g.refused(g.post("/topics/t/messages", { valueText: "a" }), 404, "topic")
  }))

test("a topic that cannot be is refused, and nothing is made", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic("there")
    assert.equal((await g.post("/topics", { topic: "there" })).status, 409)
    await g.refused(g.post("/topics", { topic: "a/b" }), 400, "topic")
    await g.refused(g.post("/topics", { topic: ".." }), 400, "topic")
    await g.refused(g.post("/topics", { topic: "t", partitions: 0 }), 400, "partitions")
    await g.refused(g.post("/topics", { topic: "t", partitions: 1e9 }), 400, "partitions")
    const refused = await g.post("/topics", { topic: "t", configs: { "retention.ms": "soon" } })
    assert.equal(refused.status, 400)
    assert.equal(refused.json.kafka_error.name, "INVALID_CONFIG")
    assert.equal((await g.ask("DELETE", "/topics/none")).status, 404)
    assert.doesNotMatch((await g.get("/topics")).text, /"topic":"t"/)
  }))

test("groups are listed, described, and deleted when they have no members", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    await g.post("/topics/t/messages", { valueText: "a" })
    await g.refused(g.get("/groups/g"), 404, "group")
    await g.refused(g.ask("DELETE", "/groups/g"), 404, "group")
    const { consumer_id: id } = (await g.post("/consumers/g/subscribe", { topics: ["t"] })).json
    assert.equal((await g.get("/consumers/g/poll?timeout_ms=10000")).json.messages.length, 1)
    await g.post("/consumers/g/offsets", {})
    const { groups } = (await g.get("/groups")).json
    assert.deepEqual(
      (groups as { group: string }[]).map(({ group }) => group),
      ["g"],
    )
    assert.equal((await g.get("/groups/g")).json.group, "g")
    assert.equal((await g.ask("DELETE", `/consumers/g/${String(id)}`)).status, 204)
    assert.equal((await g.ask("DELETE", "/groups/g")).status, 204)
    assert.deepEqual((await g.get("/groups")).json.groups, [])
  }))

test("the cluster says who its brokers are", () =>
  inGatewayWorld(async (g) => {
    const { brokers, controller } = (await g.get("/cluster")).json
    assert.deepEqual(brokers, [{ broker: 1, host: g.t.node.address, port: 9092, rack: null }])
    assert.equal(controller, 1)
  }))
