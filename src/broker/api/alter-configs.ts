/**
 * AlterConfigs and IncrementalAlterConfigs: dynamic settings of topics, brokers and the cluster.
 *
 * Behaviour: each resource succeeds or fails by itself; what is answered with success is committed and in force here. AlterConfigs replaces all settings of a
 * resource, IncrementalAlterConfigs changes those named (KIP-339). Versions: alike.
 */
import type { Outcome } from "../../controller/outcome.js"
import { Errors } from "../../protocol/errors.js"
import { alterConfigs } from "../../protocol/messages/alter-configs.js"
import { incrementalAlterConfigs } from "../../protocol/messages/incremental-alter-configs.js"
import { controllerHandler } from "../services.js"

const answers = (
  resources: readonly { resourceType: number; resourceName: string }[],
  results: readonly Outcome<void>[],
) => ({
  responses: resources.map(({ resourceType, resourceName }, index) => {
    const result = results[index]!
    const failure = "failure" in result ? result.failure : undefined
    return {
      errorCode: failure?.errorCode ?? Errors.NONE,
      errorMessage: failure?.errorMessage ?? null,
      resourceType,
      resourceName,
    }
  }),
})

export const alterConfigsHandler = controllerHandler(alterConfigs, async (services, request) =>
  answers(
    request.resources,
    await services.controller.alterConfigs(request.resources, { validateOnly: request.validateOnly }),
  ),
)

export const incrementalAlterConfigsHandler = controllerHandler(incrementalAlterConfigs, async (services, request) => {
  const resources = request.resources.map(({ resourceType, resourceName, configs }) => ({
    resourceType,
    resourceName,
    configs: configs.map(({ name, configOperation, value }) => ({ name, operation: configOperation, value })),
  }))
  return answers(
    request.resources,
    await services.controller.incrementalAlterConfigs(resources, { validateOnly: request.validateOnly }),
  )
})
