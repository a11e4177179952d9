/**
 * What a heartbeat must say to be one.
 *
 * Owns the rules that need no group. Source: Kafka's GroupMetadataManager; KIP-848, KIP-1082 (members make their ids).
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../../protocol/message.js"
import type { consumerGroupHeartbeat } from "../../../protocol/messages/consumer-group-heartbeat.js"
import type { GroupSettings } from "../contract.js"
import { joiningEpoch, leavingEpoch, leavingStaticEpoch } from "./consumer-member.js"

export type HeartbeatRequest = RequestOf<typeof consumerGroupHeartbeat>
export type HeartbeatResponse = ResponseInputOf<typeof consumerGroupHeartbeat>

/** Why a request is not served. */
export interface Refused {
  readonly error: ErrorCode
  readonly message: string
}

export const refused = (error: ErrorCode, message: string): Refused => ({ error, message })

export const refusal = ({ error, message }: Refused): HeartbeatResponse => ({
  errorCode: error,
  errorMessage: message,
  memberEpoch: 0,
  heartbeatIntervalMs: 0,
})

/** From this version on members make their own ids. */
const ownMemberIdVersion = 1

/** Of one member. They are put in order at once; a batch of the log holds so many by default only if they are of eight letters or less. */
export const subscribedTopicsMax = 110_000

const isBlank = (text: string | null): boolean => text !== null && text.trim() === ""

/** Errors: INVALID_REQUEST, UNSUPPORTED_ASSIGNOR. */
export function invalidHeartbeat(
  request: HeartbeatRequest,
  version: number,
  { consumerAssignors }: GroupSettings,
): Refused | undefined {
  const { memberEpoch } = request
  const invalid = (message: string) => refused(Errors.INVALID_REQUEST, message)
  if ((version >= ownMemberIdVersion || memberEpoch !== joiningEpoch) && isBlank(request.memberId))
    return invalid("MemberId can't be empty.")
  if (isBlank(request.groupId)) return invalid("GroupId can't be empty.")
  if (isBlank(request.instanceId)) return invalid("InstanceId can't be empty.")
  if (isBlank(request.rackId)) return invalid("RackId can't be empty.")
  if (memberEpoch === joiningEpoch) {
    if (request.rebalanceTimeoutMs === -1) return invalid("RebalanceTimeoutMs must be provided in first request.")
    if (request.topicPartitions === null || request.topicPartitions.length > 0)
      return invalid("TopicPartitions must be empty when (re-)joining.")
    if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null)
      return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
  } else if (memberEpoch === leavingStaticEpoch) {
    if (request.instanceId === null) return invalid("InstanceId can't be null.")
  } else if (memberEpoch < leavingEpoch) return invalid("MemberEpoch is invalid.")
  if ((request.subscribedTopicNames?.length ?? 0) > subscribedTopicsMax)
    return invalid(`SubscribedTopicNames can't have more than ${subscribedTopicsMax} names.`)
  const { serverAssignor } = request
  if (serverAssignor !== null && !consumerAssignors.includes(serverAssignor))
    return refused(
      Errors.UNSUPPORTED_ASSIGNOR,
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${consumerAssignors.join(", ")}.`,
    )
  return undefined
}
