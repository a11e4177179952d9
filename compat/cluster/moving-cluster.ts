/**
 * Three nodes for clients that expect one broker, and leaders that do not stay.
 *
 * Owns the cluster and the moves while a check runs: replicas change their order and preferred leaders are elected, then one of the nodes that are not the bootstrap server is killed and
 * comes back. Invariant: between checks nothing moves, and all replicas are in sync.
 */
import { join } from "node:path"
import { alterPartitionReassignments } from "../../src/protocol/messages/alter-partition-reassignments.js"
import { metadata } from "../../src/protocol/messages/metadata.js"
import type { WireClient } from "../client.js"
import { Cluster, nodeCount } from "./cluster.js"
import { openNetwork } from "./network.js"
import { ClusterView } from "./view.js"

const firstPort = 32_400
/**
 * Between two moves. A group whose coordinator moves faster than its sessions end loses nobody: each coordinator gives everybody a full session, and a rebalance that it did not
 * end is forgotten with it. So there is time for a session of the members (6 s) and a rebalance.
 */
const calmMs = 400
const groupCalmMs = 12_000
const inSyncTimeoutMs = 60_000
const lookAgainMs = 50

interface Replicas {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
  readonly leaderEpoch: number
  readonly isInSync: boolean
}

export class MovingCluster {
  moves = 0
  #isMoving = false
  #mover: Promise<void> = Promise.resolve()
  readonly #view: ClusterView

  private constructor(private readonly cluster: Cluster) {
    this.#view = new ClusterView(cluster.bootstrap)
  }

  /** Calm at first. Each node is in a rack of its own. */
  static async start(directory: string, settings: Readonly<Record<string, string>>): Promise<MovingCluster> {
    const network = await openNetwork("any", nodeCount, firstPort)
    const directories = Array.from({ length: nodeCount }, (_, index) => join(directory, `node-${index + 1}`))
    const cluster = new Cluster({
      ...{ network, directories, settings: { ...settings, ...replicatedSettings } },
      settingsOf: (node) => ({ "broker.rack": `RACK${node}` }),
    })
    await cluster.start()
    return new MovingCluster(cluster)
  }

  /** Of the node that is never killed. */
  get bootstrap(): string {
    return this.cluster.bootstrap.split(",")[0]!
  }

  get port(): number {
    return Number(this.bootstrap.split(":")[1])
  }

  get dataDirectory(): string {
    return this.cluster.node(1).directory
  }

  get isAlive(): boolean {
    return this.cluster.node(1).isAlive
  }

  get output(): string {
    return this.cluster.nodes.map(({ id, output }) => `node ${id}:\n${output.slice(-2000)}`).join("\n")
  }

  /** Leaders move from now on, until `calm`: slowly where groups are watched. */
  stir({ isAboutGroups, kills }: { readonly isAboutGroups: boolean; readonly kills: boolean }): void {
    this.#isMoving = true
    this.#mover = this.#move(isAboutGroups ? groupCalmMs : calmMs, kills)
  }

  /** Resolves when nothing moves any more and everything is in sync. Errors: what went wrong while it moved. */
  async calm(): Promise<void> {
    this.#isMoving = false
    await this.#mover
    const deadlineMs = Date.now() + inSyncTimeoutMs
    for (;;) {
      const behind = (await this.#view.ask(allReplicas)).filter(({ isInSync }) => !isInSync)
      if (behind.length === 0) return
      if (Date.now() > deadlineMs) throw new Error(`never in sync again: ${JSON.stringify(behind.slice(0, 5))}`)
      await pause(lookAgainMs)
    }
  }

  async #move(betweenMs: number, kills: boolean): Promise<void> {
    for (let victim = 2; this.#isMoving; victim = victim === nodeCount ? 2 : victim + 1) {
      await this.#counted(async () => {
        await this.#view.ask(rotate)
        await this.#view.electPreferred()
      })
      await this.#stay(betweenMs)
      if (!kills) continue
      await this.#counted(async () => {
        await this.cluster.node(victim).kill()
        await pause(calmMs)
      })
      await this.cluster.node(victim).start()
      await this.#stay(betweenMs)
    }
  }

  async #counted(act: () => Promise<void>): Promise<void> {
    const before = new Map((await this.#view.ask(allReplicas)).map((one) => [nameOf(one), one.leaderEpoch]))
    await act()
    for (const one of await this.#view.ask(allReplicas))
      this.moves += one.leaderEpoch - (before.get(nameOf(one)) ?? one.leaderEpoch)
  }

  async #stay(ms: number): Promise<void> {
    const deadlineMs = Date.now() + ms
    while (this.#isMoving && Date.now() < deadlineMs) await pause(lookAgainMs)
  }

  async stop(): Promise<void> {
    await this.cluster.stop()
    await this.cluster.options.network.close()
  }
}

/** Whatever a check sets for one broker. */
const replicatedSettings = { "offsets.topic.replication.factor": "3" }

const nameOf = ({ topic, partition }: Replicas) => `${topic}-${partition}`

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function allReplicas(client: WireClient): Promise<Replicas[]> {
  const answer = await client.request(metadata, 12, {
    ...{ topics: null, allowAutoTopicCreation: false },
    ...{ includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false },
  })
  return answer.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, replicaNodes, isrNodes, leaderEpoch }) => ({
      ...{ topic: name!, partition: partitionIndex, replicas: replicaNodes, leaderEpoch },
      isInSync: isrNodes.length === replicaNodes.length,
    })),
  )
}

/** Who was second is first, of each partition. */
async function rotate(client: WireClient): Promise<void> {
  const topics = new Map<string, { partitionIndex: number; replicas: number[] }[]>()
  for (const { topic, partition, replicas } of await allReplicas(client)) {
    if (replicas.length < 2) continue
    const turned = [...replicas.slice(1), replicas[0]!]
    topics.set(topic, [...(topics.get(topic) ?? []), { partitionIndex: partition, replicas: turned }])
  }
  await client.request(alterPartitionReassignments, 0, {
    timeoutMs: 5000,
    topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
  })
}
