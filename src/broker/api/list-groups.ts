/**
 * ListGroups: the groups coordinated here.
 *
 * Behaviour: filters are read without regard to case, and a word that names nothing finds nothing. Versions: v4+ states (KIP-518), v5+ types (KIP-848).
 */
import { Errors } from "../../protocol/errors.js"
import { listGroups } from "../../protocol/messages/list-groups.js"
import { handler } from "../services.js"

const words = (filter: readonly string[]): ReadonlySet<string> =>
  new Set(filter.map((word) => word.trim().toLowerCase()))

export const listGroupsHandler = handler(listGroups, async (services, request) => {
  const { errorCode, groups } = await services.groups.listGroups()
  if (errorCode !== Errors.NONE) return { errorCode, groups: [] }
  const [states, types] = [words(request.statesFilter), words(request.typesFilter)]
  return {
    errorCode,
    groups: groups.filter(
      ({ groupState, groupType }) =>
        (states.size === 0 || states.has(groupState.toLowerCase())) &&
        (types.size === 0 || types.has(groupType.toLowerCase())),
    ),
  }
})
