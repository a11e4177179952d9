/**
 * FindCoordinator: which broker coordinates a group.
 *
 * Behaviour: the leader of the partition of `__consumer_offsets` that the group's id hashes to. The topic is made when it is first asked for, and the answer waits for it. An
 * empty group id has a coordinator too: commits from outside a group may use it. Transactions and share groups have none in this version.
 * Versions: v1+ key types and error messages (KIP-98), v4+ many keys at once (KIP-699), v6+ share groups (KIP-932).
 */
import { coordinatorPartition } from "../../coordinator/coordinator-key.js"
import { consumerOffsetsTopic } from "../../coordinator/group/group-coordinator.js"
import { isAlive } from "../../metadata/image.js"
import { errorByCode, Errors, type ErrorCode } from "../../protocol/errors.js"
import { findCoordinator } from "../../protocol/messages/find-coordinator.js"
import { endpointFor, handler, type RequestContext, type Services } from "../services.js"

const keyTypes = { group: 0, transaction: 1, share: 2 } as const
const shareKeysSince = 6

interface Found {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly errorCode: ErrorCode
}

const nowhere = (errorCode: ErrorCode): Found => ({ nodeId: -1, host: "", port: -1, errorCode })

export const findCoordinatorHandler = handler(findCoordinator, async (services, request, context) => {
  const { version } = context
  const { keyType } = request
  const keys = version < 4 ? [request.key] : request.coordinatorKeys
  const isKnownType = Object.values<number>(keyTypes).includes(keyType)
  if (keyType === keyTypes.group && keys.length > 0) await services.internalTopics.ensureOffsetsTopic()
  const find = (key: string): Found =>
    keyType === keyTypes.group
      ? coordinatorOf(services, context, key)
      : nowhere(
          !isKnownType || (keyType === keyTypes.share && (version < shareKeysSince || !isShareKey(key)))
            ? Errors.INVALID_REQUEST
            : Errors.COORDINATOR_NOT_AVAILABLE,
        )
  if (version < 4) {
    const found = find(request.key)
    return {
      ...found,
      errorMessage: found.errorCode === Errors.NONE ? "NONE" : meaning(found.errorCode),
      coordinators: [],
    }
  }
  const coordinators = keys.map((key) => {
    const found = find(key)
    return { key, ...found, errorMessage: isKnownType ? "" : meaning(found.errorCode) }
  })
  return { errorCode: Errors.NONE, errorMessage: null, nodeId: 0, host: "", port: 0, coordinators }
})

const meaning = (errorCode: ErrorCode): string => errorByCode(errorCode)?.message ?? ""

/** "groupId:topicId:partition" */
const isShareKey = (key: string): boolean => /^.+:[A-Za-z0-9_-]{22}:\d+$/.test(key)

function coordinatorOf(services: Services, { listenerName }: RequestContext, groupId: string): Found {
  const image = services.image()
  const partitions = image.topics.get(consumerOffsetsTopic)?.partitions ?? []
  const leader = partitions[coordinatorPartition(groupId, partitions.length)]?.leader ?? -1
  if (!isAlive(image, leader)) return nowhere(Errors.COORDINATOR_NOT_AVAILABLE)
  const endpoint = endpointFor(image, leader, listenerName)
  return endpoint === undefined
    ? nowhere(Errors.COORDINATOR_NOT_AVAILABLE)
    : { nodeId: leader, host: endpoint.host, port: endpoint.port, errorCode: Errors.NONE }
}
