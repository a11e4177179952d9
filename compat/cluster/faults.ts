/**
 * What is done to a cluster under load: kills, silence, planned restarts, cut links.
 *
 * Owns the kinds of faults, whom they hit, and for how long. Measures nothing. Invariant: when a fault is over, every node runs and no link is cut.
 */
import type { ForgetfulDisk } from "../power-cut/forgetful-disk.js"
import type { SeededRandom } from "../random.js"
import { expect } from "../work.js"
import type { Cluster, ClusterNode } from "./cluster.js"
import { clients, type ClusterNetwork } from "./network.js"
import type { PartitionView } from "./view.js"

export interface Scene {
  readonly cluster: Cluster
  readonly network: ClusterNetwork
  /** By node; none where the nodes have ordinary directories. */
  readonly disks: readonly ForgetfulDisk[]
  readonly random: SeededRandom
  readonly controller: number
  readonly partitions: readonly PartitionView[]
  /** The partitions as they are by now. */
  look(): Promise<readonly PartitionView[]>
  /** Resolves when these partitions take records again. */
  recovered(partitions: readonly number[]): Promise<void>
}

export interface FaultTarget {
  readonly nodes: readonly ClusterNode[]
  /** The partitions whose producers may notice. */
  readonly partitions: readonly number[]
}

export interface Fault {
  readonly name: string
  readonly weight: number
  /** A node may go on as a leader that it is not any more. */
  readonly leavesStaleLeaders?: boolean
  choose(scene: Scene): FaultTarget
  /** Begins it; resolves when the cluster has dealt with it, or could not be expected to before `end`. */
  begin(scene: Scene, target: FaultTarget): Promise<void>
  end(scene: Scene, target: FaultTarget): Promise<void>
}

const downMsMax = 400
const silentMs = 3_500
const slowMs = 5_000
const delayMsMin = 50
const delayMsMax = 150

const ledBy = (scene: Scene, nodes: readonly ClusterNode[]): number[] =>
  scene.partitions.filter(({ leader }) => nodes.some(({ id }) => id === leader)).map(({ partition }) => partition)

export const targetOf = (scene: Scene, nodes: readonly ClusterNode[]): FaultTarget => ({
  nodes,
  partitions: ledBy(scene, nodes),
})

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export function shuffled<T>(list: readonly T[], random: SeededRandom): T[] {
  const rest = [...list]
  return list.map(() => rest.splice(random.int(rest.length), 1)[0]!)
}

/** Leads something and is not the active controller, but where only that leads: the others stood still lately, and are given nothing for a time. */
export const chooseLeader = (scene: Scene): FaultTarget => {
  const leaders = scene.cluster.nodes.filter(({ id }) => scene.partitions.some(({ leader }) => leader === id))
  const others = leaders.filter(({ id }) => id !== scene.controller)
  const among = others.length > 0 ? others : leaders
  return targetOf(scene, [among[scene.random.int(among.length)]!])
}

const killOne = {
  async begin(scene: Scene, { nodes, partitions }: FaultTarget): Promise<void> {
    await Promise.all(nodes.map((node) => node.kill()))
    await scene.recovered(partitions)
    await pause(scene.random.int(downMsMax))
  },
  end: (scene: Scene, { nodes }: FaultTarget) => scene.cluster.start(nodes),
}

/** With a majority gone nothing is taken until one of them is back. */
const killMany = {
  async begin({ random }: Scene, { nodes }: FaultTarget): Promise<void> {
    await Promise.all(nodes.map((node) => node.kill()))
    await pause(random.int(downMsMax))
  },
  async end(scene: Scene, { nodes, partitions }: FaultTarget): Promise<void> {
    await scene.cluster.start(nodes)
    await scene.recovered(partitions)
  },
}

/** Of a network that can delay: not asked for, not drawn. */
const slowLinks: Fault = {
  name: "slow-links",
  weight: 5,
  choose: (scene) => targetOf(scene, scene.cluster.nodes),
  async begin(scene) {
    for (const { id } of scene.cluster.nodes)
      for (const other of scene.cluster.nodes)
        if (other.id !== id) await scene.network.delay(id, other.id, delayMsMin, delayMsMax)
    await pause(slowMs)
  },
  /** Nobody is to be taken for dead for it: 100 ms +- 50 ms. */
  async end(scene, { partitions }) {
    await scene.network.heal()
    await scene.recovered(partitions)
    const epochs = (all: readonly PartitionView[]) => all.map(({ leaderEpoch }) => leaderEpoch).join(" ")
    const [before, after] = [epochs(scene.partitions), epochs(await scene.look())]
    expect(before === after, `leaders were elected though nobody failed: epochs ${before}, then ${after}`)
  },
}

export const faults: readonly Fault[] = [
  { name: "leader", weight: 40, choose: chooseLeader, ...killOne },
  {
    name: "controller",
    weight: 20,
    choose: (scene) => targetOf(scene, [scene.cluster.node(scene.controller)]),
    ...killOne,
  },
  {
    name: "pair",
    weight: 6,
    choose: (scene) => targetOf(scene, shuffled(scene.cluster.nodes, scene.random).slice(1)),
    ...killMany,
  },
  { name: "all", weight: 6, choose: (scene) => targetOf(scene, scene.cluster.nodes), ...killMany },
  {
    name: "silent",
    weight: 8,
    leavesStaleLeaders: true,
    choose: chooseLeader,
    async begin(scene, { nodes, partitions }) {
      for (const node of nodes) node.process.pause()
      await Promise.all([scene.recovered(partitions), pause(silentMs)])
    },
    async end(_, { nodes }) {
      for (const node of nodes) node.process.resume()
    },
  },
  {
    name: "planned",
    weight: 10,
    choose: (scene) => targetOf(scene, [scene.cluster.nodes[scene.random.int(scene.cluster.nodes.length)]!]),
    async begin(scene, { nodes, partitions }) {
      for (const node of nodes) await node.stop()
      await scene.recovered(partitions)
    },
    end: (scene, { nodes }) => scene.cluster.start(nodes),
  },
  {
    name: "isolated",
    weight: 5,
    leavesStaleLeaders: true,
    choose: chooseLeader,
    async begin(scene, { nodes, partitions }) {
      for (const { id } of nodes)
        for (const other of [clients, ...scene.cluster.nodes.map((node) => node.id)])
          if (other !== id) for (const [from, to] of both(id, other)) await scene.network.cut(from, to)
      await scene.recovered(partitions)
      await pause(scene.random.int(downMsMax))
    },
    end: ({ network }) => network.heal(),
  },
  {
    name: "deaf",
    weight: 5,
    leavesStaleLeaders: true,
    choose: chooseLeader,
    async begin(scene, { nodes }) {
      // Either it hears nobody or nobody hears it; clients are not concerned.
      const hears = scene.random.int(2) === 0
      for (const { id } of nodes)
        for (const other of scene.cluster.nodes)
          if (other.id !== id) await scene.network.cut(hears ? id : other.id, hears ? other.id : id)
      await pause(silentMs)
    },
    async end(scene, { partitions }) {
      await scene.network.heal()
      await scene.recovered(partitions)
    },
  },
  slowLinks,
]

const both = (a: number, b: number): [number, number][] => [
  [a, b],
  [b, a],
]

export function drawFault(among: readonly Fault[], random: SeededRandom): Fault {
  let drawn = random.int(among.reduce((sum, { weight }) => sum + weight, 0))
  for (const fault of among) {
    drawn -= fault.weight
    if (drawn < 0) return fault
  }
  throw new Error("there are no faults to draw from")
}
