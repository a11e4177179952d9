/**
 * ControllerRegistration: a controller says where it is and what it knows.
 *
 * Behaviour: taken as it is; features are checked when somebody changes a level. Controllers only. Source: KIP-919.
 */
import { controllerRegistration } from "../../protocol/messages/controller-registration.js"
import { controllerHandler } from "../services.js"

export const controllerRegistrationHandler = controllerHandler(controllerRegistration, (services, request) =>
  services.controller.controllerRegistration(request),
)
