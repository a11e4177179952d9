import assert from "node:assert/strict"
import { test } from "node:test"
import { inBrokerWorld } from "../broker/testing/broker-world.js"
import { ClientCore } from "./core.js"
import type { BatchEvent, Observed, RequestEvent, SendEvent } from "./observer.js"

/** What was told while somebody listened. Telling when nobody does fails the test. */
function recorded<T>(hasSubscribers: () => boolean): Observed<T> & { readonly events: T[] } {
  const events: T[] = []
  return {
    events,
    get hasSubscribers() {
      return hasSubscribers()
    },
    publish: (event) => {
      assert.ok(hasSubscribers(), "told though nobody listens")
      events.push(event)
    },
  }
}

test("requests, sent batches and handed out batches are told, with their errors, to who listens, and to nobody else", () =>
  inBrokerWorld(async (t) => {
    let isHeard = false
    const request = recorded<RequestEvent>(() => isHeard)
    const send = recorded<SendEvent>(() => isHeard)
    const batch = recorded<BatchEvent>(() => isHeard)
    const address = `${t.node.address}:9092`
    const client = new ClientCore(
      t.clients.env,
      { bootstrap: address, requestTimeoutMs: 1_000 },
      { request, send, batch },
    )
    await t.createTopic("t", 1, { "max.message.bytes": "2000" })
    const producer = client.producer({ deliveryTimeoutMs: 3_000 })
    const consumer = client.consumer({ topics: ["t"], from: "earliest" })
    await producer.send({ topic: "t", value: "unheard" })
    assert.equal((await consumer.poll()).length, 1)

    isHeard = true
    await producer.sendAll(["a", "b"].map((value) => ({ topic: "t", value })))
    assert.equal((await consumer.poll()).length, 2)
    const { durationMs, bytes, ...sent } = send.events[0]!
    assert.deepEqual(sent, { topic: "t", partition: 0, offset: 1n, records: 2, attempts: 1, error: undefined })
    assert.ok(durationMs > 0 && bytes > 61)
    assert.deepEqual(batch.events, [{ topic: "t", partition: 0, offset: 1n, records: 2, lag: 0, groupId: undefined }])
    const produced = request.events.find(({ api }) => api === "Produce")!
    assert.ok(produced.durationMs > 0)
    assert.deepEqual(produced, { api: "Produce", address, durationMs: produced.durationMs, error: undefined })

    await assert.rejects(producer.send({ topic: "t", value: "x".repeat(3000) }), { code: "MESSAGE_TOO_LARGE" })
    assert.equal((send.events[1]!.error as Error & { code: string }).code, "MESSAGE_TOO_LARGE")
    t.node.crash("kill")
    await assert.rejects(producer.send({ topic: "t", value: "nobody is there" }), { code: "TIMED_OUT" })
    assert.equal(send.events[2]!.offset, -1n)
    assert.ok(request.events.some(({ api, error }) => api === "Produce" && error !== undefined))
    await client.close()
  }))
