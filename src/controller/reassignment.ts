/**
 * Partitions on their way to other replicas: begin, begin anew, cancel, list.
 *
 * Owns what a wanted assignment must meet and the stages: first old and new replicas together, then, when all that stay are in sync, the new ones alone (`partition-change.ts`
 * completes it). The invariant: replicas without those being added are what a cancel goes back to. Throttles are settings, not ours. Source: Kafka's ReplicationControlManager,
 * PartitionReassignmentReplicas, PartitionReassignmentRevert; KIP-455, 860.
 */
import type { BrokerId } from "../base/ids.js"
import type { MetadataImage, PartitionImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors } from "../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../protocol/message.js"
import type { alterPartitionReassignments as alterApi } from "../protocol/messages/alter-partition-reassignments.js"
import type { listPartitionReassignments as listApi } from "../protocol/messages/list-partition-reassignments.js"
import type { ControllerView } from "./controller-view.js"
import { isReassigning, type PartitionTarget } from "./partition-change.js"
import type { PartitionIndex } from "./partition-index.js"
import { assignmentProblem } from "./topic-assignment.js"
import { type Failure, failure, type Outcome } from "./outcome.js"

type AlterRequest = RequestOf<typeof alterApi>
type AlterResponse = ResponseInputOf<typeof alterApi>
type ListRequest = RequestOf<typeof listApi>
type ListResponse = ResponseInputOf<typeof listApi>

export function alterPartitionReassignments(
  view: ControllerView,
  request: AlterRequest,
): { records: MetadataRecord[]; response: AlterResponse } {
  const records = new Map<string, MetadataRecord>()
  const responses = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas }) => {
      const key = `${name}:${partitionIndex}`
      const result = records.has(key)
        ? failure(Errors.INVALID_REQUEST, "The partition is named twice.")
        : alterOne(view, name, partitionIndex, replicas, request.allowReplicationFactorChange)
      if ("failure" in result) return { partitionIndex, ...result.failure }
      if (result.ok !== undefined) records.set(key, result.ok)
      return { partitionIndex, errorCode: Errors.NONE, errorMessage: null }
    }),
  }))
  return {
    records: [...records.values()],
    response: {
      throttleTimeMs: 0,
      allowReplicationFactorChange: request.allowReplicationFactorChange,
      errorCode: Errors.NONE,
      errorMessage: null,
      responses,
    },
  }
}

function alterOne(
  view: ControllerView,
  name: string,
  partitionIndex: number,
  wanted: readonly BrokerId[] | null,
  allowFactorChange: boolean,
): Outcome<MetadataRecord | undefined> {
  const topic = view.image.topics.get(name)
  if (topic === undefined) return failure(Errors.UNKNOWN_TOPIC_OR_PARTITION, `Unable to find a topic named ${name}.`)
  const partition = topic.partitions[partitionIndex]
  if (partition === undefined)
    return failure(Errors.UNKNOWN_TOPIC_OR_PARTITION, `Unable to find partition ${name}:${partitionIndex}.`)
  const place = { topic: name, topicId: topic.topicId, partition: partitionIndex }
  if (wanted === null) {
    const target = cancellation(view, name, partitionIndex, partition)
    return "failure" in target ? target : { ok: view.change(place, target) }
  }
  const problem = assignmentProblem(view.image, wanted, undefined)
  if (problem !== undefined) return failure(Errors.INVALID_REPLICA_ASSIGNMENT, problem)
  const factor = partition.replicas.filter((id) => !partition.removingReplicas.includes(id)).length
  if (!allowFactorChange && factor !== wanted.length)
    return failure(
      Errors.INVALID_REPLICATION_FACTOR,
      `The replication factor is changed from ${factor} to ${wanted.length}`,
    )
  // A reassignment gives up nothing by itself: it never elects uncleanly.
  return { ok: view.change(place, { ...stages(partition, wanted), election: "online" }) }
}

/** What a cancel goes back to. */
const originalReplicas = ({ replicas, addingReplicas }: PartitionImage): BrokerId[] =>
  replicas.filter((id) => !addingReplicas.includes(id))

/**
 * A reassignment that takes the place of another may find replicas which that one began to add. They stay in the list of the added, for a cancel, and come into that of the removed.
 */
function stages(partition: PartitionImage, wanted: readonly BrokerId[]): PartitionTarget {
  const removingReplicas = partition.replicas.filter((id) => !wanted.includes(id))
  const replicas = [...wanted, ...removingReplicas]
  const original = originalReplicas(partition)
  return { replicas, removingReplicas, addingReplicas: replicas.filter((id) => !original.includes(id)) }
}

function cancellation(
  view: ControllerView,
  topic: string,
  partitionIndex: number,
  partition: PartitionImage,
): PartitionTarget | { failure: Failure } {
  if (!isReassigning(partition))
    return failure(Errors.NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress.")
  const replicas = originalReplicas(partition)
  const isr = partition.isr.filter((id) => replicas.includes(id))
  const target = { replicas, isr, addingReplicas: [], removingReplicas: [] }
  // Eligible leaders among the replicas that stay have all that is committed, also where only new ones are in sync.
  const isClean = isr.length > 0 || partition.isr.length === 0 || partition.elr.some((id) => replicas.includes(id))
  if (isClean || view.settings(topic).uncleanLeaderElectionEnable) return target
  return failure(
    Errors.INVALID_REPLICA_ASSIGNMENT,
    `Unable to revert partition assignment for ${topic}:${partitionIndex} because it would require an unclean leader election.`,
  )
}

export function listPartitionReassignments(
  image: MetadataImage,
  index: PartitionIndex,
  { topics }: ListRequest,
): ListResponse {
  const wanted = topics ?? reassigningTopics(index)
  return {
    throttleTimeMs: 0,
    errorCode: Errors.NONE,
    errorMessage: null,
    topics: wanted
      .map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.flatMap((partitionIndex) => {
          const partition = image.topics.get(name)?.partitions[partitionIndex]
          if (partition === undefined || !isReassigning(partition)) return []
          const { replicas, addingReplicas, removingReplicas } = partition
          return [{ partitionIndex, replicas, addingReplicas, removingReplicas }]
        }),
      }))
      .filter(({ partitions }) => partitions.length > 0),
  }
}

function reassigningTopics(index: PartitionIndex): { name: string; partitionIndexes: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of index.reassigning) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  return [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes }))
}
