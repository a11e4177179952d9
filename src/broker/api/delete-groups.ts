/**
 * DeleteGroups.
 *
 * Behaviour: each group succeeds or fails by itself; one named twice is answered once.
 */
import { deleteGroups } from "../../protocol/messages/delete-groups.js"
import { handler } from "../services.js"

export const deleteGroupsHandler = handler(deleteGroups, async (services, request) => ({
  results: await Promise.all(
    [...new Set(request.groupsNames)].map(async (groupId) => ({
      groupId,
      errorCode: await services.groups.deleteGroup(groupId),
    })),
  ),
}))
