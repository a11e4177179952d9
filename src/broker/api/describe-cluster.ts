/**
 * DescribeCluster.
 *
 * Behaviour: a broker tells of brokers, and as Metadata names a live one as the controller; a controller tells of the quorum's voters and of the active one. Versions: v1+ endpoint
 * type, which must be that of the node that is asked (KIP-919), v2+ fenced brokers.
 */
import type { MetadataImage } from "../../metadata/image.js"
import { Errors } from "../../protocol/errors.js"
import type { RequestOf } from "../../protocol/message.js"
import { describeCluster } from "../../protocol/messages/describe-cluster.js"
import { clusterOperations } from "../operations.js"
import { controllerHandler, endpointFor, handler } from "../services.js"

const endpointTypes = { broker: 1, controller: 2 } as const

type EndpointType = keyof typeof endpointTypes

const authorized = (request: RequestOf<typeof describeCluster>) =>
  request.includeClusterAuthorizedOperations ? { clusterAuthorizedOperations: clusterOperations } : {}

export const describeBrokersHandler = handler(describeCluster, (services, request, { version, listenerName }) => {
  const base = { clusterId: services.clusterId, controllerId: services.nodeId, brokers: [] }
  const mismatch = wrongType("broker", version, request.endpointType)
  if (mismatch !== undefined) return { ...base, controllerId: -1, ...mismatch }
  return {
    ...base,
    errorCode: Errors.NONE,
    brokers: brokersOf(services.image(), listenerName, version >= 2 && request.includeFencedBrokers),
    ...authorized(request),
  }
})

export const describeControllersHandler = controllerHandler(describeCluster, (services, request, { version }) => {
  const base = { clusterId: services.clusterId, controllerId: -1, brokers: [] }
  const mismatch = wrongType("controller", version, request.endpointType)
  if (mismatch !== undefined) return { ...base, ...mismatch }
  const { leaderId, voters } = services.quorum.describe()
  return {
    ...base,
    errorCode: Errors.NONE,
    endpointType: endpointTypes.controller,
    controllerId: leaderId,
    brokers: voters.map(({ id, host, port }) => ({ brokerId: id, host, port, rack: null, isFenced: false })),
    ...authorized(request),
  }
})

function wrongType(own: EndpointType, version: number, asked: number) {
  if (version < 1 || asked === endpointTypes[own]) return undefined
  const isKnown = asked === endpointTypes.broker || asked === endpointTypes.controller
  const other = own === "broker" ? "CONTROLLER" : "BROKER"
  return {
    errorCode: isKnown ? Errors.MISMATCHED_ENDPOINT_TYPE : Errors.UNSUPPORTED_ENDPOINT_TYPE,
    errorMessage: isKnown
      ? `The request was sent to an endpoint of type ${own.toUpperCase()}, but we wanted an endpoint of type ${other}`
      : `Unsupported endpoint type ${asked}`,
  }
}

function brokersOf(image: MetadataImage, listenerName: string, alsoFenced: boolean) {
  return [...image.brokers.values()]
    .filter(({ fenced }) => !fenced || alsoFenced)
    .flatMap(({ brokerId, rack, fenced }) => {
      const endpoint = endpointFor(image, brokerId, listenerName)
      return endpoint === undefined
        ? []
        : [{ brokerId, host: endpoint.host, port: endpoint.port, rack, isFenced: fenced }]
    })
}
