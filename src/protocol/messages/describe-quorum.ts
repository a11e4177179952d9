/**
 * DescribeQuorum: leader, voters and observers of the metadata log (KIP-595).
 *
 * Versions: 1 when replicas fetched last (KIP-836), 2 directory ids, nodes and messages (KIP-853).
 */
import { array, int16, int32, int64, string, uint16, uuid } from "../field.js"
import { api } from "../message.js"

const replicaState = {
  replicaId: int32(),
  replicaDirectoryId: uuid({ versions: "2+" }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64({ versions: "1+", default: -1, ignorable: true }),
  lastCaughtUpTimestamp: int64({ versions: "1+", default: -1, ignorable: true }),
} as const

export const describeQuorum = api({
  name: "DescribeQuorum",
  key: 55,
  versions: "0-2",
  flexible: "0+",
  listeners: ["broker", "controller"],
  request: {
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
      }),
    }),
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ versions: "2+", nullableVersions: "2+", ignorable: true }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ versions: "2+", nullableVersions: "2+", ignorable: true }),
        leaderId: int32(),
        leaderEpoch: int32(),
        highWatermark: int64(),
        currentVoters: array(replicaState),
        observers: array(replicaState),
      }),
    }),
    nodes: array(
      {
        nodeId: int32({ mapKey: true }),
        listeners: array({
          name: string({ mapKey: true }),
          host: string(),
          port: uint16(),
        }),
      },
      { versions: "2+" },
    ),
  },
})
