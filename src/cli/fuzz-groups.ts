/**
 * Attacks on groups, and the groups that must not notice.
 *
 * Owns what is asked of the coordinator and which answers are right. The long attacks are in `fuzz-hostile-groups.ts`; here are sessions of members that follow the rules and
 * then break them, and the members that are well behaved all along.
 */
import type { Fields, InputOf } from "../protocol/field.js"
import type { NextInt } from "../protocol/generate.js"
import type { Api } from "../protocol/message.js"
import { consumerGroupDescribe } from "../protocol/messages/consumer-group-describe.js"
import { consumerGroupHeartbeat } from "../protocol/messages/consumer-group-heartbeat.js"
import { deleteGroups } from "../protocol/messages/delete-groups.js"
import { describeGroups } from "../protocol/messages/describe-groups.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { heartbeat } from "../protocol/messages/heartbeat.js"
import { joinGroup } from "../protocol/messages/join-group.js"
import { leaveGroup } from "../protocol/messages/leave-group.js"
import { offsetCommit } from "../protocol/messages/offset-commit.js"
import { offsetDelete } from "../protocol/messages/offset-delete.js"
import { offsetFetch } from "../protocol/messages/offset-fetch.js"
import { syncGroup } from "../protocol/messages/sync-group.js"
import { mutate } from "../protocol/mutate.js"
import { encodeRequest } from "../protocol/request-header.js"
import { Caller } from "./fuzz-caller.js"
import { type Address, type Attack, frameOf, oneOf, prefixed } from "./fuzz-exchange.js"
import { hostileGroups } from "./fuzz-hostile-groups.js"

const stepsMax = 20
/** Joins and syncs may wait for others by right. */
const parkedMs = 100
const groupsUnderFuzz = 5
/** A request may name one group many times, and is told of it as often, as by Kafka: more of them measure copying and nothing else. */
const repetitionsMax = 50

interface Known {
  groupId: string
  memberId: string
  epoch: number
  topic: string
}

type Step = { readonly api: Api; readonly body: object }

/** A request as the member might make it. */
const steps: readonly ((known: Known) => Step)[] = [
  ({ groupId, memberId, epoch }) => ({
    api: consumerGroupHeartbeat,
    body: { ...consumerGroupHeartbeat.request.create(), groupId, memberId, memberEpoch: epoch },
  }),
  ({ groupId, memberId, topic }) => ({
    api: consumerGroupHeartbeat,
    body: {
      ...consumerGroupHeartbeat.request.create(),
      groupId,
      memberId,
      memberEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: [topic],
      topicPartitions: [],
    },
  }),
  ({ groupId, memberId }) => ({
    api: joinGroup,
    body: {
      ...joinGroup.request.create(),
      groupId,
      memberId,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 1000,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: Buffer.from([0, 0, 0, 0, 0, 0, 255, 255, 255, 255]) }],
    },
  }),
  ({ groupId, memberId, epoch }) => ({
    api: syncGroup,
    body: {
      ...syncGroup.request.create(),
      groupId,
      memberId,
      generationId: epoch,
      protocolType: "consumer",
      protocolName: "range",
      assignments: [{ memberId, assignment: Buffer.alloc(6) }],
    },
  }),
  ({ groupId, memberId, epoch }) => ({
    api: heartbeat,
    body: { ...heartbeat.request.create(), groupId, memberId, generationId: epoch },
  }),
  ({ groupId, memberId }) => ({
    api: leaveGroup,
    body: { ...leaveGroup.request.create(), groupId, members: [{ memberId, groupInstanceId: null, reason: null }] },
  }),
  ({ groupId, memberId, epoch, topic }) => ({
    api: offsetCommit,
    body: {
      ...offsetCommit.request.create(),
      groupId,
      memberId,
      generationIdOrMemberEpoch: epoch,
      topics: [
        {
          name: topic,
          topicId: topic,
          partitions: [
            { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: "so far" },
          ],
        },
      ],
    },
  }),
  ({ groupId, memberId, epoch }) => ({
    api: offsetFetch,
    body: {
      ...offsetFetch.request.create(),
      topics: [],
      groups: [{ groupId, memberId, memberEpoch: epoch, topics: null }],
    },
  }),
  ({ groupId, topic }) => ({
    api: offsetDelete,
    body: { groupId, topics: [{ name: topic, partitions: [{ partitionIndex: 0 }] }] },
  }),
  ({ groupId }) => ({ api: describeGroups, body: { groups: [groupId], includeAuthorizedOperations: false } }),
  ({ groupId }) => ({ api: consumerGroupDescribe, body: { groupIds: [groupId], includeAuthorizedOperations: false } }),
  ({ groupId }) => ({ api: deleteGroups, body: { groupsNames: [groupId] } }),
]

/** The versions whose requests can say all that a step says. */
const newestVersion = (api: Api): number => (api.key === offsetCommit.key ? 9 : api.maxVersion)

const oddNumbers = [-(2 ** 31), -3, -2, -1, 0, 1, 2, 3, 2 ** 31 - 1]
const oddTexts = ["", " ", "stranger", "\u0000", "x".repeat(30_000), "ü".repeat(10_000), "(a*)*$", "[", "a{1000}"]

/** The same with one thing in it that is otherwise. */
function twisted(value: unknown, nextInt: NextInt): unknown {
  if (typeof value === "number") return oneOf([value - 1, value + 1, ...oddNumbers], nextInt)
  if (typeof value === "boolean") return !value
  if (Buffer.isBuffer(value)) return nextInt(2) === 0 ? mutate(value, nextInt) : Buffer.alloc(nextInt(100_000))
  if (typeof value === "string" || value === null) return oneOf(oddTexts, nextInt)
  if (Array.isArray(value)) {
    const kind = nextInt(4)
    if (kind === 0 || value.length === 0) return []
    if (kind === 1) return Array.from({ length: 1 + nextInt(repetitionsMax) }, () => oneOf(value, nextInt))
    const at = nextInt(value.length)
    return value.map((each, index) => (index === at ? twisted(each, nextInt) : each))
  }
  if (typeof value !== "object") return value
  const name = oneOf(Object.keys(value), nextInt)
  return { ...value, [name]: twisted((value as Record<string, unknown>)[name], nextInt) }
}

function encoded(api: Api, version: number, body: object, nextInt: NextInt): Buffer | undefined {
  try {
    return frameOf(encodeRequest(api, version, 1, "fuzz", body as InputOf<Fields>))
  } catch {
    // What was twisted cannot be said at all; then it is said with other bytes.
    return nextInt(2) === 0 ? undefined : Buffer.alloc(0)
  }
}

/** Members come, make requests that are almost right, and remember what they are told. */
const groupSession: Attack = async (address, nextInt) => {
  const caller = await Caller.open(address)
  const known: Known = {
    groupId: `fuzzed-${nextInt(groupsUnderFuzz)}`,
    memberId: nextInt(2) === 0 ? "" : `member-${nextInt(3)}`,
    epoch: 0,
    topic: "healthy",
  }
  try {
    const count = 2 + nextInt(stepsMax)
    for (let step = 0; step < count; step++) {
      const { api, body } = oneOf(steps, nextInt)(known)
      const isTwisted = nextInt(2) === 0
      const frame = encoded(api, newestVersion(api), isTwisted ? (twisted(body, nextInt) as object) : body, nextInt)
      if (frame === undefined || frame.length === 0) continue
      const isDamaged = nextInt(10) === 0
      const sent = isDamaged ? prefixed(mutate(frame.subarray(4), nextInt)) : frame
      const mayWait = isDamaged || api.key === joinGroup.key || api.key === syncGroup.key
      const called = await caller.send(api, newestVersion(api), sent, mayWait ? parkedMs : undefined)
      if (called.outcome === "malformed" && !isDamaged) return called.what
      if (called.outcome === "silent" && !mayWait) return `no answer to ${api.name}: ${sent.toString("hex", 0, 500)}`
      if (called.outcome === "answered") remember(known, called.answer)
      else if (called.outcome !== "malformed") return undefined
    }
    return undefined
  } finally {
    caller.close()
  }
}

function remember(known: Known, answer: object): void {
  if ("memberId" in answer && typeof answer.memberId === "string" && answer.memberId !== "")
    known.memberId = answer.memberId
  if ("memberEpoch" in answer && typeof answer.memberEpoch === "number" && answer.memberEpoch > 0)
    known.epoch = answer.memberEpoch
  if ("generationId" in answer && typeof answer.generationId === "number" && answer.generationId > 0)
    known.epoch = answer.generationId
}

export const groupAttacks: Readonly<Record<string, Attack>> = { "group session": groupSession, ...hostileGroups }
export const dearGroupAttacks: readonly string[] = Object.keys(hostileGroups)

const heartbeatMsMax = 200
const coordinatorAttemptsMax = 100
/** One in so many may be late on a busy machine. */
const lateShareMax = 1 / 20

/** Whoever asks first makes the topic of groups. */
async function coordinatorOf(caller: Caller, groupId: string): Promise<void> {
  for (let attempt = 0; attempt < coordinatorAttemptsMax; attempt++) {
    const called = await caller.call(findCoordinator, 4, { key: "", coordinatorKeys: [groupId] })
    if (called.outcome === "answered" && called.answer.coordinators[0]?.errorCode === 0) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error("there is no coordinator for the healthy members")
}

/** A member of each protocol, in a group of its own, that sends heartbeats as if nothing happened. */
export class HealthyGroup {
  worstMs = 0
  #beats = 0
  #late = 0

  private constructor(
    private readonly caller: Caller,
    private readonly consumer: Known,
    private readonly classic: Known,
  ) {}

  /** Errors: rejects when a member is not let in. */
  static async join(address: Address, topic: string): Promise<HealthyGroup> {
    const caller = await Caller.open(address, "healthy")
    const consumer: Known = { groupId: "healthy-consumer", memberId: "well", epoch: 0, topic }
    const classic: Known = { groupId: "healthy-classic", memberId: "", epoch: 0, topic }
    const ask = async (known: Known, at: number) => {
      const { api, body } = steps[at]!(known)
      const called = await caller.call(api, api.maxVersion, body as InputOf<Fields>)
      if (called.outcome !== "answered") throw new Error(`a healthy member: ${api.name}: ${called.outcome}`)
      remember(known, called.answer)
    }
    await coordinatorOf(caller, consumer.groupId)
    await ask(consumer, 1)
    await ask(classic, 2)
    await ask(classic, 2)
    await ask(classic, 3)
    return new HealthyGroup(caller, consumer, classic)
  }

  /** Errors: rejects when a member is not what it was. */
  async beat(): Promise<void> {
    const { groupId, memberId, epoch } = this.consumer
    const [own, other] = [
      await this.caller.call(consumerGroupHeartbeat, 1, { groupId, memberId, memberEpoch: epoch }),
      await this.caller.call(heartbeat, 4, {
        groupId: this.classic.groupId,
        memberId: this.classic.memberId,
        generationId: this.classic.epoch,
      }),
    ]
    for (const called of [own, other]) {
      if (called.outcome !== "answered") throw new Error(`a healthy member's heartbeat: ${called.outcome}`)
      if (called.answer.errorCode !== 0) throw new Error(`a healthy member got error ${called.answer.errorCode}`)
      this.#beats++
      if (called.tookMs > heartbeatMsMax) this.#late++
      this.worstMs = Math.max(this.worstMs, called.tookMs)
    }
    if (own.outcome === "answered") this.consumer.epoch = own.answer.memberEpoch
  }

  /** What was wrong, if anything. */
  lateness(): string | undefined {
    if (this.#late <= this.#beats * lateShareMax) return undefined
    return `${this.#late} of ${this.#beats} heartbeats of healthy members took over ${heartbeatMsMax} ms`
  }

  close(): void {
    this.caller.close()
  }
}
