/**
 * What a decision about partitions looks at.
 *
 * Owns the rules that follow from the image: who lives, who may lead, what a topic asks for. Holds nothing itself: a view is made for one decision, on the head of the log.
 */
import { type BrokerId, type Uuid, zeroUuid } from "../base/ids.js"
import {
  type BrokerRegistration,
  lostDirectory,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
} from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { changePartition, type PartitionChange, type PartitionRules, type PartitionTarget } from "./partition-change.js"
import type { PartitionIndex, Place } from "./partition-index.js"

export const elrFeature = "eligible.leader.replicas.version"

/** What a topic asks of its partitions. */
export interface TopicSettings {
  readonly minInsyncReplicas: number
  readonly uncleanLeaderElectionEnable: boolean
  /** What a replica counted as safe survives its crash (`ottla.flush.policy` flush). */
  readonly survivesCrash: boolean
}

/** The settings as this image has them. */
export type TopicSettingsOf = (image: MetadataImage, topic: string) => TopicSettings

/** Directory ids below 100 are words (KIP-858): not chosen yet (0), lost (1, `lostDirectory`), not said by an old version (2). */
const migratingDirectory: Uuid = "AAAAAAAAAAAAAAAAAAAAAg"
const reservedDirectoriesMax = 100

export const isReservedDirectory = (directoryId: Uuid): boolean => {
  if (!directoryId.startsWith("AAAAAAAAAAAAAAAAAAAA")) return false
  return Buffer.from(directoryId, "base64url")[15]! < reservedDirectoriesMax
}

/** Lives, and is not on its way out. */
export function isActive(image: MetadataImage, brokerId: BrokerId): boolean {
  const broker = image.brokers.get(brokerId)
  return broker !== undefined && !broker.fenced && !broker.inControlledShutdown
}

/** Brokers that say nothing of a machine are machines of their own. */
export const machineOf = ({ machineId, brokerId }: Pick<BrokerRegistration, "machineId" | "brokerId">): string =>
  machineId ?? `broker ${brokerId}`

export function hasDirectory(image: MetadataImage, brokerId: BrokerId, directoryId: Uuid | undefined): boolean {
  if (directoryId === undefined || directoryId === zeroUuid || directoryId === migratingDirectory) return true
  if (directoryId === lostDirectory) return false
  const logDirs = image.brokers.get(brokerId)?.logDirs ?? []
  return logDirs.length === 0 || logDirs.includes(directoryId)
}

/** A broker with one directory needs no report of where it put the replica; with several it chooses and says so (AssignReplicasToDirs). */
export function directoryFor(image: MetadataImage, brokerId: BrokerId): Uuid {
  const logDirs = image.brokers.get(brokerId)?.logDirs ?? []
  return logDirs.length === 1 ? logDirs[0]! : zeroUuid
}

const nobody: ReadonlySet<BrokerId> = new Set()

export class ControllerView {
  readonly #settings = new Map<string, TopicSettings>()
  readonly elrEnabled: boolean

  constructor(
    readonly image: MetadataImage,
    readonly index: PartitionIndex,
    private readonly settingsOf: TopicSettingsOf,
    /** Brokers that were stuck: they lead only where nobody else can. */
    readonly demoted: ReadonlySet<BrokerId> = nobody,
    /** Brokers whose disk hangs: no ISR waits for them that has enough members without them. */
    readonly stuck: ReadonlySet<BrokerId> = nobody,
  ) {
    this.elrEnabled = (image.features.get(elrFeature) ?? 0) >= 1
    index.follow(image.topics)
  }

  settings(topic: string): TopicSettings {
    let settings = this.#settings.get(topic)
    if (settings === undefined) {
      settings = this.settingsOf(this.image, topic)
      this.#settings.set(topic, settings)
    }
    return settings
  }

  readonly #isActive = (brokerId: BrokerId): boolean => isActive(this.image, brokerId)

  isActive(brokerId: BrokerId): boolean {
    return this.#isActive(brokerId)
  }

  /** Decisions go through the partitions of a topic one after the other. */
  #topic: TopicImage | undefined
  #rules: PartitionRules | undefined

  partition({ topic, partition }: Place): PartitionImage {
    if (this.#topic?.name !== topic) {
      this.#topic = this.image.topics.get(topic)!
      this.#rules = undefined
    }
    return this.#topic.partitions[partition]!
  }

  /**
   * The record that makes of a partition what is wanted; undefined if it is that already.
   *
   * Shape: `canLead` says who may lead beside what the image says of directories; without it, whoever is active. Elections are unclean where the topic allows it and nothing else is asked for.
   */
  change(
    place: Place,
    target: PartitionTarget,
    canLead: (brokerId: BrokerId) => boolean = this.#isActive,
  ): MetadataRecord | undefined {
    const partition = this.partition(place)
    const settings = this.settings(place.topic)
    if (this.#rules?.canLead !== canLead) this.#rules = this.#rulesOf(settings, canLead)
    const election = target.election ?? (settings.uncleanLeaderElectionEnable ? "unclean" : "online")
    const change = changePartition(partition, { ...target, election }, this.#rules)
    return change === undefined ? undefined : partitionChange(place, change)
  }

  #rulesOf({ minInsyncReplicas }: TopicSettings, canLead: (brokerId: BrokerId) => boolean): PartitionRules {
    return {
      canLead,
      hasDirectory: (id, directoryId) => hasDirectory(this.image, id, directoryId),
      isDemoted: (id) => this.demoted.has(id),
      minInsyncReplicas,
      elrEnabled: this.elrEnabled,
      directoryOf: (id) => directoryFor(this.image, id),
    }
  }
}

/** A change record that leaves everything as it is but what is named. */
export function partitionChange({ topicId, partition }: Place, change: PartitionChange): MetadataRecord {
  return {
    type: "PartitionChangeRecord",
    value: {
      partitionId: partition,
      topicId,
      isr: null,
      leader: -2,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: -1,
      directories: null,
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
      ...change,
    },
  }
}
