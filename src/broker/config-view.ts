/**
 * Settings as they are in force: static, dynamic and per topic, read from the committed metadata.
 *
 * Owns the joining of the layers for this broker, and the rules that a change of them must meet. Tables, grammar and precedence are in `config/`.
 */
import { isValidTopicName, type BrokerId } from "../base/ids.js"
import { type BrokerLayers, brokerConfigText, type ConfigValues, topicConfigText } from "../config/config-layers.js"
import type { ConfigEntry } from "../config/config-entry.js"
import { configEntry, type ConfigScope } from "../config/config-tables.js"
import {
  type DescribedConfig,
  describeBroker,
  describeClientMetrics,
  describeClusterDefault,
  describeGroup,
  describeTopic,
} from "../config/describe.js"
import { groupOverrideProblem } from "../config/group-limits.js"
import { type LogConfig, logConfigOf } from "../config/log-config.js"
import { parseConfig } from "../config/parse.js"
import type { ConfigRules } from "../controller/configs.js"
import type { TopicSettingsOf } from "../controller/controller-view.js"
import { invalidTopicName } from "../controller/topics.js"
import { configOverrides, type MetadataImage, resourceTypes } from "../metadata/image.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"

/** Topics with settings of their own whose outcome is remembered. */
export const rememberedLogConfigsMax = 1000
/** Stands for all topics that have none. */
const noTopic = ""

export class ConfigView {
  readonly #logConfigs = new Map<string, LogConfig>()
  #logConfigsOf: MetadataImage["configs"] | undefined

  constructor(
    private readonly nodeId: BrokerId,
    private readonly staticValues: ConfigValues,
    private readonly image: () => MetadataImage,
  ) {}

  #layers(image = this.image()): BrokerLayers {
    return {
      dynamicBroker: configOverrides(image, resourceTypes.broker, String(this.nodeId)),
      dynamicDefaultBroker: configOverrides(image, resourceTypes.broker, ""),
      static: this.staticValues,
    }
  }

  /** The same object for the same settings: thousands of partitions share it. */
  logConfig(topic: string): LogConfig {
    const image = this.image()
    if (image.configs !== this.#logConfigsOf || this.#logConfigs.size >= rememberedLogConfigsMax) {
      this.#logConfigs.clear()
      this.#logConfigsOf = image.configs
    }
    const overrides = configOverrides(image, resourceTypes.topic, topic)
    const key = overrides.size === 0 ? noTopic : topic
    let config = this.#logConfigs.get(key)
    if (config === undefined) this.#logConfigs.set(key, (config = logConfigOf(this.#layers(), overrides)))
    return config
  }

  /** What elections and in-sync sets of a topic go by, as an image has it that need not be the committed one. */
  readonly topicSettings: TopicSettingsOf = (image, topic) => {
    const layers = this.#layers(image)
    const overrides = configOverrides(image, resourceTypes.topic, topic)
    return {
      minInsyncReplicas: Number(topicConfigText(layers, overrides, "min.insync.replicas")),
      uncleanLeaderElectionEnable: topicConfigText(layers, overrides, "unclean.leader.election.enable") === "true",
      survivesCrash: topicConfigText(layers, overrides, "ottla.flush.policy") === "flush",
    }
  }

  /** The value that a topic has itself; empty where it has none. */
  topicValue(topic: string, name: string): string {
    return configOverrides(this.image(), resourceTypes.topic, topic).get(name) ?? ""
  }

  brokerNumber(name: string): number {
    return Number(brokerConfigText(this.#layers(), name))
  }

  /** The settings of a resource; `topicOverrides` stand in for those of a topic that is only being created. */
  describe(
    resourceType: number,
    resourceName: string,
    options: { topicOverrides?: ConfigValues } = {},
  ): DescribedConfig[] {
    const layers = this.#layers()
    const overrides = options.topicOverrides ?? configOverrides(this.image(), resourceType, resourceName)
    switch (resourceType) {
      case resourceTypes.topic:
        return describeTopic(layers, overrides)
      case resourceTypes.broker:
        return resourceName === "" ? describeClusterDefault(layers) : describeBroker(layers)
      case resourceTypes.group:
        return describeGroup(layers, overrides)
      case resourceTypes.clientMetrics:
        return describeClientMetrics(overrides)
      default:
        return []
    }
  }

  /** Why the settings of a resource cannot be told here; undefined if they can. */
  resourceProblem(
    resourceType: number,
    resourceName: string,
  ): { errorCode: ErrorCode; errorMessage: string | null } | undefined {
    if (resourceType === resourceTypes.topic) {
      if (!isValidTopicName(resourceName))
        return { errorCode: Errors.INVALID_TOPIC_EXCEPTION, errorMessage: invalidTopicName(resourceName) }
      return this.image().topics.has(resourceName)
        ? undefined
        : { errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: "" }
    }
    if (resourceType === resourceTypes.broker || resourceType === resourceTypes.brokerLogger) {
      if ((resourceType === resourceTypes.broker && resourceName === "") || resourceName === String(this.nodeId))
        return undefined
      const isLogger = resourceType === resourceTypes.brokerLogger
      const errorMessage =
        resourceName === ""
          ? "Broker id must not be empty"
          : /^\d+$/.test(resourceName)
            ? `Unexpected broker id, expected ${this.nodeId}${isLogger ? "" : " or empty string,"} but received ${resourceName}`
            : `Broker id must be an integer, but it is: ${resourceName}`
      return { errorCode: Errors.INVALID_REQUEST, errorMessage }
    }
    if (resourceType === resourceTypes.group || resourceType === resourceTypes.clientMetrics) {
      const what = resourceType === resourceTypes.group ? "Group name" : "Client metrics subscription name"
      return resourceName === ""
        ? { errorCode: Errors.INVALID_REQUEST, errorMessage: `${what} must not be empty` }
        : undefined
    }
    return { errorCode: Errors.INVALID_REQUEST, errorMessage: `Unsupported resource type: ${resourceType}` }
  }

  readonly rules: ConfigRules = {
    nodeId: () => this.nodeId,
    problem: (resourceType, name, value) =>
      configProblem(resourceType, name, value) ??
      (resourceType === resourceTypes.group
        ? groupOverrideProblem(name, Number(value), (limit) => this.brokerNumber(limit))
        : undefined),
    isPerBroker: (name) => entryOf(resourceTypes.broker, name)?.updateMode === "per-broker",
    isList: (resourceType, name) => entryOf(resourceType, name)?.type === "list",
    inherited: (resourceType, name) =>
      this.describe(resourceType, resourceType === resourceTypes.broker ? String(this.nodeId) : " ").find(
        (entry) => entry.name === name,
      )?.value ?? "",
  }
}

const scopes: Readonly<Record<number, ConfigScope>> = {
  [resourceTypes.topic]: "topic",
  [resourceTypes.broker]: "broker",
  [resourceTypes.group]: "group",
  [resourceTypes.clientMetrics]: "client-metrics",
}

function entryOf(resourceType: number, name: string): ConfigEntry | undefined {
  const scope = scopes[resourceType]
  return scope === undefined ? undefined : configEntry(scope, name)
}

/** What is wrong with setting this value now; undefined if nothing is. */
export function configProblem(resourceType: number, name: string, value: string): string | undefined {
  const entry = entryOf(resourceType, name)
  if (entry === undefined) {
    const kind = { [resourceTypes.topic]: "topic ", [resourceTypes.group]: "group " }[resourceType] ?? ""
    return `Unknown ${kind}config name: ${name}`
  }
  if (resourceType === resourceTypes.broker && (entry.updateMode ?? "read-only") === "read-only") {
    return `Cannot update these configs dynamically: [${name}]`
  }
  const parsed = parseConfig(entry, value)
  if (parsed.ok && resourceType === resourceTypes.topic && name === "remote.storage.enable" && parsed.text === "true")
    return "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
  if (parsed.ok && resourceType === resourceTypes.clientMetrics && name === "interval.ms") {
    const intervalMs = Number(parsed.text)
    if (intervalMs < 100 || intervalMs > 3_600_000)
      return `Invalid value ${value} for interval.ms, interval must be between 100 and 3600000 (1 hour)`
  }
  return parsed.ok ? undefined : parsed.message
}
