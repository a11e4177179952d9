/**
 * Three brokers with ten thousand partitions of three replicas: made, left alone, in the way of others, and there again after a stop.
 *
 * Owns the steps, which share one cluster but for the load without them. Ottla alone: its targets are absolute.
 */
import { type Context, byTurns, onFreshCluster, warm } from "../context.js"
import type { Cluster } from "../clusters.js"
import type { ClusterClient, Topic } from "../cluster-client.js"
import { dropCaches, cpuSeconds, residentBytes } from "../machine.js"
import { replicas, replicatedPartitions } from "./replicated.js"
import { median } from "../statistics.js"

const topics: readonly Topic[] = Array.from({ length: 10 }, (_, index) => ({ name: `many-${index}`, partitions: 1000 }))
const recordBytes = 1000
const loads = 3

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now()
  await work()
  return performance.now() - started
}

export async function manyReplicas(context: Context): Promise<void> {
  const [own] = context.clusters
  await byTurns(context, "many-replicas", [own!], async (system) => {
    const add = (figure: string, value: number | undefined) =>
      context.samples.add(`many-replicas/${figure}`, system.name, value)
    let alone = Number.NaN
    await onFreshCluster(context, system, async (cluster, client) => {
      alone = await rateAfterWarming(context, cluster, client)
    })
    await onFreshCluster(context, system, async (cluster, client) => {
      add("create", await timed(() => create(cluster, client)))
      await idle(context, cluster, add)
      const among = await rateAfterWarming(context, cluster, client)
      add("alone/rate", alone)
      add("among/rate", among)
      add("rate", among / alone)
      add("stop", await timed(() => cluster.stop()))
      add("start", await timed(() => startAgain(context, cluster, client)))
      await cluster.kill()
      add("start-killed", await timed(() => startAgain(context, cluster, client)))
    })
  })
}

async function create(cluster: Cluster, client: ClusterClient): Promise<void> {
  const asked = await client.on(cluster.ports[0]!)
  for (const { name, partitions } of topics) await asked.requestTopic(name, partitions, replicas)
  await client.untilWhole(topics)
}

/** Of the broker that is worst off, once what creation left behind is done. */
async function idle(
  context: Context,
  { servers }: Cluster,
  add: (figure: string, value: number | undefined) => void,
): Promise<void> {
  const [settleMs, watchMs] = context.quick ? [10_000, 20_000] : [70_000, 60_000]
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  await pause(settleMs)
  const before = servers.map(({ pid }) => cpuSeconds(pid))
  await pause(watchMs)
  const cores = servers.map(({ pid }, index) => ((cpuSeconds(pid) ?? NaN) - (before[index] ?? NaN)) / (watchMs / 1000))
  add("cores", Math.max(...cores))
  add("resident", Math.max(...servers.map(({ pid }) => (residentBytes(pid) ?? NaN) / 1e6)))
}

async function startAgain(context: Context, cluster: Cluster, client: ClusterClient): Promise<void> {
  client.close()
  const reason = dropCaches()
  if (reason !== undefined) context.samples.skipped.set("many-replicas, from a cold page cache", reason)
  await cluster.start()
  await client.untilWhole(topics)
}

async function rateAfterWarming(context: Context, cluster: Cluster, client: ClusterClient): Promise<number> {
  await client.createTopic("load", replicatedPartitions)
  const load = { port: cluster.ports[0]!, topic: "load", partitions: replicatedPartitions, recordBytes, acks: -1 }
  await context.generator.produce({ ...load, records: 300_000, acks: -1 })
  return rate(context, cluster)
}

/** Median of a few short loads: one alone scatters more than what is looked for. */
async function rate(context: Context, cluster: Cluster): Promise<number> {
  const records = context.quick ? 400_000 : 600_000
  const rates: number[] = []
  for (let index = 0; index < loads; index++) {
    warm(context, records * recordBytes * replicas)
    const load = { port: cluster.ports[0]!, topic: "load", partitions: replicatedPartitions, records, recordBytes }
    rates.push((await context.generator.produce({ ...load, acks: -1 })).rate)
  }
  return median(rates)!
}
