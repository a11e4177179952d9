/**
 * One load by one client library, in a process of its own: `worker.js LIBRARY produce|consume PORT TOPIC RECORDS BYTES MODULES`.
 *
 * Owns how each library is used at its best: what its own documentation says of throughput, acks from all replicas, a linger of 5 ms and requests of up to 1 MB where it has them. Prints one line of
 * JSON: the rate of the records after those that warm, and this process's processor time in them. MODULES: the folder with the other libraries.
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Client } from "../../src/client/index.js"

const [library, operation, port, topic, recordsText, bytesText, modules] = process.argv.slice(2) as [
  string,
  "produce" | "consume",
  string,
  string,
  string,
  string,
  string,
]
const records = Number(recordsText)
/** Before the measured ones, in the same process: what is measured is what a program does that runs for longer than a second. */
const warming = Math.ceil(records / 4)
const bootstrap = `127.0.0.1:${port}`
/** Handed over at once, and how many such calls are on their way. */
const perCall = 1000
const callsAtOnce = 16

/** What a library does: called when it is ready, until the last record is stored or read. */
interface Run {
  produce(value: Buffer, count: number): Promise<void>
  /** Calls `took` with each number of records as it has them; ends when that says so. */
  consume(took: (count: number) => boolean): Promise<void>
  close(): Promise<void>
}

const value = Buffer.alloc(Number(bytesText), "0123456789abcdef")

/** `send(count)` again and again, several at once, until so many records are sent. */
async function sendAll(records: number, send: (count: number) => Promise<unknown>): Promise<void> {
  let left = records
  const lane = async () => {
    while (left > 0) {
      const count = Math.min(perCall, left)
      left -= count
      await send(count)
    }
  }
  await Promise.all(Array.from({ length: callsAtOnce }, lane))
}

const installed = createRequire(join(modules, "package.json"))

const libraries: Record<string, () => Promise<Run>> = {
  ottla: async () => {
    const client = new Client({ bootstrap })
    const producer = client.producer({ batchBytes: 1_000_000, maxRequestBytes: 1_000_000 })
    return {
      produce: (each, records) =>
        sendAll(records, (count) => producer.sendAll(Array.from({ length: count }, () => ({ topic, value: each })))),
      consume: async (took) => {
        const consumer = client.consumer({ topics: [topic], from: "earliest" })
        for await (const batch of consumer.batches()) if (took(batch.length)) break
      },
      close: () => client.close(),
    }
  },
  kafkajs: async () => {
    const { Kafka, logLevel } = installed("kafkajs")
    const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
    const producer = kafka.producer({ idempotent: false, maxInFlightRequests: 5 })
    const consumer = kafka.consumer({
      groupId: `bench-${process.pid}`,
      maxBytes: 50 << 20,
      maxBytesPerPartition: 1 << 20,
    })
    await (operation === "produce" ? producer : consumer).connect()
    return {
      produce: (each, records) =>
        sendAll(records, (count) =>
          producer.send({ topic, acks: -1, messages: Array.from({ length: count }, () => ({ value: each })) }),
        ),
      consume: async (took) => {
        await consumer.subscribe({ topic, fromBeginning: true })
        await new Promise<void>((resolve) => {
          void consumer.run({
            autoCommit: false,
            eachBatch: async ({ batch }: { batch: { messages: unknown[] } }) => {
              if (took(batch.messages.length)) resolve()
            },
          })
        })
      },
      close: () => (operation === "produce" ? producer : consumer).disconnect(),
    }
  },
  "@platformatic/kafka": async () => {
    const { Consumer, Producer } = await import(pathToFileURL(installed.resolve("@platformatic/kafka")).href)
    if (operation === "produce") {
      const producer = new Producer({ clientId: "bench", bootstrapBrokers: [bootstrap] })
      return {
        produce: (each, records) =>
          sendAll(records, (count) =>
            producer.send({ acks: -1, messages: Array.from({ length: count }, () => ({ topic, value: each })) }),
          ),
        consume: async () => {},
        close: () => producer.close(),
      }
    }
    const consumer = new Consumer({
      clientId: "bench",
      groupId: `bench-${process.pid}`,
      bootstrapBrokers: [bootstrap],
      maxBytes: 50 << 20,
    })
    return {
      produce: async () => {},
      consume: async (took) => {
        const stream = await consumer.consume({
          topics: [topic],
          mode: "earliest",
          autocommit: false,
          maxBytes: 50 << 20,
          highWaterMark: 16_384,
        })
        await new Promise<void>((resolve) => stream.on("data", () => took(1) && resolve()))
      },
      close: () => consumer.close(true),
    }
  },
  "node-rdkafka": async () => {
    const kafka = installed("node-rdkafka")
    if (operation === "produce") {
      const producer = new kafka.Producer(
        {
          "bootstrap.servers": bootstrap,
          "linger.ms": 5,
          "batch.size": 1_000_000,
          "batch.num.messages": 10_000,
          "queue.buffering.max.messages": 500_000,
          dr_cb: true,
        },
        { acks: -1 },
      )
      await new Promise((resolve, reject) =>
        producer.connect({}, (error: Error) => (error ? reject(error) : resolve(undefined))),
      )
      producer.setPollInterval(1)
      return {
        produce: async (each, records) => {
          let reported = 0
          const done = new Promise<void>((resolve) => {
            producer.removeAllListeners("delivery-report")
            producer.on("delivery-report", () => ++reported === records && resolve())
          })
          for (let sent = 0; sent < records; ) {
            try {
              producer.produce(topic, null, each)
              // Its queue is emptied by this thread's turns.
              if (++sent % 10_000 === 0) await new Promise(setImmediate)
            } catch {
              await new Promise((resolve) => setTimeout(resolve, 1))
            }
          }
          await done
        },
        consume: async () => {},
        close: () => new Promise<void>((resolve) => producer.disconnect(() => resolve())),
      }
    }
    const consumer = new kafka.KafkaConsumer(
      { "bootstrap.servers": bootstrap, "group.id": `bench-${process.pid}`, "enable.auto.commit": false },
      { "auto.offset.reset": "earliest" },
    )
    await new Promise((resolve, reject) =>
      consumer.connect({}, (error: Error) => (error ? reject(error) : resolve(undefined))),
    )
    return {
      produce: async () => {},
      consume: async (took) => {
        consumer.subscribe([topic])
        for (let isOver = false; !isOver; )
          isOver = await new Promise<boolean>((resolve, reject) =>
            consumer.consume(1000, (error: Error | null, messages: unknown[]) =>
              error ? reject(error) : resolve(took(messages.length)),
            ),
          )
      },
      close: () => new Promise<void>((resolve) => consumer.disconnect(() => resolve())),
    }
  },
}

const start = libraries[library]
if (start === undefined) throw new Error(`no library ${library}; there are ${Object.keys(libraries).join(", ")}`)
const run = await start()
let usedBefore = process.cpuUsage()
let began = performance.now()
const begin = () => {
  usedBefore = process.cpuUsage()
  began = performance.now()
}
let measured = records
if (operation === "produce") {
  await run.produce(value, warming)
  begin()
  await run.produce(value, records)
} else {
  let read = 0
  await run.consume((count) => {
    const wasWarm = read >= warming
    read += count
    if (!wasWarm && read >= warming) {
      begin()
      measured = warming + records - read
    }
    return read >= warming + records
  })
}
const seconds = (performance.now() - began) / 1000
const { user, system } = process.cpuUsage(usedBefore)
process.stdout.write(
  `${JSON.stringify({ rate: measured / seconds, cpuMicros: (user + system) / measured, residentMb: process.memoryUsage.rss() / 1e6 })}\n`,
)
await Promise.race([run.close(), new Promise((resolve) => setTimeout(resolve, 2000))])
process.exit(0)
