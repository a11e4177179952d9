/**
 * Heartbeat: a member of a classic group is alive, and learns whether it has to rejoin.
 *
 * Versions: 3 static members (KIP-345).
 */
import { int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const heartbeat = api({
  name: "Heartbeat",
  key: 12,
  versions: "0-4",
  flexible: "4+",
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: "3+", nullableVersions: "3+", default: null }),
  },
  response: {
    throttleTimeMs: int32({ versions: "1+", default: 0, ignorable: true }),
    errorCode: int16(),
  },
})
