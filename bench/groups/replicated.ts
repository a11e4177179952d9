/** Three brokers: records of 1 KB to six partitions of three replicas each, acks=all, two in-sync replicas at least. Owns the loads. */
import { byTurns, type Context, onFreshCluster, warm } from "../context.js"
import type { Load } from "../generator.js"
import { withCpuOf } from "../systems.js"

export const replicatedPartitions = 6
export const replicas = 3
const recordBytes = 1000

export async function replicated(context: Context): Promise<void> {
  const records = context.quick ? 600_000 : 1_500_000
  const warmRecords = context.quick ? 300_000 : 500_000
  await byTurns(context, "replicated", context.clusters, (system) =>
    onFreshCluster(context, system, async (cluster, client) => {
      const load: Load = {
        port: cluster.ports[0]!,
        topic: "load",
        partitions: replicatedPartitions,
        records,
        recordBytes,
        acks: -1,
      }
      await client.createTopic("warm", replicatedPartitions)
      await client.createTopic("load", replicatedPartitions)
      await context.generator.produce({ ...load, topic: "warm", records: warmRecords })
      const bytes = records * recordBytes
      warm(context, bytes * replicas)
      const { result, cpu } = await withCpuOf(cluster.servers, () => context.generator.produce(load))
      context.samples.addLoad("replicated", system.name, result.rate, cpu, bytes)
    }),
  )
}
