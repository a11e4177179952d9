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
  // The answer may take minutes, and the request's memory is everybody's.
  const protocols = request.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }))
  context.keepFrame()
  context.frame.release()
  const joining = { ...request, protocols, rebalanceTimeoutMs }
  const response = await services.groups.joinGroup(joining, groupClient(context))
  const protocolName = response.protocolName ?? ""
  return { ...response, protocolName: protocolName === "" && context.version >= 7 ? null : protocolName }
})
