/**
 * ConsumerGroupHeartbeat (KIP-848).
 *
 * Behaviour: answered at once, with what the member may own now. Versions: v1+ regular expressions, and ids that members make themselves (KIP-1082).
 */
import { consumerGroupHeartbeat } from "../../protocol/messages/consumer-group-heartbeat.js"
import { groupClient } from "../group-client.js"
import { handler } from "../services.js"

export const consumerGroupHeartbeatHandler = handler(consumerGroupHeartbeat, (services, request, context) =>
  services.groups.consumerGroupHeartbeat(request, groupClient(context)),
)
