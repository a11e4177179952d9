/**
 * The groups of one partition of `__consumer_offsets`.
 *
 * Owns which groups there are, and which rules a request to a group falls under: those of a classic group, of a consumer group, or of offsets. The rules are in `classic/`,
 * `consumer/` and `offset-requests.ts`. Invariant: what is in the log changes by `replay` alone.
 */
import type { ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import type { consumerGroupDescribe } from "../../protocol/messages/consumer-group-describe.js"
import type { consumerGroupHeartbeat } from "../../protocol/messages/consumer-group-heartbeat.js"
import type { describeGroups } from "../../protocol/messages/describe-groups.js"
import type { heartbeat } from "../../protocol/messages/heartbeat.js"
import type { joinGroup } from "../../protocol/messages/join-group.js"
import type { leaveGroup } from "../../protocol/messages/leave-group.js"
import type { syncGroup } from "../../protocol/messages/sync-group.js"
import type { ShardState } from "../shard.js"
import type {
  ClientInfo,
  ExplainedGroup,
  GroupBase,
  GroupEvent,
  GroupProtocol,
  GroupRecord,
  Groups,
  Now,
  Outcome,
  Respond,
  ShardContext,
} from "./contract.js"
import type { GroupRecordOf } from "./group-records.js"
import { type GroupWithRules, OffsetRequests } from "./offset-requests.js"
import { OffsetStore, offsetTombstone, type TopicOffsets } from "./offset-store.js"
import { Timelines, type TimedGroupEvent } from "./timelines.js"

type Decide<Request, Response> = (request: Request, client: ClientInfo, respond: Respond<Response>, now: Now) => Outcome

/** The four requests of the classic protocol, which members of a consumer group may make too while it is being migrated. */
export interface ClassicRequests {
  readonly join: Decide<RequestOf<typeof joinGroup>, ResponseInputOf<typeof joinGroup>>
  readonly sync: Decide<RequestOf<typeof syncGroup>, ResponseInputOf<typeof syncGroup>>
  readonly heartbeat: Decide<RequestOf<typeof heartbeat>, ResponseInputOf<typeof heartbeat>>
  readonly leave: Decide<RequestOf<typeof leaveGroup>, ResponseInputOf<typeof leaveGroup>>
}

export interface ClassicRules extends ClassicRequests {
  readonly ofGroup: GroupProtocol<GroupBase>
  replay(record: GroupRecordOf<"GroupMetadata">): void
  /** A group without members, and nothing written of it: one that exists by its offsets alone. */
  newGroup(groupId: string): GroupBase
}

type ConsumerRecord = Exclude<GroupRecord, GroupRecordOf<"GroupMetadata"> | GroupRecordOf<"OffsetCommit">>

export interface ConsumerRules {
  readonly ofGroup: GroupProtocol<GroupBase>
  /** The requests of classic members of a consumer group. */
  readonly classic: ClassicRequests
  readonly heartbeat: Decide<RequestOf<typeof consumerGroupHeartbeat>, ResponseInputOf<typeof consumerGroupHeartbeat>>
  /** As ConsumerGroupDescribe answers. Undefined: it is no consumer group. */
  describeConsumer(group: GroupBase): DescribedConsumerGroup | undefined
  replay(record: ConsumerRecord): void
  /** Topics were created, deleted, or have more partitions. */
  onTopicsChanged(names: ReadonlySet<string>, now: Now): void
}

export type GroupRules = (
  context: ShardContext,
  groups: Groups,
) => { readonly classic: ClassicRules; readonly consumer: ConsumerRules }

type DescribedClassicGroup = Omit<ResponseInputOf<typeof describeGroups>["groups"][number], "authorizedOperations">
export type DescribedConsumerGroup = Omit<
  ResponseInputOf<typeof consumerGroupDescribe>["groups"][number],
  "authorizedOperations"
>

/** Offsets looked at for expiry before others have their turn. */
const expiryOffsetsPerTurnMax = 20_000
const expiryKey = "expire-offsets"

export interface ListedGroup {
  readonly groupId: string
  readonly protocolType: string
  readonly groupState: string
  readonly groupType: string
}

export interface GroupExplanation extends ExplainedGroup {
  readonly groupId: string
  readonly kind: "classic" | "consumer"
  readonly events: readonly TimedGroupEvent[]
  readonly offsets: TopicOffsets
}

export class GroupShard implements ShardState<GroupRecord> {
  readonly offsets: OffsetRequests
  readonly #groups = new Map<string, GroupBase>()
  readonly #offsets = new OffsetStore()
  readonly #timelines = new Timelines()
  readonly #classic: ClassicRules
  readonly #consumer: ConsumerRules
  #context: ShardContext

  constructor(
    context: Omit<ShardContext, "note">,
    rules: GroupRules,
    private readonly submit: (decide: (now: Now) => Outcome) => ErrorCode,
    private readonly expiryCheckIntervalMs: number,
  ) {
    this.#context = { ...context, note: (groupId, event, now) => this.#note(groupId, event, now) }
    const groups: Groups = {
      get: (groupId) => this.#groups.get(groupId),
      put: (group) => {
        this.#groups.set(group.groupId, group)
        this.#timelines.added(group.groupId)
      },
      remove: (groupId) => {
        this.#groups.delete(groupId)
        this.#timelines.removed(groupId)
      },
    }
    const { classic, consumer } = rules(this.#context, groups)
    this.#classic = classic
    this.#consumer = consumer
    this.offsets = new OffsetRequests(this.#context, this.#offsets, (groupId) => this.find(groupId))
  }

  #note(groupId: string, event: GroupEvent, now: Now): void {
    this.#timelines.note(groupId, event, now)
    // It may never be one: a request that is refused, or nothing but offsets that expire.
    if (!this.#groups.has(groupId)) this.#timelines.removed(groupId)
  }

  replay(record: GroupRecord): void {
    if (record.type === "OffsetCommit") this.#offsets.replay(record)
    else if (record.type === "GroupMetadata") this.#classic.replay(record)
    else this.#consumer.replay(record)
  }

  loaded(now: Now): void {
    for (const group of [...this.#groups.values()]) {
      this.submit(() => this.#rulesOf(group).loaded(group, now))
    }
    this.#scheduleExpiry()
  }

  unloaded(error: ErrorCode): void {
    for (const group of this.#groups.values()) this.#rulesOf(group).unloaded(group, error)
  }

  #rulesOf(group: GroupBase): GroupProtocol<GroupBase> {
    return (group.kind === "classic" ? this.#classic : this.#consumer).ofGroup
  }

  /** A group with its rules; also one that exists by its offsets alone. */
  find(groupId: string): GroupWithRules | undefined {
    const group =
      this.#groups.get(groupId) ?? (this.#offsets.has(groupId) ? this.#classic.newGroup(groupId) : undefined)
    return group === undefined ? undefined : { group, rules: this.#rulesOf(group) }
  }

  #classicRequests(groupId: string): ClassicRequests {
    return this.#groups.get(groupId)?.kind === "consumer" ? this.#consumer.classic : this.#classic
  }

  readonly join: ClassicRequests["join"] = (request, client, respond, now) =>
    this.#classicRequests(request.groupId).join(request, client, respond, now)

  readonly sync: ClassicRequests["sync"] = (request, client, respond, now) =>
    this.#classicRequests(request.groupId).sync(request, client, respond, now)

  readonly heartbeat: ClassicRequests["heartbeat"] = (request, client, respond, now) =>
    this.#classicRequests(request.groupId).heartbeat(request, client, respond, now)

  readonly leave: ClassicRequests["leave"] = (request, client, respond, now) =>
    this.#classicRequests(request.groupId).leave(request, client, respond, now)

  readonly consumerHeartbeat: ConsumerRules["heartbeat"] = (request, client, respond, now) =>
    this.#consumer.heartbeat(request, client, respond, now)

  /** Of a group of another protocol it says that. Undefined: there is no such group. */
  describe(groupId: string): DescribedClassicGroup | undefined {
    const found = this.find(groupId)
    return found?.rules.describe(found.group)
  }

  describeConsumer(groupId: string): DescribedConsumerGroup | undefined {
    const group = this.#groups.get(groupId)
    return group === undefined ? undefined : this.#consumer.describeConsumer(group)
  }

  list(): ListedGroup[] {
    return [...this.#groupIds()].map((groupId) => {
      const { group, rules } = this.find(groupId)!
      return { groupId, ...rules.listed(group) }
    })
  }

  #groupIds(): Set<string> {
    return new Set([...this.#groups.keys(), ...this.#offsets.groupIds()])
  }

  explain(groupId: string, now: Now): GroupExplanation | undefined {
    const found = this.find(groupId)
    if (found === undefined) return undefined
    const { group, rules } = found
    return {
      groupId,
      kind: group.kind,
      ...rules.explain(group, now),
      events: this.#timelines.of(groupId),
      offsets: this.#offsets.of(groupId),
    }
  }

  /** Topics changed; of those that are gone nobody wants the offsets any more. */
  onTopicsChanged(names: ReadonlySet<string>, deleted: ReadonlySet<string>, now: Now): Outcome {
    this.#consumer.onTopicsChanged(names, now)
    const records: GroupRecord[] = []
    if (deleted.size > 0)
      for (const groupId of this.#offsets.groupIds())
        for (const [topic, partitions] of this.#offsets.of(groupId)) {
          if (!deleted.has(topic)) continue
          for (const partition of partitions.keys()) records.push(offsetTombstone(groupId, topic, partition))
          this.#note(
            groupId,
            { type: "offsets-deleted", partitions: partitions.size, reason: `topic ${topic} was deleted` },
            now,
          )
        }
    return { records, mayBeSplit: true }
  }

  #scheduleExpiry(): void {
    this.#context.timers.schedule(expiryKey, this.expiryCheckIntervalMs, (now) =>
      this.#expireSome([...this.#groupIds()], 0, now),
    )
  }

  /** Looks at the groups from `first` on, as many as one turn has time for. */
  #expireSome(groupIds: readonly string[], first: number, now: Now): Outcome {
    const records: GroupRecord[] = []
    let next = first
    for (let looked = 0; next < groupIds.length && looked < expiryOffsetsPerTurnMax; next++) {
      const groupId = groupIds[next]!
      for (const record of this.offsets.expire(groupId, now)) records.push(record)
      for (const partitions of this.#offsets.of(groupId).values()) looked += partitions.size
      looked++
    }
    if (next >= groupIds.length) this.#scheduleExpiry()
    else this.#context.timers.schedule(expiryKey, 0, (later) => this.#expireSome(groupIds, next, later))
    return { records, mayBeSplit: true }
  }

  /** One group of a DeleteGroups. */
  delete(groupId: string, respond: Respond<ErrorCode>): Outcome {
    const records = this.offsets.deleteGroup(groupId)
    if (typeof records === "number") {
      respond(records)
      return { records: [] }
    }
    // A group that nothing was written of is gone when its offsets are.
    if (records.length === 0) this.#groups.delete(groupId)
    return { records, mayBeSplit: true, onWritten: respond }
  }
}
