/** Every setting of a group that Kafka 4.3.1 has. */
import { type ConfigEntry, define } from "./config-entry.js"

export const groupConfigs: readonly ConfigEntry[] = [
  define("consumer.assignment.interval.ms", "int", "1000", {
    valid: "[0,...]",
    serverDefault: "group.consumer.assignment.interval.ms",
  }),
  define("consumer.heartbeat.interval.ms", "int", "5000", {
    valid: "[1,...]",
    serverDefault: "group.consumer.heartbeat.interval.ms",
  }),
  define("consumer.session.timeout.ms", "int", "45000", {
    valid: "[1,...]",
    serverDefault: "group.consumer.session.timeout.ms",
  }),
  define("share.assignment.interval.ms", "int", "1000", {
    valid: "[0,...]",
    serverDefault: "group.share.assignment.interval.ms",
  }),
  define("share.auto.offset.reset", "string", "latest", { valid: "[latest, earliest, by_duration:PnDTnHnMn.nS]" }),
  define("share.delivery.count.limit", "int", "5", {
    valid: "[2,...]",
    serverDefault: "group.share.delivery.count.limit",
  }),
  define("share.heartbeat.interval.ms", "int", "5000", {
    valid: "[1,...]",
    serverDefault: "group.share.heartbeat.interval.ms",
  }),
  define("share.isolation.level", "string", "read_uncommitted", { valid: "[read_committed, read_uncommitted]" }),
  define("share.partition.max.record.locks", "int", "2000", {
    valid: "[100,...]",
    serverDefault: "group.share.partition.max.record.locks",
  }),
  define("share.record.lock.duration.ms", "int", "30000", {
    valid: "[1000,...]",
    serverDefault: "group.share.record.lock.duration.ms",
  }),
  define("share.renew.acknowledge.enable", "boolean", "true"),
  define("share.session.timeout.ms", "int", "45000", {
    valid: "[1,...]",
    serverDefault: "group.share.session.timeout.ms",
  }),
  define("streams.assignment.interval.ms", "int", "1000", {
    valid: "[0,...]",
    serverDefault: "group.streams.assignment.interval.ms",
  }),
  define("streams.heartbeat.interval.ms", "int", "5000", {
    valid: "[1,...]",
    serverDefault: "group.streams.heartbeat.interval.ms",
  }),
  define("streams.initial.rebalance.delay.ms", "int", "3000", {
    valid: "[0,...]",
    serverDefault: "group.streams.initial.rebalance.delay.ms",
  }),
  define("streams.num.standby.replicas", "int", "0", {
    valid: "[0,...]",
    serverDefault: "group.streams.num.standby.replicas",
  }),
  define("streams.session.timeout.ms", "int", "45000", {
    valid: "[1,...]",
    serverDefault: "group.streams.session.timeout.ms",
  }),
]
