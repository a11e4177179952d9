/**
 * A group as it will be once the records of a decision are replayed.
 *
 * Owns those records, and the view through which one decision makes several changes that build on each other. The group itself is not touched. The invariant: what the draft shows is
 * what replaying its records onto the group gives.
 */
import type { Uuid } from "../../../base/ids.js"
import { type Assignment, emptyAssignment, sameAssignment } from "../../../assignment/assignor.js"
import type { GroupRecord } from "../contract.js"
import type { ConsumerGroup } from "./consumer-group.js"
import { type ConsumerMember, isReconciledTo, type MemberPosition, regexOf } from "./consumer-member.js"
import * as record from "./records.js"

const removed = Symbol("removed")
type Removed = typeof removed

export class GroupDraft {
  readonly records: GroupRecord[] = []
  #members: Map<string, ConsumerMember | Removed> | undefined
  #targets: Map<string, Assignment | Removed> | undefined
  #regexes: Map<string, record.ResolvedRegex | Removed> | undefined
  #groupEpoch: number
  #metadataHash: number
  #assignmentEpoch: number
  #memberCount: number

  constructor(readonly group: ConsumerGroup) {
    this.#groupEpoch = group.groupEpoch
    this.#metadataHash = group.metadataHash
    this.#assignmentEpoch = group.assignmentEpoch
    this.#memberCount = group.members.size
  }

  get groupId(): string {
    return this.group.groupId
  }

  get groupEpoch(): number {
    return this.#groupEpoch
  }

  get metadataHash(): number {
    return this.#metadataHash
  }

  get assignmentEpoch(): number {
    return this.#assignmentEpoch
  }

  get memberCount(): number {
    return this.#memberCount
  }

  /** Whether every member has all of the newest target. */
  isSettled(): boolean {
    const { group } = this
    if (this.#groupEpoch > this.#assignmentEpoch) return false
    if (this.#assignmentEpoch !== group.assignmentEpoch) {
      for (const member of this.members()) if (!isReconciledTo(member, this.#assignmentEpoch)) return false
      return true
    }
    let reconciled = group.reconciledMembers
    for (const [memberId, changed] of this.#members ?? []) {
      const before = group.members.get(memberId)
      if (before !== undefined && isReconciledTo(before, this.#assignmentEpoch)) reconciled--
      if (changed !== removed && isReconciledTo(changed, this.#assignmentEpoch)) reconciled++
    }
    return reconciled === this.#memberCount
  }

  member(memberId: string): ConsumerMember | undefined {
    const changed = this.#members?.get(memberId)
    if (changed === undefined) return this.group.members.get(memberId)
    return changed === removed ? undefined : changed
  }

  *members(): IterableIterator<ConsumerMember> {
    for (const member of this.group.members.values()) if (this.#members?.has(member.memberId) !== true) yield member
    for (const member of this.#members?.values() ?? []) if (member !== removed) yield member
  }

  target(memberId: string): Assignment {
    const changed = this.#targets?.get(memberId)
    if (changed === undefined) return this.group.target(memberId)
    return changed === removed ? emptyAssignment : changed
  }

  resolved(regex: string): record.ResolvedRegex | undefined {
    const changed = this.#regexes?.get(regex)
    if (changed === undefined) return this.group.regexes.get(regex)
    return changed === removed ? undefined : changed
  }

  regexSubscribers(regex: string): number {
    let count = this.group.regexSubscribers.get(regex) ?? 0
    for (const [memberId, changed] of this.#members ?? []) {
      const before = this.group.members.get(memberId)
      if (before !== undefined && regexOf(before) === regex) count--
      if (changed !== removed && regexOf(changed) === regex) count++
    }
    return count
  }

  /** All regular expressions that somebody subscribes to. */
  regexes(): string[] {
    const regexes = new Set(this.group.regexSubscribers.keys())
    for (const changed of this.#members?.values() ?? []) {
      const regex = changed === removed ? undefined : regexOf(changed)
      if (regex !== undefined) regexes.add(regex)
    }
    return [...regexes].filter((regex) => this.regexSubscribers(regex) > 0)
  }

  /** Names of all topics that somebody subscribes to, whether they exist or not. */
  subscribedTopics(): Set<string> {
    const topics = new Set(this.group.subscribers.keys())
    if (this.#members !== undefined) {
      const differences = new Map<string, number>()
      const add = (names: readonly string[] | undefined, difference: number) => {
        for (const name of names ?? []) differences.set(name, (differences.get(name) ?? 0) + difference)
      }
      for (const [memberId, changed] of this.#members) {
        add(this.group.members.get(memberId)?.subscribedTopicNames, -1)
        if (changed !== removed) add(changed.subscribedTopicNames, 1)
      }
      for (const [name, difference] of differences) {
        if ((this.group.subscribers.get(name) ?? 0) + difference > 0) topics.add(name)
        else topics.delete(name)
      }
    }
    for (const regex of this.regexes()) for (const topic of this.resolved(regex)?.topics ?? []) topics.add(topic)
    return topics
  }

  isSubscribedTo(member: ConsumerMember, topic: string): boolean {
    // Sorted, but short: the usual subscription has one topic.
    if (member.subscribedTopicNames.includes(topic)) return true
    const regex = regexOf(member)
    return regex !== undefined && this.resolved(regex)?.topics.has(topic) === true
  }

  /** Whether a member other than this one has the partition, or has not let go of it. */
  isTaken(memberId: string, topicId: Uuid, partition: number): boolean {
    const owner = this.group.ownerOf(topicId, partition)
    if (owner !== undefined && owner !== memberId && this.#members?.has(owner) !== true) return true
    for (const [changedId, changed] of this.#members ?? []) {
      if (changed === removed || changedId === memberId) continue
      if (changed.assigned.get(topicId)?.has(partition) || changed.pendingRevocation.get(topicId)?.has(partition))
        return true
    }
    return false
  }

  /** Writes down what the member says about itself. */
  describeMember(member: ConsumerMember): void {
    this.#put(member)
    this.records.push(record.memberMetadata(this.groupId, member))
  }

  /** Writes down where the member stands. */
  moveMember(member: ConsumerMember, position: MemberPosition): ConsumerMember {
    const { memberEpoch, previousMemberEpoch, state, assigned, pendingRevocation } = position
    const next = { ...member, memberEpoch, previousMemberEpoch, state, assigned, pendingRevocation }
    this.#put(next)
    this.records.push(record.currentAssignment(this.groupId, member.memberId, position))
    return next
  }

  removeMember(memberId: string): void {
    const before = this.member(memberId)
    this.#members ??= new Map()
    this.#members.set(memberId, removed)
    this.#targets ??= new Map()
    this.#targets.set(memberId, removed)
    if (before !== undefined) this.#memberCount--
    // What it has goes first: nobody may own something and not be a member.
    this.records.push(
      record.currentAssignmentTombstone(this.groupId, memberId),
      record.targetMemberTombstone(this.groupId, memberId),
      record.memberMetadataTombstone(this.groupId, memberId),
    )
    const regex = before && regexOf(before)
    if (regex !== undefined) this.forgetUnused(regex)
  }

  /** The new member takes the place of the old one, with its target and all it has. */
  replaceMember(old: ConsumerMember, member: ConsumerMember): void {
    const target = this.target(old.memberId)
    // Known before the old one goes, so that what only it subscribed to is not forgotten.
    this.#put(member)
    this.removeMember(old.memberId)
    this.describeMember(member)
    this.setTarget(member.memberId, target)
    this.moveMember(member, member)
  }

  #put(member: ConsumerMember): void {
    if (this.member(member.memberId) === undefined) this.#memberCount++
    this.#members ??= new Map()
    this.#members.set(member.memberId, member)
  }

  setTarget(memberId: string, target: Assignment): void {
    if (sameAssignment(this.target(memberId), target) && (target.size > 0 || this.#hasTarget(memberId))) return
    this.#targets ??= new Map()
    this.#targets.set(memberId, target)
    this.records.push(record.targetMember(this.groupId, memberId, target))
  }

  #hasTarget(memberId: string): boolean {
    const changed = this.#targets?.get(memberId)
    return changed === undefined ? this.group.hasTarget(memberId) : changed !== removed
  }

  setAssignmentEpoch(epoch: number, timestampMs: number): void {
    this.#assignmentEpoch = epoch
    this.records.push(record.targetMetadata(this.groupId, epoch, timestampMs))
  }

  setEpoch(epoch: number, metadataHash: number): void {
    this.#groupEpoch = epoch
    this.#metadataHash = metadataHash
    if (this.group.hasPartitionMetadata) this.records.push(record.partitionMetadataTombstone(this.groupId))
    this.records.push(record.groupMetadata(this.groupId, epoch, metadataHash))
  }

  setResolved(regex: string, resolved: record.ResolvedRegex): void {
    this.#regexes ??= new Map()
    this.#regexes.set(regex, resolved)
    this.records.push(record.regularExpression(this.groupId, regex, resolved))
  }

  /** What nobody subscribes to any more is not kept resolved. */
  forgetUnused(regex: string): void {
    if (this.resolved(regex) === undefined || this.regexSubscribers(regex) > 0) return
    this.#regexes ??= new Map()
    this.#regexes.set(regex, removed)
    this.records.push(record.regularExpressionTombstone(this.groupId, regex))
  }
}
