/**
 * What consumers of a classic group say through the coordinator, read and written by the coordinator itself: in a group of the consumer protocol it assigns.
 *
 * Owns the versions of these payloads. The invariant: bytes that do not parse are not understood, and their sender is told, nothing else happens.
 */
import { MalformedError, Reader } from "../../../base/reader.js"
import { Writer } from "../../../base/writer.js"
import type { FileRegion } from "../../../env/env.js"
import type { MetadataImage } from "../../../metadata/image.js"
import { topicById } from "../../../metadata/image.js"
import type { MessageValue } from "../../../protocol/message.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../../protocol/messages/consumer-protocol.js"
import { payloadElementsMax } from "../classic/subscriptions.js"
import { type OwnedPartitions, ownedInEpoch, type ReportedPartitions, topicPartitionsOf } from "./owned-partitions.js"
import type { Assignment } from "../../../assignment/assignor.js"
import type { Uuid } from "../../../base/ids.js"

type NamedPartitions = readonly { readonly topic: string; readonly partitions: readonly number[] }[]

export interface Subscription extends MessageValue<typeof consumerProtocolSubscription> {
  readonly version: number
}

/** Undefined: it is none. */
export const readSubscription = (bytes: Buffer): Subscription | undefined =>
  readVersioned(bytes, (reader, version) => {
    const known = Math.min(version, consumerProtocolSubscription.versions.max)
    return { ...consumerProtocolSubscription.read(reader, known), version: known }
  })

/** Undefined: it is none, or holds more than partitions, which would be lost. No bytes: nothing is assigned yet. */
export function readAssignment(bytes: Buffer): NamedPartitions | undefined {
  if (bytes.length === 0) return []
  return readVersioned(bytes, (reader, version) => {
    const read = consumerProtocolAssignment.read(reader, Math.min(version, consumerProtocolAssignment.versions.max))
    return (read.userData?.length ?? 0) > 0 ? undefined : read.assignedPartitions
  })
}

function readVersioned<Value>(bytes: Buffer, read: (reader: Reader, version: number) => Value): Value | undefined {
  try {
    const reader = new Reader(bytes)
    reader.elementsLeft = payloadElementsMax
    const version = reader.int16()
    return version < 0 ? undefined : read(reader, version)
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

/** In the version of the member's subscription: it reads that. */
export function writeAssignment(owned: OwnedPartitions, version: number, image: MetadataImage): Buffer {
  const writer = new Writer<FileRegion>(64)
  writer.int16(version)
  consumerProtocolAssignment.encode(writer, { assignedPartitions: named(owned, image), userData: null }, version)
  return writer.finishBuffer()
}

const named = (owned: OwnedPartitions, image: MetadataImage) =>
  topicPartitionsOf(owned).flatMap(({ topicId, partitions }) => {
    const topic = topicById(image, topicId)
    return topic === undefined ? [] : [{ topic: topic.name, partitions }]
  })

/** Topics that are gone are left out. */
export const reportedFrom = (partitions: NamedPartitions, image: MetadataImage): ReportedPartitions =>
  partitions.flatMap(({ topic, partitions: held }) => {
    const topicId = image.topics.get(topic)?.topicId
    return topicId === undefined || held.length === 0 ? [] : [{ topicId, partitions: held }]
  })

export function assignmentFromNames(
  partitions: NamedPartitions,
  epoch: number,
  image: MetadataImage,
): { readonly target: Assignment; readonly owned: OwnedPartitions } {
  const target = new Map<Uuid, number[]>()
  for (const { topicId, partitions: held } of reportedFrom(partitions, image))
    target.set(
      topicId,
      [...new Set([...(target.get(topicId) ?? []), ...held])].sort((a, b) => a - b),
    )
  return { target, owned: ownedInEpoch(target, epoch) }
}
