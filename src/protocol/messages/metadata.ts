/**
 * Metadata: brokers, topics, and who leads which partition.
 *
 * Versions: 0 takes an empty list of topics for all of them, later ones null. 4 says whether topics may be created, 8 asks for authorized
 * operations (KIP-430), 10 has topic ids but only 12 may ask by them (KIP-516), 11 leaves cluster operations to DescribeCluster (KIP-700).
 */
import { array, bool, int16, int32, string, uuid } from "../field.js"
import { api } from "../message.js"

export const metadata = api({
  name: "Metadata",
  key: 3,
  versions: "0-13",
  flexible: "9+",
  request: {
    // null: all topics; in version 0 an empty list
    topics: array(
      {
        topicId: uuid({ versions: "10+", ignorable: true }),
        name: string({ nullableVersions: "10+" }),
      },
      { nullableVersions: "1+" },
    ),
    allowAutoTopicCreation: bool({ versions: "4+", default: true }),
    includeClusterAuthorizedOperations: bool({ versions: "8-10" }),
    includeTopicAuthorizedOperations: bool({ versions: "8+" }),
  },
  response: {
    throttleTimeMs: int32({ versions: "3+", default: 0, ignorable: true }),
    brokers: array({
      nodeId: int32({ mapKey: true }),
      host: string(),
      port: int32(),
      rack: string({ versions: "1+", nullableVersions: "1+", default: null, ignorable: true }),
    }),
    clusterId: string({ versions: "2+", nullableVersions: "2+", default: null, ignorable: true }),
    controllerId: int32({ versions: "1+", default: -1, ignorable: true }),
    topics: array({
      errorCode: int16(),
      // null where an id is unknown
      name: string({ nullableVersions: "12+", mapKey: true }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      isInternal: bool({ versions: "1+", default: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        // -1: none
        leaderId: int32(),
        leaderEpoch: int32({ versions: "7+", default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { versions: "5+", ignorable: true }),
      }),
      // bit set; the default says it was not asked for
      topicAuthorizedOperations: int32({ versions: "8+", default: -(2 ** 31) }),
    }),
    clusterAuthorizedOperations: int32({ versions: "8-10", default: -(2 ** 31) }),
    errorCode: int16({ versions: "13+", ignorable: true }),
  },
})
