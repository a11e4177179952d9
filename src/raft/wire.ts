/**
 * The quorum's requests and answers as Kafka's messages carry them, and back.
 *
 * Owns the translation and nothing else. Every message names one topic with one partition, always the same; whatever names another is no message of ours.
 */
import { type BrokerId, zeroUuid } from "../base/ids.js"
import type { PeerAddress } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import type { RequestInputOf, RequestOf, ResponseInputOf, ResponseOf } from "../protocol/message.js"
import type { beginQuorumEpoch } from "../protocol/messages/begin-quorum-epoch.js"
import type { endQuorumEpoch } from "../protocol/messages/end-quorum-epoch.js"
import type { fetch } from "../protocol/messages/fetch.js"
import type { fetchSnapshot } from "../protocol/messages/fetch-snapshot.js"
import type { vote } from "../protocol/messages/vote.js"
import { metadataTopic, metadataTopicId } from "./raft-log.js"
import type {
  FetchAnswer,
  OutgoingBegin,
  OutgoingEnd,
  OutgoingFetch,
  OutgoingVote,
  QuorumAnswer,
  VoteAnswer,
  VoteRequest,
} from "./requests.js"
import type { SnapshotId } from "./snapshot-file.js"
import type { ReplicaKey, VoterEndpoint } from "./voter-set.js"

/** What a node says of itself and whom it means in every request. */
export interface Sender {
  readonly clusterId: string
  readonly self: ReplicaKey
  readonly endpoints: readonly VoterEndpoint[]
}

/** The only partition of the only topic, or undefined: not ours. */
export function onlyPartition<P, K extends string>(
  topics: readonly ({ readonly partitions: readonly P[] } & { readonly [Name in K]: string })[],
  name: K,
  indexOf: (partition: P) => number,
): P | undefined {
  const topic = topics[0]
  if (topics.length !== 1 || topic!.partitions.length !== 1 || topic![name] !== metadataTopic) return undefined
  return indexOf(topic!.partitions[0]!) === 0 ? topic!.partitions[0] : undefined
}

export const voteRequest = (request: OutgoingVote, to: ReplicaKey, sender: Sender): RequestInputOf<typeof vote> => ({
  clusterId: sender.clusterId,
  voterId: request.to,
  topics: [
    {
      topicName: metadataTopic,
      partitions: [
        {
          partitionIndex: 0,
          replicaEpoch: request.epoch,
          replicaId: request.candidate.id,
          replicaDirectoryId: request.candidate.directoryId,
          voterDirectoryId: to.directoryId,
          lastOffsetEpoch: request.lastEpoch,
          lastOffset: request.lastOffset,
          preVote: request.preVote,
        },
      ],
    },
  ],
})

/** Whom a request is for, as its sender believes; undefined in versions that don't say. */
export const voterKeyOf = (id: BrokerId, directoryId: string): ReplicaKey | undefined =>
  id < 0 ? undefined : { id, directoryId }

export function readVoteRequest(
  request: RequestOf<typeof vote>,
): { request: VoteRequest; voterKey: ReplicaKey | undefined } | undefined {
  const partition = onlyPartition(request.topics, "topicName", (each) => each.partitionIndex)
  if (partition === undefined) return undefined
  return {
    request: {
      candidate: { id: partition.replicaId, directoryId: partition.replicaDirectoryId },
      epoch: partition.replicaEpoch,
      preVote: partition.preVote,
      lastEpoch: partition.lastOffsetEpoch,
      lastOffset: partition.lastOffset,
    },
    voterKey: voterKeyOf(request.voterId, partition.voterDirectoryId),
  }
}

/** Where the leader of an answer is, for those who don't know. */
export type LeaderEndpoint = { readonly nodeId: BrokerId } & PeerAddress

const nodeEndpoints = (leader: LeaderEndpoint | undefined) =>
  leader === undefined ? [] : [{ nodeId: leader.nodeId, host: leader.host, port: leader.port }]

export const voteResponse = (answer: VoteAnswer, leader: LeaderEndpoint | undefined): ResponseInputOf<typeof vote> => ({
  errorCode: Errors.NONE,
  topics: [
    {
      topicName: metadataTopic,
      partitions: [
        {
          partitionIndex: 0,
          errorCode: answer.errorCode,
          leaderId: answer.leaderId,
          leaderEpoch: answer.epoch,
          voteGranted: answer.granted,
        },
      ],
    },
  ],
  nodeEndpoints: nodeEndpoints(leader),
})

export const epochResponse = (
  answer: QuorumAnswer,
  leader: LeaderEndpoint | undefined,
): ResponseInputOf<typeof beginQuorumEpoch> => ({
  errorCode: Errors.NONE,
  topics: [
    {
      topicName: metadataTopic,
      partitions: [
        { partitionIndex: 0, errorCode: answer.errorCode, leaderId: answer.leaderId, leaderEpoch: answer.epoch },
      ],
    },
  ],
  nodeEndpoints: nodeEndpoints(leader),
})

/** What `vote`, `beginQuorumEpoch` and `endQuorumEpoch` answer alike; undefined: no answer to be believed. */
export function readEpochResponse(
  response: ResponseOf<typeof vote> | ResponseOf<typeof beginQuorumEpoch> | ResponseOf<typeof endQuorumEpoch>,
): VoteAnswer | undefined {
  if (response.errorCode !== Errors.NONE) return undefined
  const partitions = response.topics[0]?.partitions
  const partition = partitions?.[0]
  if (partition === undefined) return undefined
  const { errorCode, leaderId, leaderEpoch } = partition
  return { errorCode, leaderId, epoch: leaderEpoch, granted: "voteGranted" in partition && partition.voteGranted }
}

export const beginRequest = (
  { to, epoch }: OutgoingBegin,
  voter: ReplicaKey,
  sender: Sender,
): RequestInputOf<typeof beginQuorumEpoch> => ({
  clusterId: sender.clusterId,
  voterId: to,
  topics: [
    {
      topicName: metadataTopic,
      partitions: [
        { partitionIndex: 0, voterDirectoryId: voter.directoryId, leaderId: sender.self.id, leaderEpoch: epoch },
      ],
    },
  ],
  leaderEndpoints: sender.endpoints,
})

export const endRequest = (
  { epoch, preferredCandidates }: OutgoingEnd,
  sender: Sender,
): RequestInputOf<typeof endQuorumEpoch> => ({
  clusterId: sender.clusterId,
  topics: [
    {
      topicName: metadataTopic,
      partitions: [
        {
          partitionIndex: 0,
          leaderId: sender.self.id,
          leaderEpoch: epoch,
          preferredSuccessors: preferredCandidates.map(({ id }) => id),
          preferredCandidates: preferredCandidates.map(({ id, directoryId }) => ({
            candidateId: id,
            candidateDirectoryId: directoryId,
          })),
        },
      ],
    },
  ],
  leaderEndpoints: sender.endpoints,
})

export const preferredCandidatesOf = (partition: {
  readonly preferredSuccessors: readonly BrokerId[]
  readonly preferredCandidates: readonly { readonly candidateId: BrokerId; readonly candidateDirectoryId: string }[]
}): ReplicaKey[] =>
  partition.preferredCandidates.length > 0
    ? partition.preferredCandidates.map(({ candidateId, candidateDirectoryId }) => ({
        id: candidateId,
        directoryId: candidateDirectoryId,
      }))
    : partition.preferredSuccessors.map((id) => ({ id, directoryId: zeroUuid }))

export const fetchRequest = (
  request: OutgoingFetch,
  limits: { readonly maxWaitMs: number; readonly maxBytes: number },
  sender: Sender,
): RequestInputOf<typeof fetch> => ({
  clusterId: sender.clusterId,
  replicaState: { replicaId: sender.self.id },
  maxWaitMs: limits.maxWaitMs,
  minBytes: 0,
  maxBytes: limits.maxBytes,
  topics: [
    {
      topic: metadataTopic,
      topicId: metadataTopicId,
      partitions: [
        {
          partition: 0,
          currentLeaderEpoch: request.epoch,
          fetchOffset: request.fetchOffset,
          lastFetchedEpoch: request.lastFetchedEpoch,
          partitionMaxBytes: limits.maxBytes,
          replicaDirectoryId: sender.self.directoryId,
          highWatermark: request.highWatermark,
        },
      ],
    },
  ],
  forgottenTopicsData: [],
})

type FetchResponse = ResponseInputOf<typeof fetch>

export function fetchResponse(
  answer: FetchAnswer,
  records: Buffer,
  logStartOffset: number,
  leader: LeaderEndpoint | undefined,
): FetchResponse {
  const { judgement } = answer
  return {
    responses: [
      {
        topic: metadataTopic,
        topicId: metadataTopicId,
        partitions: [
          {
            partitionIndex: 0,
            errorCode: answer.errorCode,
            highWatermark: answer.highWatermark,
            logStartOffset,
            divergingEpoch:
              judgement.kind === "diverging" ? { epoch: judgement.epoch, endOffset: judgement.endOffset } : {},
            currentLeader: { leaderId: answer.leaderId, leaderEpoch: answer.epoch },
            snapshotId: judgement.kind === "snapshot" ? judgement.id : {},
            abortedTransactions: null,
            records,
          },
        ],
      },
    ],
    errorCode: Errors.NONE,
    nodeEndpoints: nodeEndpoints(leader),
  }
}

/** Undefined: no answer to be believed. */
export function readFetchResponse(
  response: ResponseOf<typeof fetch>,
): { answer: FetchAnswer; records: Buffer } | undefined {
  const topic = response.responses[0]
  const partition = topic?.partitions[0]
  if (response.errorCode !== Errors.NONE || partition === undefined || partition.partitionIndex !== 0) return undefined
  if (topic!.topicId !== metadataTopicId && topic!.topic !== metadataTopic) return undefined
  const { divergingEpoch, snapshotId, currentLeader } = partition
  return {
    answer: {
      errorCode: partition.errorCode,
      leaderId: currentLeader.leaderId,
      epoch: currentLeader.leaderEpoch,
      highWatermark: partition.highWatermark,
      judgement:
        divergingEpoch.epoch >= 0
          ? { kind: "diverging", epoch: divergingEpoch.epoch, endOffset: Math.max(0, divergingEpoch.endOffset) }
          : snapshotId.epoch >= 0 && snapshotId.endOffset >= 0
            ? { kind: "snapshot", id: { endOffset: snapshotId.endOffset, epoch: snapshotId.epoch } }
            : { kind: "valid" },
    },
    records: partition.records ?? Buffer.alloc(0),
  }
}

export const fetchSnapshotRequest = (
  id: SnapshotId,
  position: number,
  epoch: number,
  maxBytes: number,
  sender: Sender,
): RequestInputOf<typeof fetchSnapshot> => ({
  clusterId: sender.clusterId,
  replicaId: sender.self.id,
  maxBytes,
  topics: [
    {
      name: metadataTopic,
      partitions: [
        {
          partition: 0,
          currentLeaderEpoch: epoch,
          snapshotId: id,
          position,
          replicaDirectoryId: sender.self.directoryId,
        },
      ],
    },
  ],
})

export const fetchSnapshotResponse = (
  piece: {
    readonly errorCode: number
    readonly id: SnapshotId
    readonly size: number
    readonly position: number
    readonly bytes: Buffer
  },
  current: { readonly leaderId: BrokerId; readonly epoch: number },
  leader: LeaderEndpoint | undefined,
): ResponseInputOf<typeof fetchSnapshot> => ({
  throttleTimeMs: 0,
  errorCode: Errors.NONE,
  topics: [
    {
      name: metadataTopic,
      partitions: [
        {
          index: 0,
          errorCode: piece.errorCode,
          snapshotId: piece.id,
          currentLeader: { leaderId: current.leaderId, leaderEpoch: current.epoch },
          size: piece.size,
          position: piece.position,
          unalignedRecords: piece.bytes,
        },
      ],
    },
  ],
  nodeEndpoints: nodeEndpoints(leader),
})
