/**
 * DescribeTopicPartitions: topics in pages, with their eligible leader replicas.
 *
 * Behaviour: topics in the order of their names; an empty list is all. At most `responsePartitionLimit` partitions and never more than
 * `max.request.partition.size.limit`; the cursor says where the next page starts. A cursor at a topic that is gone starts at the next one. Source: KIP-966.
 */
import { isValidTopicName, zeroUuid } from "../../base/ids.js"
import { isAlive, type MetadataImage, type PartitionImage } from "../../metadata/image.js"
import { Errors } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { describeTopicPartitions } from "../../protocol/messages/describe-topic-partitions.js"
import { isInternalTopic } from "../internal-topics.js"
import { topicOperations } from "../operations.js"
import { handler } from "../services.js"

type Answer = ResponseInputOf<typeof describeTopicPartitions>

export const describeTopicPartitionsHandler = handler(describeTopicPartitions, (services, request) => {
  const image = services.image()
  const all = request.topics.length === 0
  const { cursor } = request
  if (cursor !== null && cursor.partitionIndex < 0) {
    return {
      topics: request.topics.map(({ name }) => ({
        errorCode: Errors.INVALID_REQUEST,
        name,
        topicId: zeroUuid,
        partitions: [],
      })),
      nextCursor: null,
    }
  }
  const names = [...new Set(all ? image.topics.keys() : request.topics.map(({ name }) => name))].sort()
  const limit = Math.max(1, Math.min(request.responsePartitionLimit, services.limits.describedPartitionsMax))
  const topics: Answer["topics"][number][] = []
  let nextCursor: Answer["nextCursor"] = null
  let left = limit
  for (const name of names) {
    if (cursor !== null && name < cursor.topicName) continue
    const topic = image.topics.get(name)
    if (topic === undefined) {
      const errorCode = isValidTopicName(name) ? Errors.UNKNOWN_TOPIC_OR_PARTITION : Errors.INVALID_TOPIC_EXCEPTION
      topics.push({
        errorCode,
        name,
        topicId: zeroUuid,
        partitions: [],
        topicAuthorizedOperations: topicOperations,
      })
      continue
    }
    const first = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0
    if (left === 0) {
      nextCursor = { topicName: name, partitionIndex: first }
      break
    }
    const last = Math.min(topic.partitions.length, first + left)
    topics.push({
      errorCode: Errors.NONE,
      name,
      topicId: topic.topicId,
      isInternal: isInternalTopic(name),
      partitions: topic.partitions
        .slice(first, last)
        .map((partition, index) => describe(image, partition, first + index)),
      topicAuthorizedOperations: topicOperations,
    })
    left -= last - first
    if (last < topic.partitions.length) {
      nextCursor = { topicName: name, partitionIndex: last }
      break
    }
  }
  return { topics, nextCursor }
})

function describe(
  image: MetadataImage,
  partition: PartitionImage,
  partitionIndex: number,
): Answer["topics"][number]["partitions"][number] {
  const hasLeader = partition.leader !== -1 && isAlive(image, partition.leader)
  return {
    errorCode: hasLeader ? Errors.NONE : Errors.LEADER_NOT_AVAILABLE,
    partitionIndex,
    leaderId: hasLeader ? partition.leader : -1,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes: [...partition.replicas],
    isrNodes: [...partition.isr],
    eligibleLeaderReplicas: [...partition.elr],
    lastKnownElr: [...partition.lastKnownElr],
    offlineReplicas: partition.replicas.filter((id) => !isAlive(image, id)),
  }
}
