/**
 * AddRaftVoter: makes an observer a voter of the metadata quorum (KIP-853).
 *
 * Versions: 1 whether to wait for the commit.
 */
import { array, bool, int16, int32, string, uint16, uuid } from "../field.js"
import { api } from "../message.js"

export const addRaftVoter = api({
  name: "AddRaftVoter",
  key: 80,
  versions: "0-1",
  flexible: "0+",
  listeners: ["controller", "broker"],
  request: {
    clusterId: string({ nullableVersions: "0+" }),
    timeoutMs: int32(),
    voterId: int32(),
    voterDirectoryId: uuid(),
    listeners: array({
      name: string({ mapKey: true }),
      host: string(),
      port: uint16(),
    }),
    ackWhenCommitted: bool({ versions: "1+", default: true }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", ignorable: true }),
  },
})
