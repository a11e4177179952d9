/**
 * Groups that change their protocol while their members live on (KIP-848, migration).
 *
 * Owns when that is allowed, and the records of it, both ways. The invariant: a conversion is one batch: the group is either what it was or what it becomes, and members keep what they have
 * until the new protocol takes it from them.
 */
import { Errors } from "../../../protocol/errors.js"
import { ClassicGroup, noBytes } from "../classic/classic-group.js"
import type { ClassicMember } from "../classic/classic-member.js"
import type { ClassicProtocol } from "../classic/classic-protocol.js"
import { groupTombstone } from "../classic/records.js"
import { bytesOf, subscriptionBytesMax } from "../classic/subscriptions.js"
import type { GroupRecord, Now, Outcome } from "../contract.js"
import type { GroupRecordOf } from "../group-records.js"
import { ConsumerGroup } from "./consumer-group.js"
import { type ConsumerMember, memberStates, newMember, topicNames } from "./consumer-member.js"
import { assignmentFromNames, readAssignment, readSubscription, writeAssignment } from "./consumer-payloads.js"
import type { GroupChanges } from "./group-changes.js"
import type { Joinable } from "./heartbeat.js"
import { type Refused, refused } from "./heartbeat-request.js"
import { nothingOwned } from "./owned-partitions.js"
import * as record from "./records.js"

const consumerProtocolType = "consumer"

/** Everything that removes the group, its offsets excepted. What the members have goes first, the group itself last. */
export function tombstonesOf(group: ConsumerGroup): readonly GroupRecord[] {
  const { groupId } = group
  const memberIds = [...group.members.keys()]
  return [
    ...memberIds.map((memberId) => record.currentAssignmentTombstone(groupId, memberId)),
    ...memberIds.map((memberId) => record.targetMemberTombstone(groupId, memberId)),
    record.targetMetadataTombstone(groupId),
    ...memberIds.map((memberId) => record.memberMetadataTombstone(groupId, memberId)),
    ...[...group.regexes.keys()].map((regex) => record.regularExpressionTombstone(groupId, regex)),
    ...(group.hasPartitionMetadata ? [record.partitionMetadataTombstone(groupId)] : []),
    record.groupMetadataTombstone(groupId),
  ]
}

export class Conversions {
  constructor(
    private readonly changes: GroupChanges,
    private readonly classic: ClassicProtocol,
  ) {}

  /** For a member of the consumer protocol that wants to join what is, until now, no group of that. Errors: GROUP_ID_NOT_FOUND. */
  upgrade(groupId: string, now: Now): Joinable | Refused {
    const classicGroup = this.changes.groups.get(groupId)
    const no = (why: string) =>
      refused(Errors.GROUP_ID_NOT_FOUND, `Cannot upgrade classic group ${groupId} to consumer group because ${why}.`)
    if (!(classicGroup instanceof ClassicGroup)) return no("it is neither a classic nor a consumer group")
    if (classicGroup.state === "Empty" || classicGroup.state === "Dead")
      return { group: new ConsumerGroup(groupId), records: [groupTombstone(groupId)], isNew: true }
    const { consumerMigrationPolicy: policy, consumerMaxSize } = this.changes.context.settings
    if (policy !== "bidirectional" && policy !== "upgrade") return no("online upgrade is disabled")
    if (classicGroup.protocolType !== consumerProtocolType)
      return no("the group does not use the consumer embedded protocol")
    if (classicGroup.members.size > consumerMaxSize) return no("the group size exceeds the consumer group maximum size")
    const members = this.#membersOf(classicGroup)
    if (members === undefined) return no("the embedded consumer protocol is malformed")
    const records = [groupTombstone(groupId), ...recordsOf(classicGroup, members)]
    // The group as it will be. The one the shard has is made by the replay of the same records.
    const group = new ConsumerGroup(groupId)
    for (const each of records) group.replay(each)
    for (const { member } of members) this.changes.touch(group, member, now)
    return {
      group,
      records,
      isNew: false,
      converted: { reason: "a member of the consumer protocol joined a classic group", members: members.length },
    }
  }

  #membersOf(group: ClassicGroup): ConvertedMember[] | undefined {
    const members: ConvertedMember[] = []
    if (bytesOf([...group.members.values()].map((member) => subscriptionOf(group, member))) > subscriptionBytesMax)
      return undefined
    for (const member of group.members.values()) {
      const converted = this.#memberOf(group, member)
      if (converted === undefined) return undefined
      members.push(converted)
    }
    return members
  }

  #memberOf(group: ClassicGroup, member: ClassicMember): ConvertedMember | undefined {
    const image = this.changes.context.image()
    const subscription = readSubscription(subscriptionOf(group, member))
    const assigned = readAssignment(group.assignmentOf(member.memberId))
    if (subscription === undefined || assigned === undefined) return undefined
    const { target, owned } = assignmentFromNames(assigned, group.generationId, image)
    return {
      target,
      member: {
        ...newMember(member.memberId),
        instanceId: member.groupInstanceId,
        rackId: subscription.rackId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        subscribedTopicNames: topicNames(subscription.topics),
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        classic: { sessionTimeoutMs: member.sessionTimeoutMs, supportedProtocols: member.protocols },
        memberEpoch: group.generationId,
        previousMemberEpoch: group.generationId,
        state: memberStates.stable,
        assigned: owned,
        pendingRevocation: nothingOwned,
      },
    }
  }

  /** Undefined: it stays what it is. `leaving` are those that go by the same decision. */
  downgrade(group: ConsumerGroup, leaving: ReadonlySet<string>, now: Now): Outcome | undefined {
    const { consumerMigrationPolicy: policy, classicMaxSize } = this.changes.context.settings
    if (policy !== "bidirectional" && policy !== "downgrade") return undefined
    let classicMembers = group.classicMembers
    let members = group.members.size
    for (const memberId of leaving) {
      members--
      if (group.members.get(memberId)?.classic !== null) classicMembers--
    }
    if (members === 0 || classicMembers < members || members > classicMaxSize) return undefined
    const remaining = [...group.members.values()].filter(({ memberId }) => !leaving.has(memberId))
    const protocol = commonProtocol(remaining)
    if (protocol === undefined) return undefined
    const classicRecord = this.#classicRecord(group, remaining, protocol)
    const { groupId } = group
    for (const memberId of group.members.keys()) this.changes.forget(group, memberId)
    const adopted = this.classic.adopt(
      classicRecord,
      (memberId) => group.members.get(memberId)!.classic!.supportedProtocols,
      now,
    )
    const reason = "the last member of the consumer protocol left"
    this.changes.note(groupId, { type: "group-converted", reason, generation: group.groupEpoch, members }, now)
    const rebalance = this.classic.startRebalance(adopted, reason, now)
    return {
      records: [...tombstonesOf(group), classicRecord, ...rebalance.records],
      onWritten: (error) => {
        if (error !== Errors.NONE) this.#takeBack(group, adopted, now)
        rebalance.onWritten?.(error)
      },
    }
  }

  /** The log knows nothing of the conversion. */
  #takeBack(group: ConsumerGroup, adopted: ClassicGroup, now: Now): void {
    if (this.changes.groups.get(group.groupId) !== adopted) return
    this.classic.release(adopted, Errors.COORDINATOR_NOT_AVAILABLE)
    this.changes.groups.put(group)
    this.changes.watchAll(group, now)
  }

  #classicRecord(
    group: ConsumerGroup,
    members: readonly ConsumerMember[],
    protocol: string,
  ): GroupRecordOf<"GroupMetadata"> {
    const image = this.changes.context.image()
    return {
      type: "GroupMetadata",
      key: { group: group.groupId },
      value: {
        protocolType: consumerProtocolType,
        generation: group.groupEpoch,
        protocol,
        leader: members[0]!.memberId,
        // No state that was reached: whoever loads the group as it is here has the rebalance still to begin that follows a conversion.
        currentStateTimestamp: -1,
        members: members.map((member) => {
          const subscription = member.classic!.supportedProtocols.find(({ name }) => name === protocol)!.metadata
          return {
            memberId: member.memberId,
            groupInstanceId: member.instanceId,
            clientId: member.clientId,
            clientHost: member.clientHost,
            rebalanceTimeout: member.rebalanceTimeoutMs,
            sessionTimeout: member.classic!.sessionTimeoutMs,
            subscription,
            assignment: writeAssignment(member.assigned, readSubscription(subscription)?.version ?? 0, image),
          }
        }),
      },
    }
  }
}

const subscriptionOf = ({ protocolName }: ClassicGroup, member: ClassicMember): Buffer =>
  member.metadata(protocolName) ?? member.protocols[0]?.metadata ?? noBytes

interface ConvertedMember {
  readonly member: ConsumerMember
  readonly target: Parameters<typeof record.targetMember>[2]
}

const recordsOf = (
  { groupId, generationId }: ClassicGroup,
  members: readonly ConvertedMember[],
): readonly GroupRecord[] => [
  ...members.map(({ member }) => record.memberMetadata(groupId, member)),
  record.groupMetadata(groupId, generationId, 0),
  ...members.map(({ member, target }) => record.targetMember(groupId, member.memberId, target)),
  record.targetMetadata(groupId, generationId, 0),
  ...members.map(({ member }) => record.currentAssignment(groupId, member.memberId, member)),
]

/** Of those that all support, the one that most like best; the one that was named first in a tie. */
function commonProtocol(members: readonly ConsumerMember[]): string | undefined {
  const supporters = new Map<string, number>()
  for (const { classic } of members)
    for (const { name } of classic!.supportedProtocols) supporters.set(name, (supporters.get(name) ?? 0) + 1)
  const votes = new Map<string, number>()
  for (const { classic } of members) {
    const vote = classic!.supportedProtocols.find(({ name }) => supporters.get(name) === members.length)
    if (vote === undefined) return undefined
    votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
  }
  let chosen: string | undefined
  for (const [name, count] of votes) if (chosen === undefined || count > votes.get(chosen)!) chosen = name
  return chosen
}
