/**
 * Who shall have what: the target assignment of a group.
 *
 * Owns its making, and when it may be made. The invariant: targets are those of one group epoch, written together with it; of a member's target only a change is
 * written. Source: KIP-848; KIP-1263 for the interval.
 */
import type { Uuid } from "../../../base/ids.js"
import { type Assignor, type AssignorMember, assignorNamed, partitionsIn } from "../../../assignment/assignor.js"
import type { MetadataImage } from "../../../metadata/image.js"
import type { Now } from "../contract.js"
import type { ConsumerGroup } from "./consumer-group.js"
import { type ConsumerMember, regexOf } from "./consumer-member.js"
import type { GroupDraft } from "./group-draft.js"

/** What most members want; without a majority of wishes the first of the settings that has as many as any. */
export function chosenAssignor(members: Iterable<ConsumerMember>, offered: readonly string[]): string {
  const votes = new Map<string, number>()
  for (const { serverAssignor } of members)
    if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1)
  let chosen = offered[0]!
  for (const name of offered) if ((votes.get(name) ?? 0) > (votes.get(chosen) ?? 0)) chosen = name
  return chosen
}

/** Until then a new target has to wait; 0: it can be made now. */
export function assignmentDelayMs(group: ConsumerGroup, intervalMs: number, now: Now): number {
  if (group.assignmentEpoch === 0 || group.assignmentTimestampMs === 0) return 0
  const elapsedMs = now.wallMs - group.assignmentTimestampMs
  // A clock that was set back must not hold up the group.
  return elapsedMs < 0 || elapsedMs >= intervalMs ? 0 : intervalMs - elapsedMs
}

/** What is larger does not fit into one batch together with what else a decision writes. */
export const inlineTargetBytesMax = 400_000
/** Of a target's record beside its partitions. */
const targetRecordBytes = 160
const partitionBytes = 4

/** What the records of a target take at most, roughly. */
export function targetBytes(draft: GroupDraft, image: MetadataImage): number {
  let bytes = draft.memberCount * targetRecordBytes
  for (const topic of draft.subscribedTopics())
    bytes += (image.topics.get(topic)?.partitions.length ?? 0) * partitionBytes
  return bytes
}

export interface ComputedTarget {
  readonly members: number
  readonly partitions: number
}

/** Makes the targets of the draft's group epoch. */
export function computeTarget(
  draft: GroupDraft,
  image: MetadataImage,
  offered: readonly string[],
  now: Now,
): ComputedTarget {
  const members = [...draft.members()]
  const { partitionCounts, topicIdsOf } = subscriptions(draft, image)
  const assignor = assignorNamed(chosenAssignor(members, offered)) as Assignor
  const assignments = assignor({
    members: members.map(
      (member): AssignorMember => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        rackId: member.rackId,
        topicIds: topicIdsOf(member),
        target: draft.target(member.memberId),
      }),
    ),
    partitionCounts,
  })
  let partitions = 0
  for (const [memberId, assignment] of assignments) {
    partitions += partitionsIn(assignment)
    draft.setTarget(memberId, assignment)
  }
  draft.setAssignmentEpoch(draft.groupEpoch, now.wallMs)
  return { members: members.length, partitions }
}

function subscriptions(draft: GroupDraft, image: MetadataImage) {
  const partitionCounts = new Map<Uuid, number>()
  // Members with equal names share the list (consumer-group.ts), so this is looked up once for most groups.
  const known = new Map<readonly string[], Map<string | undefined, readonly Uuid[]>>()
  const idOf = (name: string): Uuid[] => {
    const topic = image.topics.get(name)
    if (topic === undefined) return []
    partitionCounts.set(topic.topicId, topic.partitions.length)
    return [topic.topicId]
  }
  const topicIdsOf = (member: ConsumerMember): readonly Uuid[] => {
    const { subscribedTopicNames } = member
    const regex = regexOf(member)
    let byRegex = known.get(subscribedTopicNames)
    if (byRegex === undefined) known.set(subscribedTopicNames, (byRegex = new Map()))
    let topicIds = byRegex.get(regex)
    if (topicIds === undefined) {
      const names =
        regex === undefined
          ? subscribedTopicNames
          : new Set([...subscribedTopicNames, ...(draft.resolved(regex)?.topics ?? [])])
      topicIds = [...names].flatMap(idOf)
      byRegex.set(regex, topicIds)
    }
    return topicIds
  }
  return { partitionCounts, topicIdsOf }
}
