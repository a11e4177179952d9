/**
 * The settings of the group coordinator, by their meaning.
 *
 * Owns where each comes from: fixed at start, or looked up in the committed metadata (those a group may override). Values out of a group's allowed range are brought back into it, as Kafka
 * does.
 */
import { limitedGroupValue } from "../config/group-limits.js"
import type { ServerConfig } from "../config/server-config.js"
import type { GroupSettings } from "../coordinator/group/contract.js"
import { configOverrides, type MetadataImage, resourceTypes } from "../metadata/image.js"
import type { ConfigView } from "./config-view.js"

const minuteMs = 60_000

export function groupSettings(config: ServerConfig, configs: ConfigView, image: () => MetadataImage): GroupSettings {
  const brokerNumber = (name: string) => configs.brokerNumber(name)
  const forGroup = (groupId: string, name: string): number => {
    const own = configOverrides(image(), resourceTypes.group, groupId).get(name)
    const value = own === undefined ? brokerNumber(`group.${name}`) : Number(own)
    return limitedGroupValue(name, value, brokerNumber)
  }
  return {
    classicMaxSize: config.int("group.max.size"),
    minSessionTimeoutMs: config.int("group.min.session.timeout.ms"),
    maxSessionTimeoutMs: config.int("group.max.session.timeout.ms"),
    initialRebalanceDelayMs: config.int("group.initial.rebalance.delay.ms"),
    offsetMetadataMaxBytes: config.int("offset.metadata.max.bytes"),
    offsetsRetentionMs: config.int("offsets.retention.minutes") * minuteMs,
    consumerMaxSize: config.int("group.consumer.max.size"),
    consumerAssignors: config.list("group.consumer.assignors"),
    consumerMigrationPolicy: migrationPolicy(config.string("group.consumer.migration.policy") ?? ""),
    consumerRegexRefreshIntervalMs: config.int("group.consumer.regex.refresh.interval.ms"),
    get isConsumerProtocolEnabled() {
      return (
        config.list("group.coordinator.rebalance.protocols").includes("consumer") &&
        (image().features.get("group.version") ?? 0) >= 1
      )
    },
    consumerSessionTimeoutMs: (groupId) => forGroup(groupId, "consumer.session.timeout.ms"),
    consumerHeartbeatIntervalMs: (groupId) => forGroup(groupId, "consumer.heartbeat.interval.ms"),
    consumerAssignmentIntervalMs: (groupId) => forGroup(groupId, "consumer.assignment.interval.ms"),
  }
}

const policies = ["bidirectional", "upgrade", "downgrade", "disabled"] as const

function migrationPolicy(text: string): (typeof policies)[number] {
  return policies.find((policy) => policy === text.toLowerCase()) ?? "bidirectional"
}
