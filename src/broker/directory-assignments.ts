/** Where this broker holds its replicas, as the controller is told (KIP-858): by directory, then by topic. */
import type { BrokerId, Uuid } from "../base/ids.js"
import type { DirectoryAssignment } from "../metadata/image.js"
import type { RequestInputOf } from "../protocol/message.js"
import type { assignReplicasToDirs } from "../protocol/messages/assign-replicas-to-dirs.js"

export function assignmentRequest(
  brokerId: BrokerId,
  brokerEpoch: number,
  assignments: readonly DirectoryAssignment[],
): RequestInputOf<typeof assignReplicasToDirs> {
  const directories = new Map<Uuid, Map<Uuid, { partitionIndex: number }[]>>()
  for (const { directoryId, topicId, partition } of assignments) {
    const topics = directories.get(directoryId) ?? new Map<Uuid, { partitionIndex: number }[]>()
    directories.set(directoryId, topics)
    const partitions = topics.get(topicId) ?? []
    topics.set(topicId, partitions)
    partitions.push({ partitionIndex: partition })
  }
  return {
    brokerId,
    brokerEpoch,
    directories: [...directories].map(([id, topics]) => ({
      id,
      topics: [...topics].map(([topicId, partitions]) => ({ topicId, partitions })),
    })),
  }
}
