/**
 * kafkajs's partitioners.
 *
 * Owns what a partitioner is told, and the two that kafkajs brings. Where none is chosen the client's own is used: the same hash for keys, and for records without one a batch to each partition in turn.
 */
import { partitionOfKey } from "../client/murmur2.js"
import { KafkaJSNotImplemented } from "./errors.js"
import type { Message } from "./messages.js"

export interface PartitionMetadata {
  readonly partitionErrorCode: number
  readonly partitionId: number
  readonly leader: number
  readonly replicas: number[]
  readonly isr: number[]
  readonly offlineReplicas?: number[]
}

export interface PartitionerArgs {
  readonly topic: string
  readonly partitionMetadata: PartitionMetadata[]
  readonly message: Message
}

export type ICustomPartitioner = () => (args: PartitionerArgs) => number

/** As Kafka's Java client: murmur2 of the key; without a key the partitions in turn, those with a leader first. */
const DefaultPartitioner: ICustomPartitioner = () => {
  const turns = new Map<string, number>()
  return ({ topic, partitionMetadata, message: { key, partition } }) => {
    if (partition !== undefined) return partition
    if (key !== null && key !== undefined) return partitionOfKey(Buffer.from(key as string), partitionMetadata.length)
    const led = partitionMetadata.filter(({ leader }) => leader >= 0)
    const choice = led.length > 0 ? led : partitionMetadata
    const turn = turns.get(topic) ?? 0
    turns.set(topic, turn + 1)
    return choice[turn % choice.length]!.partitionId
  }
}

/** kafkajs 1's hash differs from Java's, and Ottla does not bring it: a topic that was written with it keeps its order only with kafkajs, or with a partitioner of the user's own. */
const LegacyPartitioner: ICustomPartitioner = () => {
  throw new KafkaJSNotImplemented(
    "Partitioners.LegacyPartitioner is not part of this façade; see its table of differences",
  )
}

export const Partitioners = { DefaultPartitioner, LegacyPartitioner, JavaCompatiblePartitioner: DefaultPartitioner }
