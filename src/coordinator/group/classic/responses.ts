/**
 * Answers to members of classic groups.
 *
 * Owns what an answer holds where nothing is said, and what its version can carry. Invariant: an answer can be encoded in the version of its request.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { JoinResponse, SyncResponse } from "./classic-member.js"

export type JoinAnswer = { readonly errorCode: ErrorCode; readonly memberId: string } & Partial<JoinResponse>

/** KIP-559: from then on an answer may have no protocol. */
const nullableProtocolNameVersion = 7

export const joinResponse = (version: number, answer: JoinAnswer): JoinResponse => ({
  throttleTimeMs: 0,
  errorCode: answer.errorCode,
  generationId: answer.generationId ?? -1,
  protocolType: answer.protocolType ?? null,
  protocolName: answer.protocolName ?? (version >= nullableProtocolNameVersion ? null : ""),
  leader: answer.leader ?? "",
  skipAssignment: answer.skipAssignment ?? false,
  memberId: answer.memberId,
  members: answer.members ?? [],
})

export const syncError = (errorCode: ErrorCode): SyncResponse => ({
  throttleTimeMs: 0,
  errorCode,
  protocolType: null,
  protocolName: null,
  assignment: new Uint8Array(0),
})

/** What members are told when a record of their group could not be written. */
export function writeError(error: ErrorCode): ErrorCode {
  switch (error) {
    case Errors.UNKNOWN_TOPIC_OR_PARTITION:
    case Errors.NOT_ENOUGH_REPLICAS:
    case Errors.REQUEST_TIMED_OUT:
      return Errors.COORDINATOR_NOT_AVAILABLE
    case Errors.NOT_LEADER_OR_FOLLOWER:
    case Errors.KAFKA_STORAGE_ERROR:
      return Errors.NOT_COORDINATOR
    case Errors.MESSAGE_TOO_LARGE:
    case Errors.RECORD_LIST_TOO_LARGE:
    case Errors.INVALID_FETCH_SIZE:
      return Errors.UNKNOWN_SERVER_ERROR
    default:
      return error
  }
}
