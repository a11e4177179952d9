/**
 * One random life of a quorum: faults for a while, then none, and everything must heal.
 *
 * Owns what is drawn from a seed and in which order it happens. The invariants are checked by the world as it is told things; here only that the quorum comes back and agrees.
 */
import assert from "node:assert/strict"
import type { SeededRandom } from "../../sim/random.js"
import type { WorldOptions } from "../../sim/world.js"
import { inQuorumWorld, type QuorumNode, type QuorumOptions, type QuorumWorld } from "./quorum-world.js"

export interface LifeOptions extends QuorumOptions {
  readonly faultsMs: number
  /** Mean pause between two faults. */
  readonly faultEveryMs: number
  readonly snapshots: boolean
  /** Chance per message that the power of its sender is cut just after it left. */
  readonly cutAfterSendChance: number
}

const healMs = 20_000

export function drawLife(random: SeededRandom): LifeOptions {
  const slow = random.chance(0.3)
  return {
    voters: random.pick([3, 3, 5]),
    observers: random.pick([0, 1, 2]),
    faultsMs: random.between(3_000, 15_000),
    faultEveryMs: random.pick([100, 300, 1000, 3000]),
    cutAfterSendChance: random.pick([0, 0.001, 0.01]),
    snapshots: random.chance(0.5),
    network: {
      delayMs: slow ? { least: 20, spread: 80 } : { least: 0.1, spread: random.pick([0.4, 5]) },
      lossChance: random.pick([0, 0, 0.02, 0.1]),
    },
    disk: {
      slowChance: random.pick([0, 0, 0.01]),
      syncLatencyNs: { least: 100_000, spread: random.pick([400_000, 20_000_000]) },
    },
    dynamic: random.chance(0.3),
  }
}

export function liveOnce(seed: string | number, options: LifeOptions, world: WorldOptions = {}): Promise<QuorumWorld> {
  return inQuorumWorld({ ...options, seed, world, virtualMsMax: 300_000 }, async (quorum) => {
    await quorum.start()
    await faults(quorum, quorum.world.random.fork("faults"), options)
    await heal(quorum)
  })
}

async function faults(quorum: QuorumWorld, random: SeededRandom, options: LifeOptions): Promise<void> {
  const { world } = quorum
  const untilMs = world.nowMs + options.faultsMs
  let nextFaultMs = world.nowMs + random.int(2 * options.faultEveryMs)
  quorum.network.onSent = (from) => {
    if (!random.chance(options.cutAfterSendChance)) return
    const node = quorum.nodes.find(({ name }) => name === from)!
    if (node.log !== undefined) crash(quorum, random, node, "power", true)
  }
  while (world.nowMs < untilMs) {
    await quorum.sleep(1 + random.int(100))
    if (random.chance(0.7)) for (const node of quorum.running) if (random.chance(0.5)) node.append(quorum.nextValue())
    if (options.snapshots && random.chance(0.05)) void random.pick(quorum.nodes).takeSnapshot()
    if (world.nowMs < nextFaultMs) continue
    nextFaultMs = world.nowMs + random.int(2 * options.faultEveryMs)
    oneFault(quorum, random)
  }
  quorum.network.onSent = () => {}
}

/** It comes back after a while, soon or late. */
function crash(
  quorum: QuorumWorld,
  random: SeededRandom,
  node: QuorumNode,
  how: "kill" | "power",
  lossy: boolean,
): void {
  if (!node.node.alive) return
  node.crash(how, lossy)
  quorum.world.at(random.magnitude(1, 5000), "restart", () => {
    if (!node.node.alive) void node.start()
  })
}

function oneFault(quorum: QuorumWorld, random: SeededRandom): void {
  const node: QuorumNode = random.chance(0.5) ? (quorum.leader ?? random.pick(quorum.nodes)) : random.pick(quorum.nodes)
  const how = random.pick(["kill", "power"] as const)
  const lossy = random.chance(0.5)
  switch (random.int(8)) {
    case 0:
    case 1:
      crash(quorum, random, node, how, lossy)
      break
    case 2:
      // Everybody at once: what was told must be on the disks.
      for (const each of quorum.nodes) crash(quorum, random, each, how, lossy)
      break
    case 3:
      if (node.node.alive) node.node.pause(random.magnitude(10, 5000))
      break
    case 4:
      quorum.isolate(node.id)
      break
    case 5: {
      const other = random.pick(quorum.nodes)
      if (other !== node) quorum.network.cut(node.name, other.name)
      break
    }
    default:
      quorum.network.heal()
      break
  }
}

/** After the faults: one leader, everybody has what is committed, nothing that was committed is gone. */
export async function heal(quorum: QuorumWorld): Promise<void> {
  quorum.network.heal()
  quorum.network.options.lossChance = 0
  for (const { node } of quorum.nodes) node.disk.heal()
  // A restart may be on its way.
  await quorum.until("everybody runs", () => quorum.running.length === quorum.nodes.length, healMs)
  await quorum.replicate(healMs)
  await quorum.until(
    "all logs are equal",
    () => quorum.nodes.every(({ committedOffset }) => committedOffset >= quorum.invariants.committed.end),
    healMs,
  )
  quorum.checkViolation()
  const [first, ...others] = quorum.nodes
  for (const other of others) assert.deepEqual(other.committedValues, first!.committedValues)
  for (const { failed, id } of quorum.nodes) assert.equal(failed, undefined, `node ${id} failed`)
}
