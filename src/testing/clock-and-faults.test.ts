import assert from "node:assert/strict"
import { test } from "node:test"
import { ClientError } from "../client/errors.js"
import { createBroker } from "./index.js"

const values = (records: readonly { readonly value: Buffer | null }[]): string[] =>
  records.map(({ value }) => String(value))
const dayMs = 86_400_000

test("eight days pass at once, and retention does what it would have done", async () => {
  await using broker = await createBroker({
    topics: {
      short: { configs: { "retention.ms": 7 * dayMs, "segment.ms": dayMs } },
      long: { configs: { "retention.ms": -1 } },
    },
  })
  await broker.produce("short", "old")
  await broker.produce("long", "old")
  const beforeMs = broker.clock.nowMs
  const startedMs = performance.now()
  await broker.clock.advance("8 days")
  assert.ok(performance.now() - startedMs < 10_000)
  assert.ok(broker.clock.nowMs - beforeMs >= 8 * dayMs)
  await broker.produce("short", "new")
  assert.deepEqual(values(await broker.records("short")), ["new"])
  assert.deepEqual(values(await broker.records("long")), ["old"])
})

test("with a manual clock nothing happens by itself", async () => {
  await using broker = await createBroker({ clock: "manual", topics: { t: 1 } })
  const before = broker.clock.nowMs
  const producer = broker.client().producer({ lingerMs: 1000 })
  let isStored = false
  const sent = producer.send({ topic: "t", value: "x" }).then(() => {
    isStored = true
  })
  await broker.clock.advance(900)
  assert.equal(isStored, false)
  await broker.clock.advance(200)
  assert.equal(isStored, true)
  await sent
  const passedMs = broker.clock.nowMs - before
  assert.ok(passedMs >= 1100 && passedMs <= 1105, `${passedMs} ms`)
})

test("timers run in the order in which they are due, and what follows from one before the next", async () => {
  await using broker = await createBroker({ clock: "manual", topics: { t: 1 } })
  const client = broker.client()
  const order: string[] = []
  const sending = [300, 100, 200].map((lingerMs) =>
    client
      .producer({ lingerMs })
      .send({ topic: "t", value: `${lingerMs}` })
      .then(() => order.push(`${lingerMs}`)),
  )
  await broker.clock.advance("1 s")
  assert.deepEqual(order, ["100", "200", "300"])
  await Promise.all(sending)
  assert.deepEqual(values(await broker.records("t")), ["100", "200", "300"])
})

test("what cannot be a duration is refused with what can be", async () => {
  await using broker = await createBroker()
  for (const wrong of ["8 moons", "", -1, Number.NaN, "days"])
    await assert.rejects(
      broker.clock.advance(wrong),
      /is no duration: write milliseconds as a number, or text such as "8 days"/,
    )
  await broker.clock.advance("1h 30m")
})

test("a fork goes its own way, with everything that was there", async () => {
  await using broker = await createBroker({ topics: { t: 1 }, port: 0 })
  await broker.produce("t", "shared")
  await using fork = await broker.fork()
  assert.notEqual(fork.bootstrap, broker.bootstrap)
  await fork.produce("t", "only here")
  await broker.produce("t", "only there")
  assert.deepEqual(values(await fork.records("t")), ["shared", "only here"])
  assert.deepEqual(values(await broker.records("t")), ["shared", "only there"])
})

test("a state is gone back to as often as wanted, and clients follow", async () => {
  await using broker = await createBroker({ brokers: 3, topics: { t: 1 } })
  const producer = broker.client().producer()
  await producer.send({ topic: "t", value: "kept" })
  const state = await broker.snapshot()
  for (const value of ["first try", "second try"]) {
    await producer.send({ topic: "t", value })
    assert.deepEqual(values(await broker.records("t")), ["kept", value])
    await broker.restore(state)
    assert.deepEqual(values(await broker.records("t")), ["kept"])
  }
})

test("an acknowledged record outlives a power cut", async () => {
  await using broker = await createBroker({ topics: { t: 1 } })
  await broker.produce("t", "acknowledged")
  await broker.crash({ power: true })
  assert.deepEqual(broker.running, [])
  await assert.rejects(broker.records("t"), /broker 1 is not running: restart\(\) it/)
  await broker.restart()
  assert.deepEqual(values(await broker.records("t")), ["acknowledged"])
})

test("the third produce request is answered with the error that was asked for, and the client gets over it", async () => {
  await using broker = await createBroker({ topics: { t: 1 } })
  const fault = broker.faults.on({ api: "Produce", nth: 3 }, { error: "NOT_LEADER_OR_FOLLOWER" })
  const producer = broker.client().producer({ lingerMs: 0 })
  for (const value of ["1", "2", "3", "4"]) await producer.send({ topic: "t", value })
  assert.equal(fault.count, 1)
  assert.deepEqual(values(await broker.records("t")), ["1", "2", "3", "4"])
})

test("an answer that is lost, or cut off, does not store a record twice", async () => {
  for (const action of [{ drop: "answer" }, { close: "answer" }, { drop: true }, { close: true }] as const) {
    await using broker = await createBroker({ topics: { t: 1 }, clock: "manual" })
    const fault = broker.faults.on({ api: "Produce", nth: 1 }, action)
    const producer = broker.client({ requestTimeoutMs: 5_000 }).producer({ lingerMs: 0 })
    const sent = producer.send({ topic: "t", value: "once" })
    await broker.clock.advance("30 s")
    await sent
    assert.equal(fault.count, 1, JSON.stringify(action))
    assert.deepEqual(values(await broker.records("t")), ["once"])
  }
})

test("a request that is held up is answered so much later, and what comes behind it too", async () => {
  await using broker = await createBroker({ topics: { t: 1 }, clock: "manual" })
  const producer = broker.client().producer({ lingerMs: 0 })
  await producer.send({ topic: "t", value: "0" })
  broker.faults.on({ api: "Produce", nth: 1 }, { delayMs: 500 })
  const order: string[] = []
  const sent = ["1", "2"].map((value) => producer.send({ topic: "t", value }).then(() => order.push(value)))
  await broker.clock.advance(400)
  assert.deepEqual(order, [])
  await broker.clock.advance(200)
  assert.deepEqual(order, ["1", "2"])
  await Promise.all(sent)
})

test("a fault ends with off, and all of them with clear", async () => {
  await using broker = await createBroker({ topics: { t: 1 } })
  const refused = { error: "TOPIC_AUTHORIZATION_FAILED" } as const
  const fault = broker.faults.on({ api: "Produce" }, refused)
  const producer = broker.client().producer({ lingerMs: 0 })
  await assert.rejects(producer.send({ topic: "t", value: "x" }), { code: "TOPIC_AUTHORIZATION_FAILED" })
  fault.off()
  await producer.send({ topic: "t", value: "y" })
  broker.faults.on({ api: "Produce" }, refused)
  broker.faults.clear()
  await producer.send({ topic: "t", value: "z" })
  assert.deepEqual(values(await broker.records("t")), ["y", "z"])
})

test("the test's own helpers meet no faults", async () => {
  await using broker = await createBroker({ topics: { t: 1 } })
  broker.faults.on({}, { close: true })
  await broker.produce("t", "x")
  assert.equal((await broker.records("t")).length, 1)
})

test("a fault that cannot be is refused with what can be", async () => {
  await using broker = await createBroker()
  assert.throws(() => broker.faults.on({ api: "produce" }, { drop: true }), /there is no produce; write Produce/)
  assert.throws(() => broker.faults.on({}, { error: "NOPE" as "NONE" }), /NOPE is no error of Kafka's/)
  assert.throws(() => broker.faults.on({ nth: 0 }, { drop: true }), /nth: 0 is no whole number from 1/)
  assert.throws(() => broker.faults.on({}, {} as { drop: true }), /say one of drop, close, delayMs, error; not nothing/)
})

test("a full disk takes nothing, and takes it again when there is room", async () => {
  await using broker = await createBroker({ topics: { t: 1 } })
  await broker.produce("t", "before")
  broker.disk.full()
  const producer = broker.client().producer({ lingerMs: 0, deliveryTimeoutMs: 300 })
  await assert.rejects(producer.send({ topic: "t", value: "x".repeat(10_000) }), ClientError)
  broker.faults.clear()
  await broker.produce("t", "after")
  assert.deepEqual(values(await broker.records("t")), ["before", "after"])
})

test("a slow disk makes acknowledgements late", async () => {
  await using broker = await createBroker({ topics: { t: 1 }, clock: "manual" })
  const producer = broker.client().producer({ lingerMs: 0 })
  await producer.send({ topic: "t", value: "quick" })
  broker.disk.slow("200 ms")
  let isStored = false
  const sent = producer.send({ topic: "t", value: "slow" }).then(() => {
    isStored = true
  })
  await broker.clock.advance(190)
  assert.equal(isStored, false)
  await broker.clock.advance(1000)
  assert.equal(isStored, true)
  await sent
})

test("a broker whose only disk fails stops, says why, and comes back when the disk does", async () => {
  await using broker = await createBroker({ topics: { t: 1 } })
  await broker.produce("t", "kept")
  broker.disk.fail()
  broker
    .client()
    .producer({ lingerMs: 0 })
    .send({ topic: "t", value: "lost" })
    .catch(() => {})
  await broker.until.is("the broker has stopped", () => broker.failures.length > 0)
  assert.match(broker.failures[0]!, /^broker 1: .*EIO/)
  assert.deepEqual(broker.running, [])
  broker.faults.clear()
  await broker.restart()
  assert.equal(String((await broker.records("t"))[0]!.value), "kept")
})

test("waiting for records says what there is when they do not come", async () => {
  await using broker = await createBroker({ topics: { t: 2 }, clock: "manual" })
  await broker.produce("t", { partition: 1, value: "x" })
  await broker.until.records("t", 1)
  await assert.rejects(broker.until.records("t", 2, { timeoutMs: "1 s" }), (error: Error) => {
    assert.equal(
      error.message,
      "not within 1000 ms: topic t holds 2 records. Topic t holds 1 records\n  t-0: from 0 to 0, leader 1\n  t-1: from 0 to 1, leader 1",
    )
    return true
  })
  await assert.rejects(
    broker.until.groupStable("nobody", 1, { timeoutMs: 100 }),
    /Group nobody is Dead.*\n {2}no members/,
  )
})
