/**
 * Deliberate faults in the coordination of groups.
 *
 * Owns the list of those that the groups workload finds: rules of ownership, fencing, expiry, commits, loading. How they are applied is with `mutants.ts`.
 */
import type { Mutant, MutantEdit } from "./mutants.js"

const several = (name: string, ...edits: readonly MutantEdit[]): Mutant => ({ name, edits, workload: "groups" })

const one = (name: string, file: string, find: string, replace: string): Mutant =>
  several(name, { file: `coordinator/${file}`, find, replace })

export const groupMutants: readonly Mutant[] = [
  one(
    "takes commits of any generation",
    "group/classic/classic-protocol.js",
    `if (generationId !== group.generationId) return Errors.ILLEGAL_GENERATION;
    if (group.state === "CompletingRebalance")`,
    'if (group.state === "CompletingRebalance")',
  ),
  one(
    "takes commits of any member epoch",
    "group/consumer/consumer-protocol.js",
    "if (epoch !== member.memberEpoch && !(epoch < member.memberEpoch && this.#hasSince(member, epoch, commit.topics)))",
    "if (false)",
  ),
  one(
    "takes commits from outside while members are there",
    "group/classic/classic-protocol.js",
    'if (generationId < 0 && memberId === "" && groupInstanceId === null) return Errors.UNKNOWN_MEMBER_ID;',
    'if (generationId < 0 && memberId === "" && groupInstanceId === null) return Errors.NONE;',
  ),
  one(
    "does not fence the former process of an instance",
    "group/classic/identity.js",
    `if (known !== memberId) return Errors.FENCED_INSTANCE_ID;
  }`,
    `if (known !== memberId) return Errors.NONE;
  }`,
  ),
  one(
    "never ends the session of a classic member",
    "group/classic/membership.js",
    "this.context.timers.schedule(member.sessionKey, timeoutMs, member.onSessionOver);",
    "",
  ),
  one(
    "ends the session of a classic member in half its time",
    "group/classic/membership.js",
    "this.context.timers.schedule(member.sessionKey, timeoutMs, member.onSessionOver);",
    "this.context.timers.schedule(member.sessionKey, timeoutMs / 2, member.onSessionOver);",
  ),
  one(
    "never ends the session of a member of the consumer protocol",
    "group/consumer/group-changes.js",
    "this.context.timers.schedule(live.sessionKey, sessionTimeoutMs, live.onSessionEnd);",
    "",
  ),
  one(
    "starts no sessions when it loads a classic group",
    "group/classic/classic-protocol.js",
    `member.lastSeenMs = now.monotonicMs;
      this.#membership.restartSession(group, member, now);`,
    "member.lastSeenMs = now.monotonicMs;",
  ),
  one(
    "hands a partition over before its owner has let go",
    "group/consumer/reconcile.js",
    `if (revoked.size > 0 && (reported === null || ownsAnyOf(reported, revoked)))
    return moved(position, memberStates.unrevokedPartitions, position.memberEpoch, kept, revoked);
  let isWaiting`,
    "let isWaiting",
  ),
  several(
    "counts a partition as free once it is to be given up",
    {
      file: "coordinator/group/consumer/consumer-group.js",
      find: "for (const owned of [member?.assigned ?? nothingOwned, member?.pendingRevocation ?? nothingOwned]) {",
      replace: "for (const owned of [member?.assigned ?? nothingOwned]) {",
    },
    {
      file: "coordinator/group/consumer/group-draft.js",
      find: "if (changed.assigned.get(topicId)?.has(partition) || changed.pendingRevocation.get(topicId)?.has(partition))",
      replace: "if (changed.assigned.get(topicId)?.has(partition))",
    },
  ),
  one(
    "takes a member of an earlier epoch for one that owns nothing",
    "group/consumer/group-draft.js",
    "if (owner !== void 0 && owner !== memberId && this.#members?.has(owner) !== true) return true;",
    "if (owner !== void 0 && owner !== memberId && this.#members?.has(owner) !== true && !(this.group.members.get(owner)?.memberEpoch < this.assignmentEpoch)) return true;",
  ),
  one(
    "gives a member half the time to let go",
    "group/consumer/group-changes.js",
    "this.context.timers.schedule(key, rebalanceTimeoutMs, (then) => {",
    "this.context.timers.schedule(key, rebalanceTimeoutMs / 4, (then) => {",
  ),
  one(
    "does not look at topics that grow",
    "group/consumer/group-changes.js",
    "if (!group.isSubscribedTo(name)) continue;",
    "continue;",
  ),
  one(
    "acknowledges offsets before they are committed",
    "shard.js",
    `this.#tooLarge = false;
    this.#machine.perform(`,
    `this.#tooLarge = false;
    if (records[0]?.type === "OffsetCommit" && onWritten !== void 0) { const early = onWritten; onWritten = void 0; queueMicrotask(() => early(Errors.NONE)); }
    this.#machine.perform(`,
  ),
  one(
    "tells assignments before they are written",
    "shard.js",
    `this.#tooLarge = false;
    this.#machine.perform(`,
    `this.#tooLarge = false;
    if (records.length > 0 && records[0].type !== "OffsetCommit" && onWritten !== void 0) { const early = onWritten; onWritten = void 0; queueMicrotask(() => early(Errors.NONE)); }
    this.#machine.perform(`,
  ),
  one(
    "forgets deletions of offsets when it loads",
    "shard.js",
    "else this.state.replay(record);",
    'else if (record.type !== "OffsetCommit" || record.value !== null) this.state.replay(record);',
  ),
  one(
    "does not load classic groups",
    "shard.js",
    "else this.state.replay(record);",
    'else if (record.type !== "GroupMetadata") this.state.replay(record);',
  ),
  one(
    "does not load what members have",
    "shard.js",
    "else this.state.replay(record);",
    'else if (record.type !== "ConsumerGroupCurrentMemberAssignment") this.state.replay(record);',
  ),
  one(
    "keeps its state when records were lost",
    "shard.js",
    'if (error !== void 0) return this.unload("records were lost on their way to the medium");',
    "if (error !== void 0) return;",
  ),
  one(
    "lets offsets of a group expire that reads them",
    "group/offset-requests.js",
    "const isInUse = expiration === void 0 || expiration.isSubscribedTo(topic);",
    "const isInUse = expiration === void 0;",
  ),
  several(
    "keeps offsets of a deleted topic for its successor",
    {
      file: "coordinator/group/group-shard.js",
      find: "for (const partition of partitions.keys()) records.push(offsetTombstone(groupId, topic, partition));",
      replace: "",
    },
    {
      file: "coordinator/group/offset-requests.js",
      find: "const isForeign = (offset, topicId) => topicId !== zeroUuid && offset.topicId !== zeroUuid && offset.topicId !== topicId;",
      replace: "const isForeign = () => false;",
    },
  ),
  one(
    "keeps the offsets of a deleted group",
    "group/offset-requests.js",
    "return [...offsetTombstones(groupId, this.offsets.of(groupId)), ...found.rules.tombstones(found.group)];",
    "return [...found.rules.tombstones(found.group)];",
  ),
  one(
    "deletes a group with its members",
    "group/classic/classic-protocol.js",
    'return group.state === "Empty" ? Errors.NONE : Errors.NON_EMPTY_GROUP;',
    "return Errors.NONE;",
  ),
  one(
    "deletes offsets of a topic that members read",
    "group/offset-requests.js",
    "const errorCode = rules.isSubscribedTo(group, name) ? Errors.GROUP_SUBSCRIBED_TO_TOPIC : Errors.NONE;",
    "const errorCode = Errors.NONE;",
  ),
  one(
    "takes an assignment from who does not lead",
    "group/classic/sync.js",
    "if (!group.isLeader(memberId) || group.isAssignmentBeingWritten) return nothingToWrite;",
    "if (!group.isLeader(memberId) && request.assignments.length === 0 || group.isAssignmentBeingWritten) return nothingToWrite;",
  ),
  one(
    "begins a generation with whoever has joined",
    "group/classic/rebalance.js",
    "if (group.haveAllJoined) return this.#completeJoin(group, now);",
    "if (group.parkedJoins > 0) return this.#completeJoin(group, now);",
  ),
  several(
    "waits for a member that is gone",
    {
      file: "coordinator/group/classic/rebalance.js",
      find: "this.context.timers.schedule(joinKey(group), timeoutMs, (later) => this.#joinTimeIsOver(group, later));",
      replace: "",
    },
    {
      file: "coordinator/group/classic/classic-protocol.js",
      find: `this.#membership.drop(group, member);
    this.#rebalance.note(`,
      replace: `this.#membership.drop(group, member);
    if (group.state === "PreparingRebalance") return nothingToWrite;
    this.#rebalance.note(`,
    },
  ),
  one(
    "answers the heartbeat of a stranger",
    "group/classic/classic-protocol.js",
    `if (error !== Errors.NONE) return error;
    if (generationId !== group.generationId) return Errors.ILLEGAL_GENERATION;
    this.#isAlive`,
    `if (error !== Errors.NONE) return error === Errors.UNKNOWN_MEMBER_ID ? Errors.NONE : error;
    if (generationId !== group.generationId) return Errors.ILLEGAL_GENERATION;
    this.#isAlive`,
  ),
  one(
    "does not number generations",
    "group/classic/classic-group.js",
    "this.generationId = this.generationId === 2 ** 31 - 1 ? 1 : this.generationId + 1;",
    "this.generationId = Math.max(1, this.generationId);",
  ),
]
