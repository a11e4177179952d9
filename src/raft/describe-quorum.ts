/**
 * DescribeQuorum: who leads, who follows, and how far.
 *
 * Owns the answer's form. Only the leader knows; others say NOT_LEADER_OR_FOLLOWER, and whoever asks goes on to ask the leader. Times are told as wall time of the leader.
 */
import { type Uuid, zeroUuid } from "../base/ids.js"
import { Errors } from "../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../protocol/message.js"
import type { describeQuorum } from "../protocol/messages/describe-quorum.js"
import type { ReplicaProgress } from "./leader-state.js"
import type { QuorumServerOptions } from "./quorum-server.js"
import { metadataTopic } from "./raft-log.js"
import { sameReplica } from "./voter-set.js"
import { onlyPartition } from "./wire.js"

export function describeQuorumResponse(
  request: RequestOf<typeof describeQuorum>,
  version: number,
  { core, env, log, options }: Pick<QuorumServerOptions, "core" | "env" | "log" | "options">,
): ResponseInputOf<typeof describeQuorum> {
  const nothing = { leaderId: -1, leaderEpoch: -1, highWatermark: -1, currentVoters: [], observers: [] }
  const refusal = (errorCode: number): ResponseInputOf<typeof describeQuorum> => ({
    errorCode: Errors.NONE,
    errorMessage: null,
    topics: request.topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode,
        errorMessage: null,
        ...nothing,
      })),
    })),
    nodes: [],
  })
  if (onlyPartition(request.topics, "topicName", (each) => each.partitionIndex) === undefined)
    return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION)
  const state = core.leaderState
  if (!core.isLeader || state === undefined) return refusal(Errors.NOT_LEADER_OR_FOLLOWER)
  const { voters } = core
  const nowMs = env.clock.monotonicMs()
  const wallOf = (ms: number): number => (ms < 0 ? -1 : Math.round(env.clock.wallMs() - (nowMs - ms)))
  // Before version 2 nobody is told of directories and addresses.
  const directoryIdOf = ({ directoryId }: { readonly directoryId: Uuid }) => (version < 2 ? zeroUuid : directoryId)
  const describe = (each: ReplicaProgress) => ({
    replicaId: each.id,
    replicaDirectoryId: directoryIdOf(each),
    logEndOffset: each.endOffset,
    lastFetchTimestamp: wallOf(each.lastFetchMs),
    lastCaughtUpTimestamp: wallOf(each.lastCaughtUpMs),
  })
  const self = { id: options.nodeId, directoryId: log.directoryId }
  return {
    errorCode: Errors.NONE,
    errorMessage: null,
    topics: [
      {
        topicName: metadataTopic,
        partitions: [
          {
            partitionIndex: 0,
            errorCode: Errors.NONE,
            errorMessage: null,
            leaderId: core.leaderId,
            leaderEpoch: core.epoch,
            highWatermark: core.highWatermark > state.epochStartOffset ? core.highWatermark : -1,
            currentVoters: voters.voters.map((voter) =>
              sameReplica(voter, self)
                ? {
                    replicaId: self.id,
                    replicaDirectoryId: directoryIdOf(voter),
                    logEndOffset: log.logEndOffset,
                    lastFetchTimestamp: env.clock.wallMs(),
                    lastCaughtUpTimestamp: env.clock.wallMs(),
                  }
                : { ...describe(state.progressOf(voter)), replicaDirectoryId: directoryIdOf(voter) },
            ),
            observers: state.observers(voters, nowMs).map(describe),
          },
        ],
      },
    ],
    nodes: (version < 2 ? [] : voters.voters).map(({ id, endpoints }) => ({
      nodeId: id,
      listeners: endpoints.map(({ name, host, port }) => ({ name, host, port })),
    })),
  }
}
