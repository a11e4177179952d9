/**
 * LeaveGroup: members leave, or an administrator removes them.
 *
 * Versions: 3 several members at once, static ones by instance id (KIP-345), 5 a reason (KIP-800).
 */
import { array, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const leaveGroup = api({
  name: "LeaveGroup",
  key: 13,
  versions: "0-5",
  flexible: "4+",
  request: {
    groupId: string(),
    memberId: string({ versions: "0-2" }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullableVersions: "3+", default: null }),
        reason: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
      },
      { versions: "3+" },
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: "1+", default: 0, ignorable: true }),
    errorCode: int16(),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullableVersions: "3+" }),
        errorCode: int16(),
      },
      { versions: "3+" },
    ),
  },
})
