import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Client } from "../client/index.js"
import { createNodeEnv } from "../env/node/index.js"
import { WireClient } from "../net/wire-client.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { createBroker } from "./index.js"

const values = (records: readonly { readonly value: Buffer | null }[]): string[] =>
  records.map(({ value }) => String(value))

test("a broker serves its own clients in memory", async () => {
  await using broker = await createBroker({ topics: { orders: 3 } })
  const client = broker.client()
  const stored = await client.producer().sendAll([
    { topic: "orders", partition: 1, key: "k", value: "one", headers: { h: "x" } },
    { topic: "orders", partition: 1, value: "two" },
  ])
  assert.deepEqual(
    stored.map(({ offset }) => offset),
    [0n, 1n],
  )
  const consumer = client.consumer({ topics: ["orders"], from: "earliest" })
  assert.deepEqual(values(await consumer.poll()), ["one", "two"])
  const [first] = await broker.records("orders")
  assert.equal(first!.partition, 1)
  assert.equal(String(first!.key), "k")
  assert.deepEqual(first!.headers, [{ key: "h", value: Buffer.from("x") }])
})

test("a broker on a port serves any client over TCP, and those in memory see the same", async () => {
  await using broker = await createBroker({ port: 0, topics: { t: 1 } })
  assert.match(broker.bootstrap, /^127\.0\.0\.1:\d+$/)
  await using client = new Client({ bootstrap: broker.bootstrap })
  await client.producer().send({ topic: "t", value: "over TCP" })
  await using inMemory = broker.client()
  await inMemory.producer().send({ topic: "t", value: "in memory" })
  await using consumer = client.consumer({ topics: ["t"], from: "earliest" })
  assert.deepEqual(values([...(await consumer.poll({ max: 1 })), ...(await consumer.poll({ max: 1 }))]), [
    "over TCP",
    "in memory",
  ])
  const [host, port] = broker.bootstrap.split(":")
  const wire = await WireClient.connect(createNodeEnv({ native: false }).network, { host: host!, port: Number(port) })
  const answer = await wire.send(apiVersions, 4, { clientSoftwareName: "raw", clientSoftwareVersion: "1" })
  assert.equal(answer.errorCode, 0)
  wire.close()
})

test("after close nobody listens on the port, and it can be had again", async () => {
  const first = await createBroker({ port: 0 })
  const port = Number(first.bootstrap.split(":")[1])
  await first.close()
  const code = await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("connect", () => resolve("connected"))
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code))
  })
  assert.equal(code, "ECONNREFUSED")
  await using second = await createBroker({ port })
  assert.equal(second.bootstrap, first.bootstrap)
})

test("a start takes a few milliseconds", async () => {
  const tookMs: number[] = []
  for (let round = 0; round < 21; round++) {
    const startedMs = performance.now()
    const broker = await createBroker()
    tookMs.push(performance.now() - startedMs)
    await broker.close()
  }
  tookMs.sort((a, b) => a - b)
  // 5 ms on an idle machine; what it must not hold is a wait.
  assert.ok(tookMs[10]! < 40, `p50 ${tookMs[10]} ms`)
})

test("two hundred brokers leave nothing behind: no handles, and no more memory than one", async () => {
  const resources = () =>
    process
      .getActiveResourcesInfo()
      .filter((name) => name !== "PipeWrap" && name !== "TTYWrap")
      .sort()
  const round = async (port: 0 | false) => {
    const broker = await createBroker({ port, topics: { t: 2 } })
    await broker.produce("t", "x".repeat(1000))
    const consumer = broker.client().consumer({ topics: ["t"], from: "earliest" })
    assert.equal((await consumer.poll()).length, 1)
    await broker.close()
  }
  for (let warm = 0; warm < 20; warm++) await round(warm % 4 === 0 ? 0 : false)
  const resourcesBefore = resources()
  const heapBefore = await heapUsed()
  for (let count = 0; count < 200; count++) await round(count % 10 === 0 ? 0 : false)
  await heapUsed()
  assert.deepEqual(resources(), resourcesBefore)
  const grownBytes = (await heapUsed()) - heapBefore
  assert.ok(grownBytes < 4 << 20, `${grownBytes} bytes more`)
})

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

async function heapUsed(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test("what a broker keeps in a directory the next one finds", async () => {
  const directory = mkdtempSync(join(tmpdir(), "ottla-testing-"))
  try {
    {
      await using broker = await createBroker({ storage: { directory }, topics: { t: 1 } })
      await broker.produce("t", "kept")
      await broker.crash()
      await broker.restart()
      await broker.produce("t", "kept too")
    }
    assert.ok(readdirSync(join(directory, "broker-1")).includes("t-0"))
    await using again = await createBroker({ storage: { directory } })
    assert.deepEqual(values(await again.records("t")), ["kept", "kept too"])
    await assert.rejects(again.snapshot(), /snapshot: files are real with storage \{ directory \}/)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test("three brokers replicate, and go on without one of them", async () => {
  await using broker = await createBroker({ brokers: 3, topics: { t: 3 } })
  const producer = broker.client().producer()
  await producer.send({ topic: "t", partition: 0, value: "before" })
  const [topic] = (await broker.topics()).filter(({ name }) => name === "t")
  assert.deepEqual(topic!.partitions[0]!.isr.length, 3)
  await broker.crash({ broker: topic!.partitions[0]!.leader })
  assert.equal(broker.running.length, 2)
  await producer.send({ topic: "t", partition: 0, value: "after" })
  await broker.restart()
  assert.deepEqual(values(await broker.records("t")), ["before", "after"])
})

test("an option that does not exist, or cannot be, is refused by name", async () => {
  await assert.rejects(createBroker({ brokers: 2 as 1 }), /brokers: 2 is neither 1 nor 3/)
  await assert.rejects(createBroker({ topic: {} } as object), /there is no option topic; there are port, storage/)
  await assert.rejects(createBroker({ settings: { "log.retention.hour": 1 } }), /did you mean log.retention.hours/)
  await assert.rejects(createBroker({ port: 70_000 }), /port: 70000 is no port/)
})

test("fake timers of a test do not stop a broker", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "setImmediate", "Date"] })
  const broker = await createBroker({ topics: { t: 1 } })
  const client = broker.client()
  await client.producer().send({ topic: "t", value: "x" })
  assert.equal((await broker.records("t")).length, 1)
  await broker.close()
})

test("a broker that cannot serve alone says so, and serves when there are enough", async () => {
  await using broker = await createBroker({ brokers: 3, topics: { t: 1 } })
  await broker.crash()
  await assert.rejects(
    broker.restart(1),
    /broker 1: not serving after 60000 ms\. A broker needs 2 of 3 to run: those that do are none/,
  )
  await broker.restart()
  assert.deepEqual(broker.running, [1, 2, 3])
  await broker.produce("t", "x")
})

const scriptOf = (body: string): string =>
  `import { createBroker } from ${JSON.stringify(new URL("./index.js", import.meta.url).href)}\n${body}`

test("a broker that nobody closes does not keep the process alive, but a client that waits does", () => {
  const run = (body: string) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", scriptOf(body)], { encoding: "utf8", timeout: 20_000 })
  const forgotten = run(`const broker = await createBroker({ topics: { t: 1 } }); console.log("made")`)
  assert.deepEqual([forgotten.status, forgotten.stdout], [0, "made\n"])
  const waiting = run(`const broker = await createBroker({ topics: { t: 1 } })
    await broker.client().producer({ lingerMs: 200 }).send({ topic: "t", value: "x" })
    console.log("stored")`)
  assert.deepEqual([waiting.status, waiting.stdout], [0, "stored\n"])
})
