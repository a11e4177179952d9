/**
 * Requests of members with little to say, and members that follow the rules.
 *
 * Owns defaults. A scenario says what is out of the ordinary.
 */
import type { RequestInputOf, ResponseOf } from "../../src/protocol/message.js"
import { consumerGroupHeartbeat } from "../../src/protocol/messages/consumer-group-heartbeat.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../src/protocol/messages/consumer-protocol.js"
import { joinGroup } from "../../src/protocol/messages/join-group.js"
import { syncGroup } from "../../src/protocol/messages/sync-group.js"
import { Writer } from "../../src/base/writer.js"
import type { Message } from "../../src/protocol/message.js"
import type { FileRegion } from "../../src/env/env.js"
import type { Fields, InputOf } from "../../src/protocol/field.js"
import { topic } from "./offsets.js"
import type { Session } from "./session.js"

export type Beat = RequestInputOf<typeof consumerGroupHeartbeat>

/** A heartbeat that joins. */
export const joining = (groupId: string, memberId: string, other: Partial<Beat> = {}): Beat => ({
  groupId,
  memberId,
  memberEpoch: 0,
  rebalanceTimeoutMs: 60_000,
  subscribedTopicNames: [topic],
  topicPartitions: [],
  ...other,
})

/** One that says nothing new. */
export const staying = (groupId: string, memberId: string, memberEpoch: number, other: Partial<Beat> = {}): Beat => ({
  groupId,
  memberId,
  memberEpoch,
  ...other,
})

export type JoinRequest = RequestInputOf<typeof joinGroup>

function versioned<F extends Fields>(of: Message<F>, version: number, value: InputOf<F>): Buffer {
  const writer = new Writer<FileRegion>(64)
  writer.int16(version)
  of.encode(writer, value, version)
  return writer.finishBuffer()
}

export const subscription = (topics: readonly string[], version = 1): Buffer =>
  versioned(consumerProtocolSubscription, version, { topics, ownedPartitions: [] })

export const assignmentOf = (name: string, partitions: readonly number[]): Buffer =>
  versioned(consumerProtocolAssignment, 1, { assignedPartitions: [{ topic: name, partitions }] })

export const classicJoin = (groupId: string, memberId = "", other: Partial<JoinRequest> = {}): JoinRequest => ({
  groupId,
  sessionTimeoutMs: 45_000,
  rebalanceTimeoutMs: 60_000,
  memberId,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: subscription([topic]) }],
  ...other,
})

/** Joins and syncs with an assignment of partition 0 until it is in a generation; the only member of its group. */
export async function soleClassicMember(
  session: Session,
  groupId: string,
  other: Partial<JoinRequest> = {},
  { upTo = "synced" as "joined" | "synced", of = topic } = {},
): Promise<{ memberId: string; generationId: number }> {
  const first = await session.ask("first join", joinGroup, 5, classicJoin(groupId, "", other))
  let joined: ResponseOf<typeof joinGroup> | undefined = first
  const memberId = session.call(first?.memberId ?? "", "member")
  if (first?.errorCode !== 0) joined = await session.ask("join", joinGroup, 5, classicJoin(groupId, memberId, other))
  const generationId = joined?.generationId ?? -1
  if (upTo === "synced")
    await session.ask("sync", syncGroup, 5, {
      groupId,
      generationId,
      memberId,
      groupInstanceId: other.groupInstanceId ?? null,
      protocolType: other.protocolType ?? "consumer",
      protocolName: joined?.protocolName ?? "range",
      assignments: [{ memberId, assignment: assignmentOf(of, [0]) }],
    })
  return { memberId, generationId }
}

/** Joins, and goes on until it has all that it can have. */
export async function soleConsumerMember(
  session: Session,
  groupId: string,
  memberId: string,
  other: Partial<Beat> = {},
): Promise<number> {
  const joined = await session.ask("join", consumerGroupHeartbeat, 1, joining(groupId, memberId, other))
  return settled(session, groupId, memberId, joined?.memberEpoch ?? 0, joined?.assignment ?? null)
}

/** Says what it owns until nothing is new. Resolves with the epoch; nothing of it is written down. */
export async function settled(
  session: Session,
  groupId: string,
  memberId: string,
  memberEpoch: number,
  assignment: ResponseOf<typeof consumerGroupHeartbeat>["assignment"],
): Promise<number> {
  let topicPartitions = assignment?.topicPartitions ?? []
  for (let quiet = 0; quiet < 25; quiet++) {
    const answer = await session.send(
      consumerGroupHeartbeat,
      1,
      staying(groupId, memberId, memberEpoch, { topicPartitions, rebalanceTimeoutMs: 60_000 }),
    )
    if (answer === undefined || answer.errorCode !== 0) return memberEpoch
    if (answer.memberEpoch !== memberEpoch || answer.assignment !== null) quiet = 0
    memberEpoch = answer.memberEpoch
    if (answer.assignment !== null) topicPartitions = answer.assignment.topicPartitions
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return memberEpoch
}
