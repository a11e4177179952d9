/**
 * Decisions about topics: create, delete, add partitions.
 *
 * Owns the rules a request must meet and the records that carry it out. Changes nothing itself: each function looks at an image and returns
 * records and, for every item of the request, its result. Source: Kafka's ReplicationControlManager, whose messages clients show to people.
 */
import { type BrokerId, isValidTopicName, type Uuid } from "../base/ids.js"
import { collisionName, type MetadataImage, resourceTypes, type TopicImage, topicById } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors } from "../protocol/errors.js"
import { failure, type Outcome } from "./outcome.js"
import {
  assignmentProblem,
  automaticAssignment,
  manualAssignment,
  newPartition,
  noLeaderProblem,
  partitionsPerRequestMax,
  place,
} from "./topic-assignment.js"

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
        .map(
          ({ brokerIds }, index) =>
            assignmentProblem(image, brokerIds, factor) ?? noLeaderProblem(image, brokerIds, present + index),
        )
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
