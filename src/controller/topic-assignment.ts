/**
 * Which brokers get the replicas of partitions that are created, by choice or by hand.
 *
 * Owns what an assignment must meet. The invariant: two replicas of a partition are never on one machine, for then one failure takes both. Source: Kafka's ReplicationControlManager.
 */
import { type BrokerId, type Uuid, zeroUuid } from "../base/ids.js"
import type { BrokerRegistration, MetadataImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors } from "../protocol/errors.js"
import { directoryFor, isActive, machineOf } from "./controller-view.js"
import { failure, type Outcome } from "./outcome.js"
import { machinesOf, placeReplicas } from "./replica-placer.js"
import type { CreatableTopic, TopicDefaults } from "./topics.js"

/** Partitions that one request may create (Kafka's MAX_PARTITIONS_PER_BATCH). */
export const partitionsPerRequestMax = 10_000

export function manualAssignment(image: MetadataImage, topic: CreatableTopic): Outcome<(readonly BrokerId[])[]> {
  if (topic.replicationFactor !== -1) {
    return failure(
      Errors.INVALID_REQUEST,
      "A manual partition assignment was specified, but replication factor was not set to -1.",
    )
  }
  if (topic.numPartitions !== -1) {
    return failure(
      Errors.INVALID_REQUEST,
      "A manual partition assignment was specified, but numPartitions was not set to -1.",
    )
  }
  const partitions: (readonly BrokerId[])[] = []
  const factor = topic.assignments[0]!.brokerIds.length
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    if (partitions[partitionIndex] !== undefined) {
      return failure(
        Errors.INVALID_REPLICA_ASSIGNMENT,
        `Found multiple manual partition assignments for partition ${partitionIndex}`,
      )
    }
    const problem = assignmentProblem(image, brokerIds, factor) ?? noLeaderProblem(image, brokerIds, partitionIndex)
    if (problem !== undefined) return failure(Errors.INVALID_REPLICA_ASSIGNMENT, problem)
    if (partitionIndex < 0 || partitionIndex >= topic.assignments.length) {
      return failure(Errors.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence")
    }
    partitions[partitionIndex] = brokerIds
  }
  return { ok: partitions }
}

/** `factor` undefined: any number of replicas will do. */
export function assignmentProblem(
  image: MetadataImage,
  brokerIds: readonly BrokerId[],
  factor: number | undefined,
): string | undefined {
  if (brokerIds.length === 0) return "The manual partition assignment includes an empty replica list."
  const twice = brokerIds.find((id, index) => brokerIds.indexOf(id) < index)
  if (twice !== undefined) return `The manual partition assignment includes the broker ${twice} more than once.`
  const unknown = brokerIds.find((id) => !image.brokers.has(id))
  if (unknown !== undefined)
    return `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`
  if (factor !== undefined && brokerIds.length !== factor) {
    return `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, which have ${factor} replica(s).`
  }
  const machines = brokerIds.map((id) => machineOf(image.brokers.get(id)!))
  const shared = machines.findIndex((machine, index) => machines.indexOf(machine) < index)
  if (shared === -1) return undefined
  const [other, one] = [brokerIds[machines.indexOf(machines[shared]!)], brokerIds[shared]]
  return `The manual partition assignment includes brokers ${other} and ${one}, which are on the same machine (${machines[shared]}): its failure would take both replicas.`
}

export const noLeaderProblem = (
  image: MetadataImage,
  brokerIds: readonly BrokerId[],
  partitionIndex: number,
): string | undefined =>
  brokerIds.some((id) => isActive(image, id))
    ? undefined
    : `All brokers specified in the manual partition assignment for partition ${partitionIndex} are fenced or in controlled shutdown.`

export function automaticAssignment(
  image: MetadataImage,
  topic: CreatableTopic,
  defaults: TopicDefaults,
): Outcome<BrokerId[][]> {
  if (topic.replicationFactor < -1 || topic.replicationFactor === 0) {
    return failure(
      Errors.INVALID_REPLICATION_FACTOR,
      "Replication factor must be larger than 0, or -1 to use the default value.",
    )
  }
  if (topic.numPartitions < -1 || topic.numPartitions === 0) {
    return failure(Errors.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
  }
  const numPartitions = topic.numPartitions === -1 ? defaults.numPartitions : topic.numPartitions
  const replicationFactor = topic.replicationFactor === -1 ? defaults.replicationFactor : topic.replicationFactor
  // Checked before placing: a request may ask for two thousand million partitions.
  if (numPartitions > partitionsPerRequestMax) {
    return failure(Errors.POLICY_VIOLATION, "Excessively large number of partitions per request.")
  }
  return place(image, 0, numPartitions, replicationFactor, defaults)
}

export function place(
  image: MetadataImage,
  first: number,
  count: number,
  factor: number,
  defaults: TopicDefaults,
): Outcome<BrokerId[][]> {
  const registered = [...image.brokers.values()].filter((broker) => !broker.inControlledShutdown)
  const brokers = registered.filter(takesReplicas)
  const impossible = (reason: string) =>
    failure(Errors.INVALID_REPLICATION_FACTOR, `Unable to replicate the partition ${factor} time(s): ${reason}`)
  if (factor > brokers.length)
    return impossible(
      `The target replication factor of ${factor} cannot be reached because only ${brokers.length} broker(s) are registered${brokers.length < registered.length ? " with a log directory that is not cordoned" : ""}.`,
    )
  const machines = machinesOf(brokers)
  if (factor > machines)
    return impossible(
      `The target replication factor of ${factor} cannot be reached because the ${brokers.length} registered broker(s) are on only ${machines} machine(s), and two replicas on one machine would fail together.`,
    )
  if (!brokers.some((broker) => !broker.fenced))
    return impossible("All brokers are currently fenced or in controlled shutdown.")
  return { ok: placeReplicas(brokers, first, count, factor, defaults.randomInt) }
}

/** Cordoned directories get nothing new (KIP-1066). */
const takesReplicas = ({ logDirs, cordonedLogDirs }: BrokerRegistration): boolean =>
  logDirs.length === 0 || logDirs.some((directory) => !cordonedLogDirs.includes(directory))

/** A new partition is led by its first live replica, which is all of its ISR together with the other live ones. */
export function newPartition(
  image: MetadataImage,
  topicId: Uuid,
  partitionId: number,
  replicas: readonly BrokerId[],
): MetadataRecord {
  const isr = replicas.filter((id) => isActive(image, id))
  return {
    type: "PartitionRecord",
    value: {
      partitionId,
      topicId,
      replicas: [...replicas],
      isr,
      removingReplicas: [],
      addingReplicas: [],
      leader: isr[0] ?? -1,
      leaderRecoveryState: 0,
      leaderEpoch: 0,
      partitionEpoch: 0,
      directories: replicas.map((id) => (image.brokers.has(id) ? directoryFor(image, id) : zeroUuid)),
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    },
  }
}
