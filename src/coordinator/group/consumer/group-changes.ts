/**
 * What requests and timeouts do to a group in common: another epoch, another target, members that go, deadlines.
 *
 * Owns the timers of groups under the consumer protocol, and how one change leads to the next: membership or metadata to an epoch, an epoch to a target. The invariant: whatever raises the
 * epoch sees to it that a target will be made.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { GroupEvent, Groups, Now, Outcome, ShardContext } from "../contract.js"
import type { ConsumerGroup } from "./consumer-group.js"
import { type ConsumerMember, memberStates } from "./consumer-member.js"
import { GroupDraft } from "./group-draft.js"
import { type LiveMember, LiveGroups } from "./live-groups.js"
import { MetadataHashes } from "./metadata-hash.js"
import { countOwned } from "./owned-partitions.js"
import { RegexResolution, regexRefreshMinIntervalMs } from "./regular-expressions.js"
import { assignmentDelayMs, computeTarget, inlineTargetBytesMax, targetBytes } from "./target-assignment.js"

const timerKinds = ["session", "revocation", "join", "sync"] as const
export type MemberTimer = (typeof timerKinds)[number]

/** Pause before what the log did not take (a full disk) is decided once more. */
const refusedRetryMs = 1000

const ifRefused =
  (run: () => void) =>
  (error: ErrorCode): void => {
    if (error !== Errors.NONE) run()
  }

/** Group and member ids may hold any character: the length keeps them apart. */
const memberKey = (kind: MemberTimer, groupId: string, memberId: string): string =>
  `consumer ${kind} ${groupId.length} ${groupId} ${memberId}`
const groupKey = (kind: "assignment" | "metadata" | "regexes" | "conversion", groupId: string): string =>
  `consumer ${kind} ${groupId}`

export class GroupChanges {
  readonly live = new LiveGroups()
  readonly #hashes = new MetadataHashes()
  /** Turns the group into a classic one if the members that remain call for it. */
  downgrade: (group: ConsumerGroup, leaving: ReadonlySet<string>, now: Now) => Outcome | undefined = () => undefined

  constructor(
    readonly context: ShardContext,
    readonly groups: Groups,
  ) {}

  find(groupId: string): ConsumerGroup | undefined {
    const group = this.groups.get(groupId)
    return group?.kind === "consumer" ? (group as ConsumerGroup) : undefined
  }

  note(groupId: string, event: GroupEvent, now: Now): void {
    this.context.note(groupId, event, now)
  }

  /** Raises the epoch if `reason` says why, or if the metadata of the topics has changed. */
  updateEpoch(draft: GroupDraft, reason: string | undefined, now: Now): void {
    const hash = this.#hashes.of(this.context.image(), draft.subscribedTopics())
    const because = reason ?? (hash === draft.metadataHash ? undefined : "a subscribed topic has changed")
    if (because === undefined) return
    draft.setEpoch(draft.groupEpoch + 1, hash)
    if (draft.memberCount === 0) this.note(draft.groupId, { type: "group-emptied", generation: draft.groupEpoch }, now)
    else this.note(draft.groupId, { type: "rebalance-started", generation: draft.groupEpoch, reason: because }, now)
  }

  /** Makes the target that the epoch calls for: now, once the interval has passed, or if it is large in a decision of its own (`isAlone`). */
  updateTarget(draft: GroupDraft, now: Now, isAlone = false): void {
    const { group, groupId } = draft
    if (draft.groupEpoch <= draft.assignmentEpoch || draft.memberCount === 0) return
    const { settings, timers } = this.context
    const image = this.context.image()
    const delayMs = assignmentDelayMs(group, settings.consumerAssignmentIntervalMs(groupId), now)
    // The first target cannot wait: it gives the first member its epoch.
    const isFirst = draft.assignmentEpoch === 0
    if (delayMs > 0 || (!isAlone && !isFirst && targetBytes(draft, image) > inlineTargetBytesMax)) {
      this.#scheduleTarget(groupId, delayMs)
      return
    }
    timers.cancel(groupKey("assignment", groupId))
    const { members, partitions } = computeTarget(draft, image, settings.consumerAssignors, now)
    this.note(groupId, { type: "assignment-computed", generation: draft.groupEpoch, members, partitions }, now)
  }

  /** As `updateTarget`, but never within this decision: what else happens now may go into the same target. */
  updateTargetSoon(draft: GroupDraft, now: Now): void {
    if (draft.groupEpoch <= draft.assignmentEpoch || draft.memberCount === 0) return
    const intervalMs = this.context.settings.consumerAssignmentIntervalMs(draft.groupId)
    this.#scheduleTarget(draft.groupId, assignmentDelayMs(draft.group, intervalMs, now))
  }

  #scheduleTarget(groupId: string, delayMs: number): void {
    this.context.timers.schedule(groupKey("assignment", groupId), delayMs, (now) => {
      const group = this.find(groupId)
      if (group === undefined) return { records: [] }
      const draft = new GroupDraft(group)
      this.updateTarget(draft, now, true)
      // The epoch of the targets comes last. Without it they are made again, and meanwhile nobody is given what somebody has.
      return { records: draft.records, mayBeSplit: true }
    })
  }

  /** Takes members out of the group, whatever they have. */
  remove(group: ConsumerGroup, memberIds: readonly string[], reason: string, now: Now): Outcome {
    const downgraded = this.downgrade(group, new Set(memberIds), now)
    for (const memberId of memberIds) this.forget(group, memberId)
    if (downgraded !== undefined) return downgraded
    const draft = new GroupDraft(group)
    for (const memberId of memberIds) draft.removeMember(memberId)
    this.updateEpoch(draft, reason, now)
    this.updateTargetSoon(draft, now)
    return {
      records: draft.records,
      // They are members as before, and have another session to live in.
      onWritten: ifRefused(() => {
        for (const memberId of memberIds) {
          const member = this.find(group.groupId)?.members.get(memberId)
          if (member !== undefined) this.touch(group, member, now)
        }
      }),
    }
  }

  /** A sign of life. */
  touch(group: ConsumerGroup, member: ConsumerMember, now: Now): void {
    const { memberId } = member
    const sessionTimeoutMs =
      member.classic?.sessionTimeoutMs ?? this.context.settings.consumerSessionTimeoutMs(group.groupId)
    const live = this.#live(group.groupId, memberId)
    live.lastHeartbeatMs = now.monotonicMs
    live.sessionTimeoutMs = sessionTimeoutMs
    this.context.timers.schedule(live.sessionKey, sessionTimeoutMs, live.onSessionEnd)
  }

  #live(groupId: string, memberId: string): LiveMember {
    let live = this.live.member(groupId, memberId)
    if (live !== undefined) return live
    live = {
      sessionKey: memberKey("session", groupId, memberId),
      onSessionEnd: (now) => this.#endSession(groupId, memberId, now),
      lastHeartbeatMs: 0,
      sessionTimeoutMs: 0,
      revocationDeadlineMs: undefined,
      joinDeadlineMs: undefined,
    }
    this.live.addMember(groupId, memberId, live)
    return live
  }

  #endSession(groupId: string, memberId: string, now: Now): Outcome {
    const group = this.find(groupId)
    const member = group?.members.get(memberId)
    const live = this.live.member(groupId, memberId)
    if (group === undefined || member === undefined || live === undefined) {
      // It never became one: its record was refused.
      this.live.removeMember(groupId, memberId)
      return { records: [] }
    }
    const lateByMs = now.monotonicMs - live.lastHeartbeatMs - live.sessionTimeoutMs
    this.#noteMissed(group, member, "session", lateByMs, now)
    return this.remove(group, [memberId], `member ${memberId} did not send a heartbeat in time`, now)
  }

  #noteMissed(
    group: ConsumerGroup,
    { memberId, instanceId }: ConsumerMember,
    deadline: NonNullable<GroupEvent["deadline"]>,
    lateByMs: number,
    now: Now,
  ): void {
    this.note(
      group.groupId,
      { type: "member-missed-deadline", memberId, ...(instanceId !== null && { instanceId }), deadline, lateByMs },
      now,
    )
  }

  /** The member has until then to let go of what was taken from it. Members of the classic protocol rejoin instead. */
  watchRevocation(group: ConsumerGroup, member: ConsumerMember, now: Now): void {
    const { groupId } = group
    const { memberId, rebalanceTimeoutMs, memberEpoch } = member
    const live = this.#live(group.groupId, memberId)
    const key = memberKey("revocation", groupId, memberId)
    if (member.state !== memberStates.unrevokedPartitions || member.classic !== null || memberEpoch < 0) {
      if (live.revocationDeadlineMs === undefined) return
      live.revocationDeadlineMs = undefined
      this.context.timers.cancel(key)
      return
    }
    const deadlineMs = now.monotonicMs + rebalanceTimeoutMs
    live.revocationDeadlineMs = deadlineMs
    this.context.timers.schedule(key, rebalanceTimeoutMs, (then) => {
      const current = this.find(groupId)
      const late = current?.members.get(memberId)
      if (current === undefined || late?.state !== memberStates.unrevokedPartitions || late.memberEpoch !== memberEpoch)
        return { records: [] }
      this.#noteMissed(current, late, "revocation", then.monotonicMs - deadlineMs, then)
      return this.remove(current, [memberId], `member ${memberId} did not let go of its partitions in time`, then)
    })
  }

  /** A classic member that was told to rejoin, or was answered and has to sync, has `rebalanceTimeoutMs` for it. A deadline for joining stays as it was first set. */
  watchClassic(group: ConsumerGroup, member: ConsumerMember, kind: "join" | "sync", now: Now): void {
    const { groupId } = group
    const { memberId, rebalanceTimeoutMs } = member
    const live = this.#live(groupId, memberId)
    const deadlineMs = now.monotonicMs + rebalanceTimeoutMs
    if (kind === "join") {
      if (live.joinDeadlineMs !== undefined) return
      live.joinDeadlineMs = deadlineMs
    }
    this.context.timers.schedule(memberKey(kind, groupId, memberId), rebalanceTimeoutMs, (then) => {
      const current = this.find(groupId)
      const late = current?.members.get(memberId)
      if (current === undefined || late === undefined) return { records: [] }
      this.#noteMissed(current, late, kind, then.monotonicMs - deadlineMs, then)
      return this.remove(current, [memberId], `member ${memberId} did not ${kind} in time`, then)
    })
  }

  unwatchClassic({ groupId }: ConsumerGroup, memberId: string, kind: "join" | "sync"): void {
    const live = this.live.member(groupId, memberId)
    if (live !== undefined && kind === "join") live.joinDeadlineMs = undefined
    this.context.timers.cancel(memberKey(kind, groupId, memberId))
  }

  /** Nothing is expected of the member any more. */
  forget(group: ConsumerGroup, memberId: string): void {
    this.live.removeMember(group.groupId, memberId)
    for (const kind of timerKinds) this.context.timers.cancel(memberKey(kind, group.groupId, memberId))
  }

  /** Everything that runs by time, of all members. */
  watchAll(group: ConsumerGroup, now: Now): void {
    for (const member of group.members.values()) {
      this.touch(group, member, now)
      this.watchRevocation(group, member, now)
    }
  }

  /** The group may have become one of classic members only. Not within a decision that still needs it as it is. */
  downgradeSoon({ groupId }: ConsumerGroup): void {
    this.context.timers.schedule(groupKey("conversion", groupId), 0, (now) => {
      const group = this.find(groupId)
      return (group && this.downgrade(group, new Set(), now)) ?? { records: [] }
    })
  }

  /** Starts what runs by time, and catches up with what changed while nobody looked. */
  loaded(group: ConsumerGroup, now: Now): Outcome {
    this.watchAll(group, now)
    const { groupId, groupEpoch: generation } = group
    this.note(groupId, { type: "group-loaded", generation, members: group.members.size }, now)
    if (group.isEmpty) return { records: [] }
    if (group.regexSubscribers.size > 0) this.refreshRegexes(group, now)
    return this.#refreshMetadata(group, now)
  }

  #refreshMetadata(group: ConsumerGroup, now: Now): Outcome {
    const draft = new GroupDraft(group)
    if (!group.isEmpty) this.updateEpoch(draft, undefined, now)
    this.updateTarget(draft, now)
    return {
      records: draft.records,
      onWritten: ifRefused(() => this.#refreshMetadataSoon(group.groupId, refusedRetryMs)),
    }
  }

  #refreshMetadataSoon(groupId: string, delayMs: number): void {
    this.context.timers.schedule(groupKey("metadata", groupId), delayMs, (now) => {
      const group = this.find(groupId)
      return group === undefined ? { records: [] } : this.#refreshMetadata(group, now)
    })
  }

  onTopicsChanged(group: ConsumerGroup, names: ReadonlySet<string>, now: Now): void {
    if (group.regexSubscribers.size > 0) this.refreshRegexes(group, now)
    for (const name of names) {
      if (!group.isSubscribedTo(name)) continue
      this.#refreshMetadataSoon(group.groupId, 0)
      return
    }
  }

  /** Sees to it that all expressions of the group are resolved again, soon, but not too often. */
  refreshRegexes(group: ConsumerGroup, now: Now): void {
    const { settings } = this.context
    const intervalMs = Math.min(regexRefreshMinIntervalMs, settings.consumerRegexRefreshIntervalMs)
    const { regexesResolvedMs, resolution } = this.live.group(group.groupId)
    // One that is under way looks at the end whether the topics are still the same.
    if (resolution !== undefined) return
    this.resolveRegexes(group, Math.max(0, regexesResolvedMs + intervalMs - now.monotonicMs))
  }

  resolveRegexes({ groupId }: ConsumerGroup, delayMs: number): void {
    this.context.timers.schedule(groupKey("regexes", groupId), delayMs, (now) => {
      const group = this.find(groupId)
      if (group === undefined || group.regexSubscribers.size === 0) return { records: [] }
      const live = this.live.group(groupId)
      live.resolution ??= new RegexResolution(group.regexSubscribers.keys(), this.context.image())
      const { resolution } = live
      if (!resolution.advance()) {
        this.resolveRegexes(group, 0)
        return { records: [] }
      }
      live.resolution = undefined
      live.regexesResolvedMs = now.monotonicMs
      return this.#resolved(group, resolution, now)
    })
  }

  #resolved(group: ConsumerGroup, resolution: RegexResolution, now: Now): Outcome {
    const draft = new GroupDraft(group)
    let reason: string | undefined
    for (const [regex, topics] of resolution.topics) {
      if (!group.regexSubscribers.has(regex)) continue
      const before = group.regexes.get(regex)?.topics
      if (before !== undefined && before.size === topics.size && [...topics].every((topic) => before.has(topic)))
        continue
      draft.setResolved(regex, { topics, version: resolution.version, timestampMs: now.wallMs })
      reason = `expression ${regex} stands for other topics`
    }
    // Members may have come with other ones, and topics may have come, while this went on.
    for (const regex of group.regexSubscribers.keys())
      if (!resolution.topics.has(regex) && !group.regexes.has(regex)) this.resolveRegexes(group, 0)
    if (this.context.image().topics !== resolution.image.topics) this.refreshRegexes(group, now)
    this.updateEpoch(draft, reason, now)
    this.updateTarget(draft, now)
    return { records: draft.records, onWritten: ifRefused(() => this.resolveRegexes(group, refusedRetryMs)) }
  }

  /** Tells the timeline how far a member has come. */
  noteProgress(draft: GroupDraft, before: ConsumerMember | undefined, after: ConsumerMember, now: Now): void {
    const { groupId } = draft
    const { memberId, memberEpoch: generation } = after
    const revoked = before === undefined ? 0 : countOwned(before.pendingRevocation)
    if (
      revoked > 0 &&
      after.pendingRevocation !== before?.pendingRevocation &&
      countOwned(after.pendingRevocation) === 0
    )
      this.note(groupId, { type: "partitions-revoked", memberId, generation, partitions: revoked }, now)
    if (after.state !== memberStates.stable || after.memberEpoch !== draft.assignmentEpoch) return
    const partitions = countOwned(after.assigned)
    this.note(groupId, { type: "assignment-received", memberId, generation, partitions }, now)
    if (draft.isSettled())
      this.note(groupId, { type: "rebalance-completed", generation, members: draft.memberCount }, now)
  }
}
