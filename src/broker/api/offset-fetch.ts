/**
 * OffsetFetch.
 *
 * Behaviour: a partition without a committed offset is answered with -1, also where there is no such topic. `requireStable` changes nothing yet: no transaction is open.
 * Versions: v1 has no error of its own, every partition carries it; before v8 one group, at the top (KIP-709); v10+ topics by id (KIP-848), where an unknown id is an error of its partitions,
 * and offsets of topics that are gone are left out of "all".
 */
import { zeroUuid } from "../../base/ids.js"
import { type MetadataImage, topicById } from "../../metadata/image.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import { offsetFetch } from "../../protocol/messages/offset-fetch.js"
import { handler, type Services } from "../services.js"

type Group = RequestOf<typeof offsetFetch>["groups"][number]
type Topic = NonNullable<Group["topics"]>[number]
type GroupAnswer = ResponseInputOf<typeof offsetFetch>["groups"][number]
type TopicAnswer = GroupAnswer["topics"][number]

const topicIdsSince = 10

export const offsetFetchHandler = handler(offsetFetch, async (services, request, { version }) => {
  if (version >= 8) {
    const groups = await Promise.all(request.groups.map((group) => fetchGroup(services, group, version)))
    return { topics: [], groups }
  }
  const group: Group = {
    groupId: request.groupId,
    memberId: null,
    memberEpoch: -1,
    topics: request.topics?.map((topic) => ({ ...topic, topicId: zeroUuid })) ?? null,
  }
  const { errorCode = Errors.NONE, topics } = await fetchGroup(services, group, version)
  const isTold = version >= 2 || errorCode === Errors.NONE
  return {
    topics: (isTold ? topics : (group.topics ?? []).map((topic) => failed(topic, errorCode as ErrorCode))).map(
      ({ name = "", partitions }) => ({ name, partitions }),
    ),
    errorCode,
    groups: [],
  }
})

async function fetchGroup(services: Services, group: Group, version: number): Promise<GroupAnswer> {
  const byId = version >= topicIdsSince
  if (group.topics === null) {
    const response = await services.groups.fetchOffsets(group)
    return byId ? { ...response, topics: response.topics.filter(({ topicId }) => topicId !== zeroUuid) } : response
  }
  const image = services.image()
  const known: Topic[] = []
  const unknown: TopicAnswer[] = []
  for (const topic of group.topics) {
    const named = byId ? nameOf(image, topic) : { ...topic, topicId: image.topics.get(topic.name)?.topicId ?? zeroUuid }
    if (named === undefined) unknown.push(failed(topic, Errors.UNKNOWN_TOPIC_ID))
    else known.push(named)
  }
  const response = await services.groups.fetchOffsets({ ...group, topics: known })
  return response.errorCode === Errors.NONE && unknown.length > 0
    ? { ...response, topics: [...response.topics, ...unknown] }
    : response
}

function nameOf(image: MetadataImage, topic: Topic): Topic | undefined {
  const found = topicById(image, topic.topicId)
  return found === undefined ? undefined : { ...topic, name: found.name }
}

const failed = ({ name, topicId, partitionIndexes }: Topic, errorCode: ErrorCode): TopicAnswer => ({
  name,
  topicId,
  partitions: partitionIndexes.map((partitionIndex) => ({
    partitionIndex,
    committedOffset: -1,
    metadata: "",
    errorCode,
  })),
})
