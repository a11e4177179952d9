/**
 * Who sends a heartbeat, and what the member is with what it says.
 *
 * Owns identity: members, instances, epochs. The invariant: of one instance only one member is let in, and whoever has missed more than one epoch begins again.
 */
import { Errors } from "../../../protocol/errors.js"
import type { ClientInfo } from "../contract.js"
import type { ConsumerGroup } from "./consumer-group.js"
import {
  type ConsumerMember,
  hasSameTopics,
  joiningEpoch,
  leavingStaticEpoch,
  memberStates,
  newMember,
  topicNames,
} from "./consumer-member.js"
import { type HeartbeatRequest, type Refused, refused } from "./heartbeat-request.js"
import { isWithin, type ReportedPartitions } from "./owned-partitions.js"

export interface MemberOnItsWay {
  readonly member: ConsumerMember
  readonly how: "joins" | "rejoins" | "replaces" | "stays"
}

/** Who this is. Errors: UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID. */
export function memberOf(group: ConsumerGroup, memberId: string, request: HeartbeatRequest): MemberOnItsWay | Refused {
  const { instanceId, memberEpoch, topicPartitions } = request
  const known = group.members.get(memberId)
  const held = instanceId === null ? undefined : group.staticMember(instanceId)
  if (memberEpoch === joiningEpoch) {
    // The epoch is not looked at: whoever starts over says that it has nothing.
    if (held === undefined || held.memberId === memberId)
      return known === undefined ? { member: newMember(memberId), how: "joins" } : { member: known, how: "rejoins" }
    if (held.classic === null && held.memberEpoch !== leavingStaticEpoch)
      return refused(
        Errors.UNRELEASED_INSTANCE_ID,
        `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ${held.memberId} member.`,
      )
    return { member: { ...held, memberId, memberEpoch: 0, previousMemberEpoch: 0 }, how: "replaces" }
  }
  if (instanceId !== null) {
    if (held === undefined) return refused(Errors.UNKNOWN_MEMBER_ID, `Instance id ${instanceId} is unknown.`)
    if (held.memberId !== memberId) return fencedInstance(memberId, instanceId, held.memberId)
  }
  if (known === undefined)
    return refused(Errors.UNKNOWN_MEMBER_ID, `Member ${memberId} is not a member of group ${group.groupId}.`)
  return fencedEpoch(known, memberEpoch, topicPartitions) ?? { member: known, how: "stays" }
}

/** What a later version wrote of it is not understood: it can only begin again, with nothing. */
export const isLost = ({ state }: ConsumerMember, { topicPartitions }: HeartbeatRequest): boolean =>
  state === memberStates.unknown &&
  (topicPartitions === null || topicPartitions.some(({ partitions }) => partitions.length > 0))

export const fencedInstance = (memberId: string, instanceId: string, ownerId: string): Refused =>
  refused(
    Errors.FENCED_INSTANCE_ID,
    `Static member ${memberId} with instance id ${instanceId} was fenced by member ${ownerId}.`,
  )

function fencedEpoch(
  member: ConsumerMember,
  memberEpoch: number,
  reported: ReportedPartitions | null,
): Refused | undefined {
  if (memberEpoch === member.memberEpoch) return undefined
  const isGreater = memberEpoch > member.memberEpoch
  // The answer with the new epoch may not have arrived.
  if (
    !isGreater &&
    memberEpoch === member.previousMemberEpoch &&
    reported !== null &&
    isWithin(reported, member.assigned)
  )
    return undefined
  return refused(
    Errors.FENCED_MEMBER_EPOCH,
    `The consumer group member has a ${isGreater ? "greater" : "smaller"} member epoch (${memberEpoch}) than the one known by the group coordinator (${member.memberEpoch}). The member must abandon all its partitions and rejoin.`,
  )
}

/** The same object if the member says nothing new, which is almost always. */
export function updatedMember(member: ConsumerMember, request: HeartbeatRequest, client: ClientInfo): ConsumerMember {
  const { instanceId, rackId, rebalanceTimeoutMs, subscribedTopicRegex, serverAssignor } = request
  const names = request.subscribedTopicNames === null ? null : topicNames(request.subscribedTopicNames)
  if (
    member.classic === null &&
    client.clientId === member.clientId &&
    client.clientHost === member.clientHost &&
    (instanceId === null || instanceId === member.instanceId) &&
    (rackId === null || rackId === member.rackId) &&
    (rebalanceTimeoutMs === -1 || rebalanceTimeoutMs === member.rebalanceTimeoutMs) &&
    (subscribedTopicRegex === null || subscribedTopicRegex === member.subscribedTopicRegex) &&
    (serverAssignor === null || serverAssignor === member.serverAssignor) &&
    (names === null || hasSameTopics(names, member))
  )
    return member
  return {
    ...member,
    instanceId: instanceId ?? member.instanceId,
    rackId: rackId ?? member.rackId,
    clientId: client.clientId,
    clientHost: client.clientHost,
    subscribedTopicNames: names ?? member.subscribedTopicNames,
    subscribedTopicRegex: subscribedTopicRegex ?? member.subscribedTopicRegex,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : rebalanceTimeoutMs,
    serverAssignor: serverAssignor ?? member.serverAssignor,
    classic: null,
  }
}
