/**
 * A broker that was away, until it has everything again, while others are served.
 *
 * Owns the steps and the light load beside them, whose latency is told with and without a follower that catches up.
 */
import { byTurns, type Context, keepWarm, onFreshCluster, warm } from "../context.js"
import type { Cluster, ClusterSystem } from "../clusters.js"
import type { ClusterClient } from "../cluster-client.js"
import { makeBatch } from "../make-batch.js"
import { quantile } from "../statistics.js"
import { replicatedPartitions } from "./replicated.js"

const recordBytes = 1000
const away = 3
const acksAll = -1
/** Of the light load: one record of each so many ms. */
const everyMs = 5

export async function catchUp(context: Context): Promise<void> {
  const bytes = context.quick ? 2e9 : 10e9
  await byTurns(context, "catch-up", context.clusters, (system) =>
    onFreshCluster(context, system, async (cluster, client) => {
      await client.createTopic("load", replicatedPartitions)
      await client.createTopic("light", 1)
      const load = { port: cluster.ports[0]!, topic: "load", partitions: replicatedPartitions, recordBytes, acks: -1 }
      await context.generator.produce({ ...load, records: 300_000, acks: -1 })
      await cluster.stop([away])
      warm(context, bytes * 3)
      await context.generator.produce({ ...load, records: bytes / recordBytes, acks: -1 })
      await measure(context, system, cluster, client, bytes)
    }),
  )
}

async function measure(
  context: Context,
  system: ClusterSystem,
  cluster: Cluster,
  client: ClusterClient,
  bytes: number,
): Promise<void> {
  const light = new LightLoad(client)
  await light.run(() => new Promise((resolve) => setTimeout(resolve, 2000)))
  const alone = await light.run(() => new Promise((resolve) => setTimeout(resolve, 5000)))
  const release = await keepWarm(context, bytes)
  let seconds = 0
  const beside = await light.run(async () => {
    const started = cluster.start([away])
    // Not its start is measured but its catching up: that begins when the controller lets it serve.
    await untilNamed(client)
    release()
    const began = performance.now()
    await client.untilWhole([{ name: "load", partitions: replicatedPartitions }], 600_000)
    seconds = (performance.now() - began) / 1000
    await started
  })
  const add = (figure: string, value: number | undefined) =>
    context.samples.add(`catch-up/${figure}`, system.name, value)
  add("rate", bytes / 1e6 / seconds)
  add("alone/p99", quantile(alone, 0.99))
  add("beside/p99", quantile(beside, 0.99))
  add("p99", quantile(beside, 0.99)! / quantile(alone, 0.99)!)
}

async function untilNamed(client: ClusterClient): Promise<void> {
  while ((await client.brokerCount()) < 3) await new Promise((resolve) => setTimeout(resolve, 2))
}

class LightLoad {
  readonly #batch = makeBatch(1, recordBytes)

  constructor(private readonly client: ClusterClient) {}

  /** Latencies in ms of single records while `work` runs. */
  async run(work: () => Promise<unknown>): Promise<number[]> {
    const samples: number[] = []
    const leader = await this.client.leader("light", 0)
    let isOver = false
    const sending = (async () => {
      while (!isOver) {
        const started = performance.now()
        await leader.produce("light", 0, this.#batch, acksAll)
        const took = performance.now() - started
        samples.push(took)
        if (took < everyMs) await new Promise((resolve) => setTimeout(resolve, everyMs - took))
      }
    })()
    try {
      await work()
    } finally {
      isOver = true
      await sending
    }
    return samples
  }
}
