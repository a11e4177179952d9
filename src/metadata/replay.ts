/**
 * Applies metadata records to an image: the only way an image changes.
 *
 * Owns the meaning of each record for state. Never fails on what a log of Apache Kafka may hold: what this version does not act on is carried.
 * Source: Kafka's image deltas and controller managers' `replay`.
 */
import type { Offset } from "../base/ids.js"
import { invariant } from "../base/assert.js"
import {
  type BrokerRegistration,
  configKey,
  configOverrides,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
  topicById,
} from "./image.js"
import type { MetadataRecord, ValueOf } from "./records.js"

/**
 * The image after all records of a batch, which begins at `baseOffset`.
 *
 * Changes of partitions come in thousands, topic by topic: those that follow each other in one topic copy its list of partitions once.
 */
export function replayBatch(
  image: MetadataImage,
  records: readonly MetadataRecord[],
  baseOffset: Offset,
  epoch: number,
): MetadataImage {
  let after = image
  for (let index = 0; index < records.length; ) {
    const run = after.openTransaction === undefined ? changesOfOneTopic(records, index) : []
    if (run.length > 1) {
      index += run.length
      after = { ...changePartitions(after, run), offset: baseOffset + index - 1, epoch }
    } else after = replay(after, records[index]!, baseOffset + index++, epoch)
  }
  return after
}

type PartitionRecord = Extract<MetadataRecord, { type: "PartitionRecord" | "PartitionChangeRecord" }>

function changesOfOneTopic(records: readonly MetadataRecord[], from: number): PartitionRecord[] {
  const run: PartitionRecord[] = []
  for (let index = from; index < records.length; index++) {
    const record = records[index]!
    if (record.type !== "PartitionRecord" && record.type !== "PartitionChangeRecord") break
    if (run.length > 0 && record.value.topicId !== run[0]!.value.topicId) break
    run.push(record)
  }
  return run
}

/** The image after `record`, which is at `offset` and was written in `epoch`. */
export function replay(image: MetadataImage, record: MetadataRecord, offset: Offset, epoch: number): MetadataImage {
  const at = { ...image, offset, epoch }
  switch (record.type) {
    case "BeginTransactionRecord":
      return { ...at, openTransaction: [] }
    case "AbortTransactionRecord":
      return { ...at, openTransaction: undefined }
    case "EndTransactionRecord": {
      const records = image.openTransaction ?? []
      return records.reduce(apply, { ...at, openTransaction: undefined })
    }
    default:
      if (image.openTransaction !== undefined) return { ...at, openTransaction: [...image.openTransaction, record] }
      return apply(at, record)
  }
}

function apply(image: MetadataImage, record: MetadataRecord): MetadataImage {
  switch (record.type) {
    case "FeatureLevelRecord": {
      const features = new Map(image.features)
      if (record.value.featureLevel === 0) features.delete(record.value.name)
      else features.set(record.value.name, record.value.featureLevel)
      return { ...image, features }
    }
    case "RegisterBrokerRecord":
      return withBroker(image, registration(record.value))
    case "UnregisterBrokerRecord": {
      const brokers = new Map(image.brokers)
      brokers.delete(record.value.brokerId)
      return { ...image, brokers }
    }
    case "FenceBrokerRecord":
    case "UnfenceBrokerRecord":
      return changeBroker(image, record.value.id, { fenced: record.type === "FenceBrokerRecord" })
    case "BrokerRegistrationChangeRecord":
      return changeBroker(image, record.value.brokerId, registrationChange(record.value))
    case "TopicRecord": {
      const { name, topicId } = record.value
      return {
        ...image,
        topics: image.topics.set(name, { name, topicId, partitions: [] }),
        topicNames: image.topicNames.set(topicId, name),
      }
    }
    case "RemoveTopicRecord": {
      const topic = topicById(image, record.value.topicId)
      if (topic === undefined) return image
      return {
        ...image,
        topics: image.topics.delete(topic.name),
        topicNames: image.topicNames.delete(topic.topicId),
        configs: image.configs.delete(configKey(2, topic.name)),
      }
    }
    case "PartitionRecord":
    case "PartitionChangeRecord":
      return changePartitions(image, [record])
    case "ConfigRecord": {
      const { resourceType, resourceName, name, value } = record.value
      const overrides = new Map(configOverrides(image, resourceType, resourceName))
      if (value === null) overrides.delete(name)
      else overrides.set(name, value)
      const key = configKey(resourceType, resourceName)
      return { ...image, configs: overrides.size === 0 ? image.configs.delete(key) : image.configs.set(key, overrides) }
    }
    case "ProducerIdsRecord":
      return { ...image, nextProducerId: Math.max(image.nextProducerId, record.value.nextProducerId) }
    case "ClearElrRecord":
      return clearElr(image, record.value.topicName)
    case "NoOpRecord":
    case "ZkMigrationStateRecord":
    case "BeginTransactionRecord":
    case "EndTransactionRecord":
    case "AbortTransactionRecord":
      return image
    default: {
      const { key, removes } = carriedKey(record)
      return { ...image, carried: removes ? image.carried.delete(key) : image.carried.set(key, record) }
    }
  }
}

type Carried = Extract<
  MetadataRecord,
  {
    type:
      | "AccessControlEntryRecord"
      | "RemoveAccessControlEntryRecord"
      | "ClientQuotaRecord"
      | "DelegationTokenRecord"
      | "RemoveDelegationTokenRecord"
      | "UserScramCredentialRecord"
      | "RemoveUserScramCredentialRecord"
      | "RegisterControllerRecord"
  }
>

/** What a carried record is about: a later record of the same identity replaces or removes it. */
function carriedKey(record: Carried): { key: string; removes: boolean } {
  switch (record.type) {
    case "AccessControlEntryRecord":
    case "RemoveAccessControlEntryRecord":
      return { key: `acl:${record.value.id}`, removes: record.type === "RemoveAccessControlEntryRecord" }
    case "ClientQuotaRecord": {
      const entity = record.value.entity.map(({ entityType, entityName }) => [entityType, entityName]).sort()
      return { key: `quota:${JSON.stringify(entity)}:${record.value.key}`, removes: record.value.remove }
    }
    case "DelegationTokenRecord":
    case "RemoveDelegationTokenRecord":
      return { key: `token:${record.value.tokenId}`, removes: record.type === "RemoveDelegationTokenRecord" }
    case "UserScramCredentialRecord":
    case "RemoveUserScramCredentialRecord":
      return {
        key: `scram:${record.value.mechanism}:${record.value.name}`,
        removes: record.type === "RemoveUserScramCredentialRecord",
      }
    case "RegisterControllerRecord":
      return { key: `controller:${record.value.controllerId}`, removes: false }
  }
}

function withBroker(image: MetadataImage, broker: BrokerRegistration): MetadataImage {
  return { ...image, brokers: new Map(image.brokers).set(broker.brokerId, broker) }
}

function registration(value: ValueOf<"RegisterBrokerRecord">): BrokerRegistration {
  return {
    brokerId: value.brokerId,
    incarnationId: value.incarnationId,
    brokerEpoch: value.brokerEpoch,
    endPoints: value.endPoints,
    features: value.features,
    rack: value.rack,
    machineId: value.machineId,
    fenced: value.fenced,
    inControlledShutdown: value.inControlledShutdown,
    logDirs: value.logDirs,
    cordonedLogDirs: value.cordonedLogDirs ?? [],
  }
}

function changeBroker(image: MetadataImage, brokerId: number, change: Partial<BrokerRegistration>): MetadataImage {
  const before = image.brokers.get(brokerId)
  return before === undefined ? image : withBroker(image, { ...before, ...change })
}

function registrationChange(value: ValueOf<"BrokerRegistrationChangeRecord">): Partial<BrokerRegistration> {
  return {
    // -1 means "not fenced any more", 1 "fenced", 0 "as before" (BrokerRegistrationFencingChange).
    ...(value.fenced !== 0 && { fenced: value.fenced === 1 }),
    ...(value.inControlledShutdown !== 0 && { inControlledShutdown: value.inControlledShutdown === 1 }),
    ...(value.logDirs.length > 0 && { logDirs: value.logDirs }),
    ...(value.cordonedLogDirs !== null && { cordonedLogDirs: value.cordonedLogDirs }),
  }
}

function partition(value: ValueOf<"PartitionRecord">): PartitionImage {
  return {
    replicas: value.replicas,
    isr: value.isr,
    removingReplicas: value.removingReplicas,
    addingReplicas: value.addingReplicas,
    leader: value.leader,
    leaderRecoveryState: value.leaderRecoveryState,
    leaderEpoch: value.leaderEpoch,
    partitionEpoch: value.partitionEpoch,
    directories: value.directories,
    elr: value.eligibleLeaderReplicas ?? [],
    lastKnownElr: value.lastKnownElr ?? [],
  }
}

/** Every change raises the partition epoch; a named leader (also "none", but not "as before") raises the leader epoch. */
export function changedPartition(before: PartitionImage, value: ValueOf<"PartitionChangeRecord">): PartitionImage {
  const leaderChanged = value.leader !== -2
  return {
    replicas: value.replicas ?? before.replicas,
    isr: value.isr ?? before.isr,
    removingReplicas: value.removingReplicas ?? before.removingReplicas,
    addingReplicas: value.addingReplicas ?? before.addingReplicas,
    leader: leaderChanged ? value.leader : before.leader,
    leaderRecoveryState: value.leaderRecoveryState === -1 ? before.leaderRecoveryState : value.leaderRecoveryState,
    leaderEpoch: leaderChanged ? before.leaderEpoch + 1 : before.leaderEpoch,
    partitionEpoch: before.partitionEpoch + 1,
    directories: value.directories ?? before.directories,
    elr: value.eligibleLeaderReplicas ?? before.elr,
    lastKnownElr: value.lastKnownElr ?? before.lastKnownElr,
  }
}

/** `records`: at least one, all of one topic. */
function changePartitions(image: MetadataImage, records: readonly PartitionRecord[]): MetadataImage {
  const { topicId, partitionId } = records[0]!.value
  const topic = topicById(image, topicId)
  invariant(
    topic !== undefined,
    `a record of partition ${partitionId} names topic id ${topicId}, which no record created`,
  )
  const partitions = topic.partitions.slice()
  for (const record of records)
    partitions[record.value.partitionId] = partitionAfter(partitions[record.value.partitionId], record)
  return withTopic(image, { ...topic, partitions })
}

function partitionAfter(before: PartitionImage | undefined, record: PartitionRecord): PartitionImage {
  if (record.type === "PartitionRecord") return partition(record.value)
  const { partitionId, topicId } = record.value
  invariant(before !== undefined, `a change of partition ${partitionId} of topic id ${topicId} precedes its creation`)
  return changedPartition(before, record.value)
}

const withTopic = (image: MetadataImage, topic: TopicImage): MetadataImage => ({
  ...image,
  topics: image.topics.set(topic.name, topic),
})

/** An empty name clears the ELR of every topic (KIP-966). A partition without one is as it was, its epoch too. */
function clearElr(image: MetadataImage, topicName: string): MetadataImage {
  const named = topicName === "" ? image.topics.values() : [image.topics.get(topicName)]
  let changed = image
  for (const topic of named) {
    if (topic === undefined || !topic.partitions.some(hasElr)) continue
    const partitions = topic.partitions.map((partition) =>
      hasElr(partition)
        ? { ...partition, elr: [], lastKnownElr: [], partitionEpoch: partition.partitionEpoch + 1 }
        : partition,
    )
    changed = withTopic(changed, { ...topic, partitions })
  }
  return changed
}

const hasElr = ({ elr, lastKnownElr }: PartitionImage): boolean => elr.length > 0 || lastKnownElr.length > 0
