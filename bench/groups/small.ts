/** Records of 100 B in a stream. Owns nothing but the load. */
import { type Context, alternate, onFreshServer, warm } from "../context.js"
import { withCpu } from "../systems.js"
import { partitions } from "./stream.js"

const recordBytes = 100

export async function small(context: Context): Promise<void> {
  const records = context.quick ? 3_000_000 : 8_000_000
  await alternate(context, "small", (system) =>
    onFreshServer(context, system, async (server, client) => {
      const load = { port: server.port, topic: "load", partitions, records, recordBytes }
      await client.createTopic("warm", partitions)
      await client.createTopic("load", partitions)
      await context.generator.produce({ ...load, topic: "warm", records: context.quick ? 1_000_000 : 3_000_000 })
      // Record overhead and indexes come on top of the values.
      warm(context, records * recordBytes * 1.3)
      const { result, cpu } = await withCpu(server, () => context.generator.produce(load))
      context.samples.addLoad("produce-100", system.name, result.rate, cpu, records * recordBytes)
    }),
  )
}
