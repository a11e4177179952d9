/**
 * InitProducerId: an id for an idempotent producer.
 *
 * Behaviour: without a transactional id a fresh producer id in epoch 0 every time. With one there is no coordinator yet: COORDINATOR_NOT_AVAILABLE. Versions: v3+
 * names the previous id and epoch (KIP-360), which only transactional producers do.
 */
import { Errors } from "../../protocol/errors.js"
import { initProducerId } from "../../protocol/messages/init-producer-id.js"
import { handler } from "../services.js"

export const initProducerIdHandler = handler(initProducerId, async (services, request) => {
  if (request.transactionalId !== null) {
    const errorCode = request.transactionalId === "" ? Errors.INVALID_REQUEST : Errors.COORDINATOR_NOT_AVAILABLE
    return { errorCode, producerId: -1, producerEpoch: -1 }
  }
  // Both or neither (KIP-360).
  if ((request.producerId === -1) !== (request.producerEpoch === -1))
    return { errorCode: Errors.INVALID_REQUEST, producerId: -1, producerEpoch: -1 }
  const allocated = await services.producerIds.next()
  if (allocated === undefined)
    return { errorCode: Errors.COORDINATOR_LOAD_IN_PROGRESS, producerId: -1, producerEpoch: -1 }
  return { errorCode: Errors.NONE, producerId: allocated, producerEpoch: 0 }
})
