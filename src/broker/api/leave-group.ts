/**
 * LeaveGroup.
 *
 * Behaviour: each member has an answer of its own. Versions: before v3 there is one member, whose error is that of the answer (KIP-345).
 */
import { Errors } from "../../protocol/errors.js"
import { leaveGroup } from "../../protocol/messages/leave-group.js"
import { groupClient } from "../group-client.js"
import { handler } from "../services.js"

export const leaveGroupHandler = handler(leaveGroup, async (services, request, context) => {
  if (context.version >= 3) return services.groups.leaveGroup(request, groupClient(context))
  const { groupId, memberId } = request
  const { errorCode, members } = await services.groups.leaveGroup(
    { groupId, memberId: "", members: [{ memberId, groupInstanceId: null, reason: null }] },
    groupClient(context),
  )
  return { errorCode: errorCode === Errors.NONE ? (members[0]?.errorCode ?? Errors.NONE) : errorCode, members: [] }
})
