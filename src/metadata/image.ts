/**
 * The cluster's metadata as one immutable value.
 *
 * Owns what the image holds and how readers ask it. Changed only by `replay` (replay.ts), which returns a new image; every reader keeps the one it
 * has as long as it likes. Image at offset N is the result of all records below or at N, whether they came from a snapshot or the log.
 */
import { zeroUuid, type BrokerId, type LeaderEpoch, type Offset, type ProducerId, type Uuid } from "../base/ids.js"
import { PersistentMap } from "../base/persistent-map.js"
import type { MetadataRecord } from "./records.js"

export interface Endpoint {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly securityProtocol: number
}

export interface BrokerRegistration {
  readonly brokerId: BrokerId
  readonly incarnationId: Uuid
  readonly brokerEpoch: number
  readonly endPoints: readonly Endpoint[]
  readonly features: readonly {
    readonly name: string
    readonly minSupportedVersion: number
    readonly maxSupportedVersion: number
  }[]
  readonly rack: string | null
  /** Brokers of one machine fail together. Null: a machine of its own. */
  readonly machineId: string | null
  readonly fenced: boolean
  readonly inControlledShutdown: boolean
  readonly logDirs: readonly Uuid[]
  readonly cordonedLogDirs: readonly Uuid[]
}

export interface PartitionImage {
  readonly replicas: readonly BrokerId[]
  readonly isr: readonly BrokerId[]
  readonly removingReplicas: readonly BrokerId[]
  readonly addingReplicas: readonly BrokerId[]
  /** -1: none. */
  readonly leader: BrokerId
  readonly leaderRecoveryState: number
  readonly leaderEpoch: LeaderEpoch
  readonly partitionEpoch: number
  /** The log directory of each replica, in the order of `replicas`. */
  readonly directories: readonly Uuid[]
  readonly elr: readonly BrokerId[]
  readonly lastKnownElr: readonly BrokerId[]
}

/** Of a replica whose log is not to be had any more (KIP-858): its broker says so, and then begins anew. */
export const lostDirectory: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ"

/** Where this broker holds its replica of a partition. */
export interface DirectoryAssignment {
  readonly topicId: Uuid
  readonly partition: number
  readonly directoryId: Uuid
}

export interface TopicImage {
  readonly name: string
  readonly topicId: Uuid
  readonly partitions: readonly PartitionImage[]
}

/** Kafka's codes of what a setting belongs to. */
export const resourceTypes = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const

export type ConfigOverrides = ReadonlyMap<string, string>
const noOverrides: ConfigOverrides = new Map()

export interface MetadataImage {
  /** Last record this image contains, and the epoch it was written in. -1: nothing. */
  readonly offset: Offset
  readonly epoch: number
  readonly features: ReadonlyMap<string, number>
  readonly brokers: ReadonlyMap<BrokerId, BrokerRegistration>
  readonly topics: PersistentMap<TopicImage>
  readonly topicNames: PersistentMap<string>
  /** By `configKey`. */
  readonly configs: PersistentMap<ConfigOverrides>
  readonly nextProducerId: ProducerId
  /** Records this version does not act on (ACLs, quotas, credentials, tokens, controllers), kept by identity so that a snapshot loses nothing. */
  readonly carried: PersistentMap<MetadataRecord>
  /** Records since BeginTransactionRecord, which count only once EndTransactionRecord has come. */
  readonly openTransaction: readonly MetadataRecord[] | undefined
}

export const emptyImage: MetadataImage = {
  offset: -1,
  epoch: -1,
  features: new Map(),
  brokers: new Map(),
  topics: PersistentMap.empty(),
  topicNames: PersistentMap.empty(),
  configs: PersistentMap.empty(),
  nextProducerId: 0,
  carried: PersistentMap.empty(),
  openTransaction: undefined,
}

export const configKey = (resourceType: number, resourceName: string): string => `${resourceType}:${resourceName}`

export const topicById = (image: MetadataImage, topicId: Uuid): TopicImage | undefined => {
  const name = topicId === zeroUuid ? undefined : image.topicNames.get(topicId)
  return name === undefined ? undefined : image.topics.get(name)
}

export const configOverrides = (image: MetadataImage, resourceType: number, resourceName: string): ConfigOverrides =>
  image.configs.get(configKey(resourceType, resourceName)) ?? noOverrides

export const isAlive = (image: MetadataImage, brokerId: BrokerId): boolean =>
  image.brokers.get(brokerId)?.fenced === false

/** `.` and `_` are the same in metric names, so topics that differ only there collide, as in Kafka. */
export const collisionName = (name: string): string => name.replaceAll(".", "_")
