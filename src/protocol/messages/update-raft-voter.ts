/**
 * UpdateRaftVoter: a voter tells the leader where it can be reached now and which versions it supports (KIP-853).
 */
import { array, int16, int32, string, struct, uint16, uuid } from "../field.js"
import { api } from "../message.js"

export const updateRaftVoter = api({
  name: "UpdateRaftVoter",
  key: 82,
  versions: "0",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    clusterId: string({ nullableVersions: "0+" }),
    currentLeaderEpoch: int32(),
    voterId: int32(),
    voterDirectoryId: uuid(),
    listeners: array({
      name: string({ mapKey: true }),
      host: string(),
      port: uint16(),
    }),
    kRaftVersionFeature: struct({
      minSupportedVersion: int16(),
      maxSupportedVersion: int16(),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    currentLeader: struct(
      {
        leaderId: int32({ default: -1 }),
        leaderEpoch: int32({ default: -1 }),
        host: string(),
        port: int32(),
      },
      { taggedVersions: "0+", tag: 0 },
    ),
  },
})
