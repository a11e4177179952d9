/**
 * DescribeGroups: state and members of classic groups.
 *
 * Versions: 3 authorized operations (KIP-430), 4 static members (KIP-345), 6 answers GROUP_ID_NOT_FOUND for a group that is not there
 * (KIP-1043); before, such a group is described as Dead.
 */
import { array, bool, bytes, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const describeGroups = api({
  name: "DescribeGroups",
  key: 15,
  versions: "0-6",
  flexible: "5+",
  request: {
    groups: array(string()),
    includeAuthorizedOperations: bool({ versions: "3+" }),
  },
  response: {
    throttleTimeMs: int32({ versions: "1+", default: 0, ignorable: true }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ versions: "6+", nullableVersions: "6+", default: null }),
      groupId: string(),
      // empty where there is an error
      groupState: string(),
      protocolType: string(),
      // name of the chosen protocol, in a stable group only
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string({ versions: "4+", nullableVersions: "4+", default: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        // both of the chosen protocol, in a stable group only
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      // bit set; the smallest int32: not asked for
      authorizedOperations: int32({ versions: "3+", default: -2147483648 }),
    }),
  },
})
