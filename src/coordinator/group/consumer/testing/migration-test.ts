/**
 * A group whose members speak both protocols, for tests.
 *
 * Owns clients of the classic protocol beside those of `consumer-test.ts`, cooperative ones: they say what they have when they join, and let go of what the next assignment does not have.
 * The invariant: requests go where a shard would send them, by the kind of the group.
 */
import assert from "node:assert/strict"
import { Reader } from "../../../../base/reader.js"
import { Writer } from "../../../../base/writer.js"
import type { FileRegion } from "../../../../env/env.js"
import type { ErrorName } from "../../../../protocol/errors.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../../../protocol/messages/consumer-protocol.js"
import type { JoinResponse, SyncResponse } from "../../classic/classic-member.js"
import type { JoinRequest } from "../../classic/join.js"
import type { LeaveResponse } from "../../classic/leave.js"
import type { Asked } from "../../testing/group-harness.js"
import { type Client, ConsumerTest, errorName, groupId, rebalanceTimeoutMs } from "./consumer-test.js"

const version = 9
export const sessionTimeoutMs = 45_000
/** Longer than a new group waits for more members. */
export const initialDelayMs = 10_000

export interface ClassicJoinOptions {
  readonly topics?: readonly string[]
  readonly instanceId?: string
  readonly protocol?: string
  readonly protocolType?: string
  readonly metadata?: Buffer
}

function payload(
  message: typeof consumerProtocolSubscription | typeof consumerProtocolAssignment,
  value: object,
): Buffer {
  const writer = new Writer<FileRegion>(64)
  writer.int16(1)
  message.encode(writer, value as never, 1)
  return writer.finishBuffer()
}

const byTopic = (names: Iterable<string>) => {
  const topics = new Map<string, number[]>()
  for (const name of names) {
    const at = name.lastIndexOf("-")
    topics.set(name.slice(0, at), [...(topics.get(name.slice(0, at)) ?? []), Number(name.slice(at + 1))])
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

export const subscriptionOf = (topics: readonly string[], owned: Iterable<string> = []): Buffer =>
  payload(consumerProtocolSubscription, { topics, userData: null, ownedPartitions: byTopic(owned) })

export const assignmentOf = (names: Iterable<string>): Buffer =>
  payload(consumerProtocolAssignment, { assignedPartitions: byTopic(names), userData: null })

export function namesInAssignment(bytes: Uint8Array): string[] {
  if (bytes.length === 0) return []
  const reader = new Reader(Buffer.from(bytes))
  const { assignedPartitions } = consumerProtocolAssignment.read(reader, reader.int16())
  return assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((each) => `${topic}-${each}`)).sort()
}

export class MigrationTest extends ConsumerTest {
  readonly #topics = new Map<string, readonly string[]>()
  #ids = 0

  get kind(): string | undefined {
    return this.harness.groups.get(groupId)?.kind
  }

  get #classic() {
    const { classic, consumer } = this.harness.protocol
    return this.kind === "consumer"
      ? {
          join: consumer.classicJoin.bind(consumer),
          sync: consumer.classicSync.bind(consumer),
          heartbeat: consumer.classicHeartbeat.bind(consumer),
          leave: consumer.classicLeave.bind(consumer),
        }
      : {
          join: classic.join.bind(classic),
          sync: classic.sync.bind(classic),
          heartbeat: classic.heartbeat.bind(classic),
          leave: classic.leave.bind(classic),
        }
  }

  /** Joins as a library does: again with the id it is given. */
  classicJoin(name: string, options: ClassicJoinOptions = {}): Asked<JoinResponse> {
    const client = this.client(name)
    if (client.epoch === 0 && client.memberId === name) client.memberId = ""
    const asked = this.#joinOnce(client, options)
    if (!asked.isAnswered || errorName(asked.answer) !== "MEMBER_ID_REQUIRED") return asked
    client.memberId = asked.answer.memberId
    this.harness.trace.name(client.memberId, name)
    return this.#joinOnce(client, options)
  }

  #joinOnce(client: Client, options: ClassicJoinOptions): Asked<JoinResponse> {
    const { name } = client
    const topics = options.topics ?? this.#topics.get(name) ?? ["t"]
    this.#topics.set(name, topics)
    client.instanceId = options.instanceId ?? client.instanceId
    const metadata = options.metadata ?? subscriptionOf(topics, client.holds)
    const request: JoinRequest = {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId: client.memberId,
      groupInstanceId: client.instanceId,
      protocolType: options.protocolType ?? "consumer",
      protocols: [{ name: options.protocol ?? "cooperative-sticky", metadata }],
      reason: null,
    }
    const owned = [...client.holds].sort().join(" ")
    const asked = this.harness.ask<JoinResponse>(
      `${name} joins classically for ${topics.join(", ")}${owned === "" ? "" : `, has ${owned}`}`,
      (respond, now) =>
        this.#classic.join(
          request,
          { clientId: `client-${name}`, clientHost: "/127.0.0.1", version },
          (response) => {
            if (response.errorCode === 0) {
              if (client.memberId === "") this.harness.trace.name(response.memberId, `${name}#${++this.#ids}`)
              client.memberId = response.memberId
              client.epoch = response.generationId ?? -1
            }
            respond(response)
          },
          now,
        ),
      (response) =>
        response.errorCode === 0
          ? `generation ${response.generationId}, ${response.protocolName}`
          : errorName(response),
    )
    metadata.fill(0xdb)
    return asked
  }

  /** What is assigned is taken up, what is not is let go of. */
  classicSync(name: string, assignments: Readonly<Record<string, readonly string[]>> = {}): Asked<SyncResponse> {
    const client = this.client(name)
    return this.harness.ask<SyncResponse>(
      `${name} syncs`,
      (respond, now) =>
        this.#classic.sync(
          {
            groupId,
            generationId: client.epoch,
            memberId: client.memberId,
            groupInstanceId: client.instanceId,
            protocolType: "consumer",
            protocolName: "cooperative-sticky",
            assignments: Object.entries(assignments).map(([who, names]) => ({
              memberId: this.client(who).memberId,
              assignment: assignmentOf(names),
            })),
          },
          (response) => {
            if (response.errorCode === 0) {
              client.assigned = namesInAssignment(response.assignment)
              client.holds.clear()
              for (const each of client.assigned) client.holds.add(each)
            }
            respond(response)
          },
          now,
        ),
      (response) =>
        response.errorCode === 0
          ? `assignment: ${namesInAssignment(response.assignment).join(" ") || "nothing"}`
          : errorName(response),
    )
  }

  classicBeat(name: string): ErrorName {
    const client = this.client(name)
    return errorName(
      this.harness.ask<{ errorCode: number }>(
        `${name} sends a classic heartbeat`,
        (respond, now) =>
          this.#classic.heartbeat(
            {
              groupId,
              generationId: client.epoch,
              memberId: client.memberId,
              groupInstanceId: client.instanceId,
            },
            respond as never,
            now,
          ),
        errorName,
      ).answer,
    )
  }

  classicLeave(name: string): Asked<LeaveResponse> {
    const client = this.client(name)
    const asked = this.harness.ask<LeaveResponse>(
      `${name} leaves classically`,
      (respond, now) =>
        this.#classic.leave(
          {
            groupId,
            memberId: "",
            members: [{ memberId: client.memberId, groupInstanceId: client.instanceId, reason: null }],
          },
          respond,
          now,
        ),
      (response) => response.members.map(errorName).join(", "),
    )
    client.forgetAll()
    return asked
  }

  /** What a library does by itself: heartbeat, and rejoin and sync if it is told so. */
  classicTurn(name: string): void {
    const error = this.classicBeat(name)
    if (error === "NONE") return
    if (error === "UNKNOWN_MEMBER_ID" || error === "ILLEGAL_GENERATION") {
      const client = this.client(name)
      client.holds.clear()
      if (error === "UNKNOWN_MEMBER_ID") client.memberId = ""
    }
    const join = this.classicJoin(name)
    if (join.isAnswered && join.answer.errorCode === 0) this.classicSync(name)
  }

  /** Several turns of everybody, until the group is stable. */
  settleBoth(classicNames: readonly string[], names: readonly string[]): void {
    for (let round = 0; round < 30; round++) {
      for (const name of classicNames) this.classicTurn(name)
      for (const name of names) this.beat(name)
      if (this.state === "Stable" && round > 3) return
      this.advance(1000)
    }
    assert.fail("the group does not settle")
  }

  /** A stable classic group of these members, with these assignments. */
  static classicGroup(assignments: Readonly<Record<string, readonly string[]>>, topics: Record<string, number>) {
    const test = new MigrationTest(topics)
    const names = Object.keys(assignments)
    const joins = names.map((name) => test.classicJoin(name))
    test.advance(initialDelayMs)
    for (const join of joins) assert.equal(errorName(join.answer), "NONE")
    const leader = names.find((name) => joins[0]!.answer.leader === test.client(name).memberId)!
    for (const name of names) if (name !== leader) test.classicSync(name)
    test.classicSync(leader, assignments)
    for (const name of names) assert.deepEqual([...test.client(name).holds].sort(), [...assignments[name]!].sort())
    return test
  }
}
