/**
 * Where the value of a setting comes from.
 *
 * Owns precedence: topic or group, then broker, then cluster, then the file, then the default; and the families of names that mean one
 * setting. Values are text that has been checked before it came here. Source: Kafka's DynamicBrokerConfig, ConfigHelper.
 */
import { configEntry } from "./config-tables.js"

/** Codes of DescribeConfigs. */
export const configSources = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  brokerLogger: 6,
  clientMetrics: 7,
  group: 8,
} as const
export type ConfigSource = (typeof configSources)[keyof typeof configSources]

/** Values that were set, by name. */
export type ConfigValues = ReadonlyMap<string, string>

export interface BrokerLayers {
  readonly dynamicBroker: ConfigValues
  readonly dynamicDefaultBroker: ConfigValues
  /** The file and the command line. */
  readonly static: ConfigValues
}

export interface ConfigSynonym {
  readonly name: string
  readonly value: string
  readonly source: ConfigSource
}

/** Names of one setting, the one that wins first. */
const families: readonly (readonly string[])[] = [
  ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
  ["log.roll.ms", "log.roll.hours"],
  ["log.roll.jitter.ms", "log.roll.jitter.hours"],
  ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
]

export const brokerConfigFamily = (name: string): readonly string[] =>
  families.find((family) => family.includes(name)) ?? [name]

/** What a broker's setting is, by this name alone: null if it is not set and has no default. */
export const brokerConfigText = (layers: BrokerLayers, name: string): string | null =>
  layers.dynamicBroker.get(name) ??
  layers.dynamicDefaultBroker.get(name) ??
  layers.static.get(name) ??
  configEntry("broker", name)?.default ??
  null

/**
 * Every place that has a value for a broker's setting, the one that counts first.
 *
 * What precedes the first value of `name` itself is left out, as Kafka does: with only log.retention.hours known, log.retention.ms has
 * no synonyms at all.
 */
export function brokerConfigSynonyms(layers: BrokerLayers, name: string): ConfigSynonym[] {
  const family = brokerConfigFamily(name)
  const found: ConfigSynonym[] = []
  const add = (source: ConfigSource, find: (name: string) => string | null | undefined) => {
    for (const member of family) {
      const value = find(member)
      if (value !== undefined && value !== null) found.push({ name: member, value, source })
    }
  }
  add(configSources.dynamicBroker, (member) => layers.dynamicBroker.get(member))
  add(configSources.dynamicDefaultBroker, (member) => layers.dynamicDefaultBroker.get(member))
  add(configSources.staticBroker, (member) => layers.static.get(member))
  add(configSources.default, (member) => configEntry("broker", member)?.default)
  const own = found.findIndex((synonym) => synonym.name === name)
  return own < 0 ? [] : found.slice(own)
}

/**
 * What a topic goes by: its own value, or the broker's converted to the topic's unit, or the default. Null: no value at all.
 */
export function topicConfigText(layers: BrokerLayers, overrides: ConfigValues, name: string): string | null {
  const own = overrides.get(name)
  if (own !== undefined) return own
  const entry = configEntry("topic", name)
  if (entry === undefined) return null
  const names = entry.synonyms ?? (entry.serverDefault === undefined ? [] : [entry.serverDefault])
  for (const synonym of names) {
    const [brokerName, factor] = synonym.split(" * ") as [string, string | undefined]
    const text = brokerConfigText(layers, brokerName)
    if (text === null) continue
    if (factor === undefined) return text
    // A negative number of hours means no limit, which is -1 whatever the unit.
    return BigInt(text) < 0n ? "-1" : (BigInt(text) * BigInt(factor)).toString()
  }
  return entry.default ?? null
}
