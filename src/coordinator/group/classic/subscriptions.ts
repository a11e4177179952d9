/**
 * What the coordinator understands of the bytes that consumers exchange through it.
 *
 * Owns the reading of subscriptions and assignments, for offset expiry and for people; nobody's join depends on it. Invariant: bytes that do not parse are not understood, and
 * that is all.
 */
import { MalformedError, Reader } from "../../../base/reader.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../../protocol/messages/consumer-protocol.js"

/** The type of groups whose members speak as `protocol/messages/consumer-protocol.ts` says. */
export const consumerProtocolType = "consumer"

/** Of all members together. More than a batch of the log can hold by default, so that hardly any stable group has it. */
export const subscriptionBytesMax = 1 << 20
/** Topics and partitions in one payload, which whoever wrote it may have made up. */
export const payloadElementsMax = 100_000

/** All topics of all members. Undefined: one of them cannot be understood, or they are more than anybody should read. */
export function subscribedTopics(subscriptions: readonly Buffer[]): ReadonlySet<string> | undefined {
  if (bytesOf(subscriptions) > subscriptionBytesMax) return undefined
  const topics = new Set<string>()
  for (const subscription of subscriptions) {
    const read = readOrUndefined(subscription, readTopics)
    if (read === undefined) return undefined
    for (const topic of read) topics.add(topic)
  }
  return topics
}

export const bytesOf = (payloads: readonly Buffer[]): number => payloads.reduce((sum, { length }) => sum + length, 0)

/** Version 0 begins every later version, so that the coordinator need not know them. */
function readTopics(reader: Reader): readonly string[] {
  if (reader.int16() < 0) throw new MalformedError("a negative version")
  return consumerProtocolSubscription.read(reader, 0).topics
}

export interface AssignedTopic {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** Nothing where it cannot be understood. */
export function assignedPartitions(assignment: Buffer): readonly AssignedTopic[] {
  return (
    readOrUndefined(assignment, (reader) => {
      const version = Math.min(reader.int16(), consumerProtocolAssignment.versions.max)
      if (version < 0) throw new MalformedError("a negative version")
      return consumerProtocolAssignment.read(reader, version).assignedPartitions
    }) ?? []
  )
}

function readOrUndefined<Value>(bytes: Buffer, read: (reader: Reader) => Value): Value | undefined {
  try {
    const reader = new Reader(bytes)
    reader.elementsLeft = payloadElementsMax
    return read(reader)
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}
