/**
 * JoinGroup.
 *
 * Behaviour: answered when the group's next generation begins; the connection takes no other request meanwhile, as in Kafka.
 * Versions: v0 has no rebalance timeout, the session timeout stands in for it; before v7 no protocol is "", from v7 null (KIP-559).
 */
import { joinGroup } from "../../protocol/messages/join-group.js"
import { groupClient } from "../group-client.js"
import { handler } from "../services.js"

export const joinGroupHandler = handler(joinGroup, async (services, request, context) => {
  const rebalanceTimeoutMs = context.version === 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
  const response = await services.groups.joinGroup({ ...request, rebalanceTimeoutMs }, groupClient(context))
  const protocolName = response.protocolName ?? ""
  return { ...response, protocolName: protocolName === "" && context.version >= 7 ? null : protocolName }
})
