/**
 * Topics and their partitions, as an admin handles them.
 *
 * Owns the requests that make, grow, delete and describe topics, and their shapes for users.
 */
import { Errors } from "../../protocol/errors.js"
import type { ResponseOf } from "../../protocol/message.js"
import { createPartitions as createPartitionsApi } from "../../protocol/messages/create-partitions.js"
import { createTopics as createTopicsApi } from "../../protocol/messages/create-topics.js"
import { deleteTopics as deleteTopicsApi } from "../../protocol/messages/delete-topics.js"
import { describeTopicPartitions } from "../../protocol/messages/describe-topic-partitions.js"
import { BrokerError } from "../errors.js"
import {
  type Call,
  type CallOptions,
  matched,
  outcome,
  type Outcome,
  type Result,
  results,
  type Routing,
} from "./routing.js"

export interface NewTopic {
  readonly name: string
  /** Default: the broker's `num.partitions`. */
  readonly partitions?: number | undefined
  /** Default: the broker's `default.replication.factor`. */
  readonly replicationFactor?: number | undefined
  /** Brokers of each partition, the preferred leader first; instead of the two numbers. */
  readonly assignments?: readonly (readonly number[])[]
  readonly configs?: Readonly<Record<string, string>>
}

export interface CreatedTopic {
  readonly topicId: string
  readonly partitions: number
  readonly replicationFactor: number
}

export interface NewPartitions {
  readonly name: string
  /** Of all partitions, those that exist included. */
  readonly count: number
  /** Brokers of each new partition. Default: the controller chooses. */
  readonly assignments?: readonly (readonly number[])[]
}

export interface ListedTopic {
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: number
  readonly replicationFactor: number
}

export interface PartitionDescription {
  readonly partition: number
  /** -1: none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** KIP-966. Empty where the broker does not tell. */
  readonly eligibleLeaders: readonly number[]
  readonly lastKnownEligibleLeaders: readonly number[]
  readonly offline: readonly number[]
}

export interface TopicDescription {
  readonly topicId: string
  readonly isInternal: boolean
  /** By index. */
  readonly partitions: readonly PartitionDescription[]
}

export interface ValidateOptions extends CallOptions {
  /** Decides and answers, and changes nothing. */
  readonly validateOnly?: boolean
}

const absence = (name: string | null, errorCode: number): string | undefined =>
  errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION ? `there is no topic ${name}` : undefined

const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"
/** Partitions asked for at once. */
const describedPartitionsMax = 2000

export async function createTopics(
  routing: Routing,
  topics: readonly NewTopic[],
  { validateOnly = false, ...options }: ValidateOptions = {},
): Promise<Result<{ readonly name: string }, CreatedTopic>[]> {
  const outcomes = await routing.each(topics, routing.begin(options), async (batch, call) => {
    const answer = await routing.any(
      createTopicsApi,
      {
        topics: batch.map(({ name, partitions, replicationFactor, assignments = [], configs = {} }) => ({
          name,
          numPartitions: assignments.length > 0 ? -1 : (partitions ?? -1),
          replicationFactor: assignments.length > 0 ? -1 : (replicationFactor ?? -1),
          assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] })),
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        })),
        timeoutMs: routing.leftMs(call),
        validateOnly,
      },
      call,
    )
    return matched(
      batch,
      ({ name }) => name,
      answer.topics.map((topic) => [topic.name, topic] as const),
      ({ name, topicId, numPartitions, replicationFactor, errorCode, errorMessage }) =>
        outcome(errorCode, `topic ${name}`, { topicId, partitions: numPartitions, replicationFactor }, errorMessage),
    )
  })
  return results(
    topics.map(({ name }) => ({ name })),
    outcomes,
  )
}

export async function deleteTopics(
  routing: Routing,
  names: readonly string[],
  options: CallOptions = {},
): Promise<Result<{ readonly name: string }>[]> {
  const outcomes = await routing.each(names, routing.begin(options), async (batch, call) => {
    const answer = await routing.any(
      deleteTopicsApi,
      {
        topics: batch.map((name) => ({ name, topicId: noTopicId })),
        topicNames: [...batch],
        timeoutMs: routing.leftMs(call),
      },
      call,
    )
    return matched(
      batch,
      (name) => name,
      answer.responses.map((topic) => [topic.name ?? "", topic] as const),
      ({ name, errorCode, errorMessage }) =>
        outcome(errorCode, `topic ${name}`, {}, absence(name, errorCode) ?? errorMessage),
    )
  })
  return results(
    names.map((name) => ({ name })),
    outcomes,
  )
}

export async function createPartitions(
  routing: Routing,
  topics: readonly NewPartitions[],
  { validateOnly = false, ...options }: ValidateOptions = {},
): Promise<Result<{ readonly name: string }>[]> {
  const outcomes = await routing.each(topics, routing.begin(options), async (batch, call) => {
    const answer = await routing.any(
      createPartitionsApi,
      {
        topics: batch.map(({ name, count, assignments }) => ({
          name,
          count,
          assignments: assignments?.map((brokerIds) => ({ brokerIds: [...brokerIds] })) ?? null,
        })),
        timeoutMs: routing.leftMs(call),
        validateOnly,
      },
      call,
    )
    return matched(
      batch,
      ({ name }) => name,
      answer.results.map((topic) => [topic.name, topic] as const),
      ({ name, errorCode, errorMessage }) => outcome(errorCode, `topic ${name}`, {}, errorMessage),
    )
  })
  return results(
    topics.map(({ name }) => ({ name })),
    outcomes,
  )
}

export async function listTopics(
  routing: Routing,
  { includeInternal = false, ...options }: CallOptions & { readonly includeInternal?: boolean } = {},
): Promise<ListedTopic[]> {
  const { topics } = await routing.one(routing.begin(options), async (call) => {
    const answer = await routing.topics(undefined, call)
    return outcome(answer.errorCode, "the list of topics", answer)
  })
  return topics
    .filter(({ isInternal }) => includeInternal || !isInternal)
    .map(({ name, topicId, isInternal, partitions }) => ({
      name: name ?? "",
      topicId,
      isInternal,
      partitions: partitions.length,
      replicationFactor: Math.max(0, ...partitions.map(({ replicaNodes }) => replicaNodes.length)),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function describeTopics(
  routing: Routing,
  names?: readonly string[],
  options: CallOptions = {},
): Promise<Result<{ readonly name: string }, TopicDescription>[]> {
  const call = routing.begin(options)
  const wanted = names ?? (await listTopics(routing, { ...options, includeInternal: true })).map(({ name }) => name)
  const outcomes = await routing.each(wanted, call, async (batch) => {
    const topics = await described(routing, batch, call)
    return matched(
      batch,
      (name) => name,
      topics.map((topic) => [topic.name, topic] as const),
      (topic): Outcome<TopicDescription> => {
        const { name, errorCode, topicId, isInternal, partitions } = topic
        return outcome(errorCode, `topic ${name}`, { topicId, isInternal, partitions }, absence(name, errorCode))
      },
    )
  })
  return results(
    wanted.map((name) => ({ name })),
    outcomes,
  )
}

interface Described extends TopicDescription {
  readonly name: string
  readonly errorCode: number
  readonly partitions: PartitionDescription[]
}

async function described(routing: Routing, names: readonly string[], call: Call): Promise<readonly Described[]> {
  const topics = new Map<string, Described>()
  let cursor: ResponseOf<typeof describeTopicPartitions>["nextCursor"] = null
  try {
    do {
      const answer: ResponseOf<typeof describeTopicPartitions> = await routing.any(
        describeTopicPartitions,
        {
          topics: [...new Set(names)].sort().map((name) => ({ name })),
          responsePartitionLimit: describedPartitionsMax,
          cursor,
        },
        call,
      )
      take(topics, answer.topics)
      cursor = answer.nextCursor
    } while (cursor !== null)
  } catch (error) {
    if (!(error instanceof BrokerError) || error.errorCode !== Errors.UNSUPPORTED_VERSION) throw error
    take(topics, (await routing.topics(names, call)).topics)
  }
  return [...topics.values()]
}

/** A partition as either API tells it; only the newer one knows of eligible leaders. */
type Told = ResponseOf<typeof describeTopicPartitions>["topics"][number]["partitions"][number]
type ToldTopic = Omit<ResponseOf<typeof describeTopicPartitions>["topics"][number], "partitions"> & {
  readonly partitions: readonly (Omit<Told, "eligibleLeaderReplicas" | "lastKnownElr"> & Partial<Told>)[]
}

function take(topics: Map<string, Described>, told: readonly ToldTopic[]): void {
  for (const { name, errorCode, topicId, isInternal, partitions } of told) {
    const topic = topics.get(name ?? "") ?? { name: name ?? "", errorCode, topicId, isInternal, partitions: [] }
    topics.set(topic.name, topic)
    for (const each of partitions)
      topic.partitions[each.partitionIndex] = {
        partition: each.partitionIndex,
        leader: each.leaderId,
        leaderEpoch: each.leaderEpoch,
        replicas: each.replicaNodes,
        isr: each.isrNodes,
        eligibleLeaders: each.eligibleLeaderReplicas ?? [],
        lastKnownEligibleLeaders: each.lastKnownElr ?? [],
        offline: each.offlineReplicas,
      }
  }
}
