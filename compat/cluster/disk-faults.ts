/**
 * What is done to the disks of a cluster under load: power that fails, a disk that dies, one that is full.
 *
 * Owns these faults; the disks are those of `power-cut/`. Invariant: when a fault is over, every node runs on a disk that works.
 */
import { spawnSync } from "node:child_process"
import { rmSync, statfsSync } from "node:fs"
import { join } from "node:path"
import { expect } from "../work.js"
import { chooseLeader, type Fault, type FaultTarget, pause, type Scene, shuffled, targetOf } from "./faults.js"

const downMsMax = 300
const fullMs = 1_500
/** Less than this cannot hold a file's first block. */
const roomBytesMin = 4096

const disksOf = ({ disks }: Scene, { nodes }: FaultTarget) => nodes.map(({ id }) => disks[id - 1]!)

/** First the disk, then the process: what it does in between it does on a disk that answers with errors. */
async function losePower(scene: Scene, target: FaultTarget): Promise<void> {
  await Promise.all(disksOf(scene, target).map((disk) => disk.cut()))
  await Promise.all(target.nodes.filter(({ isAlive }) => isAlive).map((node) => node.kill()))
}

async function powerReturns(scene: Scene, target: FaultTarget): Promise<void> {
  for (const disk of disksOf(scene, target)) await disk.restart(scene.random.int(2 ** 31))
  await scene.cluster.start(target.nodes)
  await scene.recovered(target.partitions)
}

const powerOf = (name: string, weight: number, count: number): Fault => ({
  name,
  weight,
  choose: (scene) => targetOf(scene, shuffled(scene.cluster.nodes, scene.random).slice(0, count)),
  async begin(scene, target) {
    await losePower(scene, target)
    await pause(scene.random.int(downMsMax))
  },
  end: powerReturns,
})

function fill(directory: string): string {
  const filler = join(directory, "filler")
  for (let fillers = 0; ; fillers++) {
    const { bfree, bsize } = statfsSync(directory)
    let bytes = bfree * bsize
    while (
      bytes >= roomBytesMin &&
      spawnSync("fallocate", ["-l", String(bytes), `${filler}-${fillers}`], { stdio: "ignore" }).status !== 0
    )
      bytes = Math.floor(bytes * 0.9)
    if (bytes < roomBytesMin) return filler
    expect(fillers < 100, `${directory} does not fill up`)
  }
}

function makeRoom(directory: string): void {
  for (let fillers = 0; fillers < 101; fillers++) rmSync(join(directory, `filler-${fillers}`), { force: true })
}

export const diskFaults: readonly Fault[] = [
  powerOf("power-one", 3, 1),
  powerOf("power-pair", 2, 2),
  powerOf("power-all", 3, 3),
  {
    name: "dead-disk",
    weight: 2,
    choose: chooseLeader,
    async begin(scene, target) {
      await Promise.all(disksOf(scene, target).map((disk) => disk.cut()))
      await scene.recovered(target.partitions)
    },
    async end(scene, target) {
      for (const node of target.nodes) if (node.isAlive) await node.kill()
      await powerReturns(scene, target)
    },
  },
  {
    name: "full-disk",
    weight: 2,
    choose: chooseLeader,
    async begin(scene, target) {
      for (const disk of disksOf(scene, target)) fill(disk.directory)
      await pause(fullMs)
    },
    async end(scene, target) {
      for (const disk of disksOf(scene, target)) makeRoom(disk.directory)
      await scene.recovered(target.partitions)
    },
  },
]
