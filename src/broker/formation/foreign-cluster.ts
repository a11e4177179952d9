/**
 * A node whose disk belongs to one cluster and whose settings lead to another.
 *
 * Owns the watch for it while the node starts: its controllers refuse such a node without a word, and it would look for them in vain. Once it has started it belongs where it is.
 */
import type { ServerConfig } from "../../config/server-config.js"
import type { Env } from "../../env/env.js"
import type { ConnectPeer } from "../../net/peer.js"
import { FormationRefused } from "./cluster-formation.js"
import { introductionOf, quorumServers } from "./quorum-servers.js"

/** Between two looks. */
const lookIntervalMs = 1000

export interface ForeignClusterOptions {
  readonly env: Env
  readonly config: ServerConfig
  readonly hostname: string
  readonly connect: ConnectPeer
  /** That of this node's directories. */
  readonly clusterId: string
}

/** `found` rejects with FormationRefused once a controller of another cluster has answered and none of this one, and never settles otherwise. */
export function watchForForeignCluster(options: ForeignClusterOptions): {
  readonly found: Promise<never>
  stop(): void
} {
  const { env, config, hostname, connect, clusterId } = options
  const { addresses } = quorumServers(config, hostname)
  const peers = [...addresses].map(([server, address]) => ({ server, peer: connect(address) }))
  let stopped = false
  const look = async (): Promise<string | undefined> => {
    const answers = await Promise.all(
      peers.map(async ({ server, peer }) => ({ server, node: await introductionOf(peer, config.nodeId) })),
    )
    const others = answers.flatMap(({ server, node }) =>
      typeof node === "string" || node.nodeId === config.nodeId || node.clusterId === null
        ? []
        : [{ server, clusterId: node.clusterId }],
    )
    const [foreign] = others
    if (foreign === undefined || others.some((other) => other.clusterId === clusterId)) return undefined
    return `${config.logDirs[0]} belongs to cluster ${clusterId}, and the controller at ${foreign.server} to ${foreign.clusterId}: set log.dirs to a directory of that cluster or an empty one, or controller.quorum.voters and controller.quorum.bootstrap.servers to this cluster's controllers`
  }
  const found = new Promise<never>((_, reject) => {
    const again = () => {
      if (!stopped)
        look().then((reason) => {
          if (stopped) return
          if (reason !== undefined) reject(new FormationRefused(reason))
          else env.timers.after(lookIntervalMs, again)
        }, reject)
    }
    again()
  })
  found.catch(() => {})
  return {
    found,
    stop: () => {
      stopped = true
      for (const { peer } of peers) peer.close()
    },
  }
}
