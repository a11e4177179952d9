/**
 * Heartbeat.
 *
 * Behaviour: while the group is being loaded the answer is that all is well, as in Kafka: the member could do nothing but ask again.
 */
import { Errors } from "../../protocol/errors.js"
import { heartbeat } from "../../protocol/messages/heartbeat.js"
import { groupClient } from "../group-client.js"
import { handler } from "../services.js"

export const heartbeatHandler = handler(heartbeat, async (services, request, context) => {
  const response = await services.groups.heartbeat(request, groupClient(context))
  return response.errorCode === Errors.COORDINATOR_LOAD_IN_PROGRESS ? { errorCode: Errors.NONE } : response
})
