/**
 * What one partition's log goes by: the settings of its topic, each resolved to a value.
 *
 * Owns the shape that storage and replication read; knows no files and no wire. Every number is finite, and a limit that is off is
 * the value Kafka writes for it: -1 for retention, the largest long (rounded to 2^63) for intervals.
 */
import type { CompressionType } from "../protocol/batch-header.js"
import { type BrokerLayers, type ConfigValues, topicConfigText } from "./config-layers.js"

/**
 * When a replica may count a record towards the high watermark. `flush`: once it is on the medium. `replicated`: once it is appended, as
 * Apache Kafka does; a power cut of all replicas can lose it. `memory`: as `replicated`, and not synced at roll or close either.
 */
export type FlushPolicy = "flush" | "replicated" | "memory"

export type TimestampType = "CreateTime" | "LogAppendTime"

export interface LogConfig {
  /** Largest size of a segment in bytes; also the largest batch. `segment.bytes` */
  readonly segmentBytes: number
  /** Age on batch timestamps after which a segment is rolled. `segment.ms` */
  readonly segmentMs: number
  /** Upper bound of a random part taken off `segmentMs`, so that segments do not all roll at once. `segment.jitter.ms` */
  readonly segmentJitterMs: number
  /** Largest size of the offset index, and of the time index, in bytes. `segment.index.bytes` */
  readonly segmentIndexBytes: number
  /** Bytes of log between two index entries. `index.interval.bytes` */
  readonly indexIntervalBytes: number
  /** -1: no limit. `retention.ms` */
  readonly retentionMs: number
  /** Per partition; -1: no limit. `retention.bytes` */
  readonly retentionBytes: number
  /** From renaming a file to `.deleted` until it is unlinked. `file.delete.delay.ms` */
  readonly fileDeleteDelayMs: number
  /** Largest batch as sent, header included. `max.message.bytes` */
  readonly maxMessageBytes: number
  /** Both may be set, and neither: an empty `cleanup.policy` is valid. */
  readonly cleanupPolicy: { readonly delete: boolean; readonly compact: boolean }
  readonly timestampType: TimestampType
  /** How far a record's timestamp may lie before, and after, the broker's clock. `message.timestamp.{before,after}.max.ms` */
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  /** `producer` keeps what came. Kafka's name `uncompressed` is `none` here. */
  readonly compressionType: CompressionType | "producer"
  readonly compressionGzipLevel: number
  readonly compressionLz4Level: number
  readonly compressionZstdLevel: number
  /** `ottla.flush.policy` */
  readonly flushPolicy: FlushPolicy
  /** Records, and milliseconds, after which a log is synced whatever the policy. `flush.messages`, `flush.ms` */
  readonly flushMessages: number
  readonly flushMs: number
  readonly minInsyncReplicas: number
  readonly uncleanLeaderElectionEnable: boolean
  /** How long a tombstone is kept by compaction. `delete.retention.ms` */
  readonly deleteRetentionMs: number
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly preallocate: boolean
}

/** Kafka 4.3's defaults with Ottla's flush policy. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 1073741824,
  segmentMs: 604800000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10485760,
  indexIntervalBytes: 4096,
  retentionMs: 604800000,
  retentionBytes: -1,
  fileDeleteDelayMs: 60000,
  maxMessageBytes: 1048588,
  cleanupPolicy: { delete: true, compact: false },
  timestampType: "CreateTime",
  timestampBeforeMaxMs: 2 ** 63,
  timestampAfterMaxMs: 3600000,
  compressionType: "producer",
  compressionGzipLevel: -1,
  compressionLz4Level: 9,
  compressionZstdLevel: 3,
  flushPolicy: "flush",
  flushMessages: 2 ** 63,
  flushMs: 2 ** 63,
  minInsyncReplicas: 1,
  uncleanLeaderElectionEnable: false,
  deleteRetentionMs: 86400000,
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: 2 ** 63,
  preallocate: false,
}

/**
 * The settings of one topic's logs.
 *
 * Shape:  `overrides` are the topic's own values, checked before they were stored; everything else comes from the broker.
 */
export function logConfigOf(layers: BrokerLayers, overrides: ConfigValues): LogConfig {
  const text = (name: string): string => topicConfigText(layers, overrides, name) ?? ""
  const number = (name: string): number => Number(text(name))
  const flag = (name: string): boolean => text(name) === "true"
  const policies = text("cleanup.policy").split(",")
  const compressionType = text("compression.type")
  return {
    // A test may shrink segments below Kafka's minimum by the internal name.
    segmentBytes: Number(topicConfigText(layers, overrides, "internal.segment.bytes") ?? text("segment.bytes")),
    segmentMs: number("segment.ms"),
    segmentJitterMs: number("segment.jitter.ms"),
    segmentIndexBytes: number("segment.index.bytes"),
    indexIntervalBytes: number("index.interval.bytes"),
    retentionMs: Math.max(number("retention.ms"), -1),
    retentionBytes: number("retention.bytes"),
    fileDeleteDelayMs: number("file.delete.delay.ms"),
    maxMessageBytes: number("max.message.bytes"),
    cleanupPolicy: { delete: policies.includes("delete"), compact: policies.includes("compact") },
    timestampType: text("message.timestamp.type") as TimestampType,
    timestampBeforeMaxMs: number("message.timestamp.before.max.ms"),
    timestampAfterMaxMs: number("message.timestamp.after.max.ms"),
    compressionType: compressionType === "uncompressed" ? "none" : (compressionType as CompressionType | "producer"),
    compressionGzipLevel: number("compression.gzip.level"),
    compressionLz4Level: number("compression.lz4.level"),
    compressionZstdLevel: number("compression.zstd.level"),
    flushPolicy: text("ottla.flush.policy") as FlushPolicy,
    flushMessages: number("flush.messages"),
    flushMs: number("flush.ms"),
    minInsyncReplicas: number("min.insync.replicas"),
    uncleanLeaderElectionEnable: flag("unclean.leader.election.enable"),
    deleteRetentionMs: number("delete.retention.ms"),
    minCleanableDirtyRatio: number("min.cleanable.dirty.ratio"),
    minCompactionLagMs: number("min.compaction.lag.ms"),
    maxCompactionLagMs: number("max.compaction.lag.ms"),
    preallocate: flag("preallocate"),
  }
}
