/**
 * librdkafka (node-rdkafka) as an idempotent producer with acks=all, in a process of its own.
 *
 * Owns one record per partition and tick. node-rdkafka is required from the working directory.
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import { say, sayError, sayReady } from "../client-lines.js"
import { payloadOf } from "../payload.js"
import { silenceNoticed } from "./rdkafka-settings.js"

interface Report {
  readonly partition: number
  readonly offset: number
  readonly opaque: number
}

interface Producer {
  connect(options: object, done: (error: Error | null) => void): void
  disconnect(done: () => void): void
  flush(timeoutMs: number, done: (error: Error | null) => void): void
  setPollInterval(intervalMs: number): void
  produce(topic: string, partition: number, value: Buffer, key: null, timestamp: number, opaque: number): void
  on(event: "delivery-report", listener: (error: Error | null, report: Report) => void): void
  on(event: "event.error", listener: (error: Error) => void): void
}

interface RdKafka {
  readonly Producer: new (global: object, topic: object) => Producer
}

const [name, bootstrap, topic, partitions, tickMs] = process.argv.slice(2) as [string, string, string, string, string]
/** More than these without an answer, and it waits. */
const outstandingMax = 5_000
const pollMs = 5

const { Producer } = createRequire(join(process.cwd(), "package.json"))("node-rdkafka") as RdKafka
const producer = new Producer(
  {
    "bootstrap.servers": bootstrap,
    "client.id": name,
    "enable.idempotence": true,
    "linger.ms": 2,
    dr_cb: true,
    ...silenceNoticed,
  },
  { acks: -1, "message.timeout.ms": 120_000 },
)
let outstanding = 0
let number = 0
producer.on("event.error", (error) => sayError(error.message))
producer.on("delivery-report", (error, { partition, offset, opaque }) => {
  outstanding -= 1
  if (error) say("failed", opaque, partition, error.message)
  else say("acked", opaque, partition, offset)
})
producer.connect({}, (error) => {
  if (error) {
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
  producer.setPollInterval(pollMs)
  sayReady()
  const timer = setInterval(() => {
    for (let partition = 0; partition < Number(partitions) && outstanding < outstandingMax; partition++) {
      say("sent", number, partition)
      producer.produce(topic, partition, Buffer.from(payloadOf(name, number)), null, Date.now(), number)
      number += 1
      outstanding += 1
    }
  }, Number(tickMs))
  process.once("SIGTERM", () => {
    clearInterval(timer)
    // Delivery reports come with polls: the last of them ends it.
    const waiting = setInterval(() => {
      if (outstanding > 0) return
      clearInterval(waiting)
      producer.disconnect(() => process.exit(0))
    }, pollMs)
  })
})
