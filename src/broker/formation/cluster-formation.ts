/**
 * The first start of a node that nobody formatted: it asks the controllers it was told of, and finds its cluster, or founds it with them.
 *
 * Owns the rounds of questions, the answers meanwhile, and what a founder leaves on its disk; the decision is in `formation-decision.ts`. Invariant: nobody hears of a new cluster before the
 * founder's disk holds its voters. Later starts find the cluster's id on the disk and ask nobody. `controller.quorum.voters` and `controller.quorum.bootstrap.servers` are alike here: by either,
 * the voters of a new cluster are known by their disks, and an empty one in the place of a voter's has no vote (KIP-853; reliability.md R6).
 */
import type { Uuid } from "../../base/ids.js"
import type { ServerConfig } from "../../config/server-config.js"
import type { Env } from "../../env/env.js"
import type { ConnectPeer, Peer } from "../../net/peer.js"
import { writeFirstVoters } from "../../raft/first-voters.js"
import {
  type DirectoryLock,
  isFormatted,
  lockDirectory,
  promisedDirectoryId,
} from "../../storage/directory-identity.js"
import { decideFormation, type Introduction } from "./formation-decision.js"
import { serveIntroductions } from "./introductions.js"
import { introductionOf, type QuorumServers, quorumServers } from "./quorum-servers.js"

/** Between two rounds. */
export const roundIntervalMs = 100
/** Nodes that start together need no explanation for so long; then whoever watches is told what is waited for, again and again. */
export const noticeAfterMs = 1000
export const noticeIntervalMs = 5000

/** The settings of the nodes contradict each other, and waiting would not help. */
export class FormationRefused extends Error {
  override name = "FormationRefused"
}

export interface FormationOptions {
  readonly env: Env
  readonly config: ServerConfig
  readonly hostname: string
  readonly connect: ConnectPeer
  /** Where the metadata log is to be. */
  readonly home: string
}

/**
 * The cluster of this node's directories. Undefined: they belong to one already, or this node is its own quorum and agrees with nobody.
 *
 * Errors: FormationRefused; DiskError, where a directory is held by another process; NetworkError, where the controllers' listener cannot be had.
 */
export async function findCluster(options: FormationOptions): Promise<Uuid | undefined> {
  const { env, config, home } = options
  const { voters, bootstrapServers } = config.quorum
  const isAlone = voters.length === 1 || (voters.length === 0 && bootstrapServers.length === 0)
  if (config.isController && isAlone) return undefined
  for (const path of config.logDirs) if (await isFormatted(env, path)) return undefined
  const lock: DirectoryLock = await lockDirectory(env, home)
  try {
    return await new Formation(options, await promisedDirectoryId(env, home)).run()
  } finally {
    await lock.release()
  }
}

class Formation {
  readonly #self: Introduction
  readonly #quorum: QuorumServers
  readonly #servers: readonly string[]
  readonly #peers = new Map<string, Peer>()
  #clusterId: string | null = null
  #nextNoticeMs: number

  constructor(
    private readonly options: FormationOptions,
    directoryId: Uuid,
  ) {
    const { env, config, connect } = options
    this.#nextNoticeMs = env.clock.monotonicMs() + noticeAfterMs
    this.#quorum = quorumServers(config, options.hostname)
    this.#servers = [...this.#quorum.addresses.keys()].sort()
    for (const [server, address] of this.#quorum.addresses) this.#peers.set(server, connect(address))
    const bootstrapServers = this.#servers
    this.#self = { nodeId: config.nodeId, directoryId, processId: env.random.uuid(), clusterId: null, bootstrapServers }
  }

  async run(): Promise<Uuid> {
    const { env, config } = this.options
    const introductions = config.isController
      ? await serveIntroductions(env, config, () => ({ ...this.#self, clusterId: this.#clusterId }))
      : undefined
    try {
      for (;;) {
        const decided = await this.#decide()
        if (decided.kind === "refuse") throw new FormationRefused(decided.reason)
        if (decided.kind === "join") {
          this.#clusterId = decided.clusterId
          env.log.log("info", "this node joins a cluster", { clusterId: decided.clusterId })
          return decided.clusterId
        }
        if (decided.kind === "found") return await this.#found(decided.members)
        this.#notice(decided.reason)
        await new Promise<void>((resolve) => env.timers.after(roundIntervalMs, resolve))
      }
    } finally {
      for (const peer of this.#peers.values()) peer.close()
      await introductions?.close()
    }
  }

  async #decide() {
    const { config } = this.options
    const answers = new Map(
      await Promise.all(
        this.#servers.map(
          async (server) => [server, await introductionOf(this.#peers.get(server)!, this.#self.nodeId)] as const,
        ),
      ),
    )
    return decideFormation({
      self: this.#self,
      isController: config.isController,
      servers: this.#servers,
      setting: this.#quorum.setting,
      ownServers: this.#quorum.own,
      idOf: this.#quorum.ids,
      answers,
    })
  }

  /** Everything is on the disk before anybody hears of it: the voters, then, with `meta.properties`, that the directory belongs to the cluster. */
  async #found(members: readonly { readonly server: string; readonly node: Introduction }[]): Promise<Uuid> {
    const { env, config, home } = this.options
    const clusterId = env.random.uuid()
    const name = config.listeners.controllerListenerNames[0] ?? "CONTROLLER"
    const voters = members.map(({ server, node }) => {
      const { host, port } = this.#quorum.addresses.get(server)!
      return { id: node.nodeId, directoryId: node.directoryId, endpoints: [{ name, host, port }] }
    })
    await writeFirstVoters(env, home, voters)
    env.log.log("info", "this node founds a cluster", { clusterId, voters: voters.map(({ id }) => id).join(",") })
    return clusterId
  }

  #notice(reason: string): void {
    const { env } = this.options
    const nowMs = env.clock.monotonicMs()
    if (nowMs < this.#nextNoticeMs) return
    this.#nextNoticeMs = nowMs + noticeIntervalMs
    env.log.log("info", "waiting for a cluster", { reason })
  }
}
