/**
 * Requests about offsets and descriptions, sent to a group in whatever state it is.
 *
 * Owns the round of requests, in all their versions. It changes nothing but offsets; `deletes` ends the group where that is allowed.
 */
import { zeroUuid, type Uuid } from "../../src/base/ids.js"
import { consumerGroupDescribe } from "../../src/protocol/messages/consumer-group-describe.js"
import { deleteGroups } from "../../src/protocol/messages/delete-groups.js"
import { describeGroups } from "../../src/protocol/messages/describe-groups.js"
import { listGroups } from "../../src/protocol/messages/list-groups.js"
import { metadata } from "../../src/protocol/messages/metadata.js"
import { offsetCommit } from "../../src/protocol/messages/offset-commit.js"
import { offsetDelete } from "../../src/protocol/messages/offset-delete.js"
import { offsetFetch } from "../../src/protocol/messages/offset-fetch.js"
import type { Session } from "./session.js"

/** One that members subscribe to, one that nobody does, and one that is not there. */
export const topic = "answers"
export const otherTopic = "answers-other"
export const goneTopic = "answers-gone"
const goneTopicId: Uuid = "Zm9vYmFyYmF6cXV4Zm9vYg"

export interface Identity {
  readonly name: string
  readonly epoch: number
  readonly memberId: string
  readonly instanceId?: string
}

export const nobody: readonly Identity[] = [
  { name: "nobody", epoch: -1, memberId: "" },
  { name: "an unknown member", epoch: 3, memberId: "stranger" },
  { name: "an unknown member without epoch", epoch: -1, memberId: "stranger" },
  { name: "an unknown instance", epoch: 3, memberId: "stranger", instanceId: "nowhere" },
]

export const identitiesOf = (memberId: string, epoch: number, instanceId?: string): readonly Identity[] => [
  { name: "the member", epoch, memberId, ...(instanceId !== undefined && { instanceId }) },
  { name: "the member, an epoch behind", epoch: epoch - 1, memberId },
  { name: "the member, an epoch ahead", epoch: epoch + 1, memberId },
  { name: "the member without epoch", epoch: -1, memberId },
  { name: "the member, epoch zero", epoch: 0, memberId },
  { name: "the member under another instance", epoch, memberId, instanceId: "nowhere" },
  ...nobody,
]

export async function topicIdOf(session: Session, name: string): Promise<Uuid> {
  const answer = await session.send(metadata, 12, {
    topics: [{ topicId: zeroUuid, name }],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  })
  return answer?.topics[0]?.topicId ?? zeroUuid
}

const partitions = [0, 1, 99]

export async function offsetsOf(session: Session, groupId: string, identities: readonly Identity[]): Promise<void> {
  const topicIds = [await topicIdOf(session, topic), await topicIdOf(session, otherTopic), goneTopicId]
  const names = [topic, otherTopic, goneTopic]
  const topics = names.map((name, index) => ({ name, topicId: topicIds[index]! }))
  for (let version = offsetCommit.minVersion; version <= offsetCommit.maxVersion; version++)
    for (const { name, epoch, memberId, instanceId } of identities) {
      if (instanceId !== undefined && version < 7) continue
      await session.ask(`by ${name}`, offsetCommit, version, {
        groupId,
        generationIdOrMemberEpoch: epoch,
        memberId,
        groupInstanceId: instanceId ?? null,
        topics: topics.map((each) => ({
          ...each,
          partitions: partitions.map((partitionIndex) => ({
            partitionIndex,
            committedOffset: 7,
            committedMetadata: partitionIndex === 1 ? null : "so far",
          })),
        })),
      })
    }
  await session.ask("metadata at the limit and above", offsetCommit, 9, {
    groupId,
    generationIdOrMemberEpoch: identities[0]!.epoch,
    memberId: identities[0]!.memberId,
    topics: [4096, 4097].map((length, index) => ({
      name: topic,
      topicId: zeroUuid,
      partitions: [{ partitionIndex: index, committedOffset: 8, committedMetadata: "m".repeat(length) }],
    })),
  })
  const negative = { partitionIndex: 0, committedOffset: -5, committedMetadata: "" }
  await session.ask("of a negative offset, of no topic", offsetCommit, 9, {
    groupId,
    generationIdOrMemberEpoch: identities[0]!.epoch,
    memberId: identities[0]!.memberId,
    topics: [
      { name: topic, topicId: zeroUuid, partitions: [negative] },
      { name: "", topicId: zeroUuid, partitions: [negative] },
      { name: otherTopic, topicId: zeroUuid, partitions: [] },
    ],
  })
  await fetches(session, groupId, identities, topics)
  await describes(session, groupId)
  for (const name of names)
    await session.ask(`of ${name}`, offsetDelete, 0, {
      groupId,
      topics: [{ name, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }],
    })
}

async function fetches(
  session: Session,
  groupId: string,
  identities: readonly Identity[],
  topics: readonly { readonly name: string; readonly topicId: Uuid }[],
): Promise<void> {
  const wanted = topics.map((each) => ({ ...each, partitionIndexes: partitions }))
  for (let version = offsetFetch.minVersion; version <= offsetFetch.maxVersion; version++) {
    if (version < 8) {
      await session.ask("of some", offsetFetch, version, {
        groupId,
        topics: wanted.map(({ name, partitionIndexes }) => ({ name, partitionIndexes })),
        groups: [],
      })
      if (version >= 2) await session.ask("of all", offsetFetch, version, { groupId, topics: null, groups: [] })
      continue
    }
    for (const { name, epoch, memberId, instanceId } of version === 8 ? identities.slice(0, 1) : identities) {
      if (instanceId !== undefined) continue
      const who = { groupId, memberId: memberId === "" ? null : memberId, memberEpoch: epoch }
      await session.ask(`some by ${name}`, offsetFetch, version, {
        groupId: "",
        topics: [],
        groups: [{ ...who, topics: wanted }],
      })
      await session.ask(`all by ${name}`, offsetFetch, version, {
        groupId: "",
        topics: [],
        groups: [{ ...who, topics: null }],
      })
    }
    await session.ask("two groups, one of them unknown", offsetFetch, version, {
      groupId: "",
      topics: [],
      groups: [groupId, `${groupId}-unknown`, ""].map((each) => ({ groupId: each, topics: wanted })),
    })
  }
}

export async function describes(session: Session, groupId: string): Promise<void> {
  for (let version = describeGroups.minVersion; version <= describeGroups.maxVersion; version++)
    await session.ask("", describeGroups, version, {
      groups: [groupId],
      includeAuthorizedOperations: version >= 3 && version % 2 === 0,
    })
  for (let version = consumerGroupDescribe.minVersion; version <= consumerGroupDescribe.maxVersion; version++)
    await session.ask("", consumerGroupDescribe, version, {
      groupIds: [groupId],
      includeAuthorizedOperations: version === 1,
    })
  const filters: readonly { readonly statesFilter: string[]; readonly typesFilter: string[] }[] = [
    { statesFilter: [], typesFilter: [] },
    { statesFilter: ["Stable"], typesFilter: [] },
    { statesFilter: ["empty", "ASSIGNING"], typesFilter: [] },
    { statesFilter: [], typesFilter: ["consumer"] },
    { statesFilter: [], typesFilter: ["CLASSIC"] },
    { statesFilter: ["nonsense"], typesFilter: ["nonsense"] },
  ]
  for (let version = listGroups.minVersion; version <= listGroups.maxVersion; version++)
    for (const { statesFilter, typesFilter } of filters) {
      if ((statesFilter.length > 0 && version < 4) || (typesFilter.length > 0 && version < 5)) continue
      await session.ask(
        `${[...statesFilter, ...typesFilter]}`,
        listGroups,
        version,
        { statesFilter, typesFilter },
        {
          look: ({ errorCode, groups }) => ({ errorCode, groups: groups.filter((each) => each.groupId === groupId) }),
        },
      )
    }
}

/** Last of all, for where it is allowed the group is gone. */
export async function deletes(session: Session, groupId: string): Promise<void> {
  await session.ask("all it has", offsetDelete, 0, {
    groupId,
    topics: [
      { name: otherTopic, partitions: [{ partitionIndex: 1 }, { partitionIndex: 1 }] },
      { name: goneTopic, partitions: [] },
    ],
  })
  for (let version = deleteGroups.minVersion; version <= deleteGroups.maxVersion; version++)
    await session.ask(`round ${version}`, deleteGroups, version, {
      groupsNames: version === 1 ? [groupId, groupId, "", `${groupId}-unknown`] : [groupId],
    })
  await describes(session, groupId)
}
