/**
 * Whether a request of another node of the quorum may be heard at all.
 *
 * Owns what is refused before any rule of elections is asked: old epochs, strangers, requests meant for somebody else, impossible ones. Changes nothing. Source: KIP-595, KIP-853.
 */
import type { BrokerId } from "../base/ids.js"
import { type ErrorCode, Errors } from "../protocol/errors.js"
import type { VoteRequest } from "./requests.js"
import { type ReplicaKey, sameReplica, type VoterSet } from "./voter-set.js"

/** What the checks need to know of the node that is asked. */
export interface Asked {
  readonly self: ReplicaKey
  readonly epoch: number
  readonly leaderId: BrokerId
  readonly leads: boolean
  readonly voters: VoterSet
  /** False: voters come from configuration, and nobody else may become one. */
  readonly isDynamic: boolean
  /** It takes no part any more. */
  readonly isHalted: boolean
}

export function voteProblem(asked: Asked, request: VoteRequest, voterKey: ReplicaKey | undefined): ErrorCode {
  const { candidate, epoch, preVote, lastEpoch, lastOffset } = request
  if (asked.isHalted) return Errors.BROKER_NOT_AVAILABLE
  if (epoch < asked.epoch) return Errors.FENCED_LEADER_EPOCH
  if (candidate.id < 0 || candidate.id === asked.self.id || lastOffset < 0 || lastEpoch < 0)
    return Errors.INVALID_REQUEST
  if (preVote ? lastEpoch > epoch : lastEpoch >= epoch) return Errors.INVALID_REQUEST
  if (voterKey !== undefined && !sameReplica(voterKey, asked.self)) return Errors.INVALID_VOTER_KEY
  return strangerProblem(asked, candidate.id)
}

/** Of one who says that it leads, or led. */
export function leaderProblem(
  asked: Asked,
  { leaderId, epoch }: { readonly leaderId: BrokerId; readonly epoch: number },
  voterKey: ReplicaKey | undefined,
): ErrorCode {
  if (asked.isHalted) return Errors.BROKER_NOT_AVAILABLE
  if (epoch < asked.epoch) return Errors.FENCED_LEADER_EPOCH
  if (leaderId < 0 || leaderId === asked.self.id) return Errors.INVALID_REQUEST
  if (voterKey !== undefined && !sameReplica(voterKey, asked.self)) return Errors.INVALID_VOTER_KEY
  // Two leaders of one epoch: the nodes were told different voters.
  if (epoch === asked.epoch && (asked.leads || (asked.leaderId !== -1 && asked.leaderId !== leaderId)))
    return Errors.INCONSISTENT_VOTER_SET
  return strangerProblem(asked, leaderId)
}

/** With voters from configuration, whoever is none of them was told other voters: two such sets could elect two leaders. */
const strangerProblem = ({ isDynamic, voters }: Asked, id: BrokerId): ErrorCode =>
  !isDynamic && voters.size > 0 && voters.get(id) === undefined ? Errors.INCONSISTENT_VOTER_SET : Errors.NONE
