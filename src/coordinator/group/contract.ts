/**
 * What the parts of the group coordinator promise each other.
 *
 * Owns the types between the shard (which holds the groups of one `__consumer_offsets` partition), the group protocols, and the runtime under them. No behaviour.
 * The law: whatever must survive is changed by `replay` alone; a decision returns the records that change it.
 */
import type { Logger, Random } from "../../env/env.js"
import type { MetadataImage } from "../../metadata/image.js"
import type { ErrorCode } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import type { describeGroups } from "../../protocol/messages/describe-groups.js"
import type { Now, Outcome as ShardOutcome } from "../shard.js"
import type { GroupRecord } from "./group-records.js"

/** Answers a request, once: within the decision, or later when what it waits for has happened. */
export type Respond<Response> = (response: Response) => void

/** What a decision leads to. Its records are complete (every field present), for they are replayed as they are. */
export type Outcome = ShardOutcome<GroupRecord>

export const nothingToWrite: Outcome = { records: [] }

export interface GroupTimers {
  /** Decides once `delayMs` have passed, as if a request had come. Takes the place of the timer of this key, if there is one; doing so often is cheap. */
  schedule(key: string, delayMs: number, decide: (now: Now) => Outcome): void
  cancel(key: string): void
}

/** Settings by their meaning. Those with a group id may be overridden per group (`kafka-configs --entity-type groups`). */
export interface GroupSettings {
  readonly classicMaxSize: number
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  readonly initialRebalanceDelayMs: number
  readonly offsetMetadataMaxBytes: number
  readonly offsetsRetentionMs: number
  readonly consumerMaxSize: number
  /** In order of preference: the first is the default. Names: uniform, range. */
  readonly consumerAssignors: readonly string[]
  readonly consumerMigrationPolicy: "bidirectional" | "upgrade" | "downgrade" | "disabled"
  readonly consumerRegexRefreshIntervalMs: number
  readonly isConsumerProtocolEnabled: boolean
  consumerSessionTimeoutMs(groupId: string): number
  consumerHeartbeatIntervalMs(groupId: string): number
  consumerAssignmentIntervalMs(groupId: string): number
}

export interface ShardContext {
  readonly settings: GroupSettings
  readonly timers: GroupTimers
  readonly random: Random
  readonly log: Logger
  /** The committed metadata. */
  image(): MetadataImage
  /** Adds to the group's timeline (bounded, not in the log), which `ottla group explain` prints. */
  note(groupId: string, event: GroupEvent, now: Now): void
}

/** Who asks. `clientHost` as Kafka writes it: "/127.0.0.1". */
export interface ClientInfo {
  readonly clientId: string
  readonly clientHost: string
  /** Version of the request. */
  readonly version: number
}

export type GroupEventType =
  | "group-created"
  | "group-emptied"
  | "group-loaded"
  | "group-converted"
  | "member-joined"
  | "member-rejoined"
  | "member-replaced"
  | "member-left"
  | "member-missed-deadline"
  | "member-fenced"
  | "rebalance-started"
  | "rebalance-completed"
  | "assignment-computed"
  | "assignment-received"
  | "partitions-revoked"
  | "offsets-expired"
  | "offsets-deleted"

/** One line of a group's timeline; absent fields do not apply. */
export interface GroupEvent {
  readonly type: GroupEventType
  readonly memberId?: string
  readonly instanceId?: string
  readonly clientId?: string
  readonly clientHost?: string
  /** Generation of a classic group, epoch of a consumer group. */
  readonly generation?: number
  /** A sentence without a full stop: what led to it. */
  readonly reason?: string
  /** By how much a deadline was missed, and which. */
  readonly lateByMs?: number
  readonly deadline?: "session" | "rebalance" | "sync" | "join" | "revocation"
  readonly tookMs?: number
  readonly members?: number
  readonly partitions?: number
}

export interface GroupBase {
  readonly groupId: string
  readonly kind: "classic" | "consumer"
}

/** The groups of a shard, by id. Those of a classic group that nothing was written of yet are here too. */
export interface Groups<G extends GroupBase = GroupBase> {
  get(groupId: string): G | undefined
  put(group: G): void
  remove(groupId: string): void
}

/** What an offset commit says about who commits. */
export interface CommitIdentity {
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** Generation of a classic group, member epoch of a consumer group; negative: a consumer without a group. */
  readonly generationIdOrMemberEpoch: number
  readonly version: number
}

/** When offsets of a group may be forgotten: once `offsetsRetentionMs` have passed since `baseTimestampMs`. */
export interface OffsetExpiration {
  baseTimestampMs(commitTimestampMs: number): number
  /** Offsets of topics that members subscribe to stay. */
  isSubscribedTo(topic: string): boolean
}

export interface ExplainedMember {
  readonly memberId: string
  readonly instanceId: string | undefined
  readonly clientId: string
  readonly clientHost: string
  /** What the member is doing, and whom or what it waits for. */
  readonly state: string
  readonly epoch: number
  /** Undefined: it is not awaited. Negative: so much time is left. */
  readonly lateByMs: number | undefined
  readonly sinceLastHeartbeatMs: number
  readonly partitions: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
}

export interface ExplainedGroup {
  readonly state: string
  readonly protocol: string
  readonly generation: number
  readonly members: readonly ExplainedMember[]
}

type DescribedClassicGroup = ResponseInputOf<typeof describeGroups>["groups"][number]

/** What the shard asks of a group whatever its protocol is. */
export interface GroupProtocol<G extends GroupBase> {
  /** The log has been read: start what runs by time. Nothing has been answered yet. */
  loaded(group: G, now: Now): Outcome
  /** This broker does not coordinate the group any more: whoever is parked is answered with `error`. Timers are cancelled by the shard. */
  unloaded(group: G, error: ErrorCode): void
  /** NONE: the commit is valid; in a classic group it counts as a sign of life. */
  checkCommit(group: G, commit: CommitIdentity, now: Now): ErrorCode
  /** `memberId` null or an epoch below 0: not said, which is allowed. */
  checkFetch(group: G, memberId: string | null, memberEpoch: number): ErrorCode
  listed(group: G): { readonly groupState: string; readonly protocolType: string; readonly groupType: string }
  /** As DescribeGroups answers. */
  describe(group: G): Omit<DescribedClassicGroup, "authorizedOperations">
  /** NONE, NON_EMPTY_GROUP or GROUP_ID_NOT_FOUND. */
  checkDelete(group: G): ErrorCode
  /** Whether single offsets may be deleted: of consumers those of topics they do not read (`isSubscribedTo`), of others it is not known what they use. */
  checkOffsetDelete(group: G): ErrorCode
  /** The records that remove the group itself, not its offsets. */
  tombstones(group: G): readonly GroupRecord[]
  isSubscribedTo(group: G, topic: string): boolean
  /** Undefined: the group's offsets do not expire now. */
  offsetExpiration(group: G): OffsetExpiration | undefined
  /** Whether a group without offsets may be removed by the clean-up of expired offsets. */
  isRemovable(group: G): boolean
  explain(group: G, now: Now): ExplainedGroup
}

export type { GroupRecord, Now }
