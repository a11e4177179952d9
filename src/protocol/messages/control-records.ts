/**
 * Keys and values of control records: what a log says about itself, between the data.
 */
import { array, int16, int32, int64, string, struct, uint16, uuid } from "../field.js"
import { message } from "../message.js"

/** Key of every control record: 0 abort, 1 commit, 2 leader change, 3 snapshot header, 4 snapshot footer, 5 kraft version, 6 voters. */
export const controlRecordTypeSchema = message({
  name: "ControlRecordTypeSchema",
  versions: "0",
  flexible: "none",
  fields: {
    type: int16(),
  },
})

/** Value of abort and commit records (KIP-98). */
export const endTxnMarker = message({
  name: "EndTxnMarker",
  versions: "0",
  flexible: "none",
  fields: {
    coordinatorEpoch: int32(),
  },
})

const voter = {
  voterId: int32(),
  voterDirectoryId: uuid({ versions: "1+" }),
} as const

/** First record of each leadership in a log under Raft (KIP-595). */
export const leaderChangeMessage = message({
  name: "LeaderChangeMessage",
  versions: "0-1",
  flexible: "0+",
  fields: {
    version: int16(),
    leaderId: int32(),
    voters: array(voter),
    grantingVoters: array(voter),
  },
})

/** First record of a snapshot (KIP-630). */
export const snapshotHeaderRecord = message({
  name: "SnapshotHeaderRecord",
  versions: "0",
  flexible: "0+",
  fields: {
    version: int16(),
    lastContainedLogTimestamp: int64(),
  },
})

/** Last record of a snapshot: without it the file is cut off. */
export const snapshotFooterRecord = message({
  name: "SnapshotFooterRecord",
  versions: "0",
  flexible: "0+",
  fields: {
    version: int16(),
  },
})

/** The `kraft.version` from here on (KIP-853). */
export const kRaftVersionRecord = message({
  name: "KRaftVersionRecord",
  versions: "0",
  flexible: "0+",
  fields: {
    version: int16(),
    kRaftVersion: int16(),
  },
})

/** The set of voters from here on (KIP-853). */
export const votersRecord = message({
  name: "VotersRecord",
  versions: "0",
  flexible: "0+",
  fields: {
    version: int16(),
    voters: array({
      voterId: int32(),
      voterDirectoryId: uuid(),
      endpoints: array({
        name: string({ mapKey: true }),
        host: string(),
        port: uint16(),
      }),
      kRaftVersionFeature: struct({
        minSupportedVersion: int16(),
        maxSupportedVersion: int16(),
      }),
    }),
  },
})
