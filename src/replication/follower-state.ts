/**
 * One partition that this broker follows: what its leader was told, and what stands in the way of fetching.
 *
 * Owns the terms of one fetch position and the decision where a log is to be cut. Sends nothing and touches no file. Invariant: records are taken only in answer to the position
 * where the log ends, told in the epoch that still holds.
 */
import type { LeaderEpoch, Offset } from "../base/ids.js"
import type { Log } from "../storage/log.js"
import type { EpochEndOffset } from "../storage/leader-epoch-cache.js"
import type { Partition } from "./partition.js"

/** Whoever fetches from one leader. */
export interface Fetcher {
  /** The state may be fetched again, or has something to tell. */
  ready(state: FollowerState, isUrgent: boolean): void
  /** Not ready before the time is over. */
  block(state: FollowerState, delayMs: number): void
}

export const neverTold = Number.POSITIVE_INFINITY

export class FollowerState {
  /** Who fetches it. Undefined: it has no leader to fetch from. */
  fetcher: Fetcher | undefined
  leaderEpoch: LeaderEpoch
  /** The log is being cut, or the leader is being asked where to. */
  isTruncating = false
  /** Monotonic time before which it is left alone after an error; infinite: until newer metadata comes. */
  blockedUntilMs = 0
  /** Pause after the last error; 0 after a success. */
  backoffMs = 0
  /** The first request of those in which the leader was told positions on the present terms: this epoch, and a log that has only grown since. */
  toldIn = neverTold
  toldOffset: Offset = -1
  /** The request in which `toldOffset` was told; those before it told `toldOffsetBefore`. */
  #offsetToldIn = neverTold
  #toldOffsetBefore: Offset = -1
  toldSafeOffset: Offset = -1
  /** Of which log the positions were told: a replica that has moved tells them anew. */
  #toldOf: Log | undefined
  toldLogStartOffset: Offset = -1
  /** The epoch in which the leader was told them. */
  toldLeaderEpoch: LeaderEpoch = -1
  /** The last request of its fetcher that told anything of it. */
  lastToldIn = 0
  /** On its way from one fetcher to another of the same leader, in the same epoch. */
  isHandedOver = false
  /** In the leader's session, under whatever terms. */
  isInSession = false
  /** In the list of what the next request tells. */
  isQueued = false
  /** Holds records that are not safe here yet. */
  isUnsafe = false
  /** What the leader said is committed, which may be more than is here. */
  leaderHighWatermark: Offset = -1
  leaderLogStartOffset: Offset = -1
  /** The start that is on its way to the medium, or could not be written. */
  checkpointedStartOffset: Offset = -1

  constructor(readonly partition: Partition) {
    this.leaderEpoch = partition.leaderEpoch
  }

  get log(): Log {
    return this.partition.log
  }

  /** Whether it may be in a request. */
  isReady(nowMs: number): boolean {
    return (
      this.fetcher !== undefined &&
      !this.isTruncating &&
      this.blockedUntilMs <= nowMs &&
      !this.partition.isStopped &&
      this.log.offlineReason === undefined
    )
  }

  /** What the leader was told holds no more. */
  forgetTerms(): void {
    this.toldIn = neverTold
  }

  /** Whether there is anything the leader does not know. */
  get hasNews(): boolean {
    return (
      this.toldIn === neverTold ||
      this.#toldOf !== this.log ||
      this.toldOffset !== this.log.logEndOffset ||
      this.toldSafeOffset !== this.partition.locallySafeOffset ||
      this.toldLogStartOffset !== this.log.durableStartOffset
    )
  }

  told(request: number): void {
    const { logEndOffset } = this.log
    this.lastToldIn = request
    if (this.toldIn === neverTold) {
      this.toldIn = request
      this.#offsetToldIn = request
    } else if (logEndOffset !== this.toldOffset) {
      this.#toldOffsetBefore = this.toldOffset
      this.#offsetToldIn = request
    }
    this.toldOffset = logEndOffset
    this.toldLeaderEpoch = this.leaderEpoch
    this.#toldOf = this.log
    this.toldSafeOffset = this.partition.locallySafeOffset
    this.toldLogStartOffset = this.log.durableStartOffset
  }

  /** Whether the answer to a request is on the present terms. What a leader says of another epoch is not heard (KIP-320). */
  isHeardIn(request: number): boolean {
    return this.toldIn <= request
  }

  /** Whether records in the answer to a request continue the log. With two requests on their way the second may have told a position that the first has moved since. */
  continuesIn(request: number): boolean {
    const told = request >= this.#offsetToldIn ? this.toldOffset : this.#toldOffsetBefore
    return this.isHeardIn(request) && told === this.log.logEndOffset
  }

  /** The epoch of the last record here, -1 where there is none: up to where both have the same one, both logs are the same. */
  get lastFetchedEpoch(): LeaderEpoch {
    return this.log.epochs.epochAt(this.log.logEndOffset - 1)
  }
}

/**
 * Where the log is to be cut, when the leader says that of our last epoch, or the largest below it that it knows, it has records up to `leaders.endOffset`.
 *
 * To the end of the largest epoch that both have. Where we do not know the leader's epoch, what we have of later ones is not the leader's: we cut to the end of the largest below it
 * and ask again, from there (KIP-279). Never to the high watermark: it trails behind what was acknowledged, and what lies above it may be needed (KIP-101).
 */
export function truncationOffset(
  log: Pick<Log, "endOffsetForEpoch" | "logEndOffset">,
  leaders: EpochEndOffset,
): Offset {
  const own = log.endOffsetForEpoch(leaders.leaderEpoch)
  if (own.endOffset < 0) return Math.min(leaders.endOffset, log.logEndOffset)
  if (own.leaderEpoch !== leaders.leaderEpoch) return Math.min(own.endOffset, log.logEndOffset)
  return Math.min(own.endOffset, leaders.endOffset, log.logEndOffset)
}
