/**
 * A leader proposes another in-sync set.
 *
 * Owns what a proposal must meet, in Kafka's order, and the answer. Source: Kafka's ReplicationControlManager.alterPartition; KIP-497, 841, 903.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import { type MetadataImage, type PartitionImage, topicById } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { changedPartition } from "../metadata/replay.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../protocol/message.js"
import type { alterPartition as alterPartitionApi } from "../protocol/messages/alter-partition.js"
import { type ControllerView, hasDirectory } from "./controller-view.js"
import { staleEpoch } from "./heartbeat.js"
import { leaderRecovery, replicaDirectory } from "./partition-change.js"

type Request = RequestOf<typeof alterPartitionApi>
type Response = ResponseInputOf<typeof alterPartitionApi>
type PartitionResponse = Response["topics"][number]["partitions"][number]
type Proposal = Request["topics"][number]["partitions"][number]

interface Member {
  readonly brokerId: BrokerId
  /** -1: not said. */
  readonly brokerEpoch: number
}

/** Version 2 names brokers without epochs. */
const membersOf = ({ newIsr, newIsrWithEpochs }: Proposal): readonly Member[] =>
  newIsrWithEpochs.length > 0 ? newIsrWithEpochs : newIsr.map((brokerId) => ({ brokerId, brokerEpoch: -1 }))

export function alterPartition(
  view: ControllerView,
  request: Request,
): { records: MetadataRecord[]; response: Response } {
  const stale = staleEpoch(view, request.brokerId, request.brokerEpoch)
  if (stale !== undefined)
    return { records: [], response: { throttleTimeMs: 0, errorCode: stale.errorCode, topics: [] } }
  const records: MetadataRecord[] = []
  const seen = new Set<string>()
  const topics = request.topics.map(({ topicId, partitions }) => ({
    topicId,
    partitions: partitions.map((proposal) => {
      const key = `${topicId}:${proposal.partitionIndex}`
      // The second rests on what the first changes.
      if (seen.has(key)) return refused(proposal, Errors.INVALID_REQUEST)
      seen.add(key)
      return alterOne(view, request.brokerId, topicId, proposal, records)
    }),
  }))
  return { records, response: { throttleTimeMs: 0, errorCode: Errors.NONE, topics } }
}

const refused = ({ partitionIndex }: Proposal, errorCode: ErrorCode): PartitionResponse => ({
  partitionIndex,
  errorCode,
  leaderId: 0,
  leaderEpoch: 0,
  isr: [],
  partitionEpoch: 0,
})

function alterOne(
  view: ControllerView,
  brokerId: BrokerId,
  topicId: Uuid,
  proposal: Proposal,
  records: MetadataRecord[],
): PartitionResponse {
  const topic = topicById(view.image, topicId)
  if (topic === undefined) return refused(proposal, Errors.UNKNOWN_TOPIC_ID)
  const partition = topic.partitions[proposal.partitionIndex]
  if (partition === undefined) return refused(proposal, Errors.UNKNOWN_TOPIC_OR_PARTITION)
  const members = membersOf(proposal)
  const error = problem(view, brokerId, partition, proposal, members)
  if (error !== Errors.NONE) return refused(proposal, error)
  const place = { topic: topic.name, topicId, partition: proposal.partitionIndex }
  const record = view.change(place, {
    isr: members.map((member) => member.brokerId),
    leaderRecoveryState: proposal.leaderRecoveryState,
  })
  let after = partition
  if (record?.type === "PartitionChangeRecord") {
    records.push(record)
    after = changedPartition(partition, record.value)
    // The change completed a reassignment in which the leader had to go, or gave a demoted leader somebody to hand over to. It has happened, and the sender must look at the metadata.
    if (after.leader !== brokerId) return refused(proposal, Errors.NEW_LEADER_ELECTED)
  }
  return {
    partitionIndex: proposal.partitionIndex,
    errorCode: Errors.NONE,
    leaderId: after.leader,
    leaderEpoch: after.leaderEpoch,
    isr: after.isr,
    leaderRecoveryState: after.leaderRecoveryState,
    partitionEpoch: after.partitionEpoch,
  }
}

function problem(
  view: ControllerView,
  brokerId: BrokerId,
  partition: PartitionImage,
  { leaderEpoch, partitionEpoch, leaderRecoveryState }: Proposal,
  members: readonly Member[],
): ErrorCode {
  // The sender has seen what this controller has not: another one is active.
  if (leaderEpoch > partition.leaderEpoch || partitionEpoch > partition.partitionEpoch) return Errors.NOT_CONTROLLER
  if (leaderEpoch < partition.leaderEpoch) return Errors.FENCED_LEADER_EPOCH
  if (brokerId !== partition.leader) return Errors.INVALID_REQUEST
  if (partitionEpoch < partition.partitionEpoch) return Errors.INVALID_UPDATE_VERSION
  const ids = members.map((member) => member.brokerId)
  if (ids.length === 0 || new Set(ids).size !== ids.length) return Errors.INVALID_REQUEST
  if (ids.some((id) => !partition.replicas.includes(id)) || !ids.includes(brokerId)) return Errors.INVALID_REQUEST
  if (leaderRecoveryState !== leaderRecovery.recovered && leaderRecoveryState !== leaderRecovery.recovering)
    return Errors.INVALID_REQUEST
  const isRecovering = leaderRecoveryState === leaderRecovery.recovering
  if (isRecovering && ids.length > 1) return Errors.INVALID_REQUEST
  if (isRecovering && partition.leaderRecoveryState === leaderRecovery.recovered) return Errors.INVALID_REQUEST
  // Who stepped aside for a disk that hangs would be waited for again.
  const hangs = ({ brokerId: id }: Member): boolean => view.stuck.has(id) && !partition.isr.includes(id)
  // What it has told its leader was in a directory that is gone.
  const isHomeless = ({ brokerId: id }: Member): boolean =>
    !partition.isr.includes(id) && !hasDirectory(view.image, id, replicaDirectory(partition, id))
  return members.every((member) => isEligible(view.image, member) && !hangs(member) && !isHomeless(member))
    ? Errors.NONE
    : Errors.INELIGIBLE_REPLICA
}

/** KIP-903: a member that has begun a new life since the leader saw it may lack what it had. */
function isEligible(image: MetadataImage, { brokerId, brokerEpoch }: Member): boolean {
  const broker = image.brokers.get(brokerId)
  if (broker === undefined || broker.fenced || broker.inControlledShutdown) return false
  return brokerEpoch === -1 || brokerEpoch === broker.brokerEpoch
}
