/**
 * The entries that DescribeConfigs answers with.
 *
 * Owns which settings are listed for which resource, and their values, sources and synonyms; knows no wire format. Source: Kafka's
 * ConfigHelper, protocol notes of 4.3.1.
 */
import type { ConfigEntry, ConfigType } from "./config-entry.js"
import {
  type BrokerLayers,
  brokerConfigSynonyms,
  brokerConfigText,
  type ConfigSource,
  type ConfigSynonym,
  type ConfigValues,
  configSources,
  topicConfigText,
} from "./config-layers.js"
import { configEntry, configTables } from "./config-tables.js"

/** Codes of DescribeConfigs. */
export const configTypeCodes: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
}

export interface DescribedConfig {
  readonly name: string
  /** Null: none, or a password. */
  readonly value: string | null
  readonly readOnly: boolean
  readonly isSensitive: boolean
  readonly source: ConfigSource
  readonly type: number
  /** The value that counts first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[]
}

function described(
  entry: ConfigEntry,
  value: string | null,
  synonyms: readonly ConfigSynonym[],
  readOnly: boolean,
): DescribedConfig {
  const isSensitive = entry.type === "password"
  return {
    name: entry.name,
    value: isSensitive ? null : value,
    readOnly,
    isSensitive,
    source: synonyms[0]?.source ?? configSources.default,
    type: configTypeCodes[entry.type],
    synonyms: isSensitive ? synonyms.map((synonym) => ({ ...synonym, value: null })) : synonyms,
  }
}

const isHidden = (entry: ConfigEntry): boolean => entry.internal === true || entry.dynamicOnly === true

/** All settings of a topic; `names` narrows them, null means all. */
export function describeTopic(
  layers: BrokerLayers,
  overrides: ConfigValues,
  names: readonly string[] | null = null,
): DescribedConfig[] {
  return configTables.topic
    .filter(
      (entry) => (names === null || names.includes(entry.name)) && (!isHidden(entry) || overrides.has(entry.name)),
    )
    .map((entry) => {
      const synonyms = entry.serverDefault === undefined ? [] : brokerConfigSynonyms(layers, entry.serverDefault)
      const own = overrides.get(entry.name)
      if (own !== undefined) synonyms.unshift({ name: entry.name, value: own, source: configSources.topic })
      return described(entry, topicConfigText(layers, overrides, entry.name), synonyms, false)
    })
}

/** All settings of one broker. */
export function describeBroker(layers: BrokerLayers, names: readonly string[] | null = null): DescribedConfig[] {
  const isSet = (name: string) =>
    layers.dynamicBroker.has(name) || layers.dynamicDefaultBroker.has(name) || layers.static.has(name)
  return configTables.broker
    .filter((entry) => (names === null || names.includes(entry.name)) && (!isHidden(entry) || isSet(entry.name)))
    .map((entry) =>
      described(
        entry,
        brokerConfigText(layers, entry.name),
        brokerConfigSynonyms(layers, entry.name),
        entry.updateMode === "read-only",
      ),
    )
}

/** The cluster-wide values that are set, which is what BROKER with an empty name shows. */
export function describeClusterDefault(
  layers: BrokerLayers,
  names: readonly string[] | null = null,
): DescribedConfig[] {
  const found: DescribedConfig[] = []
  for (const [name, value] of layers.dynamicDefaultBroker) {
    const entry = configEntry("broker", name)
    if (entry === undefined || (names !== null && !names.includes(name))) continue
    const synonyms = [{ name, value, source: configSources.dynamicDefaultBroker }]
    found.push(described(entry, value, synonyms, entry.updateMode === "read-only"))
  }
  return found
}

/** All settings of a group, also of one nobody created. */
export function describeGroup(
  layers: BrokerLayers,
  overrides: ConfigValues,
  names: readonly string[] | null = null,
): DescribedConfig[] {
  return configTables.group
    .filter((entry) => names === null || names.includes(entry.name))
    .map((entry) => {
      const synonyms =
        entry.serverDefault === undefined
          ? [{ name: entry.name, value: entry.default ?? "", source: configSources.default }]
          : brokerConfigSynonyms(layers, entry.serverDefault)
      const own = overrides.get(entry.name)
      if (own !== undefined) synonyms.unshift({ name: entry.name, value: own, source: configSources.group })
      const fallback = entry.serverDefault === undefined ? entry.default : brokerConfigText(layers, entry.serverDefault)
      return described(entry, own ?? fallback ?? null, synonyms, false)
    })
}

/** All settings of a client metrics subscription, also of one nobody created. */
export function describeClientMetrics(
  overrides: ConfigValues,
  names: readonly string[] | null = null,
): DescribedConfig[] {
  return configTables["client-metrics"]
    .filter((entry) => names === null || names.includes(entry.name))
    .map((entry) => {
      const own = overrides.get(entry.name)
      const synonyms = own === undefined ? [] : [{ name: entry.name, value: own, source: configSources.clientMetrics }]
      return described(entry, own ?? entry.default ?? null, synonyms, false)
    })
}
