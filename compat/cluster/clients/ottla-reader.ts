/**
 * Ottla's own client reading every partition from the beginning, in a process of its own.
 *
 * Owns the consumer. It belongs to no group, and starts nowhere else by itself: an offset that is not there would be read anew from the beginning, which the judge knows.
 */
import { Client } from "../../../src/client/index.js"
import { say, sayReady } from "../client-lines.js"
import { silenceNoticedMs } from "./ottla-settings.js"

const [name, bootstrap, topic, partitionCount] = process.argv.slice(2) as [string, string, string, string]
const client = new Client({ bootstrap, clientId: name, requestTimeoutMs: silenceNoticedMs, retryBackoffMs: 50 })
const partitions = Array.from({ length: Number(partitionCount) }, (_, partition) => ({ topic, partition }))
const consumer = client.consumer({ partitions, from: "earliest", maxWaitMs: 100 })
process.once("SIGTERM", async () => {
  await client.close()
  process.exit(0)
})
for (const { partition } of partitions) say("at", partition, 0)
sayReady()
for await (const { partition, offset, value } of consumer) say("read", partition, Number(offset), String(value))
