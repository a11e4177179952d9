/** From nothing to the first Metadata answer. Owns nothing but the repetition: `systems.ts` takes the time. */
import { type Context, alternate, onFreshServer } from "../context.js"

export async function start(context: Context): Promise<void> {
  await alternate(context, "start", (system) =>
    onFreshServer(context, system, async (server) => {
      context.samples.add("start/time", system.name, server.startMs)
      const resident = server.startResidentBytes
      context.samples.add("start/resident", system.name, resident === undefined ? undefined : resident / 1e6)
    }),
  )
}
