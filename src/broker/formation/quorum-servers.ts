/**
 * The controllers a node was told of, and what they say of themselves.
 *
 * Owns how `controller.quorum.voters` and `controller.quorum.bootstrap.servers` become addresses, and which of them are this node. What the answers mean is decided elsewhere.
 */
import { type BrokerId, zeroUuid } from "../../base/ids.js"
import type { ServerConfig } from "../../config/server-config.js"
import { type Peer, type PeerAddress, PeerError } from "../../net/peer.js"
import { describeCluster } from "../../protocol/messages/describe-cluster.js"
import { introduceNode } from "../../protocol/messages/introduce-node.js"
import type { Introduction } from "./formation-decision.js"

/** How long one server may take to answer. */
export const answerTimeoutMs = 1000

export interface QuorumServers {
  readonly setting: string
  /** By what they are called in lists and messages. */
  readonly addresses: ReadonlyMap<string, PeerAddress>
  readonly ids: ReadonlyMap<string, BrokerId>
  readonly own: ReadonlySet<string>
}

export function quorumServers(config: ServerConfig, hostname: string): QuorumServers {
  const { voters, bootstrapServers } = config.quorum
  if (voters.length > 0) {
    const named = voters.map(({ id, host, port }) => ({ id, name: `${id}@${serverText(host, port)}`, host, port }))
    return {
      setting: "controller.quorum.voters",
      addresses: new Map(named.map(({ name, host, port }) => [name, { host, port }])),
      ids: new Map(named.map(({ name, id }) => [name, id])),
      own: new Set(named.flatMap(({ id, name }) => (id === config.nodeId ? [name] : []))),
    }
  }
  return {
    setting: "controller.quorum.bootstrap.servers",
    addresses: new Map(bootstrapServers.map(({ host, port }) => [serverText(host, port), { host, port }])),
    ids: new Map(),
    own: ownServers(config, hostname),
  }
}

/** What a node says of itself; a text: why it says nothing. */
export async function introductionOf(peer: Peer, ownId: BrokerId): Promise<Introduction | string> {
  const options = { timeoutMs: answerTimeoutMs }
  try {
    const { response, release } = await peer.request(introduceNode, { nodeId: ownId }, options)
    release()
    return response
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    if (error.code !== "unsupported") return `does not answer (${error.message})`
  }
  // One of Apache Kafka's, which always belongs to a cluster.
  try {
    const { response, release } = await peer.request(
      describeCluster,
      { includeClusterAuthorizedOperations: false, endpointType: 2, includeFencedBrokers: false },
      options,
    )
    const { clusterId, errorMessage } = response
    release()
    return clusterId === ""
      ? `is no controller (${errorMessage ?? "no reason given"})`
      : { nodeId: -1, directoryId: zeroUuid, processId: zeroUuid, clusterId, bootstrapServers: [] }
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    return `does not answer (${error.message})`
  }
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127\./.test(host)

const serverText = (host: string, port: number): string => `${host.toLowerCase()}:${port}`

/**
 * The bootstrap servers that are this node by name: those its controller listeners are advertised as, or listen on, and on a listener of every interface its host's name with or without a
 * domain. A loopback address is whoever answers there.
 */
function ownServers(config: ServerConfig, hostname: string): ReadonlySet<string> {
  const { listeners, advertisedControllers, controllerListenerNames } = config.listeners
  const own = listeners.flatMap((listener) => {
    if (!controllerListenerNames.includes(listener.name)) return []
    const told = advertisedControllers.find(({ name }) => name === listener.name) ?? listener
    return [{ host: told.host === "" ? hostname : told.host, port: told.port, isHostname: told.host === "" }]
  })
  const isOwn = (host: string, port: number) =>
    isLoopback(host) ||
    own.some(
      (each) =>
        each.port === port &&
        (each.host.toLowerCase() === host || (each.isHostname && host.startsWith(`${each.host.toLowerCase()}.`))),
    )
  return new Set(
    config.quorum.bootstrapServers
      .filter(({ host, port }) => isOwn(host.toLowerCase(), port))
      .map(({ host, port }) => serverText(host, port)),
  )
}
