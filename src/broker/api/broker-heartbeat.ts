/**
 * BrokerHeartbeat: a broker lives.
 *
 * Behaviour: unfences who has caught up, fences and lets go who asks, hands over for who was stuck. Controllers only. Source: KIP-631, 841, 858.
 */
import { brokerHeartbeat } from "../../protocol/messages/broker-heartbeat.js"
import { controllerHandler } from "../services.js"

export const brokerHeartbeatHandler = controllerHandler(brokerHeartbeat, (services, request) =>
  services.controller.brokerHeartbeat(request),
)
