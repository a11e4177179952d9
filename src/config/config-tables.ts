/** The tables by name. */
import { brokerConfigs } from "./broker-configs.js"
import { clientMetricsConfigs } from "./client-metrics-configs.js"
import type { ConfigEntry } from "./config-entry.js"
import { groupConfigs } from "./group-configs.js"
import { topicConfigs } from "./topic-configs.js"

export type ConfigScope = "broker" | "topic" | "group" | "client-metrics"

export const configTables: Readonly<Record<ConfigScope, readonly ConfigEntry[]>> = {
  broker: brokerConfigs,
  topic: topicConfigs,
  group: groupConfigs,
  "client-metrics": clientMetricsConfigs,
}

const byName = (entries: readonly ConfigEntry[]): ReadonlyMap<string, ConfigEntry> =>
  new Map(entries.map((entry) => [entry.name, entry]))

const tablesByName: Readonly<Record<ConfigScope, ReadonlyMap<string, ConfigEntry>>> = {
  broker: byName(brokerConfigs),
  topic: byName(topicConfigs),
  group: byName(groupConfigs),
  "client-metrics": byName(clientMetricsConfigs),
}

export const configEntry = (scope: ConfigScope, name: string): ConfigEntry | undefined => tablesByName[scope].get(name)
