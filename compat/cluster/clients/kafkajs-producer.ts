/**
 * kafkajs as an idempotent producer with acks=all, in a process of its own.
 *
 * Owns one send at a time per partition. kafkajs is required from the working directory.
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import { say, sayError, sayReady } from "../client-lines.js"
import { payloadOf } from "../payload.js"

interface Producer {
  connect(): Promise<void>
  disconnect(): Promise<void>
  send(request: object): Promise<{ readonly baseOffset: string }[]>
}

interface Kafkajs {
  readonly Kafka: new (options: object) => { producer(options: object): Producer }
}

const [name, bootstrap, topic, partitions, tickMs] = process.argv.slice(2) as [string, string, string, string, string]
const recordsPerSendMax = 5
const triesMax = 500
const tryAgainMs = 100
/** It can lose itself for 65 s in a lock of its own (eosManager's, when a connection breaks while it holds it). What becomes of such a batch stays open. */
const lastAnswersMs = 10_000

process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1"
const { Kafka } = createRequire(join(process.cwd(), "package.json"))("kafkajs") as Kafkajs
const retry = { initialRetryTime: 50, maxRetryTime: 500, retries: 1000 }
const kafka = new Kafka({
  ...{ clientId: name, brokers: bootstrap.split(","), retry, connectionTimeout: 1000, requestTimeout: 2000 },
  logCreator:
    () =>
    ({ log }: { readonly log: { readonly message: string } }) =>
      sayError(log.message),
})
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry })
let number = 0
let isEnding = false
process.once("SIGTERM", () => {
  isEnding = true
  setTimeout(() => {
    sayError("what has no answer by now is left open")
    process.exit(0)
  }, lastAnswersMs)
})

async function drive(partition: number): Promise<void> {
  for (let count = 1; !isEnding; count = (count % recordsPerSendMax) + 1) {
    const first = number
    number += count
    const numbers = Array.from({ length: count }, (_, index) => first + index)
    for (const one of numbers) say("sent", one, partition)
    const messages = numbers.map((one) => ({ value: payloadOf(name, one), partition }))
    // It gives up on a lost connection, and takes the same sequence numbers for whatever is sent next: that has to be the same.
    for (let tries = 1; ; tries++) {
      try {
        const [answer] = await producer.send({ topic, acks: -1, messages })
        for (const one of numbers) say("acked", one, partition, Number(answer!.baseOffset) + one - first)
        break
      } catch (error) {
        const { message } = error as Error
        sayError(`partition ${partition}, ${first}, try ${tries}: ${message}`)
        if (tries === triesMax) {
          for (const one of numbers) say("failed", one, partition, message)
          process.exit(1)
        }
        await new Promise((resolve) => setTimeout(resolve, tryAgainMs))
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Number(tickMs)))
  }
}

await producer.connect()
sayReady()
await Promise.all(Array.from({ length: Number(partitions) }, (_, partition) => drive(partition)))
await producer.disconnect()
process.exit(0)
