/**
 * Ottla's own client as an idempotent producer with acks from all, in a process of its own.
 *
 * Owns the pace: a record to each partition every few milliseconds, many on their way at once.
 */
import { Client } from "../../../src/client/index.js"
import { say, sayError, sayReady } from "../client-lines.js"
import { payloadOf } from "../payload.js"
import { silenceNoticedMs } from "./ottla-settings.js"

const [name, bootstrap, topic, partitions, tickMs] = process.argv.slice(2) as [string, string, string, string, string]
/** More than these without an answer, and it waits. */
const outstandingMax = 5_000

const client = new Client({ bootstrap, clientId: name, requestTimeoutMs: silenceNoticedMs, retryBackoffMs: 50 })
const producer = client.producer({ lingerMs: 2, deliveryTimeoutMs: 120_000 })
let outstanding = 0
let number = 0

async function send(mine: number, partition: number): Promise<void> {
  say("sent", mine, partition)
  outstanding++
  try {
    const { offset } = await producer.send({ topic, partition, value: payloadOf(name, mine) })
    say("acked", mine, partition, Number(offset))
  } catch (error) {
    const { message } = error as Error
    sayError(message)
    say("failed", mine, partition, message)
  }
  outstanding--
}

sayReady()
const timer = setInterval(() => {
  for (let partition = 0; partition < Number(partitions) && outstanding < outstandingMax; partition++)
    void send(number++, partition)
}, Number(tickMs))
process.once("SIGTERM", async () => {
  clearInterval(timer)
  await producer.flush()
  await client.close()
  process.exit(0)
})
