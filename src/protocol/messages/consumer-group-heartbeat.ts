/**
 * ConsumerGroupHeartbeat: join, stay in, follow the assignment of, and leave a group under the consumer protocol (KIP-848).
 *
 * Versions: 1 subscriptions by regular expression; the member makes its own id (KIP-1082).
 */
import { array, int16, int32, string, struct, uuid } from "../field.js"
import { api } from "../message.js"

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
} as const

export const consumerGroupHeartbeat = api({
  name: "ConsumerGroupHeartbeat",
  key: 68,
  versions: "0-1",
  flexible: "0+",
  request: {
    groupId: string(),
    memberId: string(),
    // 0 joins, -1 leaves, -2 leaves as a static member that will be back
    memberEpoch: int32(),
    // from here on null and -1 mean: as in the last heartbeat
    instanceId: string({ nullableVersions: "0+", default: null }),
    rackId: string({ nullableVersions: "0+", default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullableVersions: "0+", default: null }),
    subscribedTopicRegex: string({ versions: "1+", nullableVersions: "1+", default: null }),
    serverAssignor: string({ nullableVersions: "0+", default: null }),
    // owned by the member
    topicPartitions: array(topicPartitions, { nullableVersions: "0+", default: null }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", default: null }),
    memberId: string({ nullableVersions: "0+", default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    // null: as before
    assignment: struct(
      {
        topicPartitions: array(topicPartitions),
      },
      { nullableVersions: "0+", default: null },
    ),
  },
})
