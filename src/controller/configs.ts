/**
 * Decisions about dynamic settings.
 *
 * Owns the difference between replacing all settings of a resource (AlterConfigs) and changing some (IncrementalAlterConfigs), and what either
 * refuses. Source: Kafka's ConfigurationControlManager; KIP-226, KIP-339.
 */
import { configKey, configOverrides, type MetadataImage, resourceTypes } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { isValidTopicName } from "../base/ids.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import { elrFeature } from "./controller-view.js"
import { clearElr } from "./elr-clearing.js"
import { type Failure, failure, type Outcome } from "./outcome.js"
import { invalidTopicName } from "./topics.js"

export interface ConfigResource {
  readonly resourceType: number
  readonly resourceName: string
}

/** What is known of the settings of one kind of resource. */
export interface ConfigRules {
  /** The broker that decides about its own settings. */
  nodeId(): number
  /** Whether a broker's setting can only be set for one broker, not as the default of all. */
  isPerBroker(name: string): boolean
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
  rules: ConfigRules,
): { failure: Failure } | undefined {
  if (resourceType === resourceTypes.topic) {
    if (resourceName === "") return failure(Errors.INVALID_REQUEST, "Default topic resources are not allowed.")
    if (!isValidTopicName(resourceName)) return failure(Errors.INVALID_TOPIC_EXCEPTION, invalidTopicName(resourceName))
    return image.topics.has(resourceName)
      ? undefined
      : failure(Errors.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${resourceName}' does not exist.`)
  }
  if (resourceType === resourceTypes.broker) {
    if (resourceName === "") return undefined
    if (!/^\d+$/.test(resourceName))
      return failure(Errors.INVALID_REQUEST, `Node id must be an integer, but it is: ${resourceName}`)
    // Only the broker itself can say whether it could live with the change; what another one sends on, it has judged.
    return Number(resourceName) === rules.nodeId() || image.brokers.has(Number(resourceName))
      ? undefined
      : failure(
          Errors.INVALID_REQUEST,
          `Unexpected broker id, expected ${rules.nodeId()}, but received ${resourceName}`,
        )
  }
  if (resourceType === resourceTypes.group && resourceName === "")
    return failure(Errors.INVALID_REQUEST, "Default group resources are not allowed.")
  if (resourceType === resourceTypes.clientMetrics && resourceName === "")
    return failure(Errors.INVALID_REQUEST, "Subscription name can't be empty")
  if (resourceType === resourceTypes.group || resourceType === resourceTypes.clientMetrics) return undefined
  return failure(Errors.INVALID_REQUEST, `Unknown resource type ${resourceType}`)
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
          return failure(Errors.INVALID_REQUEST, "Error due to duplicate config keys")
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
        if (changes.has(name)) return failure(Errors.INVALID_REQUEST, "Error due to duplicate config keys")
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

/** Kafka's brokers check the settings of brokers and of client metrics themselves, and say so with another code than the controller. */
const invalidValueError = (resourceType: number): ErrorCode =>
  resourceType === resourceTypes.broker || resourceType === resourceTypes.clientMetrics
    ? Errors.INVALID_REQUEST
    : Errors.INVALID_CONFIG

/** What may not be changed on a broker, or not for all of them at once. */
function brokerChangeFailure(
  image: MetadataImage,
  { resourceType, resourceName }: ConfigResource,
  changes: ReadonlyMap<string, string | null>,
  rules: ConfigRules,
): { failure: Failure } | undefined {
  if (resourceType !== resourceTypes.broker) return undefined
  const isDefault = resourceName === ""
  // KIP-966: eligible leader replicas rest on one min.insync.replicas that all brokers know.
  if (changes.has(minInsyncReplicas) && image.features.get(elrFeature) === 1) {
    if (!isDefault)
      return failure(Errors.INVALID_CONFIG, `Broker-level ${minInsyncReplicas} cannot be altered while ELR is enabled.`)
    if (changes.get(minInsyncReplicas) === null)
      return failure(
        Errors.INVALID_CONFIG,
        `Cluster-level ${minInsyncReplicas} cannot be removed while ELR is enabled.`,
      )
  }
  const perBroker = isDefault ? [...changes.keys()].filter((name) => rules.isPerBroker(name)) : []
  return perBroker.length === 0
    ? undefined
    : failure(
        Errors.INVALID_REQUEST,
        `Cannot update these configs at default cluster level, broker id must be specified: [${perBroker.join(", ")}]`,
      )
}

export const minInsyncReplicas = "min.insync.replicas"

/** The ELR records that changes of the minimum bring about. */
function elrRecords(image: MetadataImage, records: readonly MetadataRecord[]): MetadataRecord[] {
  if ((image.features.get(elrFeature) ?? 0) < 1) return []
  const topics = new Set<string>()
  for (const record of records) {
    if (record.type !== "ConfigRecord" || record.value.name !== minInsyncReplicas) continue
    if (record.value.resourceType === resourceTypes.broker) return clearElr(image, "all")
    if (record.value.resourceType === resourceTypes.topic) topics.add(record.value.resourceName)
  }
  return clearElr(image, topics)
}

function each<Resource extends ConfigResource>(
  image: MetadataImage,
  resources: readonly Resource[],
  changesOf: (resource: Resource) => Outcome<Map<string, string | null>>,
  rules: ConfigRules,
): { records: MetadataRecord[]; results: Outcome<void>[] } {
  const records: MetadataRecord[] = []
  const counts = new Map<string, number>()
  const keyOf = ({ resourceType, resourceName }: ConfigResource) => configKey(resourceType, resourceName)
  for (const resource of resources) counts.set(keyOf(resource), (counts.get(keyOf(resource)) ?? 0) + 1)
  const results = resources.map((resource): Outcome<void> => {
    if (counts.get(keyOf(resource))! > 1)
      return failure(Errors.INVALID_REQUEST, "Each resource must appear at most once.")
    const refused = resourceFailure(image, resource, rules)
    if (refused !== undefined) return refused
    const changes = changesOf(resource)
    if ("failure" in changes) return changes
    const forbidden = brokerChangeFailure(image, resource, changes.ok, rules)
    if (forbidden !== undefined) return forbidden
    const overrides = configOverrides(image, resource.resourceType, resource.resourceName)
    for (const [name, value] of changes.ok) {
      const problem = value === null ? undefined : rules.problem(resource.resourceType, name, value)
      if (problem !== undefined) return failure(invalidValueError(resource.resourceType), problem)
    }
    for (const [name, value] of changes.ok) {
      if ((overrides.get(name) ?? null) === value) continue
      const { resourceType, resourceName } = resource
      records.push({ type: "ConfigRecord", value: { resourceType, resourceName, name, value } })
    }
    return { ok: undefined }
  })
  records.push(...elrRecords(image, records))
  return { records, results }
}
