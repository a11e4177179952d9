/**
 * DescribeGroups: classic groups.
 *
 * Behaviour: a group that is not there, or not a classic one, is described as Dead. One named many times is answered once. Versions: v3+ authorized operations (KIP-430), v6+ such a group is an error as well (KIP-1043).
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { describeGroups } from "../../protocol/messages/describe-groups.js"
import { groupOperations } from "../operations.js"
import { handler, type Services } from "../services.js"

type Answer = ResponseInputOf<typeof describeGroups>["groups"][number]

export const describeGroupsHandler = handler(describeGroups, async (services, request, { version }) => {
  const groups = await Promise.all([...new Set(request.groups)].map((groupId) => describe(services, groupId, version)))
  return {
    groups: request.includeAuthorizedOperations
      ? groups.map((group) =>
          group.errorCode === Errors.NONE ? { ...group, authorizedOperations: groupOperations } : group,
        )
      : groups,
  }
})

async function describe(services: Services, groupId: string, version: number): Promise<Answer> {
  const found = await services.groups.describeGroup(groupId)
  if (typeof found !== "number")
    return version >= 6 || found.errorCode === Errors.NONE ? found : without(groupId, Errors.NONE, "Dead")
  if (found !== Errors.GROUP_ID_NOT_FOUND) return without(groupId, found, "")
  return version >= 6
    ? { ...without(groupId, found, "Dead"), errorMessage: `Group ${groupId} not found.` }
    : without(groupId, Errors.NONE, "Dead")
}

const without = (groupId: string, errorCode: ErrorCode, groupState: string): Answer => ({
  errorCode,
  groupId,
  groupState,
  protocolType: "",
  protocolData: "",
  members: [],
})
