import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { Client } from "ottla/client"
import { createBroker } from "ottla/testing"
import { deadLettersOf, processOrPutAside, redrive } from "./dead-letters.js"
import { replay } from "./nightly-replay.js"
import { OrderService, orders, payments } from "./order-service.js"
import { sendOutbox } from "./outbox-reader.js"
import { receiveWebhooks } from "./webhook-receiver.js"

/** The first member of a group does not wait for others. */
const settings = { "group.initial.rebalance.delay.ms": 0 }
const values = (records: readonly { readonly value: Buffer | null }[]): string[] =>
  records.map(({ value }) => String(value))

test("an order is paid when its payment comes, and a restart goes on behind it", async () => {
  await using broker = await createBroker({ port: 0, settings, topics: { orders: 3, payments: 3 } })
  await using client = new Client({ bootstrap: broker.bootstrap })
  const service = new OrderService(client)
  await service.place({ id: "o1", customer: "ann", cents: 1250 })
  const [stored] = await broker.records("orders")
  assert.deepEqual((await orders.decode(stored!)).value, { id: "o1", customer: "ann", cents: 1250 })

  const following = new AbortController()
  const followed = service.followPayments(following.signal)
  assert.equal(service.isPaid("o1"), false)
  const producer = client.producer()
  await payments.send(producer, { key: "o1", value: { orderId: "o1" } })
  await broker.until.is("the order is paid", () => service.isPaid("o1"))
  following.abort()
  await followed

  const restarted = new OrderService(client)
  const again = new AbortController()
  const followedAgain = restarted.followPayments(again.signal)
  await payments.send(producer, { key: "o2", value: { orderId: "o2" } })
  await broker.until.is("the next order is paid", () => restarted.isPaid("o2"))
  again.abort()
  await followedAgain
  assert.equal(restarted.isPaid("o1"), false)
})

test("every row of an outbox is sent once, in order, and new ones the next time", async () => {
  await using broker = await createBroker({ topics: { mails: 1 } })
  const directory = mkdtempSync(join(tmpdir(), "ottla-outbox-"))
  try {
    const [table, position] = [join(directory, "table"), join(directory, "position")]
    const write = (count: number) =>
      writeFileSync(
        table,
        Array.from({ length: count }, (_, index) =>
          JSON.stringify({ id: index + 1, topic: "mails", key: "k", payload: { number: index + 1 } }),
        ).join("\n"),
      )
    write(1_200)
    assert.equal(await sendOutbox(broker.client(), table, position), 1_200)
    assert.equal(await sendOutbox(broker.client(), table, position), 0)
    write(1_201)
    assert.equal(await sendOutbox(broker.client(), table, position), 1)
    const numbers = values(await broker.records("mails")).map((value) => JSON.parse(value).number)
    assert.deepEqual(
      numbers,
      Array.from({ length: 1_201 }, (_, index) => index + 1),
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test("a webhook is answered when it is stored, and told to come again when it cannot be", async () => {
  await using broker = await createBroker({ topics: { hooks: 3 } })
  const server = await receiveWebhooks(broker.client(), "hooks")
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const post = (body: string, headers: Record<string, string> = { "webhook-id": "e1" }) =>
    fetch(url, { method: "POST", body, headers })
  try {
    const stored = await post("paid")
    const [record] = await broker.records("hooks")
    assert.deepEqual([stored.status, await stored.text()], [202, `${record!.partition}/${record!.offset}\n`])
    assert.deepEqual([String(record!.key), String(record!.value)], ["e1", "paid"])
    assert.equal((await post("paid", {})).status, 400)
    assert.equal((await post("x".repeat((1 << 20) + 1))).status, 413)

    const fault = broker.faults.on({ api: "Produce" }, { error: "NOT_ENOUGH_REPLICAS" })
    const refused = post("later")
    await broker.until.is("the broker refuses", () => fault.count > 0)
    await broker.clock.advance("15 s")
    const answer = await refused
    assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"])
    assert.deepEqual(values(await broker.records("hooks")), ["paid"])
  } finally {
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  }
})

test("what cannot be processed is put aside with the reason, and processed when it is sent again", async () => {
  const [topic, groupId] = ["orders", "billing"]
  await using broker = await createBroker({ settings, topics: { [topic]: 2, [deadLettersOf(topic)]: 2 } })
  const client = broker.client()
  await broker.produce(topic, { key: "a", value: "good" }, { key: "b", value: "bad" }, { key: "c", value: "good too" })
  const processed: string[] = []
  let isMended = false
  const stop = new AbortController()
  const running = processOrPutAside(client, { topic, groupId, signal: stop.signal }, async ({ value }) => {
    if (String(value) === "bad" && !isMended) throw new Error("cannot be billed")
    processed.push(String(value))
  })
  await broker.until.groupLag(groupId)
  assert.deepEqual([...processed].sort(), ["good", "good too"])
  const [letter, ...others] = await broker.records(deadLettersOf(topic))
  assert.equal(others.length, 0)
  const headers = Object.fromEntries(letter!.headers.map(({ key, value }) => [key, String(value)]))
  assert.equal(headers.reason, "cannot be billed")
  assert.match(headers.source!, /^orders-[01]@\d$/)

  isMended = true
  assert.equal(await redrive(client, topic), 1)
  await broker.until.is("it is processed", () => processed.includes("bad"))
  assert.deepEqual(await broker.records(deadLettersOf(topic)), [])
  assert.equal(await redrive(client, topic), 0)
  stop.abort()
  await running
})

test("a replay hands out the records of its span, and no others", async () => {
  await using broker = await createBroker({ topics: { visits: 3 } })
  const dayMs = 86_400_000
  const startMs = broker.clock.nowMs - 3 * dayMs
  for (let hour = 0; hour < 72; hour++)
    await broker.produce("visits", { value: `${hour}`, partition: hour % 2, timestamp: startMs + hour * 3_600_000 })
  const hours: number[] = []
  const span = { fromMs: startMs + dayMs, toMs: startMs + 2 * dayMs }
  const count = await replay(broker.client(), "visits", span, ({ value }) => hours.push(Number(String(value))))
  assert.equal(count, 24)
  assert.deepEqual(
    hours.sort((a, b) => a - b),
    Array.from({ length: 24 }, (_, index) => 24 + index),
  )
})
