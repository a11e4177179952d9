/**
 * DescribeConfigs: every setting of a resource with its value and where it comes from.
 *
 * Behaviour: topics list all topic settings, a broker all of its own, the broker "" only what is set cluster-wide. Passwords have no value. Versions: v1+
 * synonyms on request, v3+ types. Documentation is null: the tables hold none.
 */
import { Errors } from "../../protocol/errors.js"
import { describeConfigs } from "../../protocol/messages/describe-configs.js"
import { nodeHandler } from "../services.js"

export const describeConfigsHandler = nodeHandler(describeConfigs, (services, request) => ({
  results: request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
    const refused = services.configs.resourceProblem(resourceType, resourceName)
    if (refused !== undefined) return { ...refused, resourceType, resourceName, configs: [] }
    const wanted = configurationKeys === null || configurationKeys.length === 0 ? undefined : new Set(configurationKeys)
    const entries = services.configs
      .describe(resourceType, resourceName)
      .filter(({ name }) => wanted === undefined || wanted.has(name))
    return {
      errorCode: Errors.NONE,
      errorMessage: "",
      resourceType,
      resourceName,
      configs: entries.map((entry) => ({
        name: entry.name,
        value: entry.isSensitive ? null : entry.value,
        readOnly: entry.readOnly,
        configSource: entry.source,
        isSensitive: entry.isSensitive,
        synonyms: request.includeSynonyms
          ? entry.synonyms.map(({ name, value, source }) => ({ name, value: entry.isSensitive ? null : value, source }))
          : [],
        configType: entry.type,
        documentation: null,
      })),
    }
  }),
}))
