/**
 * kafkajs's admin over the client's.
 *
 * Owns the shapes of its questions and answers. One item that fails makes the call fail, as in kafkajs.
 */
import { BrokerError } from "../client/errors.js"
import type { Clock } from "../env/env.js"
import { Errors } from "../protocol/errors.js"
import type { Connection } from "./connection.js"
import { ConfigResourceTypes, ConfigSource } from "./constants.js"
import type { PartitionOffset, TopicPartitions } from "./consumer.js"
import {
  asKafkaJSError,
  KafkaJSAggregateError,
  KafkaJSDeleteGroupsError,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  throwFirst,
  translated,
} from "./errors.js"
import { Events } from "./events.js"
import { describedGroups, type GroupDescriptions } from "./group-descriptions.js"
import type { Logger } from "./logger.js"
import type { PartitionMetadata } from "./partitioners.js"
import { partitionsIn } from "./topic-partitions.js"

export interface ITopicConfig {
  topic: string
  numPartitions?: number
  replicationFactor?: number
  replicaAssignment?: { partition: number; replicas: number[] }[]
  configEntries?: { name: string; value: string }[]
}

export interface ITopicPartitionConfig {
  topic: string
  count: number
  assignments?: number[][]
}

export interface ITopicMetadata {
  name: string
  partitions: PartitionMetadata[]
}

export interface ResourceConfigQuery {
  type: ConfigResourceTypes
  name: string
  configNames?: string[]
}

export interface IResourceConfig {
  type: ConfigResourceTypes
  name: string
  configEntries: { name: string; value: string }[]
}

export type SeekEntry = PartitionOffset

const adminEvents = {
  CONNECT: "admin.connect",
  DISCONNECT: "admin.disconnect",
  REQUEST: "admin.network.request",
  REQUEST_TIMEOUT: "admin.network.request_timeout",
  REQUEST_QUEUE_SIZE: "admin.network.request_queue_size",
} as const

const resourceTypes = { [ConfigResourceTypes.TOPIC]: "topic", [ConfigResourceTypes.BROKER]: "broker" } as const

const sources: Readonly<Record<string, ConfigSource>> = {
  topic: ConfigSource.TOPIC_CONFIG,
  "dynamic-topic": ConfigSource.TOPIC_CONFIG,
  "dynamic-broker": ConfigSource.DYNAMIC_BROKER_CONFIG,
  "dynamic-default-broker": ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG,
  "static-broker": ConfigSource.STATIC_BROKER_CONFIG,
  default: ConfigSource.DEFAULT_CONFIG,
}

type Failing = { readonly error?: unknown }

export class Admin {
  readonly events = adminEvents
  readonly #events: Events<typeof adminEvents>

  constructor(
    private readonly parts: {
      readonly connection: Connection
      readonly clock: Pick<Clock, "wallMs">
      readonly logger: Logger
    },
  ) {
    this.#events = new Events(adminEvents, parts.clock)
  }

  get #core() {
    return this.parts.connection.admin
  }

  async connect(): Promise<void> {
    await this.parts.connection.open()
    this.#events.emit("admin.connect", null)
  }

  async disconnect(): Promise<void> {
    await this.parts.connection.close()
    this.#events.emit("admin.disconnect", null)
  }

  logger(): Logger {
    return this.parts.logger
  }

  on: Events<typeof adminEvents>["on"] = (name, listener) => this.#events.on(name, listener)

  async listTopics(): Promise<string[]> {
    return (await translated(this.#core.listTopics())).map(({ name }) => name)
  }

  /** False: one of them was there already. */
  async createTopics({
    topics,
    validateOnly = false,
    timeout,
  }: {
    validateOnly?: boolean
    waitForLeaders?: boolean
    timeout?: number
    topics: ITopicConfig[]
  }): Promise<boolean> {
    const wanted = topics.map(({ topic, numPartitions, replicationFactor, replicaAssignment, configEntries = [] }) => ({
      name: topic,
      ...(numPartitions !== undefined && numPartitions > 0 && { partitions: numPartitions }),
      ...(replicationFactor !== undefined && replicationFactor > 0 && { replicationFactor }),
      ...(replicaAssignment !== undefined && {
        assignments: [...replicaAssignment].sort((a, b) => a.partition - b.partition).map(({ replicas }) => replicas),
      }),
      configs: Object.fromEntries(configEntries.map(({ name, value }) => [name, value])),
    }))
    const options = { validateOnly, ...(timeout !== undefined && { timeoutMs: timeout }) }
    const results = await translated(this.#core.createTopics(wanted, options))
    const isThere = ({ error }: Failing) =>
      error instanceof BrokerError && error.errorCode === Errors.TOPIC_ALREADY_EXISTS
    throwAll(
      "Topic creation errors",
      results.filter((result) => !isThere(result)),
    )
    return !results.some(isThere)
  }

  async deleteTopics({ topics, timeout }: { topics: string[]; timeout?: number }): Promise<void> {
    const options = timeout === undefined ? {} : { timeoutMs: timeout }
    throwFirst(await translated(this.#core.deleteTopics(topics, options)))
  }

  async createPartitions({
    topicPartitions,
    validateOnly = false,
    timeout,
  }: {
    validateOnly?: boolean
    timeout?: number
    topicPartitions: ITopicPartitionConfig[]
  }): Promise<boolean> {
    const wanted = topicPartitions.map(({ topic, count, assignments }) => ({
      ...{ name: topic, count },
      ...(assignments !== undefined && { assignments }),
    }))
    const options = { validateOnly, ...(timeout !== undefined && { timeoutMs: timeout }) }
    throwFirst(await translated(this.#core.createPartitions(wanted, options)))
    return true
  }

  async fetchTopicMetadata({ topics }: { topics?: string[] } = {}): Promise<{ topics: ITopicMetadata[] }> {
    const results = await translated(this.#core.describeTopics(topics))
    throwFirst(results)
    return {
      topics: results.map((result) => ({
        name: result.name,
        partitions: partitionsIn(result),
      })),
    }
  }

  async #partitions(topic: string): Promise<number[]> {
    const { topics } = await this.fetchTopicMetadata({ topics: [topic] })
    return topics[0]!.partitions.map(({ partitionId }) => partitionId)
  }

  async #offsets(topic: string, at: "earliest" | "latest" | { timestamp: number }): Promise<Map<number, bigint>> {
    const partitions = await this.#partitions(topic)
    const found = await translated(this.#core.listOffsets(partitions.map((partition) => ({ topic, partition, at }))))
    throwFirst(found)
    return new Map(found.flatMap((each) => ("offset" in each ? [[each.partition, each.offset] as const] : [])))
  }

  async fetchTopicOffsets(topic: string): Promise<(SeekEntry & { high: string; low: string })[]> {
    const [low, high] = [await this.#offsets(topic, "earliest"), await this.#offsets(topic, "latest")]
    return [...high].map(([partition, end]) => ({
      ...{ partition, offset: String(end), high: String(end) },
      low: String(low.get(partition) ?? 0n),
    }))
  }

  /** Where nothing is as new, and without a timestamp: the end. */
  async fetchTopicOffsetsByTimestamp(topic: string, timestamp?: number): Promise<SeekEntry[]> {
    const ends = await this.#offsets(topic, "latest")
    const found = timestamp === undefined ? ends : await this.#offsets(topic, { timestamp })
    return [...ends].map(([partition, end]) => {
      const offset = found.get(partition) ?? -1n
      return { partition, offset: String(offset < 0n ? end : offset) }
    })
  }

  async fetchOffsets({
    groupId,
    topics,
    resolveOffsets = false,
  }: {
    groupId: string
    topics?: string[]
    resolveOffsets?: boolean
  }): Promise<{ topic: string; partitions: (PartitionOffset & { metadata: string | null })[] }[]> {
    const committed = await translated(this.#core.listGroupOffsets(groupId))
    const names = topics ?? [...new Set(committed.map(({ topic }) => topic))]
    return Promise.all(
      names.map(async (topic) => {
        const ends = resolveOffsets ? await this.#offsets(topic, "latest") : undefined
        const partitions = topics === undefined ? undefined : await this.#partitions(topic)
        const known = committed.filter((each) => each.topic === topic)
        const all = partitions ?? known.map(({ partition }) => partition)
        return {
          topic,
          partitions: all.map((partition) => {
            const its = known.find((each) => each.partition === partition)
            const offset = its?.offset ?? ends?.get(partition) ?? -1n
            return { partition, offset: String(offset), metadata: its?.metadata || null }
          }),
        }
      }),
    )
  }

  async setOffsets({ groupId, topic, partitions }: { groupId: string; topic: string; partitions: SeekEntry[] }) {
    const [earliest, latest] = [await this.#offsets(topic, "earliest"), await this.#offsets(topic, "latest")]
    const offsets = partitions.map(({ partition, offset }) => {
      const given = BigInt(offset)
      const named = given === -1n ? latest.get(partition) : given === -2n ? earliest.get(partition) : given
      return { topic, partition, offset: named ?? given }
    })
    throwFirst(await translated(this.#core.alterGroupOffsets(groupId, offsets)))
  }

  async resetOffsets({ groupId, topic, earliest = false }: { groupId: string; topic: string; earliest?: boolean }) {
    const partitions = await this.#partitions(topic)
    const offset = earliest ? "-2" : "-1"
    await this.setOffsets({ groupId, topic, partitions: partitions.map((partition) => ({ partition, offset })) })
  }

  async describeCluster(): Promise<{
    brokers: { nodeId: number; host: string; port: number }[]
    controller: number | null
    clusterId: string
  }> {
    const { brokers, controllerId, clusterId } = await translated(this.#core.describeCluster())
    return {
      brokers: brokers.map(({ id, host, port }) => ({ nodeId: id, host, port })),
      controller: controllerId < 0 ? null : controllerId,
      clusterId,
    }
  }

  async describeConfigs({
    resources,
    includeSynonyms = false,
  }: {
    resources: ResourceConfigQuery[]
    includeSynonyms?: boolean
  }) {
    const wanted = resources.map(({ type, name, configNames }) => ({
      ...{ type: typeOf(type), name },
      ...(configNames !== undefined && { keys: configNames }),
    }))
    const results = await translated(this.#core.describeConfigs(wanted, { includeSynonyms }))
    throwFirst(results)
    return {
      throttleTime: 0,
      resources: results.map((result, index) => ({
        ...{ errorCode: 0, errorMessage: "", resourceName: result.name, resourceType: resources[index]!.type },
        configEntries: ("configs" in result ? result.configs : []).map((entry) => ({
          ...{ configName: entry.name, configValue: entry.value ?? "", isDefault: entry.isDefault },
          ...{ configSource: sources[entry.source] ?? ConfigSource.UNKNOWN, isSensitive: entry.isSensitive },
          readOnly: entry.isReadOnly,
          configSynonyms: entry.synonyms.map(({ name, value, source }) => ({
            ...{ configName: name, configValue: value ?? "", configSource: sources[source] ?? ConfigSource.UNKNOWN },
          })),
        })),
      })),
    }
  }

  /** Only the settings named are changed, where kafkajs would reset all others. */
  async alterConfigs({ validateOnly = false, resources }: { validateOnly?: boolean; resources: IResourceConfig[] }) {
    const wanted = resources.map(({ type, name, configEntries }) => ({
      ...{ type: typeOf(type), name },
      changes: configEntries.map((entry) => ({ name: entry.name, value: entry.value })),
    }))
    throwFirst(await translated(this.#core.incrementalAlterConfigs(wanted, { validateOnly })))
    return {
      throttleTime: 0,
      resources: resources.map(({ type, name }) => ({
        ...{ errorCode: 0, errorMessage: null, resourceName: name, resourceType: type },
      })),
    }
  }

  async listGroups(): Promise<{ groups: { groupId: string; protocolType: string }[] }> {
    const groups = await translated(this.#core.listGroups())
    return { groups: groups.map(({ groupId, protocolType }) => ({ groupId, protocolType })) }
  }

  describeGroups(groupIds: string[]): Promise<GroupDescriptions> {
    return describedGroups(this.#core, groupIds)
  }

  async deleteGroups(groupIds: string[]): Promise<{ groupId: string }[]> {
    const results = await translated(this.#core.deleteGroups(groupIds))
    const groups = results.flatMap((result) => {
      const error = result.error
      if (error === undefined) return []
      const told = asKafkaJSError(error)
      const errorCode = error instanceof BrokerError ? error.errorCode : -1
      return [
        { groupId: result.groupId, errorCode, error: told instanceof KafkaJSError ? told : new KafkaJSError(told) },
      ]
    })
    if (groups.length > 0) throw new KafkaJSDeleteGroupsError("Error in DeleteGroups", groups)
    return results.map(({ groupId }) => ({ groupId }))
  }

  async deleteTopicRecords({ topic, partitions }: { topic: string; partitions: SeekEntry[] }): Promise<void> {
    const wanted = partitions.map(({ partition, offset }) => ({
      ...{ topic, partition },
      before: offset === "-1" ? ("latest" as const) : BigInt(offset),
    }))
    throwFirst(await translated(this.#core.deleteRecords(wanted)))
  }

  async alterPartitionReassignments({
    topics,
  }: {
    topics: { topic: string; partitionAssignment: { partition: number; replicas: number[] }[] }[]
    timeout?: number
  }): Promise<void> {
    const wanted = topics.flatMap(({ topic, partitionAssignment }) =>
      partitionAssignment.map(({ partition, replicas }) => ({ topic, partition, replicas })),
    )
    throwFirst(await translated(this.#core.alterPartitionReassignments(wanted)))
  }

  async listPartitionReassignments({ topics }: { topics?: TopicPartitions[]; timeout?: number } = {}) {
    const wanted = topics?.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
    const ongoing = await translated(this.#core.listPartitionReassignments(wanted))
    const names = [...new Set(ongoing.map(({ topic }) => topic))]
    return {
      topics: names.map((topic) => ({
        topic,
        partitions: ongoing
          .filter((each) => each.topic === topic)
          .map(({ partition, replicas, adding, removing }) => ({
            ...{ partitionIndex: partition, replicas: [...replicas] },
            ...{ addingReplicas: [...adding], removingReplicas: [...removing] },
          })),
      })),
    }
  }

  async createAcls(): Promise<never> {
    throw noAcls()
  }

  async describeAcls(): Promise<never> {
    throw noAcls()
  }

  async deleteAcls(): Promise<never> {
    throw noAcls()
  }
}

const noAcls = () => new KafkaJSNotImplemented("access control lists are not part of this version of Ottla")

function typeOf(type: ConfigResourceTypes): "topic" | "broker" {
  if (type === ConfigResourceTypes.TOPIC || type === ConfigResourceTypes.BROKER) return resourceTypes[type]
  throw new KafkaJSNonRetriableError(
    `Invalid resource type ${type}: ConfigResourceTypes.TOPIC and BROKER have settings`,
  )
}

function throwAll(message: string, results: readonly Failing[]): void {
  const errors = results.flatMap(({ error }) => (error === undefined ? [] : [asKafkaJSError(error)]))
  if (errors.length > 0) throw new KafkaJSAggregateError(message, errors)
}
