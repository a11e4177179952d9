/**
 * Records of `__consumer_offsets`: committed offsets and groups.
 *
 * Owns the fields of keys and values, in the order of their types. What they mean is decided where they are replayed;
 * `coordinator/group/group-records.ts` has the envelope. A key and its value have the same type.
 */
import { array, bytes, int32, int64, int8, string, struct, uuid } from "../field.js"
import { record } from "../message.js"

const offsetKey = { group: string(), topic: string(), partition: int32() } as const
const groupKey = { groupId: string() } as const
const memberKey = { groupId: string(), memberId: string() } as const

/** The key of offsets that were committed long ago; written by nobody any more. */
export const legacyOffsetCommitKey = record({
  name: "LegacyOffsetCommitKey",
  key: 0,
  versions: "0",
  flexible: "none",
  fields: offsetKey,
})

export const legacyOffsetCommitValue = record({
  name: "LegacyOffsetCommitValue",
  key: 0,
  versions: "0",
  flexible: "none",
  fields: {
    offset: int64(),
    metadata: string(),
    commitTimestamp: int64(),
  },
})

export const offsetCommitKey = record({
  name: "OffsetCommitKey",
  key: 1,
  versions: "0",
  flexible: "none",
  fields: offsetKey,
})

/** How far a group has read one partition. */
export const offsetCommitValue = record({
  name: "OffsetCommitValue",
  key: 1,
  versions: "0-4",
  flexible: "4+",
  fields: {
    offset: int64(),
    leaderEpoch: int32({ versions: "3+", default: -1, ignorable: true }),
    metadata: string(),
    commitTimestamp: int64(),
    // -1: by the broker's setting
    expireTimestamp: int64({ versions: "1", default: -1, ignorable: true }),
    topicId: uuid({ taggedVersions: "4+", tag: 0, ignorable: true }),
  },
})

export const groupMetadataKey = record({
  name: "GroupMetadataKey",
  key: 2,
  versions: "0",
  flexible: "none",
  fields: { group: string() },
})

/** A generation of a classic group. */
export const groupMetadataValue = record({
  name: "GroupMetadataValue",
  key: 2,
  versions: "0-4",
  flexible: "4+",
  fields: {
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullableVersions: "0+" }),
    // member id
    leader: string({ nullableVersions: "0+" }),
    currentStateTimestamp: int64({ versions: "2+", default: -1, ignorable: true }),
    members: array({
      memberId: string(),
      groupInstanceId: string({ versions: "3+", nullableVersions: "3+", default: null, ignorable: true }),
      clientId: string(),
      clientHost: string(),
      rebalanceTimeout: int32({ versions: "1+", default: -1, ignorable: true }),
      sessionTimeout: int32(),
      subscription: bytes(),
      assignment: bytes(),
    }),
  },
})

export const consumerGroupMetadataKey = record({
  name: "ConsumerGroupMetadataKey",
  key: 3,
  versions: "0",
  flexible: "none",
  fields: groupKey,
})

/** The epoch of a group under the consumer protocol. */
export const consumerGroupMetadataValue = record({
  name: "ConsumerGroupMetadataValue",
  key: 3,
  versions: "0",
  flexible: "0+",
  fields: {
    epoch: int32(),
    // of the topics that are subscribed to; another hash calls for another assignment, KIP-1101. Kafka's own are rounded.
    metadataHash: int64({ taggedVersions: "0+", tag: 0, default: 0 }),
  },
})

export const consumerGroupPartitionMetadataKey = record({
  name: "ConsumerGroupPartitionMetadataKey",
  key: 4,
  versions: "0",
  flexible: "none",
  fields: groupKey,
})

/** What a group knew of its topics, before `metadataHash` took its place (KIP-1101). */
export const consumerGroupPartitionMetadataValue = record({
  name: "ConsumerGroupPartitionMetadataValue",
  key: 4,
  versions: "0",
  flexible: "0+",
  fields: {
    topics: array({
      topicId: uuid(),
      topicName: string(),
      numPartitions: int32(),
      partitionMetadata: array({
        partition: int32(),
        racks: array(string()),
      }),
    }),
  },
})

export const consumerGroupMemberMetadataKey = record({
  name: "ConsumerGroupMemberMetadataKey",
  key: 5,
  versions: "0",
  flexible: "none",
  fields: memberKey,
})

/** What a member said about itself. */
export const consumerGroupMemberMetadataValue = record({
  name: "ConsumerGroupMemberMetadataValue",
  key: 5,
  versions: "0",
  flexible: "0+",
  fields: {
    instanceId: string({ nullableVersions: "0+" }),
    rackId: string({ nullableVersions: "0+" }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullableVersions: "0+" }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullableVersions: "0+" }),
    // null: the member speaks the consumer protocol itself, which has to be said: without it the member is a classic one, as in Kafka
    classicMemberMetadata: struct(
      {
        sessionTimeoutMs: int32(),
        supportedProtocols: array({
          name: string(),
          metadata: bytes(),
        }),
      },
      { taggedVersions: "0+", tag: 0, nullableVersions: "0+" },
    ),
  },
})

export const consumerGroupTargetAssignmentMetadataKey = record({
  name: "ConsumerGroupTargetAssignmentMetadataKey",
  key: 6,
  versions: "0",
  flexible: "none",
  fields: groupKey,
})

/** The group epoch a target assignment was made for. */
export const consumerGroupTargetAssignmentMetadataValue = record({
  name: "ConsumerGroupTargetAssignmentMetadataValue",
  key: 6,
  versions: "0",
  flexible: "0+",
  fields: {
    assignmentEpoch: int32(),
    // KIP-1263
    assignmentTimestamp: int64({ taggedVersions: "0+", tag: 0, default: 0, ignorable: true }),
  },
})

export const consumerGroupTargetAssignmentMemberKey = record({
  name: "ConsumerGroupTargetAssignmentMemberKey",
  key: 7,
  versions: "0",
  flexible: "none",
  fields: memberKey,
})

/** What a member shall own in the end. */
export const consumerGroupTargetAssignmentMemberValue = record({
  name: "ConsumerGroupTargetAssignmentMemberValue",
  key: 7,
  versions: "0",
  flexible: "0+",
  fields: {
    topicPartitions: array({
      topicId: uuid(),
      partitions: array(int32()),
    }),
  },
})

export const consumerGroupCurrentMemberAssignmentKey = record({
  name: "ConsumerGroupCurrentMemberAssignmentKey",
  key: 8,
  versions: "0",
  flexible: "none",
  fields: memberKey,
})

const ownedPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
  // when each of the partitions was given, which fences commits of the member that had it before (KIP-1251); empty in older records
  assignmentEpochs: array(int32(), { taggedVersions: "0+", tag: 0, nullableVersions: "0+" }),
} as const

/** What a member owns now, on its way to the target. */
export const consumerGroupCurrentMemberAssignmentValue = record({
  name: "ConsumerGroupCurrentMemberAssignmentValue",
  key: 8,
  versions: "0",
  flexible: "0+",
  fields: {
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    // 0 stable, 1 unrevoked partitions, 2 unreleased partitions, 127 unknown
    state: int8(),
    assignedPartitions: array(ownedPartitions),
    partitionsPendingRevocation: array(ownedPartitions),
  },
})

export const consumerGroupRegularExpressionKey = record({
  name: "ConsumerGroupRegularExpressionKey",
  key: 16,
  versions: "0",
  flexible: "none",
  fields: { groupId: string(), regularExpression: string() },
})

/** The topics an expression stood for when it was last resolved. */
export const consumerGroupRegularExpressionValue = record({
  name: "ConsumerGroupRegularExpressionValue",
  key: 16,
  versions: "0",
  flexible: "0+",
  fields: {
    topics: array(string()),
    // offset of the metadata it was resolved against
    version: int64(),
    timestamp: int64(),
  },
})

/** Keys with their values, by type. */
export const groupRecords = [
  { key: legacyOffsetCommitKey, value: legacyOffsetCommitValue },
  { key: offsetCommitKey, value: offsetCommitValue },
  { key: groupMetadataKey, value: groupMetadataValue },
  { key: consumerGroupMetadataKey, value: consumerGroupMetadataValue },
  { key: consumerGroupPartitionMetadataKey, value: consumerGroupPartitionMetadataValue },
  { key: consumerGroupMemberMetadataKey, value: consumerGroupMemberMetadataValue },
  { key: consumerGroupTargetAssignmentMetadataKey, value: consumerGroupTargetAssignmentMetadataValue },
  { key: consumerGroupTargetAssignmentMemberKey, value: consumerGroupTargetAssignmentMemberValue },
  { key: consumerGroupCurrentMemberAssignmentKey, value: consumerGroupCurrentMemberAssignmentValue },
  { key: consumerGroupRegularExpressionKey, value: consumerGroupRegularExpressionValue },
] as const
