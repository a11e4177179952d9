/**
 * Vote: a voter asks another one for its vote, or whether it would get it (KIP-595).
 *
 * Versions: 1 directory ids and endpoints (KIP-853), 2 pre-vote (KIP-996).
 */
import { array, bool, int16, int32, int64, string, uint16, uuid } from "../field.js"
import { api } from "../message.js"

export const vote = api({
  name: "Vote",
  key: 52,
  versions: "0-2",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    clusterId: string({ nullableVersions: "0+", default: null }),
    // whom the candidate believes to be asking
    voterId: int32({ versions: "1+", default: -1, ignorable: true }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        // of the candidate; in a pre-vote the epoch it is in, not the one it wants
        replicaEpoch: int32(),
        replicaId: int32(),
        replicaDirectoryId: uuid({ versions: "1+", ignorable: true }),
        voterDirectoryId: uuid({ versions: "1+", ignorable: true }),
        lastOffsetEpoch: int32(),
        // the end of the candidate's log
        lastOffset: int64(),
        preVote: bool({ versions: "2+" }),
      }),
    }),
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
        voteGranted: bool(),
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
