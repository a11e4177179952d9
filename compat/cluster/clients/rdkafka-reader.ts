/**
 * librdkafka (node-rdkafka) reading every partition from the beginning, in a process of its own.
 *
 * Owns the consumer. It belongs to no group, and an offset that is not there is an error: it never starts anywhere else by itself.
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import { say, sayError, sayReady } from "../client-lines.js"
import { silenceNoticed } from "./rdkafka-settings.js"

interface Message {
  readonly partition: number
  readonly offset: number
  readonly value: Buffer | null
}

interface Consumer {
  connect(options: object, done: (error: Error | null) => void): void
  disconnect(done: () => void): void
  assign(partitions: readonly object[]): void
  consume(): void
  on(event: "ready", listener: () => void): void
  on(event: "data", listener: (message: Message) => void): void
  on(event: "event.error", listener: (error: Error) => void): void
}

interface RdKafka {
  readonly KafkaConsumer: new (global: object, topic: object) => Consumer
}

const [name, bootstrap, topic, partitionCount] = process.argv.slice(2) as [string, string, string, string]
const { KafkaConsumer } = createRequire(join(process.cwd(), "package.json"))("node-rdkafka") as RdKafka
const consumer = new KafkaConsumer(
  {
    "bootstrap.servers": bootstrap,
    "client.id": name,
    "group.id": name,
    "enable.auto.commit": false,
    "fetch.wait.max.ms": 100,
    ...silenceNoticed,
  },
  { "auto.offset.reset": "error" },
)
consumer.on("event.error", (error) => sayError(error.message))
consumer.on("data", ({ partition, offset, value }) => say("read", partition, offset, String(value)))
consumer.on("ready", () => {
  const partitions = Array.from({ length: Number(partitionCount) }, (_, partition) => partition)
  for (const partition of partitions) say("at", partition, 0)
  consumer.assign(partitions.map((partition) => ({ topic, partition, offset: 0 })))
  consumer.consume()
  sayReady()
})
consumer.connect({}, (error) => {
  if (error === null || error === undefined) return
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
process.once("SIGTERM", () => consumer.disconnect(() => process.exit(0)))
