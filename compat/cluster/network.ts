/**
 * The network between the nodes of a cluster, and what can be done to it.
 *
 * Owns the choice: network namespaces where this machine allows them, else plain processes with a proxy before every node. Invariant: a cut link is silent; nobody is told.
 */
import { namespacesArePossible, NamespaceNetwork } from "./namespaces.js"
import { ProxyNetwork } from "./proxies.js"

/** Stands for everything that is no node. */
export const clients = 0

export interface NodeAddress {
  readonly host: string
  readonly port: number
}

export interface Listener {
  /** Where the node listens, and what it tells others. */
  readonly bind: NodeAddress
  readonly advertised: NodeAddress
}

export interface ClusterNetwork {
  readonly kind: "network namespaces" | "plain processes behind proxies"
  readonly canDelay: boolean
  /** For clients and other brokers. */
  brokerListener(node: number): Listener
  controllerListener(node: number): Listener
  /** What has to stand before a command for it to run as a node. */
  commandPrefix(node: number): readonly string[]
  /** From now on nothing that `from` sends reaches `to`; `clients` stands for everything that is no node. */
  cut(from: number, to: number): Promise<void>
  /** What `from` sends to `to` takes this much longer, evenly drawn. */
  delay(from: number, to: number, fromMs: number, toMs: number): Promise<void>
  heal(): Promise<void>
  close(): Promise<void>
}

export type NetworkChoice = "namespaces" | "proxies" | "any"

export function parseNetworkChoice(text: string | undefined): NetworkChoice {
  if (text === undefined || text === "any" || text === "namespaces" || text === "proxies") return text ?? "any"
  throw new Error(`--network ${text}: there are namespaces and proxies`)
}

/** `basePort`: plain processes use ports from there on. */
export async function openNetwork(choice: NetworkChoice, nodes: number, basePort: number): Promise<ClusterNetwork> {
  const why = choice === "proxies" ? "as asked for" : namespacesArePossible()
  if (why === undefined) return NamespaceNetwork.open(nodes)
  if (choice === "namespaces") throw new Error(`no network namespaces here: ${why}`)
  return ProxyNetwork.open(nodes, basePort)
}
