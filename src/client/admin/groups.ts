/**
 * Groups of consumers, as an admin looks at them and corrects them.
 *
 * Owns one shape for groups of both protocols, and the requests to their coordinators. Offsets of a group are in `group-offsets.ts`.
 */
import { MalformedError, Reader } from "../../base/reader.js"
import { Errors } from "../../protocol/errors.js"
import type { ResponseOf } from "../../protocol/message.js"
import { consumerGroupDescribe } from "../../protocol/messages/consumer-group-describe.js"
import { consumerProtocolAssignment } from "../../protocol/messages/consumer-protocol.js"
import { deleteGroups as deleteGroupsApi } from "../../protocol/messages/delete-groups.js"
import { describeGroups as describeGroupsApi } from "../../protocol/messages/describe-groups.js"
import { explainGroup as explainGroupApi } from "../../protocol/messages/explain-group.js"
import { leaveGroup } from "../../protocol/messages/leave-group.js"
import { listGroups as listGroupsApi } from "../../protocol/messages/list-groups.js"
import { BrokerError } from "../errors.js"
import {
  type Call,
  type CallOptions,
  matched,
  outcome,
  type Outcome,
  type Result,
  results,
  type Routing,
  type TopicPartition,
} from "./routing.js"

export interface ListedGroup {
  readonly groupId: string
  /** "classic" or "consumer"; "" where the broker does not tell. */
  readonly type: string
  readonly state: string
  /** "consumer" of groups of consumers; "" of one that only has offsets. */
  readonly protocolType: string
  readonly coordinator: number
}

export interface GroupMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** -1 in a classic group. */
  readonly epoch: number
  readonly assignment: readonly TopicPartition[]
  /** What it is on its way to; in a classic group the assignment. */
  readonly targetAssignment: readonly TopicPartition[]
}

export interface GroupDescription {
  readonly type: "classic" | "consumer"
  readonly state: string
  /** How partitions are spread, such as "range". */
  readonly assignor: string
  /** -1 in a classic group. */
  readonly epoch: number
  readonly coordinator: number
  readonly members: readonly GroupMember[]
}

export type GroupExplanation = Omit<ResponseOf<typeof explainGroupApi>, "errorCode">

export interface GroupId {
  readonly groupId: string
}

const ids = (groupIds: readonly string[]): GroupId[] => groupIds.map((groupId) => ({ groupId }))
const keyOf = ({ groupId }: GroupId): string => groupId
const what = ({ groupId }: GroupId): string => `group ${groupId}`
const absent = ({ groupId }: GroupId): string => `there is no group ${groupId}`

/** Groups of all brokers. Errors: what a broker refused, or that one of them does not answer, for then groups would be missing. */
export async function listGroups(
  routing: Routing,
  {
    states = [],
    types = [],
    ...options
  }: CallOptions & { readonly states?: readonly string[]; readonly types?: readonly string[] } = {},
): Promise<ListedGroup[]> {
  const call = routing.begin(options)
  await routing.one(call, async () => outcome((await routing.topics([], call)).errorCode, "the list of brokers", {}))
  const brokers = routing.cluster.brokerIds.map((broker) => ({ broker }))
  const outcomes = await routing.byBroker(brokers, call, async (nodeId, items) => {
    const request = { statesFilter: [...states], typesFilter: [...types] }
    const answer = await routing.node(nodeId, listGroupsApi, request, call)
    const groups = answer.groups.map(({ groupId, groupType, groupState, protocolType }) => ({
      groupId,
      type: groupType.toLowerCase(),
      state: groupState,
      protocolType,
      coordinator: nodeId,
    }))
    return items.map(() => outcome(answer.errorCode, `the groups of broker ${nodeId}`, groups))
  })
  const found = new Map<string, ListedGroup>()
  for (const { error, value } of outcomes) {
    if (error !== undefined) throw error
    // One that is moving may be listed twice.
    for (const group of value) found.set(group.groupId, group)
  }
  return [...found.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

export async function describeGroups(
  routing: Routing,
  groupIds: readonly string[],
  options: CallOptions = {},
): Promise<Result<GroupId, GroupDescription>[]> {
  const items = ids(groupIds)
  const outcomes = await routing.byCoordinator(items, routing.begin(options), async (nodeId, batch, call) => {
    const consumer = await describeConsumerGroups(routing, nodeId, batch, call)
    const rest = batch.filter((_, index) => isOther(consumer[index]!))
    if (rest.length === 0) return consumer
    const classic = (await describeClassicGroups(routing, nodeId, rest, call)).values()
    return consumer.map((each) => (isOther(each) ? classic.next().value! : each))
  })
  return results(items, outcomes)
}

/** It may be a classic group. */
const isOther = ({ error }: Outcome<GroupDescription>): boolean =>
  error instanceof BrokerError &&
  (error.errorCode === Errors.GROUP_ID_NOT_FOUND || error.errorCode === Errors.UNSUPPORTED_VERSION)

async function describeConsumerGroups(
  routing: Routing,
  nodeId: number,
  items: readonly GroupId[],
  call: Call,
): Promise<Outcome<GroupDescription>[]> {
  let answer: ResponseOf<typeof consumerGroupDescribe>
  try {
    const request = { groupIds: items.map(keyOf), includeAuthorizedOperations: false }
    answer = await routing.node(nodeId, consumerGroupDescribe, request, call)
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    return items.map(() => ({ error }))
  }
  const partitions = (of: (typeof answer)["groups"][number]["members"][number]["assignment"]): TopicPartition[] =>
    of.topicPartitions.flatMap(({ topicName, partitions: indexes }) =>
      indexes.map((partition) => ({ topic: topicName, partition })),
    )
  return matched(
    items,
    keyOf,
    answer.groups.map((group) => [group.groupId, group] as const),
    (group, item) =>
      outcome<GroupDescription>(
        group.errorCode,
        what(item),
        {
          type: "consumer",
          state: group.groupState,
          assignor: group.assignorName,
          epoch: group.groupEpoch,
          coordinator: nodeId,
          members: group.members.map((member) => ({
            memberId: member.memberId,
            groupInstanceId: member.instanceId,
            clientId: member.clientId,
            clientHost: member.clientHost,
            epoch: member.memberEpoch,
            assignment: partitions(member.assignment),
            targetAssignment: partitions(member.targetAssignment),
          })),
        },
        group.errorMessage,
      ),
  )
}

async function describeClassicGroups(
  routing: Routing,
  nodeId: number,
  items: readonly GroupId[],
  call: Call,
): Promise<Outcome<GroupDescription>[]> {
  const request = { groups: items.map(keyOf), includeAuthorizedOperations: false }
  const answer = await routing.node(nodeId, describeGroupsApi, request, call)
  return matched(
    items,
    keyOf,
    answer.groups.map((group) => [group.groupId, group] as const),
    (group, item) => {
      // What older versions say of a group that is not there.
      const isAbsent = group.errorCode === Errors.GROUP_ID_NOT_FOUND || group.groupState === "Dead"
      if (isAbsent) return outcome<GroupDescription>(Errors.GROUP_ID_NOT_FOUND, what(item), noGroup, absent(item))
      const members = group.members.map((member): GroupMember => {
        const assignment = group.protocolType === "consumer" ? assignmentOf(member.memberAssignment) : []
        const { memberId, groupInstanceId, clientId, clientHost } = member
        return { memberId, groupInstanceId, clientId, clientHost, epoch: -1, assignment, targetAssignment: assignment }
      })
      const { groupState: state, protocolData: assignor } = group
      return outcome<GroupDescription>(
        group.errorCode,
        what(item),
        { type: "classic", state, assignor, epoch: -1, coordinator: nodeId, members },
        group.errorMessage,
      )
    },
  )
}

const noGroup: GroupDescription = { type: "classic", state: "", assignor: "", epoch: -1, coordinator: -1, members: [] }

/** What a leader gave to a member; nothing where it is not what consumers say to each other. */
function assignmentOf(bytes: Buffer): TopicPartition[] {
  if (bytes.length < 2) return []
  try {
    const reader = new Reader(bytes.subarray(2))
    const version = Math.min(bytes.readInt16BE(0), consumerProtocolAssignment.versions.max)
    return consumerProtocolAssignment
      .read(reader, version)
      .assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
  } catch (error) {
    if (error instanceof MalformedError) return []
    throw error
  }
}

export async function deleteGroups(
  routing: Routing,
  groupIds: readonly string[],
  options: CallOptions = {},
): Promise<Result<GroupId>[]> {
  const items = ids(groupIds)
  const outcomes = await routing.byCoordinator(items, routing.begin(options), async (nodeId, batch, call) => {
    const answer = await routing.node(nodeId, deleteGroupsApi, { groupsNames: batch.map(keyOf) }, call)
    return matched(
      batch,
      keyOf,
      answer.results.map((group) => [group.groupId, group] as const),
      ({ errorCode }, item) =>
        outcome(errorCode, what(item), {}, errorCode === Errors.GROUP_ID_NOT_FOUND ? absent(item) : undefined),
    )
  })
  return results(items, outcomes)
}

/** By one of the two. */
export type MemberName = { readonly memberId: string } | { readonly groupInstanceId: string }

/** Members of a classic group lose their place at once; those that live join again. */
export async function removeMembers(
  routing: Routing,
  groupId: string,
  members: readonly MemberName[] | "all",
  { reason = "removed by an admin", ...options }: CallOptions & { readonly reason?: string } = {},
): Promise<Result<{ readonly memberId: string; readonly groupInstanceId: string | null }>[]> {
  let wanted: { memberId: string; groupInstanceId: string | null }[]
  if (members === "all") {
    const [group] = await describeGroups(routing, [groupId], options)
    if (group!.error !== undefined) throw group!.error
    wanted = group!.members.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId }))
  } else
    wanted = members.map((member) =>
      "memberId" in member
        ? { memberId: member.memberId, groupInstanceId: null }
        : { memberId: "", groupInstanceId: member.groupInstanceId },
    )
  if (wanted.length === 0) return []
  const [told] = await routing.byCoordinator([{ groupId }], routing.begin(options), async (nodeId, items, call) => {
    const request = { groupId, memberId: "", members: wanted.map((member) => ({ ...member, reason })) }
    const answer = await routing.node(nodeId, leaveGroup, request, call)
    return items.map((item) => outcome(answer.errorCode, what(item), answer.members))
  })
  if (told!.error !== undefined) throw told!.error
  const answers = told!.value
  return results(
    wanted,
    matched(
      wanted,
      (member) => `${member.memberId} ${member.groupInstanceId ?? ""}`,
      // In the order in which they were asked for; a broker may fill in the id of a static member.
      answers.map((answer, index) => {
        const member = wanted[index] ?? answer
        return [`${member.memberId} ${member.groupInstanceId ?? ""}`, answer] as const
      }),
      ({ errorCode }, member) => outcome(errorCode, `member ${member.groupInstanceId ?? member.memberId}`, {}),
    ),
  )
}

/** What happened to a group and why. Ottla's own. Errors: BrokerError, UNSUPPORTED_VERSION where the brokers are not Ottla's. */
export async function explainGroup(
  routing: Routing,
  groupId: string,
  options: CallOptions = {},
): Promise<GroupExplanation> {
  const [told] = await routing.byCoordinator([{ groupId }], routing.begin(options), async (nodeId, items, call) => {
    const { errorCode, ...explanation } = await routing.unlisted(nodeId, explainGroupApi, { groupId }, call)
    const detail = errorCode === Errors.GROUP_ID_NOT_FOUND ? absent({ groupId }) : undefined
    return items.map((item) => outcome(errorCode, what(item), explanation, detail))
  })
  if (told!.error !== undefined) throw told!.error
  return told!.value
}
