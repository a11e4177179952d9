/**
 * DescribeCluster.
 *
 * Behaviour: as Metadata, the controller named is a live broker. Versions: v1+ endpoint type (only brokers are asked for here), v2+ fenced brokers.
 */
import { Errors } from "../../protocol/errors.js"
import { describeCluster } from "../../protocol/messages/describe-cluster.js"
import { clusterOperations } from "../operations.js"
import { endpointFor, handler } from "../services.js"

const brokerEndpoints = 1
const controllerEndpoints = 2

export const describeClusterHandler = handler(describeCluster, (services, request, { version, listenerName }) => {
  const base = { clusterId: services.clusterId, controllerId: services.nodeId, brokers: [] }
  if (version >= 1 && request.endpointType !== brokerEndpoints) {
    const isController = request.endpointType === controllerEndpoints
    return {
      ...base,
      controllerId: -1,
      errorCode: isController ? Errors.MISMATCHED_ENDPOINT_TYPE : Errors.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: isController
        ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
        : `Unsupported endpoint type ${request.endpointType}`,
    }
  }
  const image = services.image()
  return {
    ...base,
    errorCode: Errors.NONE,
    brokers: [...image.brokers.values()]
      .filter(({ fenced }) => !fenced || (version >= 2 && request.includeFencedBrokers))
      .flatMap(({ brokerId, rack, fenced }) => {
        const endpoint = endpointFor(image, brokerId, listenerName)
        return endpoint === undefined
          ? []
          : [{ brokerId, host: endpoint.host, port: endpoint.port, rack, isFenced: fenced }]
      }),
    ...(request.includeClusterAuthorizedOperations && { clusterAuthorizedOperations: clusterOperations }),
  }
})
