/**
 * BrokerHeartbeat: a broker lives.
 *
 * Behaviour: unfences who has caught up, fences and lets go who asks, hands over for who was stuck. Controllers only. Source: KIP-631, 841, 858.
 */
import { brokerHeartbeat } from "../../protocol/messages/broker-heartbeat.js"
import { controllerHandler } from "../services.js"

export const brokerHeartbeatHandler = controllerHandler(brokerHeartbeat, (services, request, { connection }) => {
  const { brokerId, brokerEpoch } = request
  // The first heartbeat of a connection: its end is a hint that the broker is gone.
  if (connection.state.heartbeatsOf !== brokerEpoch) {
    connection.state.heartbeatsOf = brokerEpoch
    connection.onClosed(() => services.controller.brokerDisconnected(brokerId, brokerEpoch))
  }
  return services.controller.brokerHeartbeat(request)
})
