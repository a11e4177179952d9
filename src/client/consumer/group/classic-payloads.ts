/**
 * What a classic member tells the group's leader, and is told by it, in the bytes that Kafka's own consumers exchange.
 *
 * Owns versions and the user data of the sticky assignors. The invariant: what cannot be read is taken for a member that has nothing, never for an error of the group.
 * Source: ConsumerProtocol, StickyAssignor (user data 0 and 1), CooperativeStickyAssignor (user data 0).
 */
import type { Assignment, GroupAssignment } from "../../../assignment/assignor.js"
import { emptyAssignment } from "../../../assignment/assignor.js"
import type { ClassicAssignor, ClassicAssignorMember } from "../../../assignment/classic-assignors.js"
import { MalformedError, Reader } from "../../../base/reader.js"
import { Writer } from "../../../base/writer.js"
import type { FileRegion } from "../../../env/env.js"
import { array, int32, string } from "../../../protocol/field.js"
import { message } from "../../../protocol/message.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../../protocol/messages/consumer-protocol.js"
import type { TopicPartition } from "../record-reader.js"

const subscriptionVersion = 3
const assignmentVersion = 3
const noGeneration = -1

/** Of the sticky assignor: members give up everything before they join, so what they had is told here. */
const stickyUserData = message({
  name: "StickyAssignorUserData",
  versions: "0-1",
  flexible: "none",
  fields: {
    previousAssignment: array({ topic: string(), partitions: array(int32()) }),
    generationId: int32({ versions: "1+", default: noGeneration, ignorable: true }),
  },
})

const generationUserData = message({
  name: "CooperativeStickyAssignorUserData",
  versions: "0",
  flexible: "none",
  fields: { generationId: int32() },
})

export interface Said {
  readonly topics: readonly string[]
  readonly rackId: string | null
  /** What the member keeps while it joins. */
  readonly owned: Assignment
  /** What it had last, and since when: sticky assignors try to give it that again. */
  readonly last: Assignment
  readonly generationId: number
}

const listOf = (assignment: Assignment) =>
  [...assignment].map(([topic, partitions]) => ({ topic, partitions: [...partitions] }))

export function writeSubscription({ name }: ClassicAssignor, said: Said): Buffer {
  const { topics, rackId, owned, last, generationId } = said
  let userData: Buffer | null = null
  if (name === "sticky" && last.size > 0)
    userData = stickyUserData.encodeToBuffer({ previousAssignment: listOf(last), generationId }, 1)
  if (name === "cooperative-sticky") userData = generationUserData.encodeToBuffer({ generationId }, 0)
  const writer = new Writer<FileRegion>(128)
  writer.int16(subscriptionVersion)
  consumerProtocolSubscription.encode(
    writer,
    { topics: [...topics], userData, ownedPartitions: listOf(owned), generationId, rackId },
    subscriptionVersion,
  )
  return writer.finishBuffer()
}

export function readMember(
  { name }: ClassicAssignor,
  memberId: string,
  instanceId: string | null,
  metadata: Buffer,
): ClassicAssignorMember {
  const nobody = { memberId, instanceId, rackId: null, topics: [], owned: emptyAssignment, generationId: noGeneration }
  const said = read(metadata, (reader) => {
    const version = reader.int16()
    return consumerProtocolSubscription.read(reader, Math.min(Math.max(0, version), subscriptionVersion))
  })
  if (said === undefined) return nobody
  const member = { ...nobody, topics: [...new Set(said.topics)], rackId: said.rackId }
  const userData = said.userData === null ? undefined : Buffer.from(said.userData)
  if (name === "sticky") {
    const last =
      userData &&
      (read(userData, (reader) => stickyUserData.read(reader, 1)) ??
        read(userData, (reader) => stickyUserData.read(reader, 0)))
    return last === undefined
      ? member
      : { ...member, owned: assignmentFrom(last.previousAssignment), generationId: last.generationId }
  }
  const owned = assignmentFrom(said.ownedPartitions)
  // Before version 2 the generation was user data of the one assignor that wants it.
  const generationId =
    said.generationId === noGeneration && userData !== undefined
      ? (read(userData, (reader) => generationUserData.read(reader, 0))?.generationId ?? noGeneration)
      : said.generationId
  return { ...member, owned, generationId }
}

export function writeAssignments(assignments: GroupAssignment): { memberId: string; assignment: Buffer }[] {
  return [...assignments].map(([memberId, assignment]) => {
    const writer = new Writer<FileRegion>(128)
    writer.int16(assignmentVersion)
    consumerProtocolAssignment.encode(
      writer,
      { assignedPartitions: listOf(assignment), userData: null },
      assignmentVersion,
    )
    return { memberId, assignment: writer.finishBuffer() }
  })
}

/** Undefined: these bytes are no assignment. None at all: nothing is assigned. */
export function readAssignment(bytes: Buffer): Assignment | undefined {
  if (bytes.length === 0) return emptyAssignment
  return read(bytes, (reader) => {
    const version = reader.int16()
    const { assignedPartitions } = consumerProtocolAssignment.read(
      reader,
      Math.min(Math.max(0, version), assignmentVersion),
    )
    return assignmentFrom(assignedPartitions)
  })
}

function read<T>(bytes: Buffer, take: (reader: Reader) => T): T | undefined {
  try {
    return take(new Reader(bytes))
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

function assignmentFrom(
  list: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
): Assignment {
  const assignment = new Map<string, number[]>()
  for (const { topic, partitions } of list)
    if (partitions.length > 0) assignment.set(topic, [...new Set([...(assignment.get(topic) ?? []), ...partitions])])
  for (const partitions of assignment.values()) partitions.sort((a, b) => a - b)
  return assignment
}

export function assignmentOf(partitions: Iterable<TopicPartition>): Assignment {
  const assignment = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = assignment.get(topic)
    if (known === undefined) assignment.set(topic, [partition])
    else known.push(partition)
  }
  for (const known of assignment.values()) known.sort((a, b) => a - b)
  return assignment
}

export const partitionsOf = (assignment: Assignment): TopicPartition[] =>
  [...assignment].flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })))
