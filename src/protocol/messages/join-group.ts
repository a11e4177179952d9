/**
 * JoinGroup: become, or remain, a member of a classic group; answered when the group's next generation begins.
 *
 * Versions: 1 rebalance timeout (KIP-62), 4 answers MEMBER_ID_REQUIRED first (KIP-394), 5 static members (KIP-345), 7 names the protocol type
 * (KIP-559), 8 a reason (KIP-800), 9 may tell the leader to skip the assignment (KIP-814).
 */
import { array, bool, bytes, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const joinGroup = api({
  name: "JoinGroup",
  key: 11,
  versions: "0-9",
  flexible: "6+",
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    // -1: the session timeout stands in for it
    rebalanceTimeoutMs: int32({ versions: "1+", default: -1, ignorable: true }),
    // empty for a new member
    memberId: string(),
    groupInstanceId: string({ versions: "5+", nullableVersions: "5+", default: null }),
    protocolType: string(),
    // in the order of the member's preference
    protocols: array({
      name: string({ mapKey: true }),
      metadata: bytes(),
    }),
    reason: string({ versions: "8+", nullableVersions: "8+", default: null, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ versions: "2+", default: 0, ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ versions: "7+", nullableVersions: "7+", default: null, ignorable: true }),
    protocolName: string({ nullableVersions: "7+" }),
    // member id
    leader: string(),
    skipAssignment: bool({ versions: "9+", default: false }),
    memberId: string(),
    // for the leader only
    members: array({
      memberId: string(),
      groupInstanceId: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
      metadata: bytes(),
    }),
  },
})
