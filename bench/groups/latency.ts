/**
 * One record at a time, from the producer's send until a consumer that waits has it, acknowledged by all in-sync replicas.
 *
 * Owns the measurement: the next record is sent when the last was both consumed and acknowledged; producer and consumer have a connection each.
 */
import { type Context, alternate, onFreshServer } from "../context.js"
import { Client } from "../client.js"
import { makeBatch } from "../make-batch.js"
import { batchLastOffset } from "../../src/protocol/batch-header.js"
import { quantile } from "../statistics.js"
import { host } from "../systems.js"

const recordBytes = 100
const acksAll = -1

export async function latency(context: Context): Promise<void> {
  const rounds = context.quick ? 1000 : 5000
  const warmRounds = context.quick ? 1000 : 3000
  await alternate(context, "latency", (system) =>
    onFreshServer(context, system, async (server, client) => {
      await client.createTopic("one", 1)
      const consumer = await Client.connect(host, server.port)
      const batch = makeBatch(1, recordBytes)
      let offset = 0
      const samples: number[] = []
      for (let round = 0; round < warmRounds + rounds; round++) {
        const consumed = consumeOne(consumer, offset)
        // The consumer must be waiting, not on its way: let its request leave first.
        await new Promise((resolve) => setTimeout(resolve, 1))
        const started = performance.now()
        const acknowledged = client.produce("one", 0, batch, acksAll)
        const received = consumed.then((next) => {
          if (round >= warmRounds) samples.push(performance.now() - started)
          return next
        })
        offset = (await Promise.all([received, acknowledged]))[0]
      }
      consumer.close()
      context.samples.add("latency/p50", system.name, quantile(samples, 0.5))
      context.samples.add("latency/p99", system.name, quantile(samples, 0.99))
    }),
  )
}

async function consumeOne(consumer: Client, offset: number): Promise<number> {
  for (;;) {
    const limits = { maxWaitMs: 500, minBytes: 1, partitionMaxBytes: 1 << 20 }
    const [answer] = await consumer.fetch("one", [{ partition: 0, offset }], limits)
    if (answer !== undefined && answer.records.length > 0) return batchLastOffset(answer.records) + 1
  }
}
