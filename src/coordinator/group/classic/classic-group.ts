/**
 * A classic group: its members, and how far it is on the way from one generation to the next.
 *
 * Owns the state and its transitions, the vote for a protocol, and who is awaited; answers requests to nobody but the parked, and decides nothing by itself. Invariant: `persisted` is
 * what the newest GroupMetadata record says and changes by `replay` alone.
 *
 * All else is deliberately not in the log: between two generations members come and go without a record, as in Kafka, and after a crash the group is in its last generation again, whose
 * members find out by heartbeat and rejoin. Until `isStarted` the one follows the other; from then on the members are ahead of the log.
 */
import { invariant } from "../../../base/assert.js"
import { Errors } from "../../../protocol/errors.js"
import type { GroupBase } from "../contract.js"
import type { GroupRecordOf } from "../group-records.js"
import { ClassicMember, copyOf, type MemberProtocol, type MemberTerms, type ParkedJoin } from "./classic-member.js"
import { type JoinAnswer, joinResponse } from "./responses.js"
import { consumerProtocolType, subscribedTopics } from "./subscriptions.js"

export type ClassicGroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead"

const previousStates: Readonly<Record<ClassicGroupState, readonly ClassicGroupState[]>> = {
  Empty: ["PreparingRebalance"],
  PreparingRebalance: ["Stable", "CompletingRebalance", "Empty"],
  CompletingRebalance: ["PreparingRebalance"],
  Stable: ["CompletingRebalance"],
  Dead: ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"],
}

type GroupMetadata = NonNullable<GroupRecordOf<"GroupMetadata">["value"]>

/** A generation as the log has it. */
export interface PersistedGeneration {
  readonly generationId: number
  readonly assignments: ReadonlyMap<string, Buffer>
}

/** Was given an id and asked to join with it. */
export interface PendingJoin {
  readonly memberId: string
  readonly clientId: string
  readonly clientHost: string
  readonly sessionKey: string
  readonly sinceMs: number
  readonly timeoutMs: number
}

/** Ids that were given out and not used yet, per group. Beyond it the oldest is forgotten: its client asks anew. */
export const pendingJoinsMax = 100_000

export const noBytes = Buffer.alloc(0)

export class ClassicGroup implements GroupBase {
  readonly kind = "classic"

  // In the log.
  persisted: PersistedGeneration | undefined

  // Not in the log, or ahead of it.
  generationId = 0
  protocolType: string | undefined
  protocolName: string | null = null
  leaderId: string | undefined
  /** Wall time of the last change of state. Undefined: written by a version that did not say. */
  stateTimestampMs: number | undefined
  readonly members = new Map<string, ClassicMember>()
  /** Member ids by instance id. */
  readonly staticMembers = new Map<string, string>()
  readonly pendingJoins = new Map<string, PendingJoin>()
  readonly pendingSyncs = new Set<string>()
  /** Whether the first rebalance of an empty group is to wait some more. */
  newMemberAdded = false
  /** The leader's assignment for this generation is on its way into the log. */
  isAssignmentBeingWritten = false
  rebalanceStartedMs = 0
  joinDeadlineMs = 0
  syncDeadlineMs = 0
  /** Whom the timeline named as fenced last: a client that does not give up is not told of again and again. */
  lastFencedMemberId: string | undefined
  isStarted = false
  #state: ClassicGroupState = "Empty"
  #previousState: ClassicGroupState = "Dead"
  #parkedJoins = 0
  #offeredBytes = 0
  /** How many members support a protocol. */
  readonly #supporters = new Map<string, number>()
  #subscribedTopics: { readonly topics: ReadonlySet<string> | undefined } | undefined

  constructor(readonly groupId: string) {}

  get state(): ClassicGroupState {
    return this.#state
  }

  get previousState(): ClassicGroupState {
    return this.#previousState
  }

  transitionTo(state: ClassicGroupState, wallMs: number): void {
    invariant(
      previousStates[state].includes(this.#state),
      `a classic group went from ${this.#state} to ${state}: requests were answered as if it were in a state that it is not`,
    )
    this.#previousState = this.#state
    this.#state = state
    this.stateTimestampMs = wallMs
  }

  replay(value: GroupMetadata): void {
    this.persisted = {
      generationId: value.generation,
      assignments: new Map(value.members.map(({ memberId, assignment }) => [memberId, copyOf(assignment)])),
    }
    if (!this.isStarted) this.#restore(value)
  }

  #restore(value: GroupMetadata): void {
    this.#clearMembers()
    this.generationId = value.generation
    this.protocolType = value.protocolType === "" ? undefined : value.protocolType
    this.protocolName = value.protocol
    this.leaderId = value.leader ?? undefined
    this.stateTimestampMs = value.currentStateTimestamp === -1 ? undefined : value.currentStateTimestamp
    for (const { memberId, groupInstanceId, clientId, clientHost, ...stored } of value.members)
      this.add(
        new ClassicMember(
          { memberId, groupInstanceId, clientId, clientHost },
          {
            sessionTimeoutMs: stored.sessionTimeout,
            rebalanceTimeoutMs: stored.rebalanceTimeout === -1 ? stored.sessionTimeout : stored.rebalanceTimeout,
            // The log has what was said for the protocol that was chosen, no more.
            protocols: [{ name: value.protocol ?? "", metadata: copyOf(stored.subscription) }],
          },
        ),
      )
    this.#previousState = "Dead"
    this.#state = value.members.length === 0 ? "Empty" : "Stable"
  }

  #clearMembers(): void {
    this.members.clear()
    this.staticMembers.clear()
    this.#supporters.clear()
    this.#offeredBytes = 0
    this.#subscribedTopics = undefined
  }

  /** Empty where the generation in the log did not have the member. */
  assignmentOf(memberId: string): Buffer {
    return this.persisted?.assignments.get(memberId) ?? noBytes
  }

  /** The member must fit: `supports`. */
  add(member: ClassicMember): void {
    invariant(!this.members.has(member.memberId), "a member id was given out twice")
    if (member.groupInstanceId !== null) this.staticMembers.set(member.groupInstanceId, member.memberId)
    this.leaderId ??= member.memberId
    this.members.set(member.memberId, member)
    this.#count(member, 1)
    this.pendingJoins.delete(member.memberId)
  }

  /** Whoever is parked must have been answered. */
  remove(member: ClassicMember): void {
    invariant(member.parkedJoin === undefined && member.parkedSync === undefined, "a request would never be answered")
    this.members.delete(member.memberId)
    this.#count(member, -1)
    if (member.groupInstanceId !== null) this.staticMembers.delete(member.groupInstanceId)
    this.pendingSyncs.delete(member.memberId)
    if (this.leaderId === member.memberId) this.leaderId = this.members.keys().next().value
  }

  /** For static members: the same instance under another member id. */
  replace(old: ClassicMember, member: ClassicMember): void {
    const wasLeader = this.leaderId === old.memberId
    const hadToSync = this.pendingSyncs.has(old.memberId)
    this.remove(old)
    this.add(member)
    if (wasLeader) this.leaderId = member.memberId
    if (hadToSync) this.pendingSyncs.add(member.memberId)
  }

  update(member: ClassicMember, terms: MemberTerms): void {
    this.#count(member, -1)
    member.protocols = terms.protocols
    this.#count(member, 1)
    member.sessionTimeoutMs = terms.sessionTimeoutMs
    member.rebalanceTimeoutMs = terms.rebalanceTimeoutMs
  }

  #count({ protocols }: ClassicMember, change: 1 | -1): void {
    this.#subscribedTopics = undefined
    for (const { name, metadata } of protocols) {
      this.#offeredBytes += change * metadata.length
      const count = (this.#supporters.get(name) ?? 0) + change
      if (count === 0) this.#supporters.delete(name)
      else this.#supporters.set(name, count)
    }
  }

  /** What all members say for all their protocols. */
  get offeredBytes(): number {
    return this.#offeredBytes
  }

  isLeader(memberId: string): boolean {
    return this.leaderId === memberId
  }

  /** Adds an id that was given out, and returns the one that is forgotten for it. */
  addPendingJoin(pending: PendingJoin): PendingJoin | undefined {
    this.pendingJoins.set(pending.memberId, pending)
    if (this.pendingJoins.size <= pendingJoinsMax) return undefined
    const oldest: PendingJoin = this.pendingJoins.values().next().value!
    this.pendingJoins.delete(oldest.memberId)
    return oldest
  }

  /** Parks the member's join until the generation begins. One that was parked before is of a connection that was given up. */
  parkJoin(member: ClassicMember, join: ParkedJoin): void {
    this.answerJoin(member, { errorCode: Errors.REBALANCE_IN_PROGRESS, memberId: member.memberId })
    member.parkedJoin = join
    this.#parkedJoins++
  }

  answerJoin(member: ClassicMember, answer: JoinAnswer): void {
    const { parkedJoin } = member
    if (parkedJoin === undefined) return
    member.parkedJoin = undefined
    this.#parkedJoins--
    parkedJoin.respond(joinResponse(parkedJoin.version, answer))
  }

  get parkedJoins(): number {
    return this.#parkedJoins
  }

  get haveAllJoined(): boolean {
    return this.members.size === this.#parkedJoins && this.pendingJoins.size === 0
  }

  /** Whether a member that offers this can be in the group: every other must be able to follow one of its protocols. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.#state === "Empty") return protocolType !== "" && protocols.length > 0
    return (
      this.protocolType === protocolType &&
      protocols.some(({ name }) => (this.#supporters.get(name) ?? 0) === this.members.size)
    )
  }

  /** Each member votes for what it likes best of that which all support. In a tie the one that was named first wins. */
  selectProtocol(): string {
    const candidates = new Set<string>()
    for (const [name, count] of this.#supporters) if (count === this.members.size) candidates.add(name)
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const name = member.vote(candidates)
      invariant(
        name !== undefined,
        "members of a group have no protocol in common, though each was checked when it joined",
      )
      votes.set(name, (votes.get(name) ?? 0) + 1)
    }
    let selected: string | undefined
    for (const [name, count] of votes) if (selected === undefined || count > votes.get(selected)!) selected = name
    invariant(selected !== undefined, "an empty group has no protocol to select")
    return selected
  }

  /** Whether the leader is among those who joined, or somebody else could take its place. */
  electJoinedLeader(): boolean {
    if (this.leaderId === undefined) return false
    if (this.members.get(this.leaderId)?.parkedJoin !== undefined) return true
    for (const member of this.members.values()) {
      if (member.parkedJoin === undefined) continue
      this.leaderId = member.memberId
      return true
    }
    return false
  }

  /** The join phase is over. */
  beginGeneration(wallMs: number): void {
    // Beyond the largest int32 there is only the beginning.
    this.generationId = this.generationId === 2 ** 31 - 1 ? 1 : this.generationId + 1
    this.pendingSyncs.clear()
    this.isAssignmentBeingWritten = false
    this.#subscribedTopics = undefined
    const isEmpty = this.members.size === 0
    this.protocolName = isEmpty ? null : this.selectProtocol()
    this.transitionTo(isEmpty ? "Empty" : "CompletingRebalance", wallMs)
  }

  /** The longest that one of the members asked for. */
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const { rebalanceTimeoutMs } of this.members.values()) longest = Math.max(longest, rebalanceTimeoutMs)
    return longest
  }

  get isConsumerProtocolType(): boolean {
    return this.protocolType === consumerProtocolType
  }

  /** Undefined: they are not consumers, or not all can be understood. */
  get subscribedTopics(): ReadonlySet<string> | undefined {
    this.#subscribedTopics ??= { topics: this.#readSubscribedTopics() }
    return this.#subscribedTopics.topics
  }

  #readSubscribedTopics(): ReadonlySet<string> | undefined {
    if (!this.isConsumerProtocolType) return undefined
    const metadata: Buffer[] = []
    for (const member of this.members.values()) {
      const bytes = member.metadata(this.protocolName)
      if (bytes === undefined) return undefined
      metadata.push(bytes)
    }
    return subscribedTopics(metadata)
  }
}
