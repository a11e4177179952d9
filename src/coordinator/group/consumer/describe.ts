/**
 * What a group under the consumer protocol tells about itself: to describers, and to whoever wonders why it is not getting on.
 *
 * Owns no rules. Topics that are gone are left out where names are asked for, as Kafka does.
 */
import type { MetadataImage } from "../../../metadata/image.js"
import { topicById } from "../../../metadata/image.js"
import { Errors } from "../../../protocol/errors.js"
import type { ResponseInputOf } from "../../../protocol/message.js"
import type { consumerGroupDescribe } from "../../../protocol/messages/consumer-group-describe.js"
import type { Assignment } from "../../../assignment/assignor.js"
import type { ExplainedGroup, ExplainedMember, GroupSettings, Now } from "../contract.js"
import type { ConsumerGroup } from "./consumer-group.js"
import { type ConsumerMember, isReconciledTo, leavingStaticEpoch, memberStates } from "./consumer-member.js"
import type { LiveGroups } from "./live-groups.js"
import { type OwnedPartitions, topicPartitionsOf } from "./owned-partitions.js"
import { chosenAssignor } from "./target-assignment.js"

type Described = ResponseInputOf<typeof consumerGroupDescribe>["groups"][number]
export type DescribedConsumerGroup = Omit<Described, "authorizedOperations">
type DescribedPartitions = Described["members"][number]["assignment"]["topicPartitions"]

const classicMemberType = 0
const consumerMemberType = 1

export function describeConsumerGroup(
  group: ConsumerGroup,
  image: MetadataImage,
  settings: GroupSettings,
): DescribedConsumerGroup {
  return {
    errorCode: Errors.NONE,
    groupId: group.groupId,
    groupState: group.state(),
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: chosenAssignor(group.members.values(), settings.consumerAssignors),
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.memberEpoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: [...member.subscribedTopicNames],
      subscribedTopicRegex: member.subscribedTopicRegex,
      assignment: { topicPartitions: named(image, heldBy(member)) },
      targetAssignment: { topicPartitions: named(image, group.target(member.memberId)) },
      memberType: member.classic === null ? consumerMemberType : classicMemberType,
    })),
  }
}

/** Also what the member is yet to let go of: nobody else has it. */
function heldBy({ assigned, pendingRevocation }: ConsumerMember): OwnedPartitions {
  if (pendingRevocation.size === 0) return assigned
  const held = new Map(assigned)
  for (const [topicId, epochs] of pendingRevocation)
    held.set(topicId, new Map([...(held.get(topicId) ?? []), ...epochs]))
  return held
}

const named = (image: MetadataImage, partitions: OwnedPartitions | Assignment): DescribedPartitions =>
  topicPartitionsOf(partitions).flatMap(({ topicId, partitions: held }) => {
    const topic = topicById(image, topicId)
    return topic === undefined ? [] : [{ topicId, topicName: topic.name, partitions: held }]
  })

export function explainConsumerGroup(
  group: ConsumerGroup,
  image: MetadataImage,
  settings: GroupSettings,
  lives: LiveGroups,
  now: Now,
): ExplainedGroup {
  return {
    state: group.state(),
    protocol: chosenAssignor(group.members.values(), settings.consumerAssignors),
    generation: group.groupEpoch,
    members: [...group.members.values()].map((member) => explainMember(group, member, image, settings, lives, now)),
  }
}

function explainMember(
  group: ConsumerGroup,
  member: ConsumerMember,
  image: MetadataImage,
  settings: GroupSettings,
  lives: LiveGroups,
  now: Now,
): ExplainedMember {
  const live = lives.member(group.groupId, member.memberId)
  const sinceLastHeartbeatMs = live === undefined ? 0 : now.monotonicMs - live.lastHeartbeatMs
  const isAwaited = !isReconciledTo(member, group.assignmentEpoch) && member.memberEpoch !== leavingStaticEpoch
  const deadlineMs = live?.revocationDeadlineMs
  return {
    memberId: member.memberId,
    instanceId: member.instanceId ?? undefined,
    clientId: member.clientId,
    clientHost: member.clientHost,
    state: stateOf(group, member, image),
    epoch: member.memberEpoch,
    lateByMs:
      deadlineMs !== undefined
        ? now.monotonicMs - deadlineMs
        : isAwaited
          ? sinceLastHeartbeatMs - settings.consumerHeartbeatIntervalMs(group.groupId)
          : undefined,
    sinceLastHeartbeatMs,
    partitions: named(image, member.assigned).map(({ topicName: topic, partitions }) => ({ topic, partitions })),
  }
}

function stateOf(group: ConsumerGroup, member: ConsumerMember, image: MetadataImage): string {
  if (member.memberEpoch === leavingStaticEpoch) return "has left for a while"
  const names = (partitions: DescribedPartitions) =>
    partitions
      .map(({ topicName, partitions: held }) => held.map((each) => `${topicName}-${each}`).join(", "))
      .join(", ")
  switch (member.state) {
    case memberStates.unrevokedPartitions:
      return `has to let go of ${names(named(image, member.pendingRevocation))}`
    case memberStates.unreleasedPartitions: {
      const owners = new Set<string>()
      for (const [topicId, partitions] of group.target(member.memberId)) {
        for (const partition of partitions) {
          const owner = group.ownerOf(topicId, partition)
          if (owner !== undefined && owner !== member.memberId) owners.add(owner)
        }
      }
      return owners.size === 0
        ? "can have the rest of its partitions"
        : `waits for partitions of ${[...owners].join(", ")}`
    }
    case memberStates.stable:
      return member.memberEpoch === group.assignmentEpoch ? "stable" : "has not heard of the newest assignment"
    case memberStates.unknown:
      return "unknown"
  }
}
