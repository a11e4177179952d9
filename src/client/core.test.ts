import assert from "node:assert/strict"
import { test } from "node:test"
import { inBrokerWorld } from "../broker/testing/broker-world.js"
import { ClientCore } from "./core.js"

test("a client forgets what was closed, and closes what was not", () =>
  inBrokerWorld(async (t) => {
    await t.createTopic()
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
    for (let round = 0; round < 3; round++) {
      const made = [
        client.producer(),
        client.consumer({ topics: ["t"] }),
        client.consumer({ topics: ["t"], groupId: "g" }),
        client.consumer({ topics: ["t"], groupId: "g", groupProtocol: "consumer" }),
      ]
      assert.equal(client.openCount, 4)
      await t.passTime(100)
      await Promise.all(made.map((each) => each.close()))
      assert.equal(client.openCount, 0)
    }
    const left = client.consumer({ topics: ["t"] })
    await client.close()
    assert.equal(client.openCount, 0)
    await assert.rejects(left.poll(), { code: "CLOSED" })
  }))

test("a client that is closed while its producer is closing waits for what that one has", () =>
  inBrokerWorld(async (t) => {
    await t.createTopic()
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
    const producer = client.producer({ lingerMs: 10_000 })
    const sent = producer.send({ topic: "t", value: "last" })
    void producer.close()
    await client.close()
    assert.equal((await sent).offset, 0n)
  }))
