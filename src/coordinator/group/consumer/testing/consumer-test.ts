/**
 * A group under the consumer protocol and its clients for tests, one line per step.
 *
 * Owns clients that behave as libraries do: they take up what they are told, let go of what is taken away, and say so in the next heartbeat, unless the test has them do otherwise. The
 * invariant: requests pass through their bytes, in memory that is overwritten as soon as the broker may recycle it.
 */
import assert from "node:assert/strict"
import type { Uuid } from "../../../../base/ids.js"
import { Reader } from "../../../../base/reader.js"
import { emptyImage, type MetadataImage, type PartitionImage } from "../../../../metadata/image.js"
import { errorByCode, type ErrorName } from "../../../../protocol/errors.js"
import type { RequestInputOf } from "../../../../protocol/message.js"
import { consumerGroupHeartbeat } from "../../../../protocol/messages/consumer-group-heartbeat.js"
import { ClassicProtocol } from "../../classic/classic-protocol.js"
import type { GroupBase, Groups, Now, Outcome, ShardContext } from "../../contract.js"
import type { GroupRecord } from "../../group-records.js"
import { type Asked, GroupHarness, type HarnessOptions } from "../../testing/group-harness.js"
import type { ConsumerGroup } from "../consumer-group.js"
import type { ConsumerMember } from "../consumer-member.js"
import { ConsumerProtocol } from "../consumer-protocol.js"
import type { HeartbeatResponse } from "../heartbeat-request.js"

export const groupId = "orders"
export const rebalanceTimeoutMs = 60_000
const recycledByte = 0xdb

/** Both protocols, as a shard has them. */
export class BothProtocols {
  readonly classic: ClassicProtocol
  readonly consumer: ConsumerProtocol

  constructor(context: ShardContext, groups: Groups) {
    this.classic = new ClassicProtocol(context, groups)
    this.consumer = new ConsumerProtocol(context, groups, this.classic)
  }

  replay(record: GroupRecord): void {
    if (record.type === "GroupMetadata") this.classic.replay(record)
    else if (record.type !== "OffsetCommit") this.consumer.replay(record)
  }

  loaded(group: GroupBase, now: Now): Outcome {
    return group.kind === "classic"
      ? this.classic.loaded(group as never, now)
      : this.consumer.loaded(group as never, now)
  }

  unloaded(group: GroupBase, error: never): void {
    if (group.kind === "classic") this.classic.unloaded(group as never, error)
  }
}

export interface JoinOptions {
  readonly topics?: readonly string[] | null
  readonly regex?: string
  readonly instanceId?: string
  readonly rackId?: string
  readonly assignor?: string
  readonly rebalanceTimeoutMs?: number
  readonly memberId?: string
}

export class Client {
  memberId: string
  epoch = 0
  /** What it works on: what it was told, and has not let go of. */
  readonly holds = new Set<string>()
  /** What it was last told to have. */
  assigned: readonly string[] = []
  /** What it said last that it has. */
  reported: string | undefined
  instanceId: string | null = null

  constructor(readonly name: string) {
    this.memberId = name
  }

  forgetAll(): void {
    this.holds.clear()
    this.assigned = []
    this.reported = undefined
    this.epoch = 0
  }
}

/** The id of a topic in tests: its name, filled up. */
export const topicIdOf = (name: string): Uuid => `${name.padEnd(21, "_")}A`
const nameOf = (topicId: Uuid): string => topicId.replace(/_*A$/, "")

export function imageOf(topics: Readonly<Record<string, number>>, offset = 1): MetadataImage {
  let { topics: byName, topicNames } = emptyImage
  const partition: PartitionImage = {
    replicas: [1],
    isr: [1],
    removingReplicas: [],
    addingReplicas: [],
    leader: 1,
    leaderRecoveryState: 0,
    leaderEpoch: 0,
    partitionEpoch: 0,
    directories: [],
    elr: [],
    lastKnownElr: [],
  }
  for (const [name, count] of Object.entries(topics)) {
    const topicId = topicIdOf(name)
    byName = byName.set(name, { name, topicId, partitions: new Array<PartitionImage>(count).fill(partition) })
    topicNames = topicNames.set(topicId, name)
  }
  return { ...emptyImage, offset, topics: byName, topicNames }
}

export class ConsumerTest {
  readonly harness: GroupHarness<BothProtocols>
  readonly clients = new Map<string, Client>()
  /** The next answer does not arrive. */
  losesNextAnswer = false

  constructor(topics: Readonly<Record<string, number>> = { t: 4 }, options: HarnessOptions = {}) {
    this.harness = new GroupHarness((context, groups) => new BothProtocols(context, groups), {
      image: imageOf(topics),
      recordText,
      ...options,
    })
    for (const topic of Object.keys(topics)) this.harness.trace.name(topicIdOf(topic), topic)
  }

  get group(): ConsumerGroup {
    const group = this.harness.groups.get(groupId)
    assert.ok(group?.kind === "consumer", "there is no group of the consumer protocol")
    return group as ConsumerGroup
  }

  get state(): string {
    return this.group.state()
  }

  member(name: string): ConsumerMember {
    const member = this.group.members.get(this.client(name).memberId)
    assert.ok(member !== undefined, `${name} is no member`)
    return member
  }

  client(name: string): Client {
    let client = this.clients.get(name)
    if (client === undefined) this.clients.set(name, (client = new Client(name)))
    return client
  }

  /** The topics of the cluster are these now. */
  setTopics(topics: Readonly<Record<string, number>>): void {
    const before = this.harness.image
    this.harness.image = imageOf(topics, before.offset + 1)
    for (const topic of Object.keys(topics)) this.harness.trace.name(topicIdOf(topic), topic)
    const names = new Set<string>()
    for (const name of new Set([...before.topics.keys(), ...Object.keys(topics)]))
      if (before.topics.get(name)?.partitions.length !== topics[name]) names.add(name)
    this.harness.trace.step(
      `(topics are now ${Object.entries(topics)
        .map(([name, count]) => `${name} with ${count} partitions`)
        .join(", ")})`,
    )
    this.harness.protocol.consumer.onTopicsChanged(names, this.harness.now())
    this.advance(0)
  }

  join(name: string, options: JoinOptions = {}): ErrorName {
    return errorName(this.joinAsked(name, options).answer)
  }

  joinAsked(name: string, options: JoinOptions = {}): Asked<HeartbeatResponse> {
    const client = this.client(name)
    client.forgetAll()
    client.memberId = options.memberId ?? client.memberId
    client.instanceId = options.instanceId ?? client.instanceId
    const topics = options.topics === undefined ? (options.regex === undefined ? ["t"] : null) : options.topics
    const what = [topics?.join(", "), options.regex === undefined ? undefined : `/${options.regex}/`]
    return this.send(
      name,
      {
        memberEpoch: 0,
        rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? rebalanceTimeoutMs,
        subscribedTopicNames: topics === null ? null : [...topics],
        subscribedTopicRegex: options.regex ?? null,
        rackId: options.rackId ?? null,
        serverAssignor: options.assignor ?? null,
        topicPartitions: [],
      },
      `${name} joins for ${what.filter((each) => each !== undefined).join(" and ")}${client.instanceId === null ? "" : `, instance ${client.instanceId}`}`,
    )
  }

  /** A heartbeat as a library sends it: it has let go of what was taken away, and says what it has if that has changed. */
  beat(name: string, input: Partial<RequestInputOf<typeof consumerGroupHeartbeat>> = {}): ErrorName {
    const client = this.client(name)
    for (const held of client.holds) if (!client.assigned.includes(held)) client.holds.delete(held)
    const owned = [...client.holds].sort().join(" ")
    const isNews = owned !== client.reported
    return errorName(
      this.send(
        name,
        { topicPartitions: isNews ? topicPartitions(client.holds) : null, ...input },
        isNews ? `${name} sends a heartbeat: it has ${owned === "" ? "nothing" : owned}` : `${name} sends a heartbeat`,
      ).answer,
    )
  }

  /** A heartbeat that says everything, as after an answer that did not come. */
  beatInFull(name: string, topics: readonly string[] = ["t"]): ErrorName {
    const client = this.client(name)
    client.reported = undefined
    return this.beat(name, { rebalanceTimeoutMs, subscribedTopicNames: [...topics] })
  }

  /** A heartbeat of a client that has not done yet what it was told. */
  lag(name: string): ErrorName {
    return errorName(this.send(name, { topicPartitions: null }, `${name} sends a heartbeat, still busy`).answer)
  }

  leave(name: string): ErrorName {
    const error = errorName(this.send(name, { memberEpoch: -1 }, `${name} leaves`).answer)
    this.client(name).forgetAll()
    return error
  }

  leaveForAWhile(name: string): ErrorName {
    const error = errorName(this.send(name, { memberEpoch: -2 }, `${name} leaves for a while`).answer)
    this.client(name).forgetAll()
    return error
  }

  /** Everybody sends heartbeats until nothing changes any more. */
  settle(names: Iterable<string> = this.clients.keys(), roundsMax = 20): void {
    const who = [...names].filter((name) => this.group.members.has(this.client(name).memberId))
    for (let round = 0; round < roundsMax; round++) {
      for (const name of who) this.beat(name)
      if (
        this.state === "Stable" &&
        who.every((name) => this.client(name).holds.size === this.client(name).assigned.length)
      )
        return
      this.advance(1000)
    }
    assert.equal(this.state, "Stable", "the group does not settle")
  }

  advance(ms: number): void {
    this.harness.advance(ms)
  }

  /** What the client works on. */
  holds(name: string): string {
    return [...this.client(name).holds].sort().join(" ")
  }

  send(
    name: string,
    input: Partial<RequestInputOf<typeof consumerGroupHeartbeat>>,
    label: string,
    version = 1,
  ): Asked<HeartbeatResponse> {
    const client = this.client(name)
    const full: RequestInputOf<typeof consumerGroupHeartbeat> = {
      groupId,
      memberId: client.memberId,
      memberEpoch: client.epoch,
      instanceId: client.instanceId,
      ...input,
    }
    const frame = consumerGroupHeartbeat.request.encodeToBuffer(full, version)
    const request = consumerGroupHeartbeat.request.decode(new Reader(frame), version)
    const reported = full.topicPartitions
    const isLost = this.losesNextAnswer
    this.losesNextAnswer = false
    const asked = this.harness.ask<HeartbeatResponse>(
      label,
      (respond, now) =>
        this.harness.protocol.consumer.heartbeat(
          request,
          { clientId: `client-${name}`, clientHost: "/127.0.0.1", version },
          (response) => {
            consumerGroupHeartbeat.response.encodeToBuffer(response, version)
            if (isLost) {
              respond(response)
              return
            }
            if (reported != null && response.errorCode === 0) client.reported = namesIn(reported).sort().join(" ")
            this.#told(client, response)
            respond(response)
          },
          now,
        ),
      answerText,
    )
    frame.fill(recycledByte)
    return asked
  }

  #told(client: Client, response: HeartbeatResponse): void {
    const error = errorName(response)
    if (error === "FENCED_MEMBER_EPOCH" || error === "UNKNOWN_MEMBER_ID" || error === "FENCED_INSTANCE_ID")
      client.forgetAll()
    if (error !== "NONE" || response.memberEpoch < 0) return
    client.memberId = response.memberId ?? client.memberId
    client.epoch = response.memberEpoch
    if (response.assignment == null) return
    client.assigned = namesIn(response.assignment.topicPartitions)
    for (const each of client.assigned) client.holds.add(each)
  }
}

export const errorName = ({ errorCode }: { readonly errorCode: number }): ErrorName => errorByCode(errorCode)!.name

const namesIn = (partitions: readonly { topicId: Uuid; partitions: readonly number[] }[]): string[] =>
  partitions.flatMap(({ topicId, partitions: held }) => held.map((partition) => `${nameOf(topicId)}-${partition}`))

function topicPartitions(names: Iterable<string>): { topicId: Uuid; partitions: number[] }[] {
  const byTopic = new Map<string, number[]>()
  for (const name of names) {
    const at = name.lastIndexOf("-")
    const topic = name.slice(0, at)
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), Number(name.slice(at + 1))])
  }
  return [...byTopic].map(([topic, partitions]) => ({ topicId: topicIdOf(topic), partitions }))
}

function answerText(response: HeartbeatResponse): string {
  if (response.errorCode !== 0) return errorName(response)
  if (response.memberEpoch < 0) return "bye"
  if (response.assignment == null) return `epoch ${response.memberEpoch}`
  return `epoch ${response.memberEpoch}, assignment: ${namesIn(response.assignment.topicPartitions).join(" ") || "nothing"}`
}

const states = new Map([
  [0, "stable"],
  [1, "has partitions to let go of"],
  [2, "waits for partitions of others"],
])

/** Records as sentences. */
function recordText(record: GroupRecord): string {
  const who = "memberId" in record.key ? ` of ${record.key.memberId}` : ""
  const type = record.type.replace("ConsumerGroup", "")
  if (record.value === null) return `${type}${who} removed`
  switch (record.type) {
    case "ConsumerGroupMetadata":
      return `${type}: group epoch ${record.value.epoch}`
    case "ConsumerGroupMemberMetadata": {
      const { subscribedTopicNames, subscribedTopicRegex, instanceId, classicMemberMetadata } = record.value
      return [
        `${type}${who}: topics ${subscribedTopicNames.join(", ") || "none"}`,
        ...(subscribedTopicRegex ? [`expression /${subscribedTopicRegex}/`] : []),
        ...(instanceId === null ? [] : [`instance ${instanceId}`]),
        ...(classicMemberMetadata === null ? [] : ["classic"]),
      ].join(", ")
    }
    case "ConsumerGroupTargetAssignmentMetadata":
      return `${type}: epoch ${record.value.assignmentEpoch}`
    case "ConsumerGroupTargetAssignmentMember":
      return `${type}${who}: ${namesIn(record.value.topicPartitions).join(" ") || "nothing"}`
    case "ConsumerGroupCurrentMemberAssignment": {
      const { memberEpoch, state, assignedPartitions, partitionsPendingRevocation } = record.value
      const pending = namesIn(partitionsPendingRevocation).join(" ")
      return `${type}${who}: epoch ${memberEpoch}, ${states.get(state)}, has ${namesIn(assignedPartitions).join(" ") || "nothing"}${pending === "" ? "" : `, to let go of ${pending}`}`
    }
    case "ConsumerGroupRegularExpression":
      return `${type} /${record.key.regularExpression}/: ${record.value.topics.join(", ") || "nothing"}`
    case "GroupMetadata":
      return `${type} (classic): generation ${record.value.generation}, members ${record.value.members.map(({ memberId }) => memberId).join(", ") || "none"}`
    default:
      return type
  }
}
