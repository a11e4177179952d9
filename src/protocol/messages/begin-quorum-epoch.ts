/**
 * BeginQuorumEpoch: a new leader says so to the voters, which do not know yet whom to fetch from (KIP-595).
 *
 * Versions: 1 directory ids and endpoints (KIP-853).
 */
import { array, int16, int32, string, uint16, uuid } from "../field.js"
import { api } from "../message.js"

export const beginQuorumEpoch = api({
  name: "BeginQuorumEpoch",
  key: 53,
  versions: "0-1",
  flexible: "1+",
  listeners: ["controller"],
  request: {
    clusterId: string({ nullableVersions: "0+", default: null }),
    // whom the leader believes to be talking to
    voterId: int32({ versions: "1+", default: -1, ignorable: true }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        voterDirectoryId: uuid({ versions: "1+", ignorable: true }),
        leaderId: int32(),
        leaderEpoch: int32(),
      }),
    }),
    leaderEndpoints: array(
      {
        name: string({ mapKey: true }),
        host: string(),
        port: uint16(),
      },
      { versions: "1+", ignorable: true },
    ),
  },
  response: {
    errorCode: int16(),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        leaderId: int32(),
        leaderEpoch: int32(),
      }),
    }),
    nodeEndpoints: array(
      {
        nodeId: int32({ mapKey: true }),
        host: string(),
        port: uint16(),
      },
      { taggedVersions: "1+", tag: 0 },
    ),
  },
})
