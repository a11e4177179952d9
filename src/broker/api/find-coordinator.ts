/**
 * FindCoordinator.
 *
 * Behaviour: groups, transactions and share groups have no coordinator in this version, so every key is answered COORDINATOR_NOT_AVAILABLE, which clients retry and
 * report, rather than a coordinator whose requests would fail. Versions: v4+ many keys at once (KIP-699).
 */
import { Errors } from "../../protocol/errors.js"
import { findCoordinator } from "../../protocol/messages/find-coordinator.js"
import { handler } from "../services.js"

const keyTypesMax = 2

export const findCoordinatorHandler = handler(findCoordinator, (_services, request, { version }) => {
  const [errorCode, errorMessage] =
    request.keyType < 0 || request.keyType > keyTypesMax
      ? [Errors.INVALID_REQUEST, `Unknown coordinator type ${request.keyType}.`]
      : [
          Errors.COORDINATOR_NOT_AVAILABLE,
          "The coordinator is not available: this version of Ottla has no groups and transactions.",
        ]
  const nowhere = { nodeId: -1, host: "", port: -1, errorCode, errorMessage }
  if (version < 4) return { ...nowhere, coordinators: [] }
  const coordinators = request.coordinatorKeys.map((key) => ({ key, ...nowhere }))
  return { errorCode: Errors.NONE, errorMessage: null, nodeId: 0, host: "", port: 0, coordinators }
})
