/**
 * BrokerRegistration: a broker joins the cluster.
 *
 * Behaviour: answered when the registration is committed; the broker starts fenced. Controllers only. Source: KIP-631, 858, 966.
 */
import { brokerRegistration } from "../../protocol/messages/broker-registration.js"
import { controllerHandler } from "../services.js"

export const brokerRegistrationHandler = controllerHandler(brokerRegistration, (services, request) =>
  services.controller.registerBroker(request),
)
