/**
 * JoinGroup.
 *
 * Behaviour: answered when the group's next generation begins; the connection takes no other request meanwhile, as in Kafka.
 * Versions: before v7 no protocol is "", from v7 null (KIP-559).
 */
import { joinGroup } from "../../protocol/messages/join-group.js"
import { groupClient } from "../group-client.js"
import { handler } from "../services.js"

export const joinGroupHandler = handler(joinGroup, async (services, request, context) => {
  // The answer may take minutes, and the request's memory is everybody's.
  const protocols = request.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }))
  context.keepFrame()
  context.frame.release()
  const response = await services.groups.joinGroup({ ...request, protocols }, groupClient(context))
  const protocolName = response.protocolName ?? ""
  return { ...response, protocolName: protocolName === "" && context.version >= 7 ? null : protocolName }
})
