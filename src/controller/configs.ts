/**
 * Decisions about dynamic settings.
 *
 * Owns the difference between replacing all settings of a resource (AlterConfigs) and changing some (IncrementalAlterConfigs), and what either
 * refuses. Source: Kafka's ConfigurationControlManager; KIP-226, KIP-339.
 */
import { configKey, configOverrides, type MetadataImage, resourceTypes } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors } from "../protocol/errors.js"
import { type Failure, failure, type Outcome } from "./topics.js"

export interface ConfigResource {
  readonly resourceType: number
  readonly resourceName: string
}

/** What is known of the settings of one kind of resource. */
export interface ConfigRules {
  /** Undefined: the value is possible. Otherwise what is wrong with it. */
  problem(resourceType: number, name: string, value: string): string | undefined
  isList(resourceType: number, name: string): boolean
  /** The value a list setting has when nothing is set on the resource itself, for APPEND and SUBTRACT. */
  inherited(resourceType: number, name: string): string
}

export const alterOperations = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export interface ConfigChange {
  readonly name: string
  readonly operation: number
  readonly value: string | null
}

function resourceFailure(
  image: MetadataImage,
  { resourceType, resourceName }: ConfigResource,
): { failure: Failure } | undefined {
  if (resourceType === resourceTypes.topic) {
    return image.topics.has(resourceName) ? undefined : failure(Errors.UNKNOWN_TOPIC_OR_PARTITION)
  }
  if (resourceType === resourceTypes.broker) {
    if (resourceName === "") return undefined
    if (!/^\d+$/.test(resourceName)) {
      return failure(Errors.INVALID_REQUEST, `Unable to parse broker name '${resourceName}' as a base 10 number.`)
    }
    return image.brokers.has(Number(resourceName))
      ? undefined
      : failure(Errors.BROKER_ID_NOT_REGISTERED, `Broker ${resourceName} is not registered.`)
  }
  if (resourceType === resourceTypes.group || resourceType === resourceTypes.clientMetrics) {
    return resourceName === "" ? failure(Errors.INVALID_REQUEST, "Default group resources are not allowed.") : undefined
  }
  return failure(Errors.INVALID_REQUEST, `Unsupported configuration resource type: ${resourceType}`)
}

export function incrementalAlterConfigs(
  image: MetadataImage,
  resources: readonly (ConfigResource & { readonly configs: readonly ConfigChange[] })[],
  rules: ConfigRules,
): { records: MetadataRecord[]; results: Outcome<void>[] } {
  return each(
    image,
    resources,
    (resource) => {
      const changes = new Map<string, string | null>()
      const overrides = configOverrides(image, resource.resourceType, resource.resourceName)
      for (const { name, operation, value } of resource.configs) {
        if (changes.has(name)) {
          return failure(Errors.INVALID_REQUEST, `Error due to duplicate config keys: ${name}`)
        }
        if (value === null && operation !== alterOperations.delete) {
          return failure(Errors.INVALID_REQUEST, `Null value not supported for : ${name}`)
        }
        const changed = changedValue(resource, name, operation, value, overrides.get(name), rules)
        if ("failure" in changed) return changed
        changes.set(name, changed.ok)
      }
      return { ok: changes }
    },
    rules,
  )
}

function changedValue(
  { resourceType }: ConfigResource,
  name: string,
  operation: number,
  value: string | null,
  current: string | undefined,
  rules: ConfigRules,
): Outcome<string | null> {
  if (operation === alterOperations.set) return { ok: value }
  if (operation === alterOperations.delete) return { ok: null }
  if (operation !== alterOperations.append && operation !== alterOperations.subtract) {
    return failure(Errors.INVALID_REQUEST, `Unknown operation ${operation} for ${name}.`)
  }
  if (!rules.isList(resourceType, name)) {
    return failure(
      Errors.INVALID_CONFIG,
      `Can't ${operation === 2 ? "APPEND" : "SUBTRACT"} to key ${name} because its type is not LIST.`,
    )
  }
  const present = split(current ?? rules.inherited(resourceType, name))
  const named = split(value ?? "")
  const result =
    operation === alterOperations.append
      ? [...present, ...named.filter((item) => !present.includes(item))]
      : present.filter((item) => !named.includes(item))
  return { ok: result.join(",") }
}

const split = (list: string): string[] =>
  list
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")

/** Sets exactly what is given; what is set now and not given goes back to its default. */
export function alterConfigs(
  image: MetadataImage,
  resources: readonly (ConfigResource & {
    readonly configs: readonly { readonly name: string; readonly value: string | null }[]
  })[],
  rules: ConfigRules,
): { records: MetadataRecord[]; results: Outcome<void>[] } {
  return each(
    image,
    resources,
    (resource) => {
      const changes = new Map<string, string | null>()
      for (const { name, value } of resource.configs) {
        if (value === null) return failure(Errors.INVALID_REQUEST, `Null value not supported for : ${name}`)
        if (changes.has(name)) return failure(Errors.INVALID_REQUEST, `Error due to duplicate config keys: ${name}`)
        changes.set(name, value)
      }
      for (const name of configOverrides(image, resource.resourceType, resource.resourceName).keys()) {
        if (!changes.has(name)) changes.set(name, null)
      }
      return { ok: changes }
    },
    rules,
  )
}

function each<Resource extends ConfigResource>(
  image: MetadataImage,
  resources: readonly Resource[],
  changesOf: (resource: Resource) => Outcome<Map<string, string | null>>,
  rules: ConfigRules,
): { records: MetadataRecord[]; results: Outcome<void>[] } {
  const records: MetadataRecord[] = []
  const seen = new Set<string>()
  const results = resources.map((resource): Outcome<void> => {
    const key = configKey(resource.resourceType, resource.resourceName)
    if (seen.has(key)) return failure(Errors.INVALID_REQUEST, "Each resource must appear at most once.")
    seen.add(key)
    const refused = resourceFailure(image, resource)
    if (refused !== undefined) return refused
    const changes = changesOf(resource)
    if ("failure" in changes) return changes
    const overrides = configOverrides(image, resource.resourceType, resource.resourceName)
    for (const [name, value] of changes.ok) {
      const problem = value === null ? undefined : rules.problem(resource.resourceType, name, value)
      if (problem !== undefined) return failure(Errors.INVALID_CONFIG, problem)
    }
    for (const [name, value] of changes.ok) {
      if ((overrides.get(name) ?? null) === value) continue
      const { resourceType, resourceName } = resource
      records.push({ type: "ConfigRecord", value: { resourceType, resourceName, name, value } })
    }
    return { ok: undefined }
  })
  return { records, results }
}
