/**
 * SyncGroup: the leader of a classic group hands in the assignment, each member receives its own.
 *
 * Versions: 3 static members (KIP-345), 5 names protocol type and protocol, so that a mismatch is noticed (KIP-559).
 */
import { array, bytes, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const syncGroup = api({
  name: "SyncGroup",
  key: 14,
  versions: "0-5",
  flexible: "4+",
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: "3+", nullableVersions: "3+", default: null }),
    protocolType: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
    protocolName: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
    // from the leader only
    assignments: array({
      memberId: string(),
      assignment: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32({ versions: "1+", default: 0, ignorable: true }),
    errorCode: int16(),
    protocolType: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
    protocolName: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
    assignment: bytes(),
  },
})
