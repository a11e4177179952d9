/**
 * EndQuorumEpoch: a leader that stops says so, and who should come next (KIP-595).
 *
 * Versions: 1 directory ids and endpoints; `preferredCandidates` instead of `preferredSuccessors` (KIP-853).
 */
import { array, int16, int32, string, uint16, uuid } from "../field.js"
import { api } from "../message.js"

export const endQuorumEpoch = api({
  name: "EndQuorumEpoch",
  key: 54,
  versions: "0-1",
  flexible: "1+",
  listeners: ["controller"],
  request: {
    clusterId: string({ nullableVersions: "0+", default: null }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32(),
        preferredSuccessors: array(int32(), { versions: "0", ignorable: true }),
        preferredCandidates: array(
          {
            candidateId: int32(),
            candidateDirectoryId: uuid(),
          },
          { versions: "1+", ignorable: true },
        ),
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
