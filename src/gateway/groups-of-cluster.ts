/**
 * What the cluster knows of its groups, in one form for both protocols.
 *
 * Owns asking each broker, or the coordinator, and the joining of committed offsets with the ends of partitions. A list that would not be whole is an error.
 */
import { BrokerError, ConnectionError } from "../client/errors.js"
import { Errors } from "../protocol/errors.js"
import { consumerGroupDescribe } from "../protocol/messages/consumer-group-describe.js"
import { deleteGroups } from "../protocol/messages/delete-groups.js"
import { describeGroups } from "../protocol/messages/describe-groups.js"
import { listGroups } from "../protocol/messages/list-groups.js"
import { offsetFetch } from "../protocol/messages/offset-fetch.js"
import { latestTimestamp, type Lookup } from "./lookup.js"
import { Problem } from "./problem.js"

export interface ListedGroup {
  readonly group: string
  readonly type: string
  readonly protocol: string
  readonly state: string
}

export interface DescribedGroup {
  readonly group: string
  readonly type: string
  readonly state: string
  readonly assignor: string
  readonly members: readonly {
    readonly member_id: string
    readonly instance_id: string | null
    readonly client_id: string
    readonly host: string
  }[]
}

export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  readonly committed_offset: number
  readonly end_offset: number
  readonly lag: number
}

/** Errors: ConnectionError, BrokerError. */
export async function listAllGroups(lookup: Lookup): Promise<ListedGroup[]> {
  const { brokers } = await lookup.metadata([])
  const answers = await Promise.all(
    brokers.map(async ({ nodeId, host, port }) => {
      const answer = await lookup.askBroker(nodeId, listGroups, { statesFilter: [], typesFilter: [] })
      if (answer === undefined) throw new ConnectionError(`broker ${nodeId} at ${host}:${port} does not answer`)
      if (answer.errorCode !== Errors.NONE) throw new BrokerError(answer.errorCode, `groups of broker ${nodeId}`)
      return answer.groups
    }),
  )
  return answers
    .flat()
    .map(({ groupId, groupType, protocolType, groupState }) => ({
      group: groupId,
      type: groupType,
      protocol: protocolType,
      state: groupState,
    }))
    .sort((a, b) => (a.group < b.group ? -1 : 1))
}

/** Errors: Problem 404, BrokerError. */
export async function describeGroup(lookup: Lookup, group: string): Promise<DescribedGroup> {
  const modern = await lookup.askCoordinator(
    group,
    consumerGroupDescribe,
    { groupIds: [group], includeAuthorizedOperations: false },
    ({ groups }) => (groups[0]!.errorCode === Errors.GROUP_ID_NOT_FOUND ? Errors.NONE : groups[0]!.errorCode),
  )
  const found = modern.groups[0]!
  if (found.errorCode === Errors.NONE)
    return {
      group,
      type: "consumer",
      state: found.groupState,
      assignor: found.assignorName,
      members: found.members.map(({ memberId, instanceId, clientId, clientHost }) => ({
        member_id: memberId,
        instance_id: instanceId,
        client_id: clientId,
        host: clientHost,
      })),
    }
  const answer = await lookup.askCoordinator(
    group,
    describeGroups,
    { groups: [group], includeAuthorizedOperations: false },
    ({ groups }) => (groups[0]!.errorCode === Errors.GROUP_ID_NOT_FOUND ? Errors.NONE : groups[0]!.errorCode),
  )
  const classic = answer.groups[0]!
  if (classic.errorCode !== Errors.NONE || classic.groupState === "Dead") throw unknownGroup(group)
  return {
    group,
    type: "classic",
    state: classic.groupState,
    assignor: classic.protocolData,
    members: classic.members.map(({ memberId, groupInstanceId, clientId, clientHost }) => ({
      member_id: memberId,
      instance_id: groupInstanceId,
      client_id: clientId,
      host: clientHost,
    })),
  }
}

/** Of every partition the group has committed an offset of. Errors: BrokerError, as `Lookup.offsetAt`. */
export async function groupLag(lookup: Lookup, group: string): Promise<PartitionLag[]> {
  const answer = await lookup.askCoordinator(
    group,
    offsetFetch,
    { groupId: "", topics: [], groups: [{ groupId: group, topics: null }] },
    ({ errorCode, groups }) => groups[0]?.errorCode ?? errorCode,
  )
  const topics = answer.groups[0]?.topics ?? answer.topics
  const names = await namesOf(lookup, topics)
  const committed = topics.flatMap((each) => {
    const topicId = "topicId" in each ? String(each.topicId) : ""
    const name = each.name || names.get(topicId)
    if (name === undefined) return []
    return each.partitions.flatMap(({ partitionIndex, committedOffset }) =>
      committedOffset < 0 ? [] : [{ topic: name, partition: partitionIndex, offset: Number(committedOffset) }],
    )
  })
  const partitions = await Promise.all(
    committed.map(async ({ topic, partition, offset }) => {
      const end = await lookup.offsetAt(topic, partition, latestTimestamp)
      return { topic, partition, committed_offset: offset, end_offset: end, lag: Math.max(0, end - offset) }
    }),
  )
  return partitions.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

/** Newer brokers name topics by id. */
async function namesOf(
  lookup: Lookup,
  topics: readonly { readonly name: string; readonly topicId?: string }[],
): Promise<ReadonlyMap<string, string>> {
  if (topics.every(({ name }) => name !== "")) return new Map()
  const known = await lookup.metadata(null)
  return new Map(known.topics.flatMap(({ name, topicId }) => (name === null ? [] : [[topicId, name] as const])))
}

/** Errors: Problem 404, BrokerError. */
export async function deleteGroup(lookup: Lookup, group: string): Promise<void> {
  const { results } = await lookup.askCoordinator(
    group,
    deleteGroups,
    { groupsNames: [group] },
    ({ results: [first] }) => (first!.errorCode === Errors.GROUP_ID_NOT_FOUND ? Errors.NONE : first!.errorCode),
  )
  if (results[0]!.errorCode === Errors.GROUP_ID_NOT_FOUND) throw unknownGroup(group)
}

const unknownGroup = (group: string): Problem =>
  new Problem({
    status: 404,
    slug: "unknown-group",
    title: "The group does not exist",
    field: "group",
    detail: `there is no group ${group}`,
    remedy: "GET /groups lists those there are",
    kafka: "GROUP_ID_NOT_FOUND",
  })
