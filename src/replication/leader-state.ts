/**
 * What a leader knows of its followers, for one leadership.
 *
 * Owns the followers' positions, the in-sync set as committed and as proposed, and what follows from them: how far the high watermark may go and who may join or must
 * leave. Pure: told everything, time included. A position that was told to another leader, or in another epoch, is none.
 */
import { invariant } from "../base/assert.js"
import { type BrokerEpoch, type BrokerId, type LeaderEpoch, type Offset, type Uuid, zeroUuid } from "../base/ids.js"
import type { PartitionImage } from "../metadata/image.js"

/** What a leader is told of the time and of the brokers that hold replicas. */
export interface ReplicaBrokers {
  /** Monotonic. */
  nowMs(): number
  /** `replica.lag.time.max.ms` */
  readonly lagTimeMaxMs: number
  /** Broker epoch of one that may be in sync: registered, unfenced and not shutting down (KIP-841). Undefined otherwise. */
  eligibleEpoch(brokerId: BrokerId): BrokerEpoch | undefined
  /** Registered and unfenced. */
  isAlive(brokerId: BrokerId): boolean
}

/** What a follower says with each fetch. */
export interface FollowerFetch {
  readonly replicaId: BrokerId
  /** -1: it does not say. */
  readonly brokerEpoch: BrokerEpoch
  /** Below it everything is as safe there as the topic's flush policy asks. */
  readonly safeOffset: Offset
  readonly logStartOffset: Offset
  /** Where its replica lies. Zero: it does not say. */
  readonly directoryId: Uuid
}

const longAgo = Number.NEGATIVE_INFINITY
/** A member that was refused is not proposed again before: followers fetch more often than the controller changes its mind. */
export const refusedPauseMs = 100

export class Follower {
  brokerEpoch: BrokerEpoch = -1
  /** -1: it has not fetched in this leadership. */
  safeOffset: Offset = -1
  logStartOffset: Offset = -1
  directoryId: Uuid = zeroUuid
  /** When it last had everything that was there. */
  caughtUpMs = longAgo
  /** Time of its last fetch and the log's end then: whoever reaches that end later was caught up at that time. */
  lastFetchMs = longAgo
  lastFetchLogEndOffset: Offset = Number.POSITIVE_INFINITY

  constructor(readonly brokerId: BrokerId) {}

  /** A leadership begins with it in sync: it has the whole lag time to prove it. */
  startInSync(nowMs: number): this {
    this.caughtUpMs = nowMs
    return this
  }

  /** It is out of sync. What it was before does not make others wait for it: it may have been away, and be far behind. */
  fallOut(): void {
    this.caughtUpMs = longAgo
    this.lastFetchMs = longAgo
    this.lastFetchLogEndOffset = Number.POSITIVE_INFINITY
  }

  /** Without new records nobody can fall behind, however long ago they fetched. */
  isCaughtUp(logEndOffset: Offset, nowMs: number, lagTimeMaxMs: number): boolean {
    return this.safeOffset >= logEndOffset || nowMs - this.caughtUpMs <= lagTimeMaxMs
  }
}

export class LeaderState {
  #followers: readonly Follower[] = []
  #state: PartitionImage
  /** Asked of the controller and not known to be decided. */
  #proposed: readonly BrokerId[] | undefined
  #refusedMs = longAgo

  constructor(
    readonly nodeId: BrokerId,
    state: PartitionImage,
    /** Where the log ended when this leadership began. */
    readonly epochStartOffset: Offset,
    readonly sinceMs: number,
  ) {
    this.#state = state
    this.#assign(sinceMs)
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#state.leaderEpoch
  }

  get followers(): readonly Follower[] {
    return this.#followers
  }

  /** The proposal on its way, if there is one. */
  get proposedIsr(): readonly BrokerId[] | undefined {
    return this.#proposed
  }

  /** A newer state of the same leadership. Whatever was proposed on top of an older one is decided now, this way or that. */
  update(state: PartitionImage, nowMs: number): void {
    if (state.partitionEpoch > this.#state.partitionEpoch) this.#proposed = undefined
    for (const follower of this.#followers)
      if (this.isInSync(follower.brokerId) && !state.isr.includes(follower.brokerId)) follower.fallOut()
    this.#state = state
    this.#assign(nowMs)
  }

  #assign(nowMs: number): void {
    const { replicas, isr } = this.#state
    if (replicas.length === this.#followers.length + 1 && this.#followers.every((f) => replicas.includes(f.brokerId)))
      return
    this.#followers = replicas
      .filter((brokerId) => brokerId !== this.nodeId)
      .map(
        (brokerId) =>
          this.follower(brokerId) ??
          (isr.includes(brokerId) ? new Follower(brokerId).startInSync(nowMs) : new Follower(brokerId)),
      )
  }

  follower(brokerId: BrokerId): Follower | undefined {
    for (const follower of this.#followers) if (follower.brokerId === brokerId) return follower
    return undefined
  }

  isInSync(brokerId: BrokerId): boolean {
    return this.#state.isr.includes(brokerId)
  }

  /** As committed, or as it will be when the proposal is: whoever may be in it must have a record before that is committed (KIP-497). */
  #isInMaximalIsr(brokerId: BrokerId): boolean {
    return this.#state.isr.includes(brokerId) || this.#proposed?.includes(brokerId) === true
  }

  /** KIP-966: a topic cannot need more in-sync replicas than it has. */
  isUnderMinIsr(minInsyncReplicas: number): boolean {
    return this.#state.isr.length < Math.min(minInsyncReplicas, this.#state.replicas.length)
  }

  /**
   * Takes in what a follower said; its log is known to agree with ours up to there.
   *
   * A lower position than before is taken as it is: the follower lost what it had, with a disk that failed, and must not be counted for it.
   */
  onFetch(follower: Follower, fetch: FollowerFetch, logEndOffset: Offset, nowMs: number): void {
    if (fetch.safeOffset >= logEndOffset) follower.caughtUpMs = Math.max(follower.caughtUpMs, nowMs)
    else if (fetch.safeOffset >= follower.lastFetchLogEndOffset)
      follower.caughtUpMs = Math.max(follower.caughtUpMs, follower.lastFetchMs)
    follower.safeOffset = fetch.safeOffset
    follower.logStartOffset = fetch.logStartOffset
    follower.brokerEpoch = fetch.brokerEpoch
    follower.directoryId = fetch.directoryId
    follower.lastFetchMs = nowMs
    follower.lastFetchLogEndOffset = logEndOffset
  }

  /**
   * How far the high watermark may go: the smallest safe offset of the maximal in-sync set, this replica's own (`ownSafeOffset`) among them.
   *
   * Only what was told in this leadership counts: an in-sync follower that has not fetched in it holds the high watermark where it is, for its log may still be cut. A
   * follower that is about to join counts as well, else the high watermark would run away from it for ever. That the caller does not move it below min ISR is
   * KIP-966: what is then removed from the in-sync set stays eligible to lead, because nothing was committed without it.
   */
  committableOffset(ownSafeOffset: Offset, logEndOffset: Offset, brokers: ReplicaBrokers): Offset {
    let offset = ownSafeOffset
    for (const follower of this.#followers) {
      if (follower.safeOffset >= offset) continue
      const counts =
        this.#isInMaximalIsr(follower.brokerId) ||
        (follower.isCaughtUp(logEndOffset, brokers.nowMs(), brokers.lagTimeMaxMs) &&
          this.#isEligible(follower, brokers))
      if (counts) offset = follower.safeOffset
    }
    return offset
  }

  #isEligible(follower: Follower, brokers: ReplicaBrokers): boolean {
    const brokerEpoch = brokers.eligibleEpoch(follower.brokerId)
    // KIP-903: an earlier life of the broker may have told us a position that its disk no longer has.
    return brokerEpoch !== undefined && (follower.brokerEpoch === -1 || follower.brokerEpoch === brokerEpoch)
  }

  /**
   * Whether what a follower told last was of the replica that it has now. One that was made anew since, because a directory failed or a log was damaged, is somewhere else by the metadata, and has to tell first: it is
   * empty. Where the metadata does not say, or the follower, there is nothing to compare.
   */
  #isWhereItTold({ brokerId, directoryId }: Follower): boolean {
    const assigned = this.#state.directories[this.#state.replicas.indexOf(brokerId)] ?? zeroUuid
    return directoryId === zeroUuid || assigned === zeroUuid || assigned === directoryId
  }

  /**
   * Proposes the in-sync set with everyone who may join it; undefined when there is nobody, or a proposal is on its way.
   *
   * Reaching the high watermark is not enough: this leader may not know the whole of it yet. A follower must have reached the start of the leader's epoch, where
   * everything that was ever committed ends at the latest. And it must have deleted what this leader has (`ownLogStartOffset`): nobody waited for it then, and as a leader
   * it would bring it back.
   */
  proposeExpansion(
    highWatermark: Offset,
    ownLogStartOffset: Offset,
    brokers: ReplicaBrokers,
  ): readonly BrokerId[] | undefined {
    if (this.#proposed !== undefined || brokers.nowMs() - this.#refusedMs < refusedPauseMs) return undefined
    let proposed: BrokerId[] | undefined
    for (const follower of this.#followers) {
      const { brokerId, safeOffset, logStartOffset } = follower
      if (this.isInSync(brokerId) || safeOffset < highWatermark || safeOffset < this.epochStartOffset) continue
      if (logStartOffset < ownLogStartOffset) continue
      if (!this.#isEligible(follower, brokers) || !this.#isWhereItTold(follower)) continue
      proposed ??= [...this.#state.isr]
      proposed.push(brokerId)
    }
    return (this.#proposed = proposed)
  }

  /**
   * Proposes the in-sync set without those who have been behind for longer than `lagTimeMaxMs`. Shrinking is safe: until the controller has decided, the old set is
   * what a record needs. Called often enough (several times in `lagTimeMaxMs`) that whoever has everything is seen to have it.
   */
  proposeShrink(logEndOffset: Offset, brokers: ReplicaBrokers): readonly BrokerId[] | undefined {
    const { lagTimeMaxMs } = brokers
    const nowMs = brokers.nowMs()
    let late = 0
    for (const follower of this.#followers) {
      if (follower.safeOffset >= logEndOffset) follower.caughtUpMs = nowMs
      else if (this.isInSync(follower.brokerId) && nowMs - follower.caughtUpMs > lagTimeMaxMs) late++
    }
    if (late === 0 || this.#proposed !== undefined) return undefined
    this.#proposed = this.#state.isr.filter(
      (brokerId) => this.follower(brokerId)?.isCaughtUp(logEndOffset, nowMs, lagTimeMaxMs) !== false,
    )
    return this.#proposed
  }

  /** The controller said for sure that it did not take the proposal, and never will. */
  proposalRefused(nowMs: number): void {
    this.#proposed = undefined
    this.#refusedMs = nowMs
  }

  /** The epoch of each member, by which the controller notices one that was restarted since it told us its position. -1: it has not told. */
  isrWithEpochs(isr: readonly BrokerId[], ownEpoch: BrokerEpoch): { brokerId: BrokerId; brokerEpoch: BrokerEpoch }[] {
    return isr.map((brokerId) => {
      if (brokerId === this.nodeId) return { brokerId, brokerEpoch: ownEpoch }
      const follower = this.follower(brokerId)
      invariant(follower !== undefined, "whoever is in sync holds a replica")
      return { brokerId, brokerEpoch: follower.brokerEpoch }
    })
  }

  /** Below it no live replica serves anything (KIP-107). -1: one of them has not said yet. */
  lowWatermark(ownLogStartOffset: Offset, brokers: ReplicaBrokers): Offset {
    let lowest = ownLogStartOffset
    for (const { brokerId, logStartOffset } of this.#followers)
      if (logStartOffset < lowest && brokers.isAlive(brokerId)) lowest = logStartOffset
    return lowest
  }
}
