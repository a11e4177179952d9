/**
 * AllocateProducerIds: a block of producer ids for a broker.
 *
 * Behaviour: a block is given once, also when its answer is lost. Controllers only. Source: KIP-730.
 */
import { allocateProducerIds } from "../../protocol/messages/allocate-producer-ids.js"
import { controllerHandler } from "../services.js"

export const allocateProducerIdsHandler = controllerHandler(allocateProducerIds, (services, request) =>
  services.controller.allocateProducerIds(request),
)
