/**
 * What this node answers to the others of the quorum, and to tools that ask about it.
 *
 * Owns the checks that come before the rules (cluster, partition), the waiting of fetches, and the form of answers. An answer leaves when what it rests on is on the medium
 * (reliability.md R6). APIs: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot of the metadata log, DescribeQuorum, Add-, Remove-, UpdateRaftVoter.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import type { Env } from "../env/env.js"
import type { PeerAddress } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import type { Api, RequestOf, ResponseInputOf } from "../protocol/message.js"
import { addRaftVoter } from "../protocol/messages/add-raft-voter.js"
import { beginQuorumEpoch } from "../protocol/messages/begin-quorum-epoch.js"
import { describeQuorum } from "../protocol/messages/describe-quorum.js"
import { endQuorumEpoch } from "../protocol/messages/end-quorum-epoch.js"
import { fetch } from "../protocol/messages/fetch.js"
import { fetchSnapshot } from "../protocol/messages/fetch-snapshot.js"
import { removeRaftVoter } from "../protocol/messages/remove-raft-voter.js"
import { updateRaftVoter } from "../protocol/messages/update-raft-voter.js"
import { vote } from "../protocol/messages/vote.js"
import type { RaftCore } from "./core.js"
import { describeQuorumResponse } from "./describe-quorum.js"
import type { FetchWaiters } from "./fetch-waiters.js"
import { metadataTopic, metadataTopicId, type RaftLog } from "./raft-log.js"
import type { VoterChanges } from "./voter-changes.js"
import type { ReplicaKey, VoterEndpoint } from "./voter-set.js"
import {
  epochResponse,
  fetchResponse,
  fetchSnapshotResponse,
  type LeaderEndpoint,
  onlyPartition,
  preferredCandidatesOf,
  readVoteRequest,
  voteResponse,
  voterKeyOf,
} from "./wire.js"

/** Bytes of one answer, whatever was asked for. */
export const answerBytesMax = 8 * 1024 * 1024

export interface QuorumServerOptions {
  readonly env: Env
  readonly core: RaftCore
  readonly log: RaftLog
  readonly waiters: FetchWaiters
  readonly options: { readonly nodeId: BrokerId; readonly clusterId: Uuid; readonly listenerName: string }
  readonly voterChanges: VoterChanges
  readonly leaderAddress: () => PeerAddress | undefined
  readonly learn: (id: BrokerId, epoch: number, address: PeerAddress | undefined) => void
  readonly afterPersist: () => Promise<void>
  /** The rules were asked: does what they want. */
  readonly perform: () => void
}

type Handler = (request: never, version: number) => Promise<unknown>

const noBytes: Buffer = Buffer.alloc(0)

export class QuorumServer {
  readonly #handlers = new Map<number, Handler>()

  constructor(private readonly parts: QuorumServerOptions) {
    const { voterChanges } = parts
    this.#answers(vote, (request) => this.#vote(request))
    this.#answers(beginQuorumEpoch, (request) => this.#beginQuorumEpoch(request))
    this.#answers(endQuorumEpoch, (request) => this.#endQuorumEpoch(request))
    this.#answers(fetch, (request) => this.#fetch(request))
    this.#answers(fetchSnapshot, (request) => this.#fetchSnapshot(request))
    this.#answers(describeQuorum, async (request, version) => describeQuorumResponse(request, version, parts))
    this.#answers(addRaftVoter, (request) => voterChanges.add(request))
    this.#answers(removeRaftVoter, (request) => voterChanges.remove(request))
    this.#answers(updateRaftVoter, async (request) => {
      const leader = this.#leader()
      return { ...(await voterChanges.update(request)), ...(leader && { currentLeader: this.#leaderOf(leader) }) }
    })
  }

  #answers<A extends Api>(
    api: A,
    answer: (request: RequestOf<A>, version: number) => Promise<ResponseInputOf<A>>,
  ): void {
    this.#handlers.set(api.key, answer as Handler)
  }

  /** Throws for an API that is none of the quorum's: whoever routes requests has made a mistake. */
  handle<A extends Api>(api: A, request: RequestOf<A>, version: number): Promise<ResponseInputOf<A>> {
    const handler = this.#handlers.get(api.key)
    if (handler === undefined) throw new Error(`${api.name} is no request of the metadata quorum`)
    return handler(request as never, version) as Promise<ResponseInputOf<A>>
  }

  get #nowMs(): number {
    return this.parts.env.clock.monotonicMs()
  }

  #isForeign(clusterId: string | null): boolean {
    return clusterId !== null && clusterId !== this.parts.options.clusterId
  }

  #leader(): LeaderEndpoint | undefined {
    const { leaderId } = this.parts.core
    const address = this.parts.leaderAddress()
    return leaderId === -1 || address === undefined
      ? undefined
      : { nodeId: leaderId, host: address.host, port: address.port }
  }

  #leaderOf({ nodeId, host, port }: LeaderEndpoint) {
    return { leaderId: nodeId, leaderEpoch: this.parts.core.epoch, host, port }
  }

  /** Does what followed from the question, and resolves when the answer may leave. */
  #settled(): Promise<void> {
    this.parts.perform()
    return this.parts.afterPersist()
  }

  async #vote(request: RequestOf<typeof vote>): Promise<ResponseInputOf<typeof vote>> {
    if (this.#isForeign(request.clusterId)) return { errorCode: Errors.INCONSISTENT_CLUSTER_ID, topics: [] }
    const read = readVoteRequest(request)
    if (read === undefined) return { errorCode: Errors.INVALID_REQUEST, topics: [] }
    const answer = this.parts.core.onVote(read.request, read.voterKey, this.#nowMs)
    await this.#settled()
    return voteResponse(answer, this.#leaderIn(answer))
  }

  /** An answer names the leader it was given under, even if another has come since. */
  #leaderIn(answer: { readonly leaderId: BrokerId }): LeaderEndpoint | undefined {
    const leader = this.#leader()
    return leader?.nodeId === answer.leaderId ? leader : undefined
  }

  #learnLeader(leaderId: BrokerId, epoch: number, endpoints: readonly VoterEndpoint[]): void {
    const { listenerName } = this.parts.options
    const endpoint = endpoints.find(({ name }) => name.toUpperCase() === listenerName.toUpperCase()) ?? endpoints[0]
    if (endpoint !== undefined && epoch >= this.parts.core.epoch)
      this.parts.learn(leaderId, epoch, { host: endpoint.host, port: endpoint.port })
  }

  async #beginQuorumEpoch(
    request: RequestOf<typeof beginQuorumEpoch>,
  ): Promise<ResponseInputOf<typeof beginQuorumEpoch>> {
    if (this.#isForeign(request.clusterId)) return { errorCode: Errors.INCONSISTENT_CLUSTER_ID, topics: [] }
    const partition = onlyPartition(request.topics, "topicName", (each) => each.partitionIndex)
    if (partition === undefined) return { errorCode: Errors.INVALID_REQUEST, topics: [] }
    const { leaderId, leaderEpoch, voterDirectoryId } = partition
    this.#learnLeader(leaderId, leaderEpoch, request.leaderEndpoints)
    const answer = this.parts.core.onBeginQuorumEpoch(
      { leaderId, epoch: leaderEpoch },
      voterKeyOf(request.voterId, voterDirectoryId),
      this.#nowMs,
    )
    await this.#settled()
    return epochResponse(answer, this.#leaderIn(answer))
  }

  async #endQuorumEpoch(request: RequestOf<typeof endQuorumEpoch>): Promise<ResponseInputOf<typeof endQuorumEpoch>> {
    if (this.#isForeign(request.clusterId)) return { errorCode: Errors.INCONSISTENT_CLUSTER_ID, topics: [] }
    const partition = onlyPartition(request.topics, "topicName", (each) => each.partitionIndex)
    if (partition === undefined) return { errorCode: Errors.INVALID_REQUEST, topics: [] }
    const { leaderId, leaderEpoch } = partition
    this.#learnLeader(leaderId, leaderEpoch, request.leaderEndpoints)
    const answer = this.parts.core.onEndQuorumEpoch(
      { leaderId, epoch: leaderEpoch, preferredCandidates: preferredCandidatesOf(partition) },
      this.#nowMs,
    )
    await this.#settled()
    return epochResponse(answer, this.#leaderIn(answer))
  }

  /**
   * Versions below 18 don't say what high watermark the follower knows (KIP-1166), and learn of a new one with their next records or when the wait is over.
   */
  async #fetch(request: RequestOf<typeof fetch>): Promise<ResponseInputOf<typeof fetch>> {
    const { core, log, waiters } = this.parts
    const refusal = (errorCode: number) => ({ errorCode, responses: [] })
    if (this.#isForeign(request.clusterId)) return refusal(Errors.INCONSISTENT_CLUSTER_ID)
    const topic = request.topics[0]
    const partition = topic?.partitions[0]
    const isOurs = topic?.topicId === metadataTopicId || topic?.topic === metadataTopic
    if (request.topics.length !== 1 || topic!.partitions.length !== 1 || !isOurs || partition!.partition !== 0)
      return refusal(Errors.INVALID_REQUEST)
    const { fetchOffset, lastFetchedEpoch, currentLeaderEpoch: epoch, highWatermark } = partition!
    const replicaId = request.replicaState.replicaId >= 0 ? request.replicaState.replicaId : request.replicaId
    const replica: ReplicaKey = { id: replicaId, directoryId: partition!.replicaDirectoryId }
    const position = { replica, epoch, fetchOffset, lastFetchedEpoch }
    let answer = core.onFetch(position, this.#nowMs)
    await this.#settled()
    if (answer.errorCode === Errors.NONE && answer.judgement.kind === "valid") {
      await waiters.wait(
        request.maxWaitMs,
        () =>
          log.writtenOffset > fetchOffset ||
          core.highWatermark > highWatermark ||
          core.leaderOnlyProblem(epoch) !== Errors.NONE,
      )
      answer = core.judgeFetch(position)
    }
    let records: Buffer = noBytes
    if (answer.errorCode === Errors.NONE && answer.judgement.kind === "valid" && log.writtenOffset > fetchOffset) {
      const maxBytes = Math.max(1, Math.min(partition!.partitionMaxBytes, request.maxBytes, answerBytesMax))
      const read = await log.readForFollower(fetchOffset, maxBytes)
      // Reading took time. What was read of another leadership's log is not told.
      const problem = core.leaderOnlyProblem(epoch)
      if (problem !== Errors.NONE) answer = core.judgeFetch(position)
      else if (read === undefined) answer = { ...answer, errorCode: Errors.KAFKA_STORAGE_ERROR }
      else records = read
    }
    await this.#settled()
    return fetchResponse(answer, records, log.logStartOffset, this.#leaderIn(answer))
  }

  async #fetchSnapshot(request: RequestOf<typeof fetchSnapshot>): Promise<ResponseInputOf<typeof fetchSnapshot>> {
    const { core, log } = this.parts
    const refusal = (errorCode: number) => ({ throttleTimeMs: 0, errorCode, topics: [] })
    if (this.#isForeign(request.clusterId)) return refusal(Errors.INCONSISTENT_CLUSTER_ID)
    const partition = onlyPartition(request.topics, "name", (each) => each.partition)
    if (partition === undefined) return refusal(Errors.INVALID_REQUEST)
    const { snapshotId: id, position, currentLeaderEpoch } = partition
    const answer = (errorCode: number, size = 0, bytes: Buffer = noBytes) =>
      fetchSnapshotResponse({ errorCode, id, size, position, bytes }, core, this.#leader())
    let problem = core.leaderOnlyProblem(currentLeaderEpoch)
    if (problem !== Errors.NONE) return answer(problem)
    core.onFetchSnapshot({ id: request.replicaId, directoryId: partition.replicaDirectoryId }, this.#nowMs)
    await this.#settled()
    const maxBytes = Math.max(1, Math.min(request.maxBytes, answerBytesMax))
    const piece = id.endOffset === 0 ? undefined : await log.readSnapshotForFollower(id, position, maxBytes)
    if (piece === undefined) return answer(Errors.SNAPSHOT_NOT_FOUND)
    if (position < 0 || position >= piece.size) return answer(Errors.POSITION_OUT_OF_RANGE)
    problem = core.leaderOnlyProblem(currentLeaderEpoch)
    return problem === Errors.NONE ? answer(Errors.NONE, piece.size, piece.bytes) : answer(problem)
  }
}
