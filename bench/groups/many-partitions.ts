/** Ten producers on a thousand partitions, against the same on four. Owns nothing but the loads. */
import { type Context, alternate, onFreshServer, warm } from "../context.js"
import type { Load } from "../generator.js"

const producers = 10
const recordBytes = 1000

export async function manyPartitions(context: Context): Promise<void> {
  const records = context.quick ? 500_000 : 1_000_000
  await alternate(context, "many-partitions", (system) =>
    onFreshServer(context, system, async (server, client) => {
      const measure = async (partitions: number): Promise<number> => {
        const topic = `load-${partitions}`
        await client.createTopic(topic, partitions)
        const load = { port: server.port, topic, partitions, records: records / producers, recordBytes }
        await together(context, { ...load, records: load.records / 5 })
        warm(context, records * recordBytes)
        const started = performance.now()
        await together(context, load)
        return records / ((performance.now() - started) / 1000)
      }
      const few = await measure(4)
      const many = await measure(1000)
      context.samples.add("many-partitions/4/rate", system.name, few)
      context.samples.add("many-partitions/1000/rate", system.name, many)
      context.samples.add("many-partitions/ratio", system.name, many / few)
    }),
  )
}

const together = (context: Context, load: Load) =>
  Promise.all(Array.from({ length: producers }, () => context.generator.produce(load)))
