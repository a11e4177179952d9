/**
 * The options of a seed of the cluster workload.
 *
 * Owns the draw: which nodes there are, what clients do, which faults there are at all, how often and how hard they strike. Every drawn value is printed with a failure.
 */
import type { FlushPolicy } from "../../../config/log-config.js"
import type { SeededRandom } from "../../random.js"

export interface NodeSpec {
  readonly id: number
  readonly isBroker: boolean
  readonly isController: boolean
  readonly rack: string
}

export interface ClusterTopicOptions {
  readonly partitions: number
  readonly replicationFactor: number
  readonly minInsyncReplicas: number
  readonly flushPolicy: FlushPolicy
  /** Deleted and made again by the administrator. */
  readonly isRecreated: boolean
  readonly configs: Readonly<Record<string, string>>
}

/** What may go wrong. Each seed has some of them. */
export const faultClasses = [
  "kill",
  "power cut",
  "kill of a majority",
  "power cut of all",
  "pause",
  "rolling restart",
  "controller loss",
  "partition of one",
  "partition in two",
  "one-way cut",
  "bridge",
  "ring",
  "clients cut off",
  "controllers cut off",
  "slow links",
  "resets",
  "stalls",
  "delayed message",
  "slow disk",
  "hung disk",
  "full disk",
  "failed sync",
  "failed directory",
  "failed write",
  "failed read",
  "clock jump",
  "clock drift",
  "new disk",
  "swapped disks",
  "one leader after another",
  "leader cut from a follower",
  "leader cut from all nodes",
  "all replicas but one",
  "empty disk first",
  "messages again",
] as const

export type FaultClass = (typeof faultClasses)[number]

/** Messages that a link may hold up, by name. */
export const delayedApis = [
  "Fetch",
  "AlterPartition",
  "Vote",
  "Produce",
  "BrokerHeartbeat",
  "BeginQuorumEpoch",
] as const

function drawNodes(random: SeededRandom): NodeSpec[] {
  const racks = random.between(1, 3)
  const rack = (index: number) => `rack${index % racks}`
  const combined = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      id: index + 1,
      isBroker: true,
      isController: true,
      rack: rack(index),
    }))
  const apart = (brokers: number, controllers: number) => [
    ...Array.from({ length: brokers }, (_, index) => ({
      id: index + 1,
      isBroker: true,
      isController: false,
      rack: rack(index),
    })),
    ...Array.from({ length: controllers }, (_, index) => ({
      id: 100 + index,
      isBroker: false,
      isController: true,
      rack: rack(index),
    })),
  ]
  switch (random.int(10)) {
    case 0:
      return combined(1)
    case 1:
      return combined(5)
    case 2:
      return apart(4, 3)
    case 3:
      return apart(3, 5)
    case 4:
    case 5:
    case 6:
      return apart(3, 3)
    default:
      return combined(3)
  }
}

/** Faults after which what is in memory only may be gone while everyone lives. */
const memoryFaults: readonly FaultClass[] = [
  "full disk",
  "failed sync",
  "failed directory",
  "failed write",
  "failed read",
]

function drawTopic(random: SeededRandom, brokers: number, hasMemoryFaults: boolean): ClusterTopicOptions {
  const replicationFactor = Math.min(brokers, random.pick([1, 2, 3, 3, 3, 3]))
  const minInsyncReplicas = Math.min(replicationFactor, random.pick([1, 2, 2]))
  const drawn = random.pick([
    "flush",
    "flush",
    "flush",
    "flush",
    "flush",
    "replicated",
    "replicated",
    "memory",
  ] as const)
  const flushPolicy = drawn === "memory" && hasMemoryFaults ? "replicated" : drawn
  return {
    partitions: random.magnitude(1, 6),
    replicationFactor,
    minInsyncReplicas,
    flushPolicy,
    isRecreated: random.chance(0.2),
    configs: {
      "ottla.flush.policy": flushPolicy,
      "min.insync.replicas": String(minInsyncReplicas),
      "internal.segment.bytes": String(random.magnitude(32_768, 262_144)),
      "segment.index.bytes": String(random.magnitude(64, 4096)),
      "index.interval.bytes": String(random.magnitude(16, 4096)),
      "file.delete.delay.ms": String(random.magnitude(1, 4096)),
      "message.timestamp.after.max.ms": "9223372036854775807",
    },
  }
}

export function drawClusterOptions(random: SeededRandom) {
  const nodes = drawNodes(random)
  const brokers = nodes.filter(({ isBroker }) => isBroker).length
  const isCalm = random.chance(0.1)
  const faults = isCalm ? [] : faultClasses.filter(() => random.chance(0.35))
  const hasMemoryFaults = memoryFaults.some((each) => faults.includes(each))
  // Many short faults, or few long ones.
  const areShort = random.chance(0.6)
  return {
    nodes,
    topics: Array.from({ length: random.between(1, 3) }, () => drawTopic(random, brokers, hasMemoryFaults)),
    runMs: random.magnitude(4_000, 60_000),
    // Clients.
    clients: random.between(2, 4),
    producers: random.between(2, 5),
    consumers: random.between(1, 3),
    batches: random.magnitude(64, 1024),
    recordsPerBatchMax: random.magnitude(1, 12),
    valueBytesMax: random.pick([32, 128, 512, 2048]),
    thinkMsMax: random.magnitude(4, 512),
    patienceMs: random.magnitude(512, 16_000),
    administrations: random.magnitude(2, 24),
    followsRacks: random.chance(0.3),
    // Nodes.
    directories: random.pick([1, 2, 2]),
    hotCacheBytes: random.pick([0, 10_000, 1 << 20]),
    lagTimeMaxMs: random.pick([30_000, 30_000, 5_000, 1_500]),
    checkpointMs: random.magnitude(250, 10_000),
    snapshotBytes: random.magnitude(1024, 65_536),
    syncFileSystem: random.chance(0.7),
    readLatencyFactor: random.magnitude(1, 16),
    syncLatencyFactor: random.magnitude(1, 64),
    linkSpreadMs: random.pick([0.2, 0.2, 1, 5, 50]),
    chunkBytesMax: random.pick([1 << 16, 1 << 16, 4096]),
    interleaveChance: random.pick([0, 0, 0.1]),
    // Faults.
    faults,
    faultGapMs: areShort ? random.magnitude(200, 4_000) : random.magnitude(4_000, 20_000),
    faultMs: areShort ? random.magnitude(50, 3_000) : random.magnitude(3_000, 30_000),
    /** How often a fault of one machine strikes one that leads. */
    aim: random.pick([0, 0, 0.5, 1]),
    replayGapMs: random.magnitude(1, 500),
    faultsAtOnce: random.pick([1, 1, 2, 3]),
    /** A process that died is started again after at most this. */
    restartMsMax: random.magnitude(100, 10_000),
    delayedApis: delayedApis.filter(() => random.chance(0.4)),
    delayChance: 1 / random.magnitude(4, 400),
    delayMsMax: random.magnitude(100, 60_000),
    resetChance: 1 / random.magnitude(100, 5000),
    stallChance: 1 / random.magnitude(100, 5000),
    diskErrorChance: 1 / random.magnitude(10, 1000),
    slowDiskFactor: random.magnitude(10, 1000),
    /** Logs of nodes are compared so often. */
    inspectMs: random.magnitude(200, 5_000),
  }
}

export type ClusterOptionsDrawn = ReturnType<typeof drawClusterOptions>
