/**
 * The heartbeat of a member: it joins, says what it has and wants, learns what to do, and leaves.
 *
 * Owns the rules of one request. The invariant: a heartbeat that says nothing new and finds nothing changed costs the same in a group of any size, and writes nothing.
 * Source: KIP-848; Kafka's GroupMetadataManager for the errors.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import { writeError } from "../classic/responses.js"
import type { ClientInfo, GroupRecord, Now, Outcome, Respond } from "../contract.js"
import { advanceMember } from "./advance-member.js"
import { ConsumerGroup } from "./consumer-group.js"
import {
  type ConsumerMember,
  isReconciledTo,
  joiningEpoch,
  leavingEpoch,
  hasSameTopics,
  leavingStaticEpoch,
  memberStates,
  regexOf,
} from "./consumer-member.js"
import type { GroupChanges } from "./group-changes.js"
import { GroupDraft } from "./group-draft.js"
import { fencedInstance, isLost, type MemberOnItsWay, memberOf, updatedMember } from "./heartbeat-member.js"
import {
  type HeartbeatRequest,
  type HeartbeatResponse,
  invalidHeartbeat,
  type Refused,
  refusal,
  refused,
} from "./heartbeat-request.js"
import { nothingOwned, ownsSame, topicPartitionsOf } from "./owned-partitions.js"
import { compileRegex, RegexResolution } from "./regular-expressions.js"

/** A group that a member may join, with what must be written to make it one. */
export interface Joinable {
  readonly group: ConsumerGroup
  readonly records: readonly GroupRecord[]
  readonly isNew: boolean
  /** It is another kind of group from then on. */
  readonly converted?: { readonly reason: string; readonly members: number }
}

interface Decided {
  readonly response: HeartbeatResponse
  readonly records: readonly GroupRecord[]
  readonly onWritten?: ((error: ErrorCode) => void) | undefined
}

export class Heartbeats {
  constructor(
    private readonly changes: GroupChanges,
    /** What stands under a group id that is no group of the consumer protocol, made one; or why it cannot be. */
    private readonly upgrade: (groupId: string, now: Now) => Joinable | Refused,
  ) {}

  decide(request: HeartbeatRequest, client: ClientInfo, respond: Respond<HeartbeatResponse>, now: Now): Outcome {
    const { settings } = this.changes.context
    if (!settings.isConsumerProtocolEnabled) {
      respond({ errorCode: Errors.UNSUPPORTED_VERSION, memberEpoch: 0, heartbeatIntervalMs: 0 })
      return { records: [] }
    }
    const outcome = invalidHeartbeat(request, client.version, settings) ?? this.#decide(request, client, now)
    if ("error" in outcome) {
      this.#noteFenced(request, outcome, now)
      respond(refusal(outcome))
      return { records: [] }
    }
    const { response, records, onWritten } = outcome
    return {
      records,
      onWritten: (error) => {
        onWritten?.(error)
        respond(
          error === Errors.NONE ? response : { errorCode: writeError(error), memberEpoch: 0, heartbeatIntervalMs: 0 },
        )
      },
    }
  }

  #decide(request: HeartbeatRequest, client: ClientInfo, now: Now): Refused | Decided {
    const { groupId, memberEpoch } = request
    const group = this.changes.find(groupId)
    if (memberEpoch === leavingEpoch || memberEpoch === leavingStaticEpoch) {
      if (group === undefined) return this.#noGroup(groupId, "Group")
      return this.#leave(group, request, now)
    }
    const joinable: Joinable | Refused =
      group !== undefined
        ? { group, records: [], isNew: false }
        : memberEpoch !== joiningEpoch
          ? this.#noGroup(groupId, "Consumer group")
          : this.#newGroup(groupId, now)
    if ("error" in joinable) return joinable
    return this.#beat(joinable, request, client, now)
  }

  #noGroup(groupId: string, what: string): Refused {
    const isOther = this.changes.groups.get(groupId) !== undefined
    const message = isOther ? `Group ${groupId} is not a consumer group.` : `${what} ${groupId} not found.`
    return refused(Errors.GROUP_ID_NOT_FOUND, message)
  }

  #newGroup(groupId: string, now: Now): Joinable | Refused {
    if (this.changes.groups.get(groupId) !== undefined) return this.upgrade(groupId, now)
    return { group: new ConsumerGroup(groupId), records: [], isNew: true }
  }

  #beat(
    { group, records, isNew, converted }: Joinable,
    request: HeartbeatRequest,
    client: ClientInfo,
    now: Now,
  ): Refused | Decided {
    const { groupId } = group
    const { settings, random } = this.changes.context
    const memberId = request.memberId === "" ? random.uuid() : request.memberId
    const found = memberOf(group, memberId, request)
    if ("error" in found) return found
    if (found.how === "joins" && group.members.size >= settings.consumerMaxSize)
      return refused(
        Errors.GROUP_MAX_SIZE_REACHED,
        `The consumer group has reached its maximum capacity of ${settings.consumerMaxSize} members.`,
      )
    const draft = new GroupDraft(group)
    let { member } = found
    const updated = updatedMember(member, request, client)
    const regex = regexOf(updated)
    const hasNewRegex = regex !== regexOf(member)
    if (hasNewRegex && regex !== undefined && draft.regexSubscribers(regex) === 0) {
      const compiled = compileRegex(regex)
      if (typeof compiled === "string")
        return refused(
          Errors.INVALID_REGULAR_EXPRESSION,
          `SubscribedTopicRegex \`${regex}\` is not a valid regular expression: ${compiled}.`,
        )
    }
    if (isLost(member, request))
      return refused(
        Errors.FENCED_MEMBER_EPOCH,
        "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
      )
    // Nothing is refused from here on.
    if (isNew) this.changes.note(groupId, { type: "group-created" }, now)
    this.#noteJoin(group, found, updated, now)
    if (found.how === "replaces") draft.replaceMember(group.staticMember(request.instanceId!)!, updated)
    else if (updated !== member || found.how === "joins") draft.describeMember(updated)
    const reason = this.#changeOf(draft, member, updated, hasNewRegex, now)
    const hasSubscriptionChanged = reason !== undefined && found.how !== "joins"
    if (reason !== undefined) this.changes.updateEpoch(draft, reason, now)
    this.changes.updateTarget(draft, now)
    member = updated
    if (!isReconciledTo(member, draft.assignmentEpoch) || hasSubscriptionChanged) {
      const image = this.changes.context.image()
      member = advanceMember(draft, image, member, request.topicPartitions, hasSubscriptionChanged)
    }
    if (member !== found.member)
      this.changes.noteProgress(draft, found.how === "joins" ? undefined : found.member, member, now)
    return {
      records: records.length === 0 ? draft.records : [...records, ...draft.records],
      response: this.#answer(group, request, found, member, now),
      // The timeline of a group ends when the records that remove it are replayed.
      onWritten:
        converted &&
        ((error) => {
          if (error === Errors.NONE) this.changes.note(groupId, { type: "group-converted", ...converted }, now)
        }),
    }
  }

  #answer(
    group: ConsumerGroup,
    request: HeartbeatRequest,
    found: MemberOnItsWay,
    member: ConsumerMember,
    now: Now,
  ): HeartbeatResponse {
    const { groupId } = group
    if (found.how === "replaces") this.changes.forget(group, group.staticMember(request.instanceId!)!.memberId)
    this.changes.touch(group, member, now)
    if (member.state === memberStates.unrevokedPartitions) {
      // The time it has does not start anew with every heartbeat.
      if (member.pendingRevocation !== found.member.pendingRevocation) this.changes.watchRevocation(group, member, now)
    } else this.changes.watchRevocation(group, member, now)
    const isFull =
      request.memberEpoch === joiningEpoch ||
      (request.rebalanceTimeoutMs !== -1 &&
        (request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null) &&
        request.topicPartitions !== null)
    const hasChanged = !ownsSame(found.member.assigned, member.assigned)
    return {
      errorCode: Errors.NONE,
      memberId: member.memberId,
      memberEpoch: member.memberEpoch,
      heartbeatIntervalMs: this.changes.context.settings.consumerHeartbeatIntervalMs(groupId),
      assignment: isFull || hasChanged ? { topicPartitions: topicPartitionsOf(member.assigned) } : null,
    }
  }

  /** Why the subscription of a member calls for another assignment. Undefined: it does not. */
  #changeOf(
    draft: GroupDraft,
    member: ConsumerMember,
    updated: ConsumerMember,
    hasNewRegex: boolean,
    now: Now,
  ): string | undefined {
    let isOtherwise = !hasSameTopics(updated.subscribedTopicNames, member)
    if (hasNewRegex) {
      const oldRegex = regexOf(member)
      const regex = regexOf(updated)
      // What it stood for is gone, be the new one resolved or not.
      if (oldRegex !== undefined) {
        isOtherwise ||= draft.group.regexes.has(oldRegex)
        draft.forgetUnused(oldRegex)
      }
      if (regex !== undefined) isOtherwise = this.#resolve(draft, regex, now) || isOtherwise
    }
    if (!isOtherwise) return undefined
    const isMember = draft.group.members.has(updated.memberId)
    return `member ${updated.memberId} ${isMember ? "subscribes to other topics" : "joined"}`
  }

  /** Whether it is known now that the expression stands for topics. */
  #resolve(draft: GroupDraft, regex: string, now: Now): boolean {
    if (draft.resolved(regex) !== undefined) return true
    const resolution = new RegexResolution([regex], this.changes.context.image())
    if (!resolution.advance()) {
      this.changes.resolveRegexes(draft.group, 0)
      return false
    }
    this.changes.live.group(draft.groupId).regexesResolvedMs = now.monotonicMs
    const topics = resolution.topics.get(regex)!
    draft.setResolved(regex, { topics, version: resolution.version, timestampMs: now.wallMs })
    return topics.size > 0
  }

  #noteFenced({ groupId, memberId, memberEpoch, instanceId }: HeartbeatRequest, { error }: Refused, now: Now): void {
    if (error !== Errors.FENCED_MEMBER_EPOCH && error !== Errors.FENCED_INSTANCE_ID) return
    const live = this.changes.live.group(groupId)
    if (live.lastFencedMemberId === memberId) return
    live.lastFencedMemberId = memberId
    const reason =
      error === Errors.FENCED_INSTANCE_ID
        ? "its heartbeat came after another member had taken the instance id"
        : `its heartbeat came with epoch ${memberEpoch}, which is not the one it was told`
    this.changes.note(
      groupId,
      { type: "member-fenced", memberId, ...(instanceId !== null && { instanceId }), reason },
      now,
    )
  }

  #noteJoin(group: ConsumerGroup, { how }: MemberOnItsWay, member: ConsumerMember, now: Now): void {
    if (how === "stays") return
    const type = { joins: "member-joined", rejoins: "member-rejoined", replaces: "member-replaced" } as const
    const { memberId, instanceId, clientId, clientHost } = member
    this.changes.note(
      group.groupId,
      { type: type[how], memberId, ...(instanceId !== null && { instanceId }), clientId, clientHost },
      now,
    )
  }

  /** Errors: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
  #leave(group: ConsumerGroup, { memberId, memberEpoch, instanceId }: HeartbeatRequest, now: Now): Refused | Decided {
    const { groupId } = group
    const member = instanceId === null ? group.members.get(memberId) : group.staticMember(instanceId)
    if (member === undefined)
      return refused(
        Errors.UNKNOWN_MEMBER_ID,
        instanceId === null
          ? `Member ${memberId} is not a member of group ${groupId}.`
          : `Instance id ${instanceId} is unknown.`,
      )
    if (member.memberId !== memberId) return fencedInstance(memberId, instanceId!, member.memberId)
    const response = { errorCode: Errors.NONE, memberId, memberEpoch, heartbeatIntervalMs: 0 }
    const event = { type: "member-left", memberId, ...(instanceId !== null && { instanceId }) } as const
    if (memberEpoch === leavingEpoch) {
      this.changes.note(groupId, { ...event, reason: "it left" }, now)
      return { response, ...this.changes.remove(group, [memberId], `member ${memberId} left`, now) }
    }
    // It keeps its place until its session ends. What it was to let go of is let go: it has stopped.
    this.changes.note(groupId, { ...event, reason: "it will be back within its session" }, now)
    const draft = new GroupDraft(group)
    const left = draft.moveMember(member, {
      ...member,
      memberEpoch: leavingStaticEpoch,
      pendingRevocation: nothingOwned,
    })
    this.changes.watchRevocation(group, left, now)
    return { response, records: draft.records }
  }
}
