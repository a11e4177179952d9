/** Every setting of a topic that Kafka 4.3.1 has, and Ottla's own at the end, each with the broker's setting it defaults to. */
import { type ConfigEntry, define } from "./config-entry.js"

export const topicConfigs: readonly ConfigEntry[] = [
  define("cleanup.policy", "list", "delete", {
    valid: "[compact, delete]",
    emptyAllowed: true,
    nullAllowed: false,
    serverDefault: "log.cleanup.policy",
  }),
  define("compression.gzip.level", "int", "-1", { valid: "[1,...,9] or -1", serverDefault: "compression.gzip.level" }),
  define("compression.lz4.level", "int", "9", { valid: "[1,...,17]", serverDefault: "compression.lz4.level" }),
  define("compression.type", "string", "producer", {
    valid: "[uncompressed, zstd, lz4, snappy, gzip, producer]",
    serverDefault: "compression.type",
  }),
  define("compression.zstd.level", "int", "3", { valid: "[-131072,...,22]", serverDefault: "compression.zstd.level" }),
  define("delete.retention.ms", "long", "86400000", {
    valid: "[0,...]",
    serverDefault: "log.cleaner.delete.retention.ms",
  }),
  define("file.delete.delay.ms", "long", "60000", { valid: "[0,...]", serverDefault: "log.segment.delete.delay.ms" }),
  define("flush.messages", "long", "9223372036854775807", {
    valid: "[1,...]",
    serverDefault: "log.flush.interval.messages",
  }),
  define("flush.ms", "long", "9223372036854775807", {
    valid: "[0,...]",
    serverDefault: "log.flush.interval.ms",
    synonyms: ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
  }),
  define("follower.replication.throttled.replicas", "list", "", {
    valid: "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
  }),
  define("index.interval.bytes", "int", "4096", { valid: "[0,...]", serverDefault: "log.index.interval.bytes" }),
  define("internal.segment.bytes", "int", null, { internal: true }),
  define("leader.replication.throttled.replicas", "list", "", {
    valid: "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
  }),
  define("local.retention.bytes", "long", "-2", { valid: "[-2,...]", serverDefault: "log.local.retention.bytes" }),
  define("local.retention.ms", "long", "-2", { valid: "[-2,...]", serverDefault: "log.local.retention.ms" }),
  define("max.compaction.lag.ms", "long", "9223372036854775807", {
    valid: "[1,...]",
    serverDefault: "log.cleaner.max.compaction.lag.ms",
  }),
  define("max.message.bytes", "int", "1048588", { valid: "[0,...]", serverDefault: "message.max.bytes" }),
  define("message.timestamp.after.max.ms", "long", "3600000", {
    valid: "[0,...]",
    serverDefault: "log.message.timestamp.after.max.ms",
  }),
  define("message.timestamp.before.max.ms", "long", "9223372036854775807", {
    valid: "[0,...]",
    serverDefault: "log.message.timestamp.before.max.ms",
  }),
  define("message.timestamp.type", "string", "CreateTime", {
    valid: "[CreateTime, LogAppendTime]",
    serverDefault: "log.message.timestamp.type",
  }),
  define("min.cleanable.dirty.ratio", "double", "0.5", {
    valid: "[0,...,1]",
    serverDefault: "log.cleaner.min.cleanable.ratio",
  }),
  define("min.compaction.lag.ms", "long", "0", {
    valid: "[0,...]",
    serverDefault: "log.cleaner.min.compaction.lag.ms",
  }),
  define("min.insync.replicas", "int", "1", { valid: "[1,...]", serverDefault: "min.insync.replicas" }),
  define("preallocate", "boolean", "false", { serverDefault: "log.preallocate" }),
  define("remote.log.copy.disable", "boolean", "false"),
  define("remote.log.delete.on.disable", "boolean", "false"),
  define("remote.storage.enable", "boolean", "false"),
  define("retention.bytes", "long", "-1", { serverDefault: "log.retention.bytes" }),
  define("retention.ms", "long", "604800000", {
    valid: "[-1,...]",
    serverDefault: "log.retention.ms",
    synonyms: ["log.retention.ms", "log.retention.minutes * 60000", "log.retention.hours * 3600000"],
  }),
  define("segment.bytes", "int", "1073741824", { valid: "[1048576,...]", serverDefault: "log.segment.bytes" }),
  define("segment.index.bytes", "int", "10485760", { valid: "[4,...]", serverDefault: "log.index.size.max.bytes" }),
  define("segment.jitter.ms", "long", "0", {
    valid: "[0,...]",
    serverDefault: "log.roll.jitter.ms",
    synonyms: ["log.roll.jitter.ms", "log.roll.jitter.hours * 3600000"],
  }),
  define("segment.ms", "long", "604800000", {
    valid: "[1,...]",
    serverDefault: "log.roll.ms",
    synonyms: ["log.roll.ms", "log.roll.hours * 3600000"],
  }),
  define("unclean.leader.election.enable", "boolean", "false", { serverDefault: "unclean.leader.election.enable" }),
  define("ottla.flush.policy", "string", "flush", {
    valid: "[flush, replicated, memory]",
    importance: "high",
    serverDefault: "ottla.flush.policy",
  }),
]
