/**
 * Envelope: a client's request that a broker sent on to the active controller.
 *
 * Behaviour: the request inside is answered as if it had come by itself, and the answer names the metadata it rests on. NOT_CONTROLLER where another node is the active one: the
 * broker asks that one. Ignored: principal and address of the client, for nobody is authenticated yet. Versions: 0. Source: KIP-590.
 */
import { Errors } from "../../protocol/errors.js"
import { envelope } from "../../protocol/messages/envelope.js"
import { controllerHandler } from "../services.js"

export const envelopeHandler = controllerHandler(envelope, async (services, request, { connection }) => {
  if (!services.controller.isActive) return { errorCode: Errors.NOT_CONTROLLER }
  const responseData = await services.answerEmbedded(request.requestData, connection)
  if (responseData === undefined) return { errorCode: Errors.INVALID_REQUEST }
  return { errorCode: Errors.NONE, responseData, metadataOffset: services.image().offset }
})
