/**
 * What a broker's parts have counted, and how they stand, as samples.
 *
 * Owns the walk over partitions, directories, metadata and groups when somebody asks; until then nothing is computed.
 */
import type { MetadataImage } from "../metadata/image.js"
import type { Samples } from "../observe/exposition.js"
import type { Partition } from "../replication/partition.js"
import type { ReplicaManager } from "../replication/replica-manager.js"
import type { GroupCoordinator } from "../coordinator/group/group-coordinator.js"
import type { LogManager } from "../storage/log-manager.js"
import { lagOf } from "./group-lag.js"

/** Partitions of groups whose lag is looked up for one answer; each may read from the disk. */
export const lagLookupsMax = 2_000

interface Traffic {
  bytesIn: number
  recordsIn: number
  bytesOut: number
}

export async function collectPartitions(samples: Samples, replicas: ReplicaManager): Promise<void> {
  const topics = new Map<string, Traffic>()
  let count = 0
  let led = 0
  let underReplicated = 0
  let underMinIsr = 0
  for (const partition of replicas.partitions()) {
    count++
    const traffic = topics.get(partition.topic) ?? { bytesIn: 0, recordsIn: 0, bytesOut: 0 }
    traffic.bytesIn += partition.bytesIn
    traffic.recordsIn += partition.recordsIn
    traffic.bytesOut += partition.bytesOut
    topics.set(partition.topic, traffic)
    if (!partition.isLeader) continue
    led++
    const { isr, replicas: assigned } = partition.state
    if (isr.length < assigned.length) underReplicated++
    if (isr.length < Math.min(partition.log.config.minInsyncReplicas, assigned.length)) underMinIsr++
  }
  for (const [topic, { bytesIn, recordsIn, bytesOut }] of topics) {
    samples.add("ottla_topic_bytes_in_total", bytesIn, { topic })
    samples.add("ottla_topic_records_in_total", recordsIn, { topic })
    samples.add("ottla_topic_bytes_out_total", bytesOut, { topic })
  }
  samples.add("ottla_partitions", count)
  samples.add("ottla_leader_partitions", led)
  samples.add("ottla_under_replicated_partitions", underReplicated)
  samples.add("ottla_under_min_isr_partitions", underMinIsr)
  for (const { topic, partition, log } of [...replicas.partitions()]) {
    const labels = { topic, partition }
    samples.add("ottla_log_start_offset", log.logStartOffset, labels)
    samples.add("ottla_log_end_offset", log.logEndOffset, labels)
    samples.add("ottla_log_size_bytes", await sizeOf(log), labels)
  }
}

/** A log may go away, or its disk fail, while it is asked. */
const sizeOf = (log: Partition["log"]): Promise<number> => log.sizeBytes().catch(() => Number.NaN)

export function collectDirectories(samples: Samples, logs: LogManager): void {
  for (const { path, failureReason, syncLatency } of logs.directories) {
    samples.add("ottla_log_directory_online", failureReason === undefined ? 1 : 0, { directory: path })
    samples.add("ottla_sync_duration_seconds", syncLatency.counts(), { directory: path })
  }
}

export function collectMetadata(samples: Samples, image: MetadataImage, nodeId: number): void {
  let offline = 0
  for (const [, { partitions }] of image.topics.entries())
    for (const { leader } of partitions) if (leader < 0) offline++
  samples.add("ottla_offline_partitions", offline)
  samples.add("ottla_metadata_applied_offset", image.offset + 1)
  samples.add("ottla_broker_fenced", image.brokers.get(nodeId)?.fenced === false ? 0 : 1)
}

export async function collectGroups(
  samples: Samples,
  groups: GroupCoordinator,
  replicas: ReplicaManager,
  nowMs: number,
): Promise<void> {
  const { groups: listed } = await groups.listGroups()
  let left = lagLookupsMax
  for (const { groupId } of listed) {
    const explained = await groups.explainGroup(groupId)
    if (typeof explained === "number") continue
    for (const [topic, partitions] of explained.offsets)
      for (const [index, { offset }] of partitions) {
        if (left-- <= 0) return
        const { records, ms } = await lagOf(replicas.partition(topic, index), offset, nowMs)
        const labels = { group: groupId, topic, partition: index }
        if (records >= 0) samples.add("ottla_group_lag_records", records, labels)
        if (ms >= 0) samples.add("ottla_group_lag_seconds", ms / 1000, labels)
      }
  }
}
