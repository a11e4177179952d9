/**
 * ListConfigResources: what has settings of its own.
 *
 * Behaviour: v0 asks for client metrics only. v1+ by types; none means all that are supported (KIP-1142).
 */
import { resourceTypes } from "../../metadata/image.js"
import { Errors } from "../../protocol/errors.js"
import { listConfigResources } from "../../protocol/messages/list-config-resources.js"
import { nodeHandler } from "../services.js"

const supported: readonly number[] = Object.values(resourceTypes)

export const listConfigResourcesHandler = nodeHandler(listConfigResources, (services, request, { version }) => {
  const types =
    version === 0
      ? [resourceTypes.clientMetrics]
      : request.resourceTypes.length === 0
        ? supported
        : [...new Set(request.resourceTypes)]
  if (types.some((type) => !supported.includes(type)))
    return { errorCode: Errors.UNSUPPORTED_VERSION, configResources: [] }
  const image = services.image()
  const brokers = [...image.brokers.keys()].map(String)
  const named = (resourceType: number): string[] => {
    if (resourceType === resourceTypes.topic) return [...image.topics.keys()]
    if (resourceType === resourceTypes.broker) return brokers
    if (resourceType === resourceTypes.brokerLogger) return brokers
    const prefix = `${resourceType}:`
    return [...image.configs.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
  }
  return {
    errorCode: Errors.NONE,
    configResources: types.flatMap((resourceType) =>
      named(resourceType).map((resourceName) => ({ resourceName, resourceType })),
    ),
  }
})
