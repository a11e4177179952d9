/**
 * UnregisterBroker: the cluster forgets a broker.
 *
 * Behaviour: its replicas stay assigned to it, and it remains an eligible leader where it was one. Source: KIP-631.
 */
import { unregisterBroker } from "../../protocol/messages/unregister-broker.js"
import { controllerHandler } from "../services.js"

export const unregisterBrokerHandler = controllerHandler(unregisterBroker, (services, request) =>
  services.controller.unregisterBroker(request),
)
