/**
 * ConsumerGroupDescribe: groups under the consumer protocol (KIP-848).
 *
 * Behaviour: a group that is not there, or not such a group, is an error, and the message tells which. One named many times is answered once. Versions: v1+ the protocol that each member speaks (KIP-1099).
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { consumerGroupDescribe } from "../../protocol/messages/consumer-group-describe.js"
import { groupOperations } from "../operations.js"
import { handler, type Services } from "../services.js"

type Answer = ResponseInputOf<typeof consumerGroupDescribe>["groups"][number]

export const consumerGroupDescribeHandler = handler(consumerGroupDescribe, async (services, request) => {
  const { includeAuthorizedOperations } = request
  const authorizedOperations = includeAuthorizedOperations ? { authorizedOperations: groupOperations } : {}
  return {
    groups: await Promise.all(
      [...new Set(request.groupIds)].map(async (groupId): Promise<Answer> => {
        if (groupId === "") return failed(groupId, Errors.INVALID_GROUP_ID, null)
        const found = await services.groups.describeConsumerGroup(groupId)
        return typeof found === "number"
          ? failed(groupId, found, await reason(services, groupId, found))
          : { ...found, ...authorizedOperations }
      }),
    ),
  }
})

async function reason(services: Services, groupId: string, errorCode: ErrorCode): Promise<string | null> {
  if (errorCode !== Errors.GROUP_ID_NOT_FOUND) return null
  const isClassic = typeof (await services.groups.describeGroup(groupId)) !== "number"
  return isClassic ? `Group ${groupId} is not a consumer group.` : `Group ${groupId} not found.`
}

const failed = (groupId: string, errorCode: ErrorCode, errorMessage: string | null): Answer => ({
  errorCode,
  errorMessage,
  groupId,
  groupState: "",
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: "",
  members: [],
})
