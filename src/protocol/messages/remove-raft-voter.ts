/**
 * RemoveRaftVoter: takes a voter out of the metadata quorum, by id and directory (KIP-853).
 */
import { int16, int32, string, uuid } from "../field.js"
import { api } from "../message.js"

export const removeRaftVoter = api({
  name: "RemoveRaftVoter",
  key: 81,
  versions: "0",
  flexible: "0+",
  listeners: ["controller", "broker"],
  request: {
    clusterId: string({ nullableVersions: "0+" }),
    voterId: int32(),
    voterDirectoryId: uuid(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", ignorable: true }),
  },
})
