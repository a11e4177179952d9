/**
 * DeleteGroups: remove groups without members, with their offsets (KIP-229).
 */
import { array, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const deleteGroups = api({
  name: "DeleteGroups",
  key: 42,
  versions: "0-2",
  flexible: "2+",
  request: {
    groupsNames: array(string()),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      groupId: string({ mapKey: true }),
      errorCode: int16(),
    }),
  },
})
