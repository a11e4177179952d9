/**
 * Members of a consumer group that speak the classic protocol: their generation is their member epoch, and the coordinator assigns.
 *
 * Owns JoinGroup, SyncGroup, Heartbeat and LeaveGroup of such members. The invariant: they go through the same steps as others: a join says what the member has, a sync tells it what to
 * have, a heartbeat only that it has to come again. Source: KIP-848; Kafka's GroupMetadataManager for the errors.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { ClassicProtocol, HeartbeatRequest, HeartbeatResponse } from "../classic/classic-protocol.js"
import { type JoinResponse, keptProtocols, type SyncResponse } from "../classic/classic-member.js"
import type { JoinRequest } from "../classic/join.js"
import type { LeaveRequest, LeaveResponse } from "../classic/leave.js"
import { joinResponse, syncError, writeError } from "../classic/responses.js"
import type { SyncRequest } from "../classic/sync.js"
import { type ClientInfo, type Now, nothingToWrite, type Outcome, type Respond } from "../contract.js"
import { advanceMember } from "./advance-member.js"
import type { ConsumerGroup } from "./consumer-group.js"
import { type ConsumerMember, hasSameTopics, memberStates, newMember, regexOf, topicNames } from "./consumer-member.js"
import { readSubscription, reportedFrom, type Subscription, writeAssignment } from "./consumer-payloads.js"
import { tombstonesOf } from "./conversion.js"
import type { GroupChanges } from "./group-changes.js"
import { GroupDraft } from "./group-draft.js"

const consumerProtocolType = "consumer"
/** KIP-394: from then on a member gets its id before it joins. */
const requiredMemberIdVersion = 4

interface Joining {
  readonly group: ConsumerGroup
  readonly request: JoinRequest
  readonly client: ClientInfo
  readonly now: Now
}

interface JoiningMember {
  readonly member: ConsumerMember
  /** The static member whose place it takes. */
  readonly replaced?: ConsumerMember
  readonly isNew: boolean
}

export class ClassicMembers {
  constructor(
    private readonly changes: GroupChanges,
    private readonly classic: ClassicProtocol,
  ) {}

  join(request: JoinRequest, client: ClientInfo, respond: Respond<JoinResponse>, now: Now): Outcome {
    const { groupId, sessionTimeoutMs } = request
    const group = this.changes.find(groupId)
    if (group === undefined) return this.classic.join(request, client, respond, now)
    // Nobody is left who would need the other protocol.
    if (group.isEmpty) return this.classic.join(request, client, respond, now, tombstonesOf(group))
    const refuse = (errorCode: ErrorCode, memberId = request.memberId): Outcome => {
      respond(joinResponse(client.version, { errorCode, memberId }))
      return nothingToWrite
    }
    const { settings, random } = this.changes.context
    if (sessionTimeoutMs < settings.minSessionTimeoutMs || sessionTimeoutMs > settings.maxSessionTimeoutMs)
      return refuse(Errors.INVALID_SESSION_TIMEOUT)
    if (group.members.size >= settings.consumerMaxSize && !isKnown(group, request))
      return refuse(Errors.GROUP_MAX_SIZE_REACHED)
    if (!isSupported(group, request)) return refuse(Errors.INCONSISTENT_GROUP_PROTOCOL)
    const memberId = request.memberId === "" ? random.uuid() : request.memberId
    if (request.memberId === "" && request.groupInstanceId === null && client.version >= requiredMemberIdVersion)
      return refuse(Errors.MEMBER_ID_REQUIRED, memberId)
    const subscription = request.protocols[0] && readSubscription(request.protocols[0].metadata)
    if (subscription === undefined) return refuse(Errors.INCONSISTENT_GROUP_PROTOCOL)
    const found = this.#joining(group, request, memberId)
    if (typeof found === "number") return refuse(found)
    // What a later version wrote of it is not understood: it can only begin again, with nothing.
    if (found.member.state === memberStates.unknown && subscription.ownedPartitions.length > 0)
      return refuse(Errors.UNKNOWN_MEMBER_ID, "")
    return this.#join({ group, request, client, now }, found, subscription, respond)
  }

  /** Errors: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
  #joining(group: ConsumerGroup, request: JoinRequest, memberId: string): JoiningMember | ErrorCode {
    const { groupInstanceId } = request
    const known = group.members.get(memberId)
    if (groupInstanceId === null) return { member: known ?? newMember(memberId), isNew: known === undefined }
    const held = group.staticMember(groupInstanceId)
    if (request.memberId !== "") {
      if (held === undefined) return Errors.UNKNOWN_MEMBER_ID
      return held.memberId === memberId ? { member: held, isNew: false } : Errors.FENCED_INSTANCE_ID
    }
    if (held === undefined) return { member: newMember(memberId), isNew: true }
    return { member: { ...held, memberId, memberEpoch: 0, previousMemberEpoch: 0 }, replaced: held, isNew: false }
  }

  #join(
    { group, request, client, now }: Joining,
    { member, replaced, isNew }: JoiningMember,
    subscription: Subscription,
    respond: Respond<JoinResponse>,
  ): Outcome {
    const { memberId } = member
    const image = this.changes.context.image()
    const draft = new GroupDraft(group)
    const updated: ConsumerMember = {
      ...member,
      instanceId: request.groupInstanceId ?? member.instanceId,
      rackId: subscription.rackId ?? member.rackId,
      clientId: client.clientId,
      clientHost: client.clientHost,
      subscribedTopicNames: topicNames(subscription.topics),
      subscribedTopicRegex: "",
      rebalanceTimeoutMs: request.rebalanceTimeoutMs === -1 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
      serverAssignor: null,
      classic: { sessionTimeoutMs: request.sessionTimeoutMs, supportedProtocols: keptProtocols(request.protocols) },
    }
    this.#noteJoin(group, updated, isNew ? "member-joined" : replaced && "member-replaced", now)
    // What it owns is part of what it says, so there is hardly a join that says nothing new.
    if (replaced === undefined) draft.describeMember(updated)
    else draft.replaceMember(replaced, updated)
    const regex = regexOf(member)
    if (regex !== undefined) draft.forgetUnused(regex)
    const hasNewTopics = regex !== undefined || !hasSameTopics(updated.subscribedTopicNames, member)
    if (hasNewTopics || isNew)
      this.changes.updateEpoch(draft, `member ${memberId} ${isNew ? "joined" : "subscribes to other topics"}`, now)
    this.changes.updateTarget(draft, now)
    const reported = reportedFrom(subscription.ownedPartitions, image)
    const advanced = advanceMember(draft, image, updated, reported, hasNewTopics && !isNew)
    if (advanced !== updated) this.changes.noteProgress(draft, isNew ? undefined : member, advanced, now)
    if (replaced !== undefined) this.changes.forget(group, replaced.memberId)
    this.changes.touch(group, advanced, now)
    this.changes.watchRevocation(group, advanced, now)
    this.changes.unwatchClassic(group, memberId, "join")
    this.changes.watchClassic(group, advanced, "sync", now)
    if (replaced !== undefined) this.changes.downgradeSoon(group)
    return {
      records: draft.records,
      onWritten: (error) =>
        respond(
          joinResponse(
            client.version,
            error === Errors.NONE
              ? {
                  errorCode: error,
                  memberId,
                  generationId: advanced.memberEpoch,
                  protocolType: consumerProtocolType,
                  protocolName: request.protocols[0]!.name,
                }
              : { errorCode: writeError(error), memberId },
          ),
        ),
    }
  }

  #noteJoin(
    { groupId }: ConsumerGroup,
    { memberId, instanceId, clientId, clientHost }: ConsumerMember,
    type: "member-joined" | "member-replaced" | undefined,
    now: Now,
  ): void {
    if (type === undefined) return
    const reason = "it speaks the classic protocol"
    this.changes.note(
      groupId,
      { type, memberId, ...(instanceId !== null && { instanceId }), clientId, clientHost, reason },
      now,
    )
  }

  sync(request: SyncRequest, respond: Respond<SyncResponse>, now: Now): Outcome {
    const group = this.changes.find(request.groupId)
    if (group === undefined) return this.classic.sync(request, respond, now)
    const member = classicMember(group, request.memberId, request.groupInstanceId)
    const error = typeof member === "number" ? member : this.#syncError(group, member, request, now)
    if (typeof member === "number" || error !== Errors.NONE) {
      respond(syncError(error))
      return nothingToWrite
    }
    this.changes.unwatchClassic(group, member.memberId, "sync")
    this.changes.touch(group, member, now)
    const version = readSubscription(member.classic!.supportedProtocols[0]!.metadata)?.version ?? 0
    const response: SyncResponse = {
      throttleTimeMs: 0,
      errorCode: Errors.NONE,
      protocolType: request.protocolType,
      protocolName: request.protocolName,
      assignment: writeAssignment(member.assigned, version, this.changes.context.image()),
    }
    return {
      records: [],
      onWritten: (written) => respond(written === Errors.NONE ? response : syncError(writeError(written))),
    }
  }

  #syncError(group: ConsumerGroup, member: ConsumerMember, request: SyncRequest, now: Now): ErrorCode {
    if (request.generationId !== member.memberEpoch) return Errors.ILLEGAL_GENERATION
    const { protocolType, protocolName } = request
    if (protocolType !== null && protocolType !== consumerProtocolType) return Errors.INCONSISTENT_GROUP_PROTOCOL
    if (protocolName !== null && protocolName !== member.classic!.supportedProtocols[0]!.name)
      return Errors.INCONSISTENT_GROUP_PROTOCOL
    // Whoever has something to let go of has to hear of it, and comes again afterwards.
    if (group.assignmentEpoch <= member.memberEpoch || member.state === memberStates.unrevokedPartitions)
      return Errors.NONE
    this.changes.watchClassic(group, member, "join", now)
    return Errors.REBALANCE_IN_PROGRESS
  }

  heartbeat(request: HeartbeatRequest, respond: Respond<HeartbeatResponse>, now: Now): Outcome {
    const group = this.changes.find(request.groupId)
    if (group === undefined) return this.classic.heartbeat(request, respond, now)
    const member = classicMember(group, request.memberId, request.groupInstanceId)
    const errorCode = typeof member === "number" ? member : this.#onHeartbeat(group, member, request, now)
    respond({ throttleTimeMs: 0, errorCode })
    return nothingToWrite
  }

  #onHeartbeat(group: ConsumerGroup, member: ConsumerMember, request: HeartbeatRequest, now: Now): ErrorCode {
    if (request.generationId !== member.memberEpoch) return Errors.ILLEGAL_GENERATION
    this.changes.touch(group, member, now)
    // Not for a new epoch alone: before its target is there, there is nothing to come for.
    const hasToRejoin =
      member.memberEpoch < group.assignmentEpoch ||
      member.state === memberStates.unrevokedPartitions ||
      (member.state === memberStates.unreleasedPartitions && !isWaiting(group, member))
    if (!hasToRejoin) return Errors.NONE
    this.changes.watchClassic(group, member, "join", now)
    return Errors.REBALANCE_IN_PROGRESS
  }

  /** `members` is filled in every version. */
  leave(request: LeaveRequest, respond: Respond<LeaveResponse>, now: Now): Outcome {
    const group = this.changes.find(request.groupId)
    if (group === undefined) return this.classic.leave(request, respond, now)
    const leaving = new Set<string>()
    const members = request.members.map(({ memberId, groupInstanceId, reason }) => {
      // An administrator knows instances, not members.
      const held =
        memberId === "" && groupInstanceId !== null ? group.staticMember(groupInstanceId)?.memberId : memberId
      const member = classicMember(group, held ?? "", groupInstanceId)
      if (typeof member === "number") return { memberId, groupInstanceId, errorCode: member }
      leaving.add(member.memberId)
      this.changes.note(
        group.groupId,
        {
          type: "member-left",
          memberId: member.memberId,
          ...(groupInstanceId !== null && { instanceId: groupInstanceId }),
          reason: reason === null || reason === "" ? "it left" : `it left: ${reason.slice(0, 255)}`,
        },
        now,
      )
      return { memberId: member.memberId, groupInstanceId, errorCode: Errors.NONE as ErrorCode }
    })
    const outcome =
      leaving.size === 0
        ? nothingToWrite
        : this.changes.remove(group, [...leaving], `${[...leaving].join(", ")} left`, now)
    return {
      records: outcome.records,
      onWritten: (error) => {
        outcome.onWritten?.(error)
        respond(
          error === Errors.NONE
            ? { throttleTimeMs: 0, errorCode: Errors.NONE, members }
            : { throttleTimeMs: 0, errorCode: writeError(error), members: [] },
        )
      },
    }
  }
}

function isKnown(group: ConsumerGroup, { memberId, groupInstanceId }: JoinRequest): boolean {
  return group.members.has(memberId) || (groupInstanceId !== null && group.staticMember(groupInstanceId) !== undefined)
}

/** Whether all classic members have one of the protocols: the group may have to go on without the consumer protocol. */
function isSupported(group: ConsumerGroup, { protocolType, protocols }: JoinRequest): boolean {
  if (protocolType !== consumerProtocolType) return false
  const supporters = new Map<string, number>()
  for (const { classic } of group.members.values())
    for (const { name } of classic?.supportedProtocols ?? []) supporters.set(name, (supporters.get(name) ?? 0) + 1)
  return protocols.some(({ name }) => (supporters.get(name) ?? 0) === group.classicMembers)
}

/** Errors: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
function classicMember(
  group: ConsumerGroup,
  memberId: string,
  groupInstanceId: string | null,
): ConsumerMember | ErrorCode {
  const member = groupInstanceId === null ? group.members.get(memberId) : group.staticMember(groupInstanceId)
  if (member === undefined) return Errors.UNKNOWN_MEMBER_ID
  if (member.memberId !== memberId) return Errors.FENCED_INSTANCE_ID
  return member.classic === null ? Errors.UNKNOWN_MEMBER_ID : member
}

/** Whether others still have something of the member's target. */
function isWaiting(group: ConsumerGroup, { memberId, assigned }: ConsumerMember): boolean {
  for (const [topicId, partitions] of group.target(memberId)) {
    for (const partition of partitions) {
      if (assigned.get(topicId)?.has(partition)) continue
      const owner = group.ownerOf(topicId, partition)
      if (owner !== undefined && owner !== memberId) return true
    }
  }
  return false
}
