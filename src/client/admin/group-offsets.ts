/**
 * Committed offsets of groups, as an admin reads, sets and deletes them.
 *
 * Owns the requests, and that users say topics by name where the protocol says them by id.
 */
import { Errors } from "../../protocol/errors.js"
import { metadata } from "../../protocol/messages/metadata.js"
import { offsetCommit } from "../../protocol/messages/offset-commit.js"
import { offsetDelete } from "../../protocol/messages/offset-delete.js"
import { offsetFetch } from "../../protocol/messages/offset-fetch.js"
import { BrokerError } from "../errors.js"
import {
  accept,
  byTopic,
  type Call,
  type CallOptions,
  matched,
  nameOf,
  outcome,
  type Result,
  results,
  type Routing,
  type TopicPartition,
} from "./routing.js"

export interface CommittedOffset extends TopicPartition {
  readonly offset: bigint
  /** -1: not known. */
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface NewOffset extends TopicPartition {
  /** Of the next record to be read. */
  readonly offset: bigint
  readonly metadata?: string
}

const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"

/** All of a group; of a group that is not there: none. */
export async function listGroupOffsets(
  routing: Routing,
  groupId: string,
  options: CallOptions = {},
): Promise<CommittedOffset[]> {
  const [told] = await routing.byCoordinator([{ groupId }], routing.begin(options), async (nodeId, items, call) => {
    const answer = await routing.node(
      nodeId,
      offsetFetch,
      { groupId: "", topics: [], groups: [{ groupId, memberId: null, memberEpoch: -1, topics: null }] },
      call,
    )
    const group = answer.groups[0] ?? { topics: [], errorCode: Errors.UNKNOWN_SERVER_ERROR }
    accept(group.errorCode, `the offsets of group ${groupId}`)
    const unnamed = group.topics.filter(({ name }) => name === "").map(({ topicId }) => topicId)
    const names = await namesOf(routing, unnamed, call)
    const offsets = group.topics.flatMap(({ name, topicId, partitions }) => {
      const topic = name || names.get(topicId)
      // Deleted meanwhile, and its offsets with it.
      if (topic === undefined) return []
      return partitions
        .filter(({ committedOffset }) => committedOffset >= 0)
        .map((each) => {
          accept(each.errorCode, `the offset of ${topic}-${each.partitionIndex} in group ${groupId}`)
          return {
            topic,
            partition: each.partitionIndex,
            offset: BigInt(each.committedOffset),
            leaderEpoch: each.committedLeaderEpoch,
            metadata: each.metadata ?? "",
          }
        })
    })
    return items.map(() => ({ value: offsets }))
  })
  if (told!.error !== undefined) throw told!.error
  return [...told!.value].sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

async function namesOf(routing: Routing, topicIds: readonly string[], call: Call): Promise<Map<string, string>> {
  if (topicIds.length === 0) return new Map()
  const answer = await routing.any(
    metadata,
    {
      topics: topicIds.map((topicId) => ({ topicId, name: null })),
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    },
    call,
  )
  return new Map(answer.topics.flatMap(({ topicId, name }) => (name === null ? [] : [[topicId, name] as const])))
}

/** Commits for a group without members; one that has some refuses it (UNKNOWN_MEMBER_ID). Makes the group where there is none. */
export async function alterGroupOffsets(
  routing: Routing,
  groupId: string,
  offsets: readonly NewOffset[],
  options: CallOptions = {},
): Promise<Result<TopicPartition>[]> {
  const items = offsets.map((each) => ({ ...each, groupId }))
  const outcomes = await routing.byCoordinator(items, routing.begin(options), async (nodeId, batch, call) => {
    const { topics } = await routing.topics([...byTopic(batch).keys()], call)
    const topicIds = new Map(topics.map(({ name, topicId }) => [name, topicId]))
    const isKnown = ({ topic }: TopicPartition) => (topicIds.get(topic) ?? noTopicId) !== noTopicId
    const known = batch.filter(isKnown)
    const answer =
      known.length === 0
        ? { topics: [] }
        : await routing.node(
            nodeId,
            offsetCommit,
            {
              groupId,
              memberId: "",
              topics: [...byTopic(known)].map(([name, partitions]) => ({
                name,
                topicId: topicIds.get(name)!,
                partitions: partitions.map(({ partition, offset, metadata: text = "" }) => ({
                  partitionIndex: partition,
                  committedOffset: Number(offset),
                  committedMetadata: text,
                })),
              })),
            },
            call,
          )
    const codes = answer.topics.flatMap(({ name, topicId, partitions }) => {
      const topic = name || [...topicIds].find(([, id]) => id === topicId)?.[0] || ""
      return partitions.map(
        ({ partitionIndex, errorCode }) => [nameOf({ topic, partition: partitionIndex }), errorCode] as const,
      )
    })
    const missing = batch.filter((item) => !isKnown(item)).map((item) => [nameOf(item), null] as const)
    return matched(batch, nameOf, [...codes, ...missing], (errorCode, item) => {
      const told = `the offset of ${nameOf(item)} in group ${groupId}`
      return errorCode === null
        ? outcome(Errors.UNKNOWN_TOPIC_OR_PARTITION, told, {}, `there is no topic ${item.topic}`)
        : outcome(errorCode, told, {}, errorCode === Errors.UNKNOWN_MEMBER_ID ? hasMembers : undefined)
    })
  })
  return results(
    offsets.map(({ topic, partition }) => ({ topic, partition })),
    outcomes,
  )
}

const hasMembers = "the group has members, which would commit over it: stop them first"

export async function deleteGroupOffsets(
  routing: Routing,
  groupId: string,
  partitions: readonly TopicPartition[],
  options: CallOptions = {},
): Promise<Result<TopicPartition>[]> {
  const items = partitions.map((each) => ({ ...each, groupId }))
  const outcomes = await routing.byCoordinator(items, routing.begin(options), async (nodeId, batch, call) => {
    const answer = await routing.node(
      nodeId,
      offsetDelete,
      {
        groupId,
        topics: [...byTopic(batch)].map(([name, own]) => ({
          name,
          partitions: own.map(({ partition }) => ({ partitionIndex: partition })),
        })),
      },
      call,
    )
    if (answer.errorCode !== Errors.NONE) {
      const detail = answer.errorCode === Errors.GROUP_ID_NOT_FOUND ? `there is no group ${groupId}` : undefined
      throw new BrokerError(answer.errorCode, `group ${groupId}`, detail)
    }
    return matched(
      batch,
      nameOf,
      answer.topics.flatMap(({ name, partitions: told }) =>
        told.map((each) => [nameOf({ topic: name, partition: each.partitionIndex }), each.errorCode] as const),
      ),
      (errorCode, item) => outcome(errorCode, `the offset of ${nameOf(item)} in group ${groupId}`, {}),
    )
  })
  return results(partitions, outcomes)
}
