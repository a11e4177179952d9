/**
 * The state of a group under the consumer protocol.
 *
 * Owns what its records say, and indexes over it; what may happen next is decided elsewhere. The invariant: `replay` is the only mutator. A partition belongs to the member that was
 * last given it until that one has let go of it.
 */
import type { Uuid } from "../../../base/ids.js"
import { type Assignment, emptyAssignment } from "../../../assignment/assignor.js"
import type { GroupBase, GroupRecord } from "../contract.js"
import {
  type ConsumerMember,
  isReconciledTo,
  leavingEpoch,
  memberStates,
  newMember,
  regexOf,
  withMetadata,
  withPosition,
} from "./consumer-member.js"
import { assignmentFrom, nothingOwned, type OwnedPartitions } from "./owned-partitions.js"
import type { ResolvedRegex } from "./records.js"

export type ConsumerGroupState = "Empty" | "Assigning" | "Reconciling" | "Stable" | "Dead"

export class ConsumerGroup implements GroupBase {
  readonly kind = "consumer"
  /** Kafka's first: a group without a record of its epoch is in this one. */
  #groupEpoch = 1
  #metadataHash = 0
  #assignmentEpoch = 0
  #assignmentTimestampMs = 0
  #hasPartitionMetadata = false
  #classicMembers = 0
  /** Members that have all of the newest target, and nothing else. */
  #reconciledMembers = 0
  readonly #members = new Map<string, ConsumerMember>()
  readonly #targets = new Map<string, Assignment>()
  readonly #regexes = new Map<string, ResolvedRegex>()
  readonly #staticMembers = new Map<string, string>()
  readonly #owners = new Map<Uuid, Map<number, string>>()
  readonly #subscribers = new Map<string, number>()
  readonly #regexSubscribers = new Map<string, number>()
  readonly #regexTopics = new Map<string, number>()
  #lastNames: readonly string[] = []

  constructor(readonly groupId: string) {}

  /** Rises with every change that calls for another assignment. */
  get groupEpoch(): number {
    return this.#groupEpoch
  }

  get metadataHash(): number {
    return this.#metadataHash
  }

  /** The group epoch that the targets were made for. */
  get assignmentEpoch(): number {
    return this.#assignmentEpoch
  }

  /** Wall time; 0: unknown. */
  get assignmentTimestampMs(): number {
    return this.#assignmentTimestampMs
  }

  get members(): ReadonlyMap<string, ConsumerMember> {
    return this.#members
  }

  get regexes(): ReadonlyMap<string, ResolvedRegex> {
    return this.#regexes
  }

  /** Of topics by name: how many members subscribe to each. */
  get subscribers(): ReadonlyMap<string, number> {
    return this.#subscribers
  }

  get regexSubscribers(): ReadonlyMap<string, number> {
    return this.#regexSubscribers
  }

  get reconciledMembers(): number {
    return this.#reconciledMembers
  }

  get classicMembers(): number {
    return this.#classicMembers
  }

  /** Whether the log holds a record of Kafka before 4.1, which goes with the next change. */
  get hasPartitionMetadata(): boolean {
    return this.#hasPartitionMetadata
  }

  target(memberId: string): Assignment {
    return this.#targets.get(memberId) ?? emptyAssignment
  }

  hasTarget(memberId: string): boolean {
    return this.#targets.has(memberId)
  }

  staticMember(instanceId: string): ConsumerMember | undefined {
    const memberId = this.#staticMembers.get(instanceId)
    return memberId === undefined ? undefined : this.#members.get(memberId)
  }

  /** Who has the partition, or has not said that it let go of it. */
  ownerOf(topicId: Uuid, partition: number): string | undefined {
    return this.#owners.get(topicId)?.get(partition)
  }

  isSubscribedTo(topic: string): boolean {
    return this.#subscribers.has(topic) || this.#regexTopics.has(topic)
  }

  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  state(): ConsumerGroupState {
    if (this.isEmpty) return "Empty"
    if (this.#groupEpoch > this.#assignmentEpoch) return "Assigning"
    return this.#reconciledMembers === this.#members.size ? "Stable" : "Reconciling"
  }

  replay(record: GroupRecord): void {
    switch (record.type) {
      case "ConsumerGroupMetadata":
        this.#groupEpoch = record.value?.epoch ?? 0
        this.#metadataHash = record.value?.metadataHash ?? 0
        return
      case "ConsumerGroupPartitionMetadata":
        this.#hasPartitionMetadata = record.value !== null
        return
      case "ConsumerGroupMemberMetadata": {
        const { memberId } = record.key
        const known = this.#members.get(memberId) ?? newMember(memberId)
        this.#update(memberId, record.value === null ? undefined : withMetadata(known, record.value))
        return
      }
      case "ConsumerGroupTargetAssignmentMetadata":
        this.#assignmentEpoch = record.value?.assignmentEpoch ?? 0
        this.#assignmentTimestampMs = record.value?.assignmentTimestamp ?? 0
        this.#reconciledMembers = 0
        for (const member of this.#members.values()) this.#reconciledMembers += this.#reconciled(member)
        return
      case "ConsumerGroupTargetAssignmentMember":
        if (record.value === null) this.#targets.delete(record.key.memberId)
        else this.#targets.set(record.key.memberId, assignmentFrom(record.value.topicPartitions))
        return
      case "ConsumerGroupCurrentMemberAssignment": {
        const { memberId } = record.key
        const known = this.#members.get(memberId)
        if (record.value !== null) this.#update(memberId, withPosition(known ?? newMember(memberId), record.value))
        else if (known !== undefined) this.#update(memberId, withoutPosition(known))
        return
      }
      case "ConsumerGroupRegularExpression":
        this.#resolve(record.key.regularExpression, record.value)
        return
    }
  }

  #reconciled(member: ConsumerMember | undefined): number {
    return member !== undefined && isReconciledTo(member, this.#assignmentEpoch) ? 1 : 0
  }

  #update(memberId: string, member: ConsumerMember | undefined): void {
    const old = this.#members.get(memberId)
    this.#reconciledMembers += this.#reconciled(member) - this.#reconciled(old)
    if (member === undefined) this.#members.delete(memberId)
    else {
      member = { ...member, subscribedTopicNames: this.#shared(member.subscribedTopicNames) }
      this.#members.set(memberId, member)
    }
    if (old?.subscribedTopicNames !== member?.subscribedTopicNames) {
      for (const topic of old?.subscribedTopicNames ?? []) count(this.#subscribers, topic, -1)
      for (const topic of member?.subscribedTopicNames ?? []) count(this.#subscribers, topic, 1)
    }
    const oldRegex = old && regexOf(old)
    const regex = member && regexOf(member)
    if (oldRegex !== regex) {
      if (oldRegex !== undefined) count(this.#regexSubscribers, oldRegex, -1)
      if (regex !== undefined) count(this.#regexSubscribers, regex, 1)
    }
    this.#classicMembers +=
      Number(member !== undefined && member.classic !== null) - Number(old !== undefined && old.classic !== null)
    const oldInstance = old?.instanceId ?? null
    if (
      oldInstance !== null &&
      oldInstance !== (member?.instanceId ?? null) &&
      this.#staticMembers.get(oldInstance) === memberId
    )
      this.#staticMembers.delete(oldInstance)
    if (member !== undefined && member.instanceId !== null) this.#staticMembers.set(member.instanceId, memberId)
    this.#move(memberId, old, member)
  }

  /** In most groups all members subscribe to the same topics: the same list then stands for that. */
  #shared(names: readonly string[]): readonly string[] {
    const last = this.#lastNames
    if (names === last || (names.length === last.length && names.every((name, index) => name === last[index])))
      return last
    this.#lastNames = names
    return names
  }

  #move(memberId: string, old: ConsumerMember | undefined, member: ConsumerMember | undefined): void {
    if (old?.assigned === member?.assigned && old?.pendingRevocation === member?.pendingRevocation) return
    for (const owned of [old?.assigned ?? nothingOwned, old?.pendingRevocation ?? nothingOwned])
      this.#release(memberId, owned)
    for (const owned of [member?.assigned ?? nothingOwned, member?.pendingRevocation ?? nothingOwned]) {
      for (const [topicId, epochs] of owned) {
        let owners = this.#owners.get(topicId)
        if (owners === undefined) this.#owners.set(topicId, (owners = new Map()))
        // While a compacted log is read an older owner may still be here; it must not take the partition along when it goes.
        for (const partition of epochs.keys()) owners.set(partition, memberId)
      }
    }
  }

  #release(memberId: string, owned: OwnedPartitions): void {
    for (const [topicId, epochs] of owned) {
      const owners = this.#owners.get(topicId)
      if (owners === undefined) continue
      for (const partition of epochs.keys()) if (owners.get(partition) === memberId) owners.delete(partition)
      if (owners.size === 0) this.#owners.delete(topicId)
    }
  }

  #resolve(
    regex: string,
    value: { readonly topics: readonly string[]; readonly version: number; readonly timestamp: number } | null,
  ): void {
    for (const topic of this.#regexes.get(regex)?.topics ?? []) count(this.#regexTopics, topic, -1)
    if (value === null) {
      this.#regexes.delete(regex)
      return
    }
    const topics = new Set(value.topics)
    for (const topic of topics) count(this.#regexTopics, topic, 1)
    this.#regexes.set(regex, { topics, version: value.version, timestampMs: value.timestamp })
  }
}

const withoutPosition = (member: ConsumerMember): ConsumerMember => ({
  ...member,
  memberEpoch: leavingEpoch,
  previousMemberEpoch: leavingEpoch,
  state: memberStates.stable,
  assigned: nothingOwned,
  pendingRevocation: nothingOwned,
})

function count(counts: Map<string, number>, name: string, difference: number): void {
  const next = (counts.get(name) ?? 0) + difference
  if (next === 0) counts.delete(name)
  else counts.set(name, next)
}
