/**
 * Records of 1 KB in a stream: written, then read while fresh, from the page cache, and from the disk.
 *
 * Owns the order of the steps, which share one written topic. Every broker is warmed by a smaller load of the same kind first.
 */
import { type Context, alternate, onFreshServer, warm } from "../context.js"
import { drain, type Load } from "../generator.js"
import { dropCaches, settleDisk } from "../machine.js"
import { type Server, type System, withCpu } from "../systems.js"
import type { Client } from "../client.js"

export const partitions = 4
const recordBytes = 1000
/** Of each partition: together well inside what a broker keeps in memory of what was written last. */
const recentBytes = 16_000_000

export async function stream(context: Context): Promise<void> {
  const wanted = (row: string) => context.rows.has(row)
  const records = context.quick ? 1_000_000 : 2_000_000
  const warmRecords = context.quick ? 300_000 : 1_000_000
  await alternate(context, "stream", (system) =>
    onFreshServer(context, system, async (server, client) => {
      const load: Load = { port: server.port, topic: "load", partitions, records, recordBytes }
      await client.createTopic("warm", partitions)
      await client.createTopic("load", partitions)
      const warmLoad = { ...load, topic: "warm", records: warmRecords }
      await context.generator.produce(warmLoad)
      await produce(context, system, server, load)
      if (wanted("consume-recent")) {
        await drain(context.processes, { ...load, records: warmRecords }, recentBytes)
        const { result, cpu } = await withCpu(server, () => drain(context.processes, load, recentBytes))
        context.samples.addLoad("consume-recent", system.name, result.rate, cpu, records * recordBytes)
      }
      settleDisk()
      if (wanted("consume-cached")) {
        await context.generator.consume(warmLoad)
        const { result, cpu } = await withCpu(server, () => context.generator.consume(load))
        context.samples.addLoad("consume-cached", system.name, result.rate, cpu, records * recordBytes)
      }
      if (wanted("drain-cached")) {
        const { result, cpu } = await withCpu(server, () => drain(context.processes, load))
        context.samples.addLoad("drain-cached", system.name, result.rate, cpu, records * recordBytes)
      }
      if (wanted("consume-cold")) {
        const reason = dropCaches()
        if (reason === undefined) {
          const { result, cpu } = await withCpu(server, () => context.generator.consume(load))
          context.samples.addLoad("consume-cold", system.name, result.rate, cpu, records * recordBytes)
        } else context.samples.skipped.set("consume-cold", reason)
      }
      if (wanted("produce-1k-synced") && system.name === "kafka") await produceSynced(context, server, client, load)
    }),
  )
}

async function produce(context: Context, system: System, server: Server, load: Load): Promise<void> {
  const bytes = load.records * recordBytes
  warm(context, bytes)
  const { result, cpu } = await withCpu(server, () => context.generator.produce(load))
  if (context.rows.has("produce-1k")) context.samples.addLoad("produce-1k", system.name, result.rate, cpu, bytes)
  // Ottla syncs before every acknowledgement anyway: the same run answers both rows.
  if (context.rows.has("produce-1k-synced") && system.name === "ottla") {
    context.samples.addLoad("produce-1k-synced", system.name, result.rate, cpu, bytes)
  }
}

async function produceSynced(context: Context, server: Server, client: Client, load: Load): Promise<void> {
  await client.createTopic("synced", partitions, { "flush.messages": "1" })
  const synced = { ...load, topic: "synced", records: load.records / 2 }
  warm(context, synced.records * recordBytes)
  const { result, cpu } = await withCpu(server, () => context.generator.produce(synced))
  context.samples.addLoad("produce-1k-synced", "kafka", result.rate, cpu, synced.records * recordBytes)
}
