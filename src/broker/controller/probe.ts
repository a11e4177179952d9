/**
 * Whether a process listens at a broker's address.
 *
 * Owns how an attempt to connect is read. What follows from it is broker-life's decision.
 */
import { type Env, NetworkError, type Timer } from "../../env/env.js"
import type { Endpoint } from "../../metadata/image.js"
import type { ProbeResult } from "./broker-life.js"

/** No answer for so long, and only time can tell. */
export const probeTimeoutMs = 500

export async function probe(
  { network, timers }: Pick<Env, "network" | "timers">,
  { host, port }: Pick<Endpoint, "host" | "port">,
): Promise<ProbeResult> {
  let timer: Timer | undefined
  const late = new Promise<"unreachable">((resolve) => {
    timer = timers.after(probeTimeoutMs, () => resolve("unreachable"))
  })
  const connecting = network.connect({ host, port }).then(
    (connection) => {
      connection.destroy()
      return "accepted" as const
    },
    (error: unknown): ProbeResult => {
      if (!(error instanceof NetworkError)) throw error
      if (error.code === "ECONNREFUSED") return "refused"
      // It was accepted by a process that ended before it was told: worth another look.
      return error.code === "ECONNRESET" ? "accepted" : "unreachable"
    },
  )
  const result = await Promise.race([connecting, late])
  timer?.cancel()
  return result
}
