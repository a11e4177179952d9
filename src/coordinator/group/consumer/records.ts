/**
 * The records of a group under the consumer protocol, built.
 *
 * Owns how state is written; `consumer-group.ts` reads it back. The invariant: records are complete, since they are replayed as they are.
 */
import type { Assignment } from "../../../assignment/assignor.js"
import type { GroupRecord } from "../contract.js"
import type { ConsumerMember, MemberPosition } from "./consumer-member.js"
import { ownedToRecord, topicPartitionsOf } from "./owned-partitions.js"

export interface ResolvedRegex {
  readonly topics: ReadonlySet<string>
  /** Offset of the metadata it was resolved against. */
  readonly version: number
  readonly timestampMs: number
}

export const groupMetadata = (groupId: string, epoch: number, metadataHash: number): GroupRecord => ({
  type: "ConsumerGroupMetadata",
  key: { groupId },
  value: { epoch, metadataHash },
})

export const groupMetadataTombstone = (groupId: string): GroupRecord => ({
  type: "ConsumerGroupMetadata",
  key: { groupId },
  value: null,
})

export const partitionMetadataTombstone = (groupId: string): GroupRecord => ({
  type: "ConsumerGroupPartitionMetadata",
  key: { groupId },
  value: null,
})

export const memberMetadata = (groupId: string, member: ConsumerMember): GroupRecord => ({
  type: "ConsumerGroupMemberMetadata",
  key: { groupId, memberId: member.memberId },
  value: {
    instanceId: member.instanceId,
    rackId: member.rackId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    subscribedTopicNames: [...member.subscribedTopicNames],
    subscribedTopicRegex: member.subscribedTopicRegex,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    serverAssignor: member.serverAssignor,
    classicMemberMetadata:
      member.classic === null
        ? null
        : {
            sessionTimeoutMs: member.classic.sessionTimeoutMs,
            supportedProtocols: member.classic.supportedProtocols.map(({ name, metadata }) => ({ name, metadata })),
          },
  },
})

export const memberMetadataTombstone = (groupId: string, memberId: string): GroupRecord => ({
  type: "ConsumerGroupMemberMetadata",
  key: { groupId, memberId },
  value: null,
})

export const targetMetadata = (groupId: string, assignmentEpoch: number, assignmentTimestamp: number): GroupRecord => ({
  type: "ConsumerGroupTargetAssignmentMetadata",
  key: { groupId },
  value: { assignmentEpoch, assignmentTimestamp },
})

export const targetMetadataTombstone = (groupId: string): GroupRecord => ({
  type: "ConsumerGroupTargetAssignmentMetadata",
  key: { groupId },
  value: null,
})

export const targetMember = (groupId: string, memberId: string, target: Assignment): GroupRecord => ({
  type: "ConsumerGroupTargetAssignmentMember",
  key: { groupId, memberId },
  value: { topicPartitions: topicPartitionsOf(target) },
})

export const targetMemberTombstone = (groupId: string, memberId: string): GroupRecord => ({
  type: "ConsumerGroupTargetAssignmentMember",
  key: { groupId, memberId },
  value: null,
})

export const currentAssignment = (groupId: string, memberId: string, position: MemberPosition): GroupRecord => ({
  type: "ConsumerGroupCurrentMemberAssignment",
  key: { groupId, memberId },
  value: {
    memberEpoch: position.memberEpoch,
    previousMemberEpoch: position.previousMemberEpoch,
    state: position.state,
    assignedPartitions: ownedToRecord(position.assigned),
    partitionsPendingRevocation: ownedToRecord(position.pendingRevocation),
  },
})

export const currentAssignmentTombstone = (groupId: string, memberId: string): GroupRecord => ({
  type: "ConsumerGroupCurrentMemberAssignment",
  key: { groupId, memberId },
  value: null,
})

export const regularExpression = (groupId: string, regex: string, resolved: ResolvedRegex): GroupRecord => ({
  type: "ConsumerGroupRegularExpression",
  key: { groupId, regularExpression: regex },
  value: { topics: [...resolved.topics].sort(), version: resolved.version, timestamp: resolved.timestampMs },
})

export const regularExpressionTombstone = (groupId: string, regex: string): GroupRecord => ({
  type: "ConsumerGroupRegularExpression",
  key: { groupId, regularExpression: regex },
  value: null,
})
