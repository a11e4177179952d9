/**
 * Decisions about topics: create, delete, add partitions.
 *
 * Owns the rules a request must meet and the records that carry it out. Changes nothing itself: each function looks at an image and returns
 * records and, for every item of the request, its result. Source: Kafka's ReplicationControlManager, whose messages clients show to people.
 */
import { type BrokerId, isValidTopicName, type Uuid, zeroUuid } from "../base/ids.js"
import { collisionName, type MetadataImage, resourceTypes, type TopicImage, topicById } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import { placeReplicas } from "./replica-placer.js"

export interface Failure {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
}

export type Outcome<T> = { readonly ok: T } | { readonly failure: Failure }

export const failure = (errorCode: ErrorCode, errorMessage: string | null = null): { failure: Failure } => ({
  failure: { errorCode, errorMessage },
})

/** What topic decisions need beside the image. */
export interface TopicDefaults {
  readonly numPartitions: number
  readonly replicationFactor: number
  /** Undefined: the value is possible. Otherwise what is wrong with it. */
  readonly configProblem: (name: string, value: string | null) => string | undefined
  readonly newUuid: () => Uuid
  /** A number below its argument, to spread first replicas. */
  readonly randomInt: (below: number) => number
}

const metadataTopic = "__cluster_metadata"

/** Partitions that one request may create (Kafka's MAX_PARTITIONS_PER_BATCH). */
export const partitionsPerRequestMax = 10_000

export interface CreatableTopic {
  readonly name: string
  readonly numPartitions: number
  readonly replicationFactor: number
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly BrokerId[] }[]
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

export interface CreatedTopic {
  readonly topicId: Uuid
  readonly numPartitions: number
  readonly replicationFactor: number
}

/** Results in the order of the request. A name given twice fails as a whole. */
export function createTopics(
  image: MetadataImage,
  topics: readonly CreatableTopic[],
  defaults: TopicDefaults,
): { records: MetadataRecord[]; results: Outcome<CreatedTopic>[] } {
  const records: MetadataRecord[] = []
  const collisions = new Map<string, string>()
  for (const name of image.topics.keys())
    if (name.includes(".") || name.includes("_")) collisions.set(collisionName(name), name)
  const counts = new Map<string, number>()
  for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1)
  let partitionsLeft = partitionsPerRequestMax
  const results = topics.map((topic): Outcome<CreatedTopic> => {
    // Its folder would be the metadata log's.
    if (topic.name === metadataTopic)
      return failure(Errors.INVALID_REQUEST, `Creation of internal topic ${metadataTopic} is prohibited.`)
    if (counts.get(topic.name)! > 1) return failure(Errors.INVALID_REQUEST, "Duplicate topic name.")
    const created = createTopic(image, topic, defaults, collisions)
    if ("failure" in created) return created
    partitionsLeft -= created.ok.result.numPartitions
    if (partitionsLeft < 0)
      return failure(Errors.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    collisions.set(collisionName(topic.name), topic.name)
    records.push(...created.ok.records)
    return { ok: created.ok.result }
  })
  return { records, results }
}

function createTopic(
  image: MetadataImage,
  topic: CreatableTopic,
  defaults: TopicDefaults,
  collisions: ReadonlyMap<string, string>,
): Outcome<{ records: MetadataRecord[]; result: CreatedTopic }> {
  const { name } = topic
  if (!isValidTopicName(name)) return failure(Errors.INVALID_TOPIC_EXCEPTION, invalidTopicName(name))
  if (image.topics.has(name)) return failure(Errors.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
  const collision = collisions.get(collisionName(name))
  if (collision !== undefined) {
    return failure(Errors.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${collision}`)
  }
  for (const config of topic.configs) {
    if (config.value === null)
      return failure(Errors.INVALID_CONFIG, `Null value not supported for topic configs: ${config.name}`)
    const problem = defaults.configProblem(config.name, config.value)
    if (problem !== undefined) return failure(Errors.INVALID_CONFIG, problem)
  }
  const assignment =
    topic.assignments.length > 0 ? manualAssignment(image, topic) : automaticAssignment(image, topic, defaults)
  if ("failure" in assignment) return assignment
  const topicId = defaults.newUuid()
  return {
    ok: {
      records: [
        { type: "TopicRecord", value: { name, topicId } },
        ...topic.configs.map(
          (config): MetadataRecord => ({
            type: "ConfigRecord",
            value: { resourceType: resourceTypes.topic, resourceName: name, name: config.name, value: config.value },
          }),
        ),
        ...assignment.ok.map((replicas, partitionId) => newPartition(image, topicId, partitionId, replicas)),
      ],
      result: { topicId, numPartitions: assignment.ok.length, replicationFactor: assignment.ok[0]!.length },
    },
  }
}

export function invalidTopicName(name: string): string {
  if (name === "") return "Topic name is invalid: the empty string is not allowed"
  if (name === "." || name === "..") return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > 249)
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length 249`
  return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
}

function manualAssignment(image: MetadataImage, topic: CreatableTopic): Outcome<(readonly BrokerId[])[]> {
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
    const problem = assignmentProblem(image, brokerIds, factor)
    if (problem !== undefined) return failure(Errors.INVALID_REPLICA_ASSIGNMENT, problem)
    if (partitionIndex < 0 || partitionIndex >= topic.assignments.length) {
      return failure(Errors.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence")
    }
    partitions[partitionIndex] = brokerIds
  }
  return { ok: partitions }
}

function assignmentProblem(image: MetadataImage, brokerIds: readonly BrokerId[], factor: number): string | undefined {
  if (brokerIds.length === 0) return "The manual partition assignment includes an empty replica list."
  const twice = brokerIds.find((id, index) => brokerIds.indexOf(id) < index)
  if (twice !== undefined) return `The manual partition assignment includes the broker ${twice} more than once.`
  const unknown = brokerIds.find((id) => !image.brokers.has(id))
  if (unknown !== undefined)
    return `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`
  if (brokerIds.length !== factor) {
    return `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, which have ${factor} replica(s).`
  }
  return undefined
}

function automaticAssignment(
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

function place(
  image: MetadataImage,
  first: number,
  count: number,
  factor: number,
  defaults: TopicDefaults,
): Outcome<BrokerId[][]> {
  const brokers = [...image.brokers.values()].filter((broker) => !broker.inControlledShutdown)
  if (factor > brokers.length) {
    return failure(
      Errors.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${factor} time(s): The target replication factor of ${factor} cannot be reached because only ${brokers.length} broker(s) are registered.`,
    )
  }
  if (!brokers.some((broker) => !broker.fenced)) {
    return failure(
      Errors.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${factor} time(s): All brokers are currently fenced.`,
    )
  }
  return { ok: placeReplicas(brokers, first, count, factor, defaults.randomInt) }
}

/** A new partition is led by its first live replica, which is all of its ISR together with the other live ones. */
function newPartition(
  image: MetadataImage,
  topicId: Uuid,
  partitionId: number,
  replicas: readonly BrokerId[],
): MetadataRecord {
  const isr = replicas.filter((id) => image.brokers.get(id)?.fenced === false)
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
      directories: replicas.map((id) => onlyDirectory(image, id)),
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    },
  }
}

/** A broker with one directory needs no report of where it put the replica; with several it chooses and says so (AssignReplicasToDirs). */
function onlyDirectory(image: MetadataImage, brokerId: BrokerId): Uuid {
  const dirs = image.brokers.get(brokerId)?.logDirs ?? []
  return dirs.length === 1 ? dirs[0]! : zeroUuid
}

export function deleteTopics(
  image: MetadataImage,
  topicIds: readonly Uuid[],
): { records: MetadataRecord[]; results: Outcome<TopicImage>[] } {
  const records: MetadataRecord[] = []
  const removed = new Set<Uuid>()
  const results = topicIds.map((topicId): Outcome<TopicImage> => {
    const topic = topicById(image, topicId)
    if (topic === undefined || removed.has(topicId)) return failure(Errors.UNKNOWN_TOPIC_ID)
    removed.add(topicId)
    records.push({ type: "RemoveTopicRecord", value: { topicId } })
    return { ok: topic }
  })
  return { records, results }
}

export interface PartitionsToCreate {
  readonly name: string
  /** Partitions the topic shall have in all. */
  readonly count: number
  /** For each new partition its replicas; null leaves the choice to us. */
  readonly assignments: readonly { readonly brokerIds: readonly BrokerId[] }[] | null
}

export function createPartitions(
  image: MetadataImage,
  topics: readonly PartitionsToCreate[],
  defaults: TopicDefaults,
): { records: MetadataRecord[]; results: Outcome<void>[] } {
  const records: MetadataRecord[] = []
  const counts = new Map<string, number>()
  for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1)
  const results = topics.map((wanted): Outcome<void> => {
    if (counts.get(wanted.name)! > 1) return failure(Errors.INVALID_REQUEST, "Duplicate topic name.")
    const topic = image.topics.get(wanted.name)
    if (topic === undefined) return failure(Errors.UNKNOWN_TOPIC_OR_PARTITION)
    const present = topic.partitions.length
    if (wanted.count === present)
      return failure(Errors.INVALID_PARTITIONS, `Topic already has ${present} partition(s).`)
    if (wanted.count < present) {
      return failure(
        Errors.INVALID_PARTITIONS,
        `The topic ${topic.name} currently has ${present} partition(s); ${wanted.count} would not be an increase.`,
      )
    }
    const additional = wanted.count - present
    if (additional > partitionsPerRequestMax) {
      return failure(Errors.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    }
    const factor = topic.partitions[0]!.replicas.length
    let placed: Outcome<(readonly BrokerId[])[]>
    if (wanted.assignments === null) placed = place(image, present, additional, factor, defaults)
    else if (wanted.assignments.length !== additional) {
      placed = failure(
        Errors.INVALID_REPLICA_ASSIGNMENT,
        `Attempted to add ${additional} additional partition(s), but only ${wanted.assignments.length} assignment(s) were specified.`,
      )
    } else {
      const problem = wanted.assignments
        .map(({ brokerIds }) => assignmentProblem(image, brokerIds, factor))
        .find((text) => text !== undefined)
      placed =
        problem === undefined
          ? { ok: wanted.assignments.map(({ brokerIds }) => brokerIds) }
          : failure(Errors.INVALID_REPLICA_ASSIGNMENT, problem)
    }
    if ("failure" in placed) return placed
    records.push(...placed.ok.map((replicas, index) => newPartition(image, topic.topicId, present + index, replicas)))
    return { ok: undefined }
  })
  return { records, results }
}
