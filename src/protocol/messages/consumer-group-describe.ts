/**
 * ConsumerGroupDescribe: state, members and assignments of groups under the consumer protocol (KIP-848).
 *
 * Versions: 1 says which protocol a member speaks (KIP-1099).
 */
import { array, bool, int16, int32, int8, string, struct, uuid } from "../field.js"
import { api } from "../message.js"

const assignment = {
  topicPartitions: array({
    topicId: uuid(),
    topicName: string(),
    partitions: array(int32()),
  }),
} as const

export const consumerGroupDescribe = api({
  name: "ConsumerGroupDescribe",
  key: 69,
  versions: "0-1",
  flexible: "0+",
  request: {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+", default: null }),
      groupId: string(),
      // empty where there is an error
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: string({ nullableVersions: "0+", default: null }),
        rackId: string({ nullableVersions: "0+", default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: string({ nullableVersions: "0+", default: null }),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        // -1 unknown, 0 classic, 1 consumer
        memberType: int8({ versions: "1+", default: -1, ignorable: true }),
      }),
      // bit set; the smallest int32: not asked for
      authorizedOperations: int32({ default: -2147483648 }),
    }),
  },
})
