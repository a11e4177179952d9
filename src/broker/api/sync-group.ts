/**
 * SyncGroup.
 *
 * Behaviour: answered when the leader's assignment is committed. Versions: v5+ must name protocol type and protocol (KIP-559).
 */
import { Errors } from "../../protocol/errors.js"
import { syncGroup } from "../../protocol/messages/sync-group.js"
import { groupClient } from "../group-client.js"
import { handler } from "../services.js"

export const syncGroupHandler = handler(syncGroup, (services, request, context) => {
  if (context.version >= 5 && (request.protocolType === null || request.protocolName === null))
    return { errorCode: Errors.INCONSISTENT_GROUP_PROTOCOL, assignment: Buffer.alloc(0) }
  return services.groups.syncGroup(request, groupClient(context))
})
