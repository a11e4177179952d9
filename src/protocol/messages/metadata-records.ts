/**
 * Records of `__cluster_metadata`: everything a cluster knows about itself.
 *
 * Owns their fields, in the order of their keys; what they mean is decided where they are replayed. `metadata-record.ts` has the
 * envelope in which they are stored.
 */
import { array, bool, bytes, float64, int16, int32, int64, int8, string, uint16, uuid } from "../field.js"
import { record } from "../message.js"

/** A broker joined; its epoch is the offset of this record. */
export const registerBrokerRecord = record({
  name: "RegisterBrokerRecord",
  key: 0,
  versions: "0-4",
  flexible: "0+",
  fields: {
    brokerId: int32(),
    isMigratingZkBroker: bool({ versions: "2+", default: false }),
    // new at each start of the process
    incarnationId: uuid(),
    brokerEpoch: int64(),
    endPoints: array({
      name: string({ mapKey: true }),
      host: string(),
      port: uint16(),
      securityProtocol: int16(),
    }),
    features: array({
      name: string({ mapKey: true }),
      minSupportedVersion: int16(),
      maxSupportedVersion: int16(),
    }),
    rack: string({ nullableVersions: "0+" }),
    fenced: bool({ default: true }),
    inControlledShutdown: bool({ versions: "1+", default: false }),
    // KIP-858
    logDirs: array(uuid(), { taggedVersions: "3+", tag: 0 }),
    // get no new replicas, KIP-1066; null: not known
    cordonedLogDirs: array(uuid(), { taggedVersions: "4+", tag: 1, nullableVersions: "4+", default: null }),
    // Ottla's own; null: a machine of its own
    machineId: string({ taggedVersions: "0+", tag: 10_000, nullableVersions: "0+", default: null }),
  },
})

export const unregisterBrokerRecord = record({
  name: "UnregisterBrokerRecord",
  key: 1,
  versions: "0",
  flexible: "0+",
  fields: {
    brokerId: int32(),
    brokerEpoch: int64(),
  },
})

export const topicRecord = record({
  name: "TopicRecord",
  key: 2,
  versions: "0",
  flexible: "0+",
  fields: {
    name: string(),
    topicId: uuid(),
  },
})

/** A new partition, or its whole state in a snapshot. Version 1 has directories (KIP-858), 2 eligible leaders (KIP-966). */
export const partitionRecord = record({
  name: "PartitionRecord",
  key: 3,
  versions: "0-2",
  flexible: "0+",
  fields: {
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    replicas: array(int32()),
    isr: array(int32()),
    removingReplicas: array(int32()),
    addingReplicas: array(int32()),
    leader: int32({ default: -1 }),
    leaderRecoveryState: int8({ taggedVersions: "0+", tag: 0, default: 0 }),
    leaderEpoch: int32({ default: -1 }),
    partitionEpoch: int32({ default: -1 }),
    // of each replica, in the order of the replicas, KIP-858
    directories: array(uuid(), { versions: "1+" }),
    eligibleLeaderReplicas: array(int32(), { taggedVersions: "2+", tag: 1, nullableVersions: "2+", default: null }),
    lastKnownElr: array(int32(), { taggedVersions: "2+", tag: 2, nullableVersions: "2+", default: null }),
  },
})

/** One setting of a resource; a null value removes it. */
export const configRecord = record({
  name: "ConfigRecord",
  key: 4,
  versions: "0",
  flexible: "0+",
  fields: {
    resourceType: int8(),
    resourceName: string(),
    name: string(),
    value: string({ nullableVersions: "0+" }),
  },
})

/** What changed of a partition. Every change raises its partition epoch by one. */
export const partitionChangeRecord = record({
  name: "PartitionChangeRecord",
  key: 5,
  versions: "0-2",
  flexible: "0+",
  fields: {
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    // null: unchanged, here and below
    isr: array(int32(), { taggedVersions: "0+", tag: 0, nullableVersions: "0+", default: null }),
    // -2 unchanged, -1 none
    leader: int32({ taggedVersions: "0+", tag: 1, default: -2 }),
    replicas: array(int32(), { taggedVersions: "0+", tag: 2, nullableVersions: "0+", default: null }),
    removingReplicas: array(int32(), { taggedVersions: "0+", tag: 3, nullableVersions: "0+", default: null }),
    addingReplicas: array(int32(), { taggedVersions: "0+", tag: 4, nullableVersions: "0+", default: null }),
    leaderRecoveryState: int8({ taggedVersions: "0+", tag: 5, default: -1 }),
    directories: array(uuid(), { taggedVersions: "1+", tag: 8, nullableVersions: "1+", default: null }),
    eligibleLeaderReplicas: array(int32(), { taggedVersions: "2+", tag: 6, nullableVersions: "2+", default: null }),
    lastKnownElr: array(int32(), { taggedVersions: "2+", tag: 7, nullableVersions: "2+", default: null }),
  },
})

/** Replayed, no longer written: BrokerRegistrationChangeRecord does it. */
export const fenceBrokerRecord = record({
  name: "FenceBrokerRecord",
  key: 7,
  versions: "0",
  flexible: "0+",
  fields: {
    id: int32(),
    epoch: int64(),
  },
})

/** Replayed, no longer written: BrokerRegistrationChangeRecord does it. */
export const unfenceBrokerRecord = record({
  name: "UnfenceBrokerRecord",
  key: 8,
  versions: "0",
  flexible: "0+",
  fields: {
    id: int32(),
    epoch: int64(),
  },
})

export const removeTopicRecord = record({
  name: "RemoveTopicRecord",
  key: 9,
  versions: "0",
  flexible: "0+",
  fields: {
    topicId: uuid(),
  },
})

export const delegationTokenRecord = record({
  name: "DelegationTokenRecord",
  key: 10,
  versions: "0",
  flexible: "0+",
  fields: {
    owner: string(),
    requester: string(),
    renewers: array(string()),
    issueTimestamp: int64(),
    maxTimestamp: int64(),
    expirationTimestamp: int64(),
    tokenId: string(),
  },
})

export const userScramCredentialRecord = record({
  name: "UserScramCredentialRecord",
  key: 11,
  versions: "0",
  flexible: "0+",
  fields: {
    name: string(),
    mechanism: int8(),
    salt: bytes(),
    storedKey: bytes(),
    serverKey: bytes(),
    iterations: int32(),
  },
})

/** Level of a feature, 0 removes it. `metadata.version` says how to read the rest, so this record stays at version 0. */
export const featureLevelRecord = record({
  name: "FeatureLevelRecord",
  key: 12,
  versions: "0",
  flexible: "0+",
  fields: {
    name: string(),
    featureLevel: int16(),
  },
})

export const clientQuotaRecord = record({
  name: "ClientQuotaRecord",
  key: 14,
  versions: "0",
  flexible: "0+",
  fields: {
    entity: array({
      entityType: string(),
      entityName: string({ nullableVersions: "0+" }),
    }),
    key: string(),
    value: float64(),
    remove: bool(),
  },
})

/** A block of producer ids was handed to a broker. */
export const producerIdsRecord = record({
  name: "ProducerIdsRecord",
  key: 15,
  versions: "0",
  flexible: "0+",
  fields: {
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    nextProducerId: int64(),
  },
})

/** What changed of a registration. */
export const brokerRegistrationChangeRecord = record({
  name: "BrokerRegistrationChangeRecord",
  key: 17,
  versions: "0-3",
  flexible: "0+",
  fields: {
    brokerId: int32(),
    brokerEpoch: int64(),
    // -1 unfence, 0 unchanged, 1 fence
    fenced: int8({ taggedVersions: "0+", tag: 0 }),
    // 0 unchanged, 1 is shutting down
    inControlledShutdown: int8({ taggedVersions: "1+", tag: 1 }),
    logDirs: array(uuid(), { taggedVersions: "2+", tag: 2 }),
    cordonedLogDirs: array(uuid(), { taggedVersions: "3+", tag: 3, nullableVersions: "3+", default: null }),
  },
})

export const accessControlEntryRecord = record({
  name: "AccessControlEntryRecord",
  key: 18,
  versions: "0",
  flexible: "0+",
  fields: {
    id: uuid(),
    resourceType: int8(),
    resourceName: string(),
    patternType: int8(),
    principal: string(),
    host: string(),
    operation: int8(),
    permissionType: int8(),
  },
})

export const removeAccessControlEntryRecord = record({
  name: "RemoveAccessControlEntryRecord",
  key: 19,
  versions: "0",
  flexible: "0+",
  fields: {
    id: uuid(),
  },
})

/** Written by an idle controller, so that the metadata log moves (KIP-835). */
export const noOpRecord = record({
  name: "NoOpRecord",
  key: 20,
  versions: "0",
  flexible: "0+",
  fields: {},
})

/** Replayed, no longer written: a log may come from a cluster that left ZooKeeper. */
export const zkMigrationStateRecord = record({
  name: "ZkMigrationStateRecord",
  key: 21,
  versions: "0",
  flexible: "0+",
  fields: {
    zkMigrationState: int8(),
  },
})

export const removeUserScramCredentialRecord = record({
  name: "RemoveUserScramCredentialRecord",
  key: 22,
  versions: "0",
  flexible: "0+",
  fields: {
    name: string(),
    mechanism: int8(),
  },
})

/** Records up to the end record take effect together or not at all (KIP-868). */
export const beginTransactionRecord = record({
  name: "BeginTransactionRecord",
  key: 23,
  versions: "0",
  flexible: "0+",
  fields: {
    name: string({ taggedVersions: "0+", tag: 0, nullableVersions: "0+", default: null }),
  },
})

export const endTransactionRecord = record({
  name: "EndTransactionRecord",
  key: 24,
  versions: "0",
  flexible: "0+",
  fields: {},
})

export const abortTransactionRecord = record({
  name: "AbortTransactionRecord",
  key: 25,
  versions: "0",
  flexible: "0+",
  fields: {
    reason: string({ taggedVersions: "0+", tag: 0, nullableVersions: "0+", default: null }),
  },
})

export const removeDelegationTokenRecord = record({
  name: "RemoveDelegationTokenRecord",
  key: 26,
  versions: "0",
  flexible: "0+",
  fields: {
    tokenId: string(),
  },
})

export const registerControllerRecord = record({
  name: "RegisterControllerRecord",
  key: 27,
  versions: "0",
  flexible: "0+",
  fields: {
    controllerId: int32(),
    incarnationId: uuid(),
    zkMigrationReady: bool(),
    endPoints: array({
      name: string({ mapKey: true }),
      host: string(),
      port: uint16(),
      securityProtocol: int16(),
    }),
    features: array({
      name: string({ mapKey: true }),
      minSupportedVersion: int16(),
      maxSupportedVersion: int16(),
    }),
  },
})

/** Forgets eligible leaders of one topic, or of all if the name is empty (KIP-966). */
export const clearElrRecord = record({
  name: "ClearElrRecord",
  key: 28,
  versions: "0",
  flexible: "0+",
  fields: {
    topicName: string(),
  },
})

/** Ascending by key. */
export const metadataRecords = [
  registerBrokerRecord,
  unregisterBrokerRecord,
  topicRecord,
  partitionRecord,
  configRecord,
  partitionChangeRecord,
  fenceBrokerRecord,
  unfenceBrokerRecord,
  removeTopicRecord,
  delegationTokenRecord,
  userScramCredentialRecord,
  featureLevelRecord,
  clientQuotaRecord,
  producerIdsRecord,
  brokerRegistrationChangeRecord,
  accessControlEntryRecord,
  removeAccessControlEntryRecord,
  noOpRecord,
  zkMigrationStateRecord,
  removeUserScramCredentialRecord,
  beginTransactionRecord,
  endTransactionRecord,
  abortTransactionRecord,
  removeDelegationTokenRecord,
  registerControllerRecord,
  clearElrRecord,
] as const
