/**
 * Groups under the consumer protocol (KIP-848), as the shard sees them.
 *
 * Owns the ways in: requests, records, changes of metadata, questions. The rules are in the files beside it. The invariant: groups change by `replay` alone.
 */
import { zeroUuid } from "../../../base/ids.js"
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { JoinResponse, SyncResponse } from "../classic/classic-member.js"
import type {
  ClassicProtocol,
  HeartbeatRequest as ClassicHeartbeatRequest,
  HeartbeatResponse as ClassicHeartbeatResponse,
} from "../classic/classic-protocol.js"
import type { JoinRequest } from "../classic/join.js"
import type { LeaveRequest, LeaveResponse } from "../classic/leave.js"
import type { SyncRequest } from "../classic/sync.js"
import type {
  ClientInfo,
  CommitIdentity,
  ExplainedGroup,
  GroupProtocol,
  GroupRecord,
  Groups,
  Now,
  OffsetExpiration,
  Outcome,
  Respond,
  ShardContext,
} from "../contract.js"
import { ClassicMembers } from "./classic-members.js"
import { ConsumerGroup } from "./consumer-group.js"
import type { ConsumerMember } from "./consumer-member.js"
import { Conversions, tombstonesOf } from "./conversion.js"
import { type DescribedConsumerGroup, describeConsumerGroup, explainConsumerGroup } from "./describe.js"
import { GroupChanges } from "./group-changes.js"
import { Heartbeats } from "./heartbeat.js"
import type { HeartbeatRequest, HeartbeatResponse } from "./heartbeat-request.js"

/** A commit with its partitions: what was given to the member before the epoch it commits in may be committed in that epoch still. */
export interface ConsumerCommit extends CommitIdentity {
  readonly topics?: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partitionIndex: number }[]
  }[]
}

/** The first version of OffsetCommit that knows epochs. */
const epochCommitVersion = 9

export class ConsumerProtocol implements GroupProtocol<ConsumerGroup> {
  readonly #changes: GroupChanges
  readonly #heartbeats: Heartbeats
  readonly #classicMembers: ClassicMembers
  /** By id, to find those that a topic concerns. What another protocol has taken over since is still here until it is looked at. */
  readonly #known = new Map<string, ConsumerGroup>()

  constructor(
    private readonly context: ShardContext,
    private readonly groups: Groups,
    classic: ClassicProtocol,
  ) {
    this.#changes = new GroupChanges(context, groups)
    const conversions = new Conversions(this.#changes, classic)
    this.#changes.downgrade = (group, leaving, now) => conversions.downgrade(group, leaving, now)
    this.#heartbeats = new Heartbeats(this.#changes, (groupId, now) => conversions.upgrade(groupId, now))
    this.#classicMembers = new ClassicMembers(this.#changes, classic)
  }

  heartbeat(request: HeartbeatRequest, client: ClientInfo, respond: Respond<HeartbeatResponse>, now: Now): Outcome {
    return this.#heartbeats.decide(request, client, respond, now)
  }

  /** Requests of classic members, whose generation is their member epoch. */
  classicJoin(request: JoinRequest, client: ClientInfo, respond: Respond<JoinResponse>, now: Now): Outcome {
    return this.#classicMembers.join(request, client, respond, now)
  }

  classicSync(request: SyncRequest, respond: Respond<SyncResponse>, now: Now): Outcome {
    return this.#classicMembers.sync(request, respond, now)
  }

  classicHeartbeat(request: ClassicHeartbeatRequest, respond: Respond<ClassicHeartbeatResponse>, now: Now): Outcome {
    return this.#classicMembers.heartbeat(request, respond, now)
  }

  classicLeave(request: LeaveRequest, respond: Respond<LeaveResponse>, now: Now): Outcome {
    return this.#classicMembers.leave(request, respond, now)
  }

  describeConsumer(group: ConsumerGroup): DescribedConsumerGroup {
    return describeConsumerGroup(group, this.context.image(), this.context.settings)
  }

  replay(record: GroupRecord): void {
    switch (record.type) {
      case "ConsumerGroupMetadata":
      case "ConsumerGroupPartitionMetadata":
      case "ConsumerGroupMemberMetadata":
      case "ConsumerGroupTargetAssignmentMetadata":
      case "ConsumerGroupTargetAssignmentMember":
      case "ConsumerGroupCurrentMemberAssignment":
      case "ConsumerGroupRegularExpression":
        break
      default:
        return
    }
    const { groupId } = record.key
    let group = this.#changes.find(groupId)
    if (record.type === "ConsumerGroupMetadata" && record.value === null) {
      if (group === undefined) return
      this.groups.remove(groupId)
      this.#known.delete(groupId)
      return
    }
    if (group === undefined) {
      // What is removed from a group that is not there needs none.
      if (record.value === null) return
      group = new ConsumerGroup(groupId)
      this.groups.put(group)
      this.#known.set(groupId, group)
    }
    group.replay(record)
  }

  onTopicsChanged(names: ReadonlySet<string>, now: Now): void {
    for (const [groupId, group] of this.#known) {
      if (this.groups.get(groupId) === group) this.#changes.onTopicsChanged(group, names, now)
      else this.#known.delete(groupId)
    }
  }

  loaded(group: ConsumerGroup, now: Now): Outcome {
    return this.#changes.loaded(group, now)
  }

  /** Nobody is parked here: a heartbeat is answered at once, or when its records are written. */
  unloaded(_group: ConsumerGroup, _error: ErrorCode): void {}

  checkCommit(group: ConsumerGroup, commit: ConsumerCommit): ErrorCode {
    const { memberId, generationIdOrMemberEpoch: epoch, version } = commit
    if (epoch < 0 && group.isEmpty) return Errors.NONE
    const member = group.members.get(memberId)
    if (member === undefined) return Errors.UNKNOWN_MEMBER_ID
    if (member.classic === null && version < epochCommitVersion) return Errors.UNSUPPORTED_VERSION
    if (epoch !== member.memberEpoch && !(epoch < member.memberEpoch && this.#hasSince(member, epoch, commit.topics)))
      return staleEpoch(member)
    // Unlike in a classic group, a commit is no sign of life.
    return Errors.NONE
  }

  /** Whether the member was given all of these in this epoch or before, and still has them. Source: KIP-1251. */
  #hasSince(member: ConsumerMember, epoch: number, topics: ConsumerCommit["topics"]): boolean {
    if (topics === undefined) return false
    const image = this.context.image()
    for (const { name, partitions } of topics) {
      const topicId = image.topics.get(name)?.topicId ?? zeroUuid
      for (const { partitionIndex } of partitions) {
        const since =
          member.assigned.get(topicId)?.get(partitionIndex) ??
          member.pendingRevocation.get(topicId)?.get(partitionIndex)
        if (since === undefined || since > epoch) return false
      }
    }
    return true
  }

  checkFetch(group: ConsumerGroup, memberId: string | null, memberEpoch: number): ErrorCode {
    if (memberId === null && memberEpoch < 0) return Errors.NONE
    const member = group.members.get(memberId ?? "")
    if (member === undefined) return Errors.UNKNOWN_MEMBER_ID
    return member.memberEpoch === memberEpoch ? Errors.NONE : staleEpoch(member)
  }

  listed(group: ConsumerGroup): { groupState: string; protocolType: string; groupType: string } {
    return { groupState: group.state(), protocolType: "consumer", groupType: "consumer" }
  }

  describe({ groupId }: ConsumerGroup): ReturnType<GroupProtocol<ConsumerGroup>["describe"]> {
    return {
      errorCode: Errors.GROUP_ID_NOT_FOUND,
      errorMessage: `Group ${groupId} is not a classic group.`,
      groupId,
      groupState: "Dead",
      protocolType: "",
      protocolData: "",
      members: [],
    }
  }

  checkDelete(group: ConsumerGroup): ErrorCode {
    return group.isEmpty ? Errors.NONE : Errors.NON_EMPTY_GROUP
  }

  checkOffsetDelete(): ErrorCode {
    return Errors.NONE
  }

  tombstones(group: ConsumerGroup): readonly GroupRecord[] {
    return tombstonesOf(group)
  }

  isSubscribedTo(group: ConsumerGroup, topic: string): boolean {
    return group.isSubscribedTo(topic)
  }

  offsetExpiration(group: ConsumerGroup): OffsetExpiration {
    return {
      baseTimestampMs: (commitTimestampMs) => commitTimestampMs,
      isSubscribedTo: (topic) => group.isSubscribedTo(topic),
    }
  }

  isRemovable(group: ConsumerGroup): boolean {
    return group.isEmpty
  }

  explain(group: ConsumerGroup, now: Now): ExplainedGroup {
    return explainConsumerGroup(group, this.context.image(), this.context.settings, this.#changes.live, now)
  }
}

const staleEpoch = ({ classic }: ConsumerMember): ErrorCode =>
  classic === null ? Errors.STALE_MEMBER_EPOCH : Errors.ILLEGAL_GENERATION
