/**
 * What members of classic groups say to each other through the broker.
 *
 * Owns the bytes of subscriptions and assignments, in one version each.
 */
import { Reader } from "../../../base/reader.js"
import { Writer } from "../../../base/writer.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../../protocol/messages/consumer-protocol.js"
import type { TopicPartition } from "./assignors.js"

const subscriptionVersion = 2
const assignmentVersion = 0

/** A version, and what follows it. */
function encoded(version: number, write: (writer: Writer) => void): Buffer {
  const writer = new Writer()
  writer.int16(version)
  write(writer)
  return writer.finishBuffer()
}

const byTopic = (partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] => {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  return [...topics].map(([topic, indexes]) => ({ topic, partitions: indexes }))
}

const flat = (
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
): TopicPartition[] => topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))

export const encodedSubscription = (
  topics: readonly string[],
  owned: readonly TopicPartition[],
  generationId: number,
): Buffer =>
  encoded(subscriptionVersion, (writer) =>
    consumerProtocolSubscription.encode(
      writer,
      { topics: [...topics], userData: null, ownedPartitions: byTopic(owned), generationId },
      subscriptionVersion,
    ),
  )

export function decodedSubscription(bytes: Buffer): { topics: readonly string[]; owned: readonly TopicPartition[] } {
  const reader = new Reader(bytes)
  const version = Math.min(reader.int16(), consumerProtocolSubscription.versions.max)
  const { topics, ownedPartitions } = consumerProtocolSubscription.read(reader, version)
  return { topics, owned: flat(ownedPartitions) }
}

export const encodedAssignment = (partitions: readonly TopicPartition[]): Buffer =>
  encoded(assignmentVersion, (writer) =>
    consumerProtocolAssignment.encode(
      writer,
      { assignedPartitions: byTopic(partitions), userData: null },
      assignmentVersion,
    ),
  )

export function decodedAssignment(bytes: Buffer): TopicPartition[] {
  const reader = new Reader(bytes)
  reader.int16()
  return flat(consumerProtocolAssignment.read(reader, assignmentVersion).assignedPartitions)
}
