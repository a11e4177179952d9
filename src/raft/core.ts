/**
 * The quorum's rules, without clock, disk or network: an event goes in, what to persist, append and announce comes out.
 *
 * Owns epoch, vote and leadership of this node, and the high watermark of the metadata log. Covers a quorum of one: a voter set that is this node alone. Nothing
 * outside this folder knows that; a larger quorum changes this file and its driver. Source: KIP-595; Raft §5.2, §5.4.2.
 */
import { invariant } from "../base/assert.js"
import type { BrokerId, Offset } from "../base/ids.js"

/** What `quorum-state` keeps: it must be on the medium before anything that rests on it is sent or appended (reliability.md R6). */
export interface ElectionState {
  readonly leaderId: BrokerId
  readonly leaderEpoch: number
  readonly votedId: BrokerId
}

export const noElection: ElectionState = { leaderId: -1, leaderEpoch: 0, votedId: -1 }

/** In this order: persist, then append, then announce. */
export interface Effects {
  readonly persist?: ElectionState
  /** Begin this leadership with a LEADER_CHANGE record, the first of its epoch. */
  readonly appendLeaderChange?: { readonly epoch: number; readonly voters: readonly BrokerId[] }
  /** All records below are committed. */
  readonly highWatermark?: Offset
}

export class RaftCore {
  #election: ElectionState
  #isLeader = false
  /** A leader commits only from its own epoch on: what an earlier one wrote is committed by what follows it (Raft §5.4.2). */
  #epochStartOffset: Offset = Number.POSITIVE_INFINITY
  #highWatermark: Offset = 0

  constructor(
    private readonly nodeId: BrokerId,
    private readonly voters: readonly BrokerId[],
    election: ElectionState,
    /** Epoch of the last record in the log. It may be ahead of a lost quorum-state file, and an epoch must never be used twice. */
    private readonly lastLogEpoch: number,
  ) {
    invariant(
      voters.length === 1 && voters[0] === nodeId,
      "only a quorum of one reaches the core: configuration refuses others",
    )
    this.#election = election
  }

  get epoch(): number {
    return this.#election.leaderEpoch
  }

  get isLeader(): boolean {
    return this.#isLeader
  }

  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** The only voter needs no other vote than its own: it votes for itself and has won once that vote is on the medium. */
  start(): Effects {
    const leaderEpoch = Math.max(this.#election.leaderEpoch, this.lastLogEpoch) + 1
    this.#election = { leaderId: this.nodeId, leaderEpoch, votedId: this.nodeId }
    return { persist: this.#election, appendLeaderChange: { epoch: leaderEpoch, voters: this.voters } }
  }

  /** The leader change record is in the log at this offset. */
  onLeaderChangeAppended(offset: Offset): void {
    this.#isLeader = true
    this.#epochStartOffset = offset
  }

  /**
   * This voter's log is on the medium up to `flushedOffset`.
   *
   * Moves the high watermark to the majority's flushed end, here this node's, once it covers the start of this epoch; never back.
   */
  onFlushed(flushedOffset: Offset): Effects {
    if (!this.#isLeader || flushedOffset <= this.#epochStartOffset || flushedOffset <= this.#highWatermark) return {}
    this.#highWatermark = flushedOffset
    return { highWatermark: flushedOffset }
  }

  /** The log failed or the node stops. */
  resign(): void {
    this.#isLeader = false
  }
}
