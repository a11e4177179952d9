/**
 * The options of a seed of the groups workload.
 *
 * Owns the draw: which groups there are and who is in them, time-outs short enough that they run out often, and which classes of faults strike. Every drawn value is printed with a failure.
 */
import type { SeededRandom } from "../../random.js"
import type { FaultOptions } from "../lives/faults.js"

/** `mixed`: members of both protocols in one group, which is converted as they come and go. */
export type GroupFlavour = "eager" | "cooperative" | "consumer" | "mixed"

export interface GroupOptions {
  readonly name: string
  readonly flavour: GroupFlavour
  /** How classic members of it assign. */
  readonly isCooperative: boolean
  readonly members: number
  /** Of them, those with an instance id. */
  readonly staticMembers: number
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** What members of the consumer protocol ask for. */
  readonly assignor: string | null
  /** Slots of topics that a member may subscribe to. */
  readonly topics: readonly number[]
}

const flavours: readonly GroupFlavour[] = ["eager", "cooperative", "consumer", "consumer", "mixed"]

/** Of all groups of the consumer protocol, by settings of the broker. */
interface ConsumerTimes {
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
}

function drawGroup(
  random: SeededRandom,
  index: number,
  topics: number,
  membersMax: number,
  consumer: ConsumerTimes,
): GroupOptions {
  const flavour = random.pick(flavours)
  const isOfConsumers = flavour === "consumer" || flavour === "mixed"
  const members = random.between(1, membersMax)
  const drawnSessionTimeoutMs = random.magnitude(2000, 16_000)
  const sessionTimeoutMs = isOfConsumers ? consumer.sessionTimeoutMs : drawnSessionTimeoutMs
  const rebalanceTimeoutMs = random.magnitude(2000, 16_000)
  const all = Array.from({ length: topics }, (_, slot) => slot)
  return {
    name: `group${index}`,
    flavour,
    isCooperative: flavour === "cooperative" || (flavour === "mixed" && random.chance(0.5)),
    members,
    staticMembers: random.pick([0, 0, members, random.int(members + 1)]),
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    heartbeatIntervalMs: isOfConsumers
      ? consumer.heartbeatIntervalMs
      : Math.ceil(Math.min(sessionTimeoutMs, rebalanceTimeoutMs) / random.pick([3, 3, 3, 8])),
    assignor: random.pick([null, null, "uniform", "range"]),
    topics: random.chance(0.5) ? all : [random.pick(all)],
  }
}

export function drawGroupOptions(random: SeededRandom) {
  const fault = <T>(value: T, none: T): T => (random.chance(0.5) ? value : none)
  const groups = random.between(1, 3)
  const topics = random.between(1, 3)
  const membersMax = random.pick([3, 5, 8, groups === 1 ? 20 : 6])
  const consumerSessionTimeoutMs = random.magnitude(2000, 16_000)
  const consumer = {
    sessionTimeoutMs: consumerSessionTimeoutMs,
    heartbeatIntervalMs: Math.min(random.magnitude(100, 2000), Math.ceil(consumerSessionTimeoutMs / 3), 667),
  }
  const faults: FaultOptions = {
    lifeMs: random.magnitude(1000, 65_000),
    crashAtOperation: random.chance(0.5),
    crashPower: random.chance(0.7),
    cleanStops: random.chance(0.5),
    slowChance: fault(1 / random.magnitude(4, 1000), 0),
    syncErrorChance: fault(1 / random.magnitude(30, 2000), 0),
    writeErrorChance: fault(1 / random.magnitude(200, 8000), 0) * (random.chance(0.5) ? 1 : 0),
    readErrorChance: fault(1 / random.magnitude(200, 8000), 0) * (random.chance(0.3) ? 1 : 0),
    fullChance: fault(0.5, 0),
    openFilesChance: fault(0.3, 0) * (random.chance(0.5) ? 1 : 0),
    resetChance: fault(1 / random.magnitude(50, 5000), 0),
    stallChance: fault(1 / random.magnitude(50, 5000), 0),
    cutLinks: random.chance(0.25),
    pauses: random.chance(0.25),
    clockJumps: random.chance(0.3),
    syncFileSystem: random.chance(0.7),
    readLatencyFactor: random.magnitude(1, 64),
    syncLatencyFactor: random.magnitude(1, 128),
  }
  return {
    ...faults,
    lives: random.between(1, 4),
    clients: random.between(1, 4),
    thinkMsMax: random.magnitude(64, 1024),
    groups: Array.from({ length: groups }, (_, index) => drawGroup(random, index, topics, membersMax, consumer)),
    topics: Array.from({ length: topics }, () => ({
      partitions: random.magnitude(1, 6),
      isRecreated: random.chance(0.4),
    })),
    standalone: random.chance(0.3),
    records: random.magnitude(16, 256),
    /** Of a step of a member: that something out of the ordinary happens at it. */
    churnChance: random.pick([0, 0.005, 0.02, 0.05]),
    doubleChance: random.pick([0, 0.3]),
    topicChanges: random.pick([0, 2, 8]),
    administrations: random.pick([0, 8, 32]),
    metadataAgeMs: random.magnitude(500, 8000),
    // Settings of the broker.
    offsetsPartitions: random.pick([1, 1, 2, 5]),
    initialRebalanceDelayMs: random.pick([0, 100, 3000]),
    retentionMinutes: random.pick([1, 10_080]),
    expiryCheckMs: random.magnitude(500, 60_000),
    consumerSessionTimeoutMs,
    consumerHeartbeatIntervalMs: consumer.heartbeatIntervalMs,
    migrationPolicy: "bidirectional",
    assignmentIntervalMs: random.pick([0, 0, 1000]),
    directories: random.between(1, 2),
    checkpointMs: random.magnitude(50, 30_000),
    snapshotBytes: random.magnitude(512, 65_536),
    chunkBytesMax: random.pick([1 << 16, 1 << 16, 4096, 512]),
    interleaveChance: random.pick([0, 0.1, 0.5]),
  }
}

export type GroupsOptionsDrawn = ReturnType<typeof drawGroupOptions>
