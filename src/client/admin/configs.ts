/**
 * Settings of topics, brokers and groups, as an admin reads and changes them.
 *
 * Owns the names of resources, of changes and of where a value comes from, and the requests.
 */
import type { ResponseOf } from "../../protocol/message.js"
import { describeConfigs as describeConfigsApi } from "../../protocol/messages/describe-configs.js"
import { incrementalAlterConfigs as incrementalAlterConfigsApi } from "../../protocol/messages/incremental-alter-configs.js"
import { listConfigResources as listConfigResourcesApi } from "../../protocol/messages/list-config-resources.js"
import {
  type Call,
  type CallOptions,
  matched,
  outcome,
  type Outcome,
  type Result,
  results,
  type Routing,
} from "./routing.js"
import type { ValidateOptions } from "./topics.js"

const resourceCodes = { topic: 2, broker: 4, "broker-logger": 8, "client-metrics": 16, group: 32 } as const
export type ResourceType = keyof typeof resourceCodes

export interface ConfigResource {
  readonly type: ResourceType
  /** Of brokers: an id, or "" for what holds for all. */
  readonly name: string
}

/** Where a value comes from, strongest first: the resource itself, the broker, all brokers, the file of the broker, Kafka. */
const sources = [
  "unknown",
  "topic",
  "dynamic-broker",
  "dynamic-default-broker",
  "static-broker",
  "default",
  "dynamic-broker-logger",
  "client-metrics",
  "group",
] as const
export type ConfigSource = (typeof sources)[number]

const types = ["unknown", "boolean", "string", "int", "short", "long", "double", "list", "class", "password"] as const
export type ConfigType = (typeof types)[number]

export interface ConfigEntry {
  readonly name: string
  /** Null: a secret, which is not told, or no value. */
  readonly value: string | null
  readonly source: ConfigSource
  readonly isDefault: boolean
  readonly isSensitive: boolean
  readonly isReadOnly: boolean
  readonly type: ConfigType
  readonly documentation: string | null
  /** What would hold, the strongest first; empty unless asked for. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[]
}

const operations = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export interface ConfigChange {
  readonly name: string
  /** "delete": back to what is inherited. "append" and "subtract": entries of a list. Default: "set". */
  readonly operation?: keyof typeof operations
  /** Of "delete": none. */
  readonly value?: string
}

export interface DescribeConfigsOptions extends CallOptions {
  readonly includeSynonyms?: boolean
  readonly includeDocumentation?: boolean
}

const keyOf = ({ type, name }: ConfigResource): string => `${type} ${name}`
const keyOfCode = (type: number, name: string): string => `${typeOf(type) ?? type} ${name}`
const typeOf = (code: number): ResourceType | undefined =>
  (Object.keys(resourceCodes) as ResourceType[]).find((type) => resourceCodes[type] === code)
const textOf = (resource: ConfigResource): string =>
  resource.name === "" ? `the defaults of all ${resource.type}s` : `${resource.type} ${resource.name}`

export async function describeConfigs(
  routing: Routing,
  resources: readonly (ConfigResource & { readonly keys?: readonly string[] | undefined })[],
  { includeSynonyms = false, includeDocumentation = false, ...options }: DescribeConfigsOptions = {},
): Promise<Result<ConfigResource, { readonly configs: readonly ConfigEntry[] }>[]> {
  type Item = (typeof resources)[number]
  type Configs = { readonly configs: readonly ConfigEntry[] }
  const requestOf = (items: readonly Item[]) => ({
    resources: items.map(({ type, name, keys }) => ({
      resourceType: resourceCodes[type],
      resourceName: name,
      configurationKeys: keys === undefined ? null : [...keys],
    })),
    includeSynonyms,
    includeDocumentation,
  })
  const parse = (items: readonly Item[], { results: told }: Answer): Outcome<Configs>[] =>
    matched(
      items,
      keyOf,
      told.map((each) => [keyOfCode(each.resourceType, each.resourceName), each] as const),
      ({ errorCode, errorMessage, configs }, item) =>
        outcome(errorCode, textOf(item), { configs: configs.map(entryOf) }, errorMessage),
    )
  const call = routing.begin(options)
  const outcomes = await placed(
    resources,
    (items) =>
      routing.each(items, call, async (batch) =>
        parse(batch, await routing.any(describeConfigsApi, requestOf(batch), call)),
      ),
    (items) =>
      routing.byBroker(items, call, async (nodeId, batch) =>
        parse(batch, await routing.node(nodeId, describeConfigsApi, requestOf(batch), call)),
      ),
  )
  return results(
    resources.map(({ type, name }) => ({ type, name })),
    outcomes,
  )
}

type Answer = ResponseOf<typeof describeConfigsApi>
type Entry = Answer["results"][number]["configs"][number]

function entryOf({
  name,
  value,
  readOnly,
  configSource,
  isSensitive,
  synonyms,
  configType,
  documentation,
}: Entry): ConfigEntry {
  const source = sources[configSource] ?? "unknown"
  return {
    name,
    value,
    source,
    isDefault: source === "default",
    isSensitive,
    isReadOnly: readOnly,
    type: types[configType] ?? "unknown",
    documentation,
    synonyms: synonyms.map((each) => ({
      name: each.name,
      value: each.value,
      source: sources[each.source] ?? "unknown",
    })),
  }
}

/** A broker is asked for its own settings itself. */
async function placed<Item extends ConfigResource, R>(
  items: readonly Item[],
  anywhere: (items: readonly Item[]) => Promise<readonly Outcome<R>[]>,
  there: (items: readonly (Item & { readonly broker: number })[]) => Promise<readonly Outcome<R>[]>,
): Promise<Outcome<R>[]> {
  const isOwn = ({ type, name }: ConfigResource) =>
    (type === "broker" || type === "broker-logger") && /^\d+$/.test(name)
  const own = items.filter(isOwn).map((item) => ({ ...item, broker: Number(item.name) }))
  const [fromBrokers, others] = await Promise.all([there(own), anywhere(items.filter((item) => !isOwn(item)))])
  const [nextOwn, nextOther] = [fromBrokers.values(), others.values()]
  return items.map((item) => (isOwn(item) ? nextOwn : nextOther).next().value!)
}

export async function incrementalAlterConfigs(
  routing: Routing,
  resources: readonly (ConfigResource & { readonly changes: readonly ConfigChange[] })[],
  { validateOnly = false, ...options }: ValidateOptions = {},
): Promise<Result<ConfigResource>[]> {
  const outcomes = await routing.each(resources, routing.begin(options), async (batch, call: Call) => {
    const answer = await routing.any(
      incrementalAlterConfigsApi,
      {
        resources: batch.map(({ type, name, changes }) => ({
          resourceType: resourceCodes[type],
          resourceName: name,
          configs: changes.map(({ name: key, operation = "set", value }) => ({
            name: key,
            configOperation: operations[operation],
            value: operation === "delete" ? null : (value ?? ""),
          })),
        })),
        validateOnly,
      },
      call,
    )
    return matched(
      batch,
      keyOf,
      answer.responses.map((each) => [keyOfCode(each.resourceType, each.resourceName), each] as const),
      ({ errorCode, errorMessage }, item) => outcome(errorCode, textOf(item), {}, errorMessage),
    )
  })
  return results(
    resources.map(({ type, name }) => ({ type, name })),
    outcomes,
  )
}

/** Resources that have, or could have, settings of their own. */
export async function listConfigResources(
  routing: Routing,
  ofTypes: readonly ResourceType[] = [],
  options: CallOptions = {},
): Promise<ConfigResource[]> {
  const { configResources } = await routing.one(routing.begin(options), async (call) => {
    const answer = await routing.any(
      listConfigResourcesApi,
      { resourceTypes: ofTypes.map((type) => resourceCodes[type]) },
      call,
    )
    return outcome(answer.errorCode, "the list of what has settings", answer)
  })
  return configResources.flatMap(({ resourceType, resourceName }) => {
    const type = typeOf(resourceType)
    return type === undefined ? [] : [{ type, name: resourceName }]
  })
}
