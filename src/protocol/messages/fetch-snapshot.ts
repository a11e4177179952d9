/**
 * FetchSnapshot: a piece of a snapshot of the metadata log, by position in its file (KIP-630).
 *
 * Versions: 1 directory id and endpoints (KIP-853).
 */
import { array, int16, int32, int64, records, string, struct, uint16, uuid } from "../field.js"
import { api } from "../message.js"

const snapshotId = {
  endOffset: int64(),
  epoch: int32(),
} as const

export const fetchSnapshot = api({
  name: "FetchSnapshot",
  key: 59,
  versions: "0-1",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    clusterId: string({ taggedVersions: "0+", tag: 0, nullableVersions: "0+", default: null }),
    replicaId: int32({ default: -1 }),
    maxBytes: int32({ default: 0x7fffffff }),
    topics: array({
      name: string(),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32(),
        snapshotId: struct(snapshotId),
        position: int64(),
        replicaDirectoryId: uuid({ taggedVersions: "1+", tag: 0, ignorable: true }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16(),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        snapshotId: struct(snapshotId),
        currentLeader: struct(
          {
            leaderId: int32(),
            leaderEpoch: int32(),
          },
          { taggedVersions: "0+", tag: 0 },
        ),
        size: int64(),
        position: int64(),
        // may begin and end inside a batch
        unalignedRecords: records(),
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
