/**
 * Where replicas are, in the order of AssignReplicasToDirs: by directory, topic, partition.
 */
import type { Uuid } from "../base/ids.js"
import type { DirectoryAssignment } from "../metadata/image.js"
import type { RequestOf } from "../protocol/message.js"
import type { assignReplicasToDirs } from "../protocol/messages/assign-replicas-to-dirs.js"

export function directoryReport(
  assignments: readonly DirectoryAssignment[],
): RequestOf<typeof assignReplicasToDirs>["directories"] {
  const directories = new Map<Uuid, Map<Uuid, { partitionIndex: number }[]>>()
  for (const { topicId, partition, directoryId } of assignments) {
    const topics = directories.get(directoryId) ?? new Map<Uuid, { partitionIndex: number }[]>()
    directories.set(directoryId, topics)
    topics.set(topicId, [...(topics.get(topicId) ?? []), { partitionIndex: partition }])
  }
  return [...directories].map(([id, topics]) => ({
    id,
    topics: [...topics].map(([topicId, partitions]) => ({ topicId, partitions })),
  }))
}
