/**
 * ListGroups: the groups a broker coordinates.
 *
 * Versions: 4 states (KIP-518), 5 types (KIP-848).
 */
import { array, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const listGroups = api({
  name: "ListGroups",
  key: 16,
  versions: "0-5",
  flexible: "3+",
  request: {
    // empty: all
    statesFilter: array(string(), { versions: "4+" }),
    typesFilter: array(string(), { versions: "5+" }),
  },
  response: {
    throttleTimeMs: int32({ versions: "1+", default: 0, ignorable: true }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ versions: "4+", ignorable: true }),
      groupType: string({ versions: "5+", ignorable: true }),
    }),
  },
})
