/**
 * A group as it is now, asked for as any client could.
 *
 * Owns putting it together: state, members and what they read, under either protocol; committed offsets and how far they are behind. Asking for a group makes the topic of offsets, if nobody has yet.
 */
import { Reader } from "../base/reader.js"
import { BrokerError } from "../client/errors.js"
import { Errors } from "../protocol/errors.js"
import { consumerGroupDescribe } from "../protocol/messages/consumer-group-describe.js"
import { consumerProtocolAssignment } from "../protocol/messages/consumer-protocol.js"
import { describeGroups } from "../protocol/messages/describe-groups.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { offsetFetch } from "../protocol/messages/offset-fetch.js"
import type { Observer } from "./observer.js"

export interface GroupMemberState {
  readonly memberId: string
  readonly clientId: string
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
}

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  readonly committed: bigint
  readonly endOffset: bigint
  readonly lag: number
}

export interface GroupState {
  readonly groupId: string
  /** Kafka's word: Stable, PreparingRebalance, CompletingRebalance, Empty, Assigning, Reconciling, Dead. */
  readonly state: string
  readonly members: readonly GroupMemberState[]
  /** Of every partition with a committed offset. */
  readonly offsets: readonly GroupOffset[]
}

/** The last version that names topics. */
const offsetFetchByNameVersion = 9

/** One that nobody has joined is Dead, and has no members. Errors: BrokerError; ClientError when its coordinator does not run. */
export async function lookAtGroup(observer: Observer, groupId: string): Promise<GroupState> {
  const found = await observer.askAny(findCoordinator, { keyType: 0, coordinatorKeys: [groupId], key: "" })
  const { errorCode, nodeId } = found.coordinators[0]!
  if (errorCode !== Errors.NONE) throw new BrokerError(errorCode, `the coordinator of group ${groupId}`)
  const offsets = await committedOffsets(observer, groupId, nodeId)
  const isNew = await newGroup(observer, groupId, nodeId)
  return { groupId, ...(isNew ?? (await classicGroup(observer, groupId, nodeId))), offsets }
}

async function newGroup(
  observer: Observer,
  groupId: string,
  nodeId: number,
): Promise<Pick<GroupState, "state" | "members"> | undefined> {
  const answer = await observer.ask(nodeId, consumerGroupDescribe, {
    groupIds: [groupId],
    includeAuthorizedOperations: false,
  })
  const { errorCode, groupState, members } = answer.groups[0]!
  if (errorCode !== Errors.NONE) return undefined
  return {
    state: groupState,
    members: members.map(({ memberId, clientId, assignment }) => ({
      memberId,
      clientId,
      assignment: assignment.topicPartitions.map(({ topicName, partitions }) => ({ topic: topicName, partitions })),
    })),
  }
}

async function classicGroup(
  observer: Observer,
  groupId: string,
  nodeId: number,
): Promise<Pick<GroupState, "state" | "members">> {
  const answer = await observer.ask(nodeId, describeGroups, { groups: [groupId], includeAuthorizedOperations: false })
  const { errorCode, groupState, members } = answer.groups[0]!
  if (errorCode === Errors.GROUP_ID_NOT_FOUND) return { state: "Dead", members: [] }
  if (errorCode !== Errors.NONE) throw new BrokerError(errorCode, `group ${groupId}`)
  return {
    state: groupState,
    members: members.map(({ memberId, clientId, memberAssignment }) => ({
      memberId,
      clientId,
      assignment: assignmentIn(memberAssignment),
    })),
  }
}

async function committedOffsets(observer: Observer, groupId: string, nodeId: number): Promise<GroupOffset[]> {
  const answer = await observer.ask(
    nodeId,
    offsetFetch,
    { groupId: "", topics: [], groups: [{ groupId, topics: null }], requireStable: false },
    offsetFetchByNameVersion,
  )
  const { errorCode, topics } = answer.groups[0]!
  if (errorCode !== Errors.NONE) throw new BrokerError(errorCode, `the offsets of group ${groupId}`)
  const offsets: GroupOffset[] = []
  for (const { name, partitions } of topics) {
    const [state] = await observer.topics(name)
    for (const { partitionIndex, committedOffset } of partitions) {
      if (committedOffset < 0) continue
      const known = state!.partitions.find(({ partition }) => partition === partitionIndex)
      const committed = BigInt(committedOffset)
      const endOffset = known?.endOffset ?? -1n
      const lag = Number(endOffset - committed)
      offsets.push({ topic: name, partition: partitionIndex, committed, endOffset, lag })
    }
  }
  return offsets
}

/** Empty for what is no assignment of a consumer: other protocols have their own. */
function assignmentIn(bytes: Buffer): GroupMemberState["assignment"] {
  if (bytes.length < 2) return []
  try {
    const version = Math.min(bytes.readInt16BE(0), consumerProtocolAssignment.versions.max)
    return consumerProtocolAssignment.read(new Reader(bytes.subarray(2)), version).assignedPartitions
  } catch {
    return []
  }
}
