/**
 * Which cluster a node belongs to that nobody formatted, by what the controllers it was told of say.
 *
 * Owns the decision, as a pure function of one round of answers. Invariant: of one list of servers comes one cluster. A cluster is founded only by the node with the smallest id of all behind
 * the servers, and only when each of them has said, in one round, that it belongs to none and was told the same list. So whoever else could found one has been asked, is this very node or one
 * with a larger id, and the founder's voters are all of them, each with its disk: nothing is ever committed without one that remembers the cluster, and a node whose disk is lost meets that one
 * before it could found again or vote again. The rule rests on an address being one node's; a name that leads now here, now there (a load balancer) is therefore nobody's own.
 */
import type { BrokerId, Uuid } from "../../base/ids.js"

export interface Introduction {
  readonly nodeId: BrokerId
  readonly directoryId: Uuid
  /** Of this life of the process. */
  readonly processId: Uuid
  /** Null: it belongs to none yet. */
  readonly clusterId: string | null
  /** The list it was told, normalised. */
  readonly bootstrapServers: readonly string[]
}

export interface Round {
  /** The setting that names the servers. */
  readonly setting: string
  readonly self: Pick<Introduction, "nodeId" | "processId">
  readonly isController: boolean
  /** The list this node was told, normalised, in order. */
  readonly servers: readonly string[]
  /** Those of it that are this node's own addresses. */
  readonly ownServers: ReadonlySet<string>
  /** Which node is to be where, as far as that was told. */
  readonly idOf: ReadonlyMap<string, BrokerId>
  /** What each server said; a text: why it said nothing. */
  readonly answers: ReadonlyMap<string, Introduction | string>
}

export type FormationDecision =
  | { readonly kind: "join"; readonly clusterId: string }
  | { readonly kind: "found"; readonly members: readonly { readonly server: string; readonly node: Introduction }[] }
  | { readonly kind: "wait"; readonly reason: string }
  /** Waiting would not help: settings must change. */
  | { readonly kind: "refuse"; readonly reason: string }

export function decideFormation(round: Round): FormationDecision {
  const { setting, self, servers, answers } = round
  const members = servers.flatMap((server) => {
    const node = answers.get(server)
    return node === undefined || typeof node === "string" ? [] : [{ server, node }]
  })
  const double = members.find(({ node }) => node.nodeId === self.nodeId && node.processId !== self.processId)
  if (double !== undefined)
    return refuse(`node.id: the node at ${double.server} has id ${self.nodeId} too: give each node its own`)
  const clusters = new Map(
    members.flatMap(({ server, node }) => (node.clusterId === null ? [] : [[node.clusterId, server]])),
  )
  if (clusters.size > 1) {
    const those = [...clusters].map(([clusterId, server]) => `${clusterId} at ${server}`).join(", ")
    return refuse(`${setting}: these belong to different clusters: ${those}`)
  }
  for (const clusterId of clusters.keys()) return { kind: "join", clusterId }
  const silent = servers.filter((server) => typeof (answers.get(server) ?? "") === "string")
  if (!round.isController) return wait(`no node of ${setting} belongs to a cluster yet`)
  const wrong = problemOf(round, members)
  if (wrong !== undefined) return refuse(wrong)
  if (silent.length > 0)
    return wait(
      `to found a cluster all of ${setting} are needed: ${silent.map((server) => `${server} ${answers.get(server) ?? "was not asked"}`).join("; ")}`,
    )
  if (!members.some(({ node }) => node.processId === self.processId))
    return wait(`this node is none of ${setting}, which have not founded a cluster yet`)
  const founder = Math.min(...members.map(({ node }) => node.nodeId))
  return founder === self.nodeId ? { kind: "found", members } : wait(`node ${founder} is to found the cluster`)
}

const wait = (reason: string): FormationDecision => ({ kind: "wait", reason })
const refuse = (reason: string): FormationDecision => ({ kind: "refuse", reason })

function problemOf(
  { setting, self, servers, ownServers, idOf }: Round,
  members: readonly { readonly server: string; readonly node: Introduction }[],
): string | undefined {
  for (const [index, { server, node }] of members.entries()) {
    const told = node.bootstrapServers
    if (told.length !== servers.length || told.some((each) => !servers.includes(each)))
      return `${setting}: node ${node.nodeId} at ${server} was told ${told.join(",")}, this one ${servers.join(",")}: give all nodes the same`
    const expected = idOf.get(server)
    if (expected !== undefined && node.nodeId !== expected)
      return `${setting}: at ${server} node ${node.nodeId} answers: is its node.id right, or the address?`
    const twin = members.slice(0, index).find((other) => other.node.nodeId === node.nodeId)
    if (twin !== undefined && twin.node.processId === node.processId)
      return `${setting}: ${twin.server} and ${server} lead to the same node ${node.nodeId}: name each node once`
    if (twin !== undefined)
      return `node.id: ${twin.server} and ${server} both say they are node ${node.nodeId}: give each node its own id`
    if (node.processId === self.processId && !ownServers.has(server))
      return `${setting}: ${server} leads to this node, whose controller listener is advertised as something else: set advertised.listeners to what the servers are told`
  }
  return undefined
}
