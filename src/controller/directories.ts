/**
 * In which directories a broker holds its replicas (KIP-858).
 *
 * Owns the records of a report. The broker tells what it saw last: what is known already changes nothing. Source: Kafka's ReplicationControlManager.handleAssignReplicasToDirs.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import { lostDirectory, topicById } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../protocol/message.js"
import type { assignReplicasToDirs as assignReplicasToDirsApi } from "../protocol/messages/assign-replicas-to-dirs.js"
import { type ControllerView, hasDirectory, isReservedDirectory } from "./controller-view.js"
import { staleEpoch } from "./heartbeat.js"
import { type PartitionTarget, replicaDirectory } from "./partition-change.js"
import type { Place } from "./partition-index.js"

type Request = RequestOf<typeof assignReplicasToDirsApi>
type Response = ResponseInputOf<typeof assignReplicasToDirsApi>

export function assignReplicasToDirs(
  view: ControllerView,
  request: Request,
): { records: MetadataRecord[]; response: Response } {
  const stale = staleEpoch(view, request.brokerId, request.brokerEpoch)
  if (stale !== undefined)
    return { records: [], response: { throttleTimeMs: 0, errorCode: stale.errorCode, directories: [] } }
  const records = new Map<string, MetadataRecord>()
  const directories = request.directories.map(({ id, topics }) => ({
    id,
    topics: topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: assignOne(view, request.brokerId, id, topicId, partitionIndex, records),
      })),
    })),
  }))
  return {
    records: [...records.values()],
    response: { throttleTimeMs: 0, errorCode: Errors.NONE, directories },
  }
}

function assignOne(
  view: ControllerView,
  brokerId: BrokerId,
  directoryId: Uuid,
  topicId: Uuid,
  partitionIndex: number,
  records: Map<string, MetadataRecord>,
): ErrorCode {
  const topic = topicById(view.image, topicId)
  if (topic === undefined) return Errors.UNKNOWN_TOPIC_ID
  const partition = topic.partitions[partitionIndex]
  if (partition === undefined) return Errors.UNKNOWN_TOPIC_OR_PARTITION
  if (!partition.replicas.includes(brokerId)) return Errors.NOT_LEADER_OR_FOLLOWER
  const place = { topic: topic.name, topicId, partition: partitionIndex }
  const record = view.change(place, assignment(view, place, brokerId, directoryId))
  const key = `${topicId}:${partitionIndex}`
  // Said twice, the last word counts: each is decided on the state before the request.
  if (record === undefined) records.delete(key)
  else records.set(key, record)
  return Errors.NONE
}

function assignment(view: ControllerView, place: Place, brokerId: BrokerId, directoryId: Uuid): PartitionTarget {
  const partition = view.partition(place)
  const directories = new Map([[brokerId, directoryId]])
  const before = replicaDirectory(partition, brokerId)
  const isr = partition.isr.filter((id) => id !== brokerId)
  // A damaged log will be replaced by an empty one. Where others are in sync nothing rests on it; where none is, it stays what there is to wait for.
  if (directoryId === lostDirectory && isr.length > 0) return { directories, isr, uncleanReplica: brokerId }
  if (!hasDirectory(view.image, brokerId, directoryId)) return { directories, isr }
  // A replica moves between directories that are there. One that turns up elsewhere while its directory is gone was made anew, and is empty.
  const isNew = before !== undefined && !isReservedDirectory(before) && !hasDirectory(view.image, brokerId, before)
  if (!isNew || before === directoryId) return { directories }
  return { directories, isr, uncleanReplica: brokerId, emptyReplica: brokerId }
}
