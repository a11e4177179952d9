/**
 * Partitions of a topic in kafkajs's words.
 *
 * Owns their shape.
 */
import type { Admin } from "../client/admin/admin.js"
import { throwFirst, translated } from "./errors.js"
import type { PartitionMetadata } from "./partitioners.js"

type Described = Awaited<ReturnType<Admin["describeTopics"]>>[number]

export function partitionsIn(described: Described): PartitionMetadata[] {
  return ("partitions" in described ? (described.partitions ?? []) : []).map(
    ({ partition, leader, replicas, isr, offline }) => ({
      ...{ partitionErrorCode: 0, partitionId: partition, leader },
      ...{ replicas: [...replicas], isr: [...isr], offlineReplicas: [...offline] },
    }),
  )
}

/** Errors: KafkaJSError and its kinds. */
export async function partitionsOf(admin: Admin, topic: string): Promise<PartitionMetadata[]> {
  const results = await translated(admin.describeTopics([topic]))
  throwFirst(results)
  return partitionsIn(results[0]!)
}
