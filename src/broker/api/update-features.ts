/**
 * UpdateFeatures: other levels of features.
 *
 * Behaviour: all updates happen, or none; `validateOnly` decides and writes nothing. Versions: v2+ has one result for all. Source: KIP-584, 778, 1022.
 */
import { updateFeatures } from "../../protocol/messages/update-features.js"
import { controllerHandler } from "../services.js"

export const updateFeaturesHandler = controllerHandler(updateFeatures, (services, request, { version }) =>
  services.controller.updateFeatures(request, version),
)
