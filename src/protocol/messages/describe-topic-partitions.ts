/**
 * DescribeTopicPartitions: partitions of topics in pages, with eligible leaders (KIP-966).
 */
import { array, bool, int16, int32, string, struct, uuid } from "../field.js"
import { api } from "../message.js"

export const describeTopicPartitions = api({
  name: "DescribeTopicPartitions",
  key: 75,
  versions: "0",
  flexible: "0+",
  request: {
    topics: array({
      name: string(),
    }),
    responsePartitionLimit: int32({ default: 2000 }),
    // the first topic and partition to answer, from the last answer
    cursor: struct(
      {
        topicName: string(),
        partitionIndex: int32(),
      },
      { nullableVersions: "0+", default: null },
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string({ nullableVersions: "0+", mapKey: true }),
      topicId: uuid({ ignorable: true }),
      isInternal: bool({ default: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        eligibleLeaderReplicas: array(int32(), { nullableVersions: "0+", default: null }),
        lastKnownElr: array(int32(), { nullableVersions: "0+", default: null }),
        offlineReplicas: array(int32(), { ignorable: true }),
      }),
      topicAuthorizedOperations: int32({ default: -(2 ** 31) }),
    }),
    // null: that was all
    nextCursor: struct(
      {
        topicName: string(),
        partitionIndex: int32(),
      },
      { nullableVersions: "0+", default: null },
    ),
  },
})
