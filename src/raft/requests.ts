/**
 * What the quorum's rules ask of other nodes, and how often.
 *
 * Owns the forms of requests and answers as the rules see them (the wire's are `wire.ts`), and the pacing of those that go to each voter: one at a time, again after a pause that
 * grows. Answers of an earlier round are not mistaken for those of this one.
 */
import type { BrokerId, Offset } from "../base/ids.js"
import type { PeerErrorCode } from "../net/peer.js"
import type { PositionJudgement } from "./log-view.js"
import type { ReplicaKey } from "./voter-set.js"

export interface VoteRequest {
  readonly candidate: ReplicaKey
  /** In a pre-vote the epoch the asker is in; else the one it wants to lead. */
  readonly epoch: number
  readonly preVote: boolean
  readonly lastEpoch: number
  readonly lastOffset: Offset
}

/** What every answer says of the one that gives it. `leaderId` -1: none is known. */
export interface QuorumAnswer {
  readonly errorCode: number
  readonly leaderId: BrokerId
  readonly epoch: number
}

export interface VoteAnswer extends QuorumAnswer {
  readonly granted: boolean
}

export interface FetchAnswer extends QuorumAnswer {
  /** What the leader thinks of the position asked for. */
  readonly judgement: PositionJudgement
  /** -1: not known. */
  readonly highWatermark: Offset
}

interface ToVoter {
  readonly to: BrokerId
  readonly epoch: number
  /** Which stay in a state it belongs to. */
  readonly round: number
}

export interface OutgoingVote extends ToVoter, VoteRequest {
  readonly kind: "vote"
}
export interface OutgoingBegin extends ToVoter {
  readonly kind: "beginQuorumEpoch"
}
export interface OutgoingEnd extends ToVoter {
  readonly kind: "endQuorumEpoch"
  /** Best first. */
  readonly preferredCandidates: readonly ReplicaKey[]
}
export interface OutgoingFetch extends ToVoter {
  /** `to` -1: whoever may know the leader. */
  readonly kind: "fetch"
  readonly fetchOffset: Offset
  readonly lastFetchedEpoch: number
  readonly highWatermark: Offset
  /** The leader may keep it until there is news. The first one, and one after a failure, is answered at once: a connection has to be made, and the leader is to be heard. */
  readonly mayWait: boolean
}
export type Outgoing = OutgoingVote | OutgoingBegin | OutgoingEnd | OutgoingFetch

/** What went wrong with a request, as the connection or the other side said. */
export type RequestFailure = PeerErrorCode | "refused by the node"

const failuresMax = 5

/** The pause after `failures` failures in a row: none after the first broken connection, then growing from the base to 32 times that. */
export function retryDelayMs(reason: RequestFailure, failures: number, retryBackoffMs: number): number {
  // A connection that breaks may mean that the process is gone: asking again at once finds out.
  if (reason === "closed" && failures <= 1) return 0
  return retryBackoffMs * 2 ** Math.min(failures - 1, failuresMax)
}

/** One request at a time to each voter, for one stay in a state. */
export class VoterRequests {
  readonly #voters = new Map<BrokerId, { inFlight: boolean; nextMs: number; failures: number; isGone?: boolean }>()
  #round = 0

  constructor(private readonly retryBackoffMs: number) {}

  get round(): number {
    return this.#round
  }

  /** Another state begins: what is on its way belongs to the past. */
  restart(): void {
    this.#voters.clear()
    this.#round++
  }

  mayAsk(id: BrokerId, nowMs: number): boolean {
    const voter = this.#voters.get(id)
    return voter === undefined || (!voter.inFlight && nowMs >= voter.nextMs)
  }

  asked(id: BrokerId): void {
    const { failures = 0, isGone = false } = this.#voters.get(id) ?? {}
    this.#voters.set(id, { inFlight: true, nextMs: Number.POSITIVE_INFINITY, failures, isGone })
  }

  /** What it answered does not hold any more. */
  askAgain(id: BrokerId): void {
    this.#voters.delete(id)
  }

  /** Nobody listened there when it was asked last. */
  isGone(id: BrokerId): boolean {
    return this.#voters.get(id)?.isGone === true
  }

  /** It has answered: not asked again before `nextMs`. */
  answered({ to, round }: Outgoing, nextMs = Number.POSITIVE_INFINITY): void {
    if (round === this.#round) this.#voters.set(to, { inFlight: false, nextMs, failures: 0 })
  }

  failed({ to, round }: Outgoing, reason: RequestFailure, nowMs: number): void {
    if (round !== this.#round) return
    const failures = (this.#voters.get(to)?.failures ?? 0) + 1
    this.#voters.set(to, {
      inFlight: false,
      nextMs: nowMs + retryDelayMs(reason, failures, this.retryBackoffMs),
      failures,
      isGone: reason === "refused",
    })
  }

  /** When a voter among `ids` may be asked next. */
  nextMs(ids: readonly BrokerId[]): number {
    return ids.reduce((least, id) => Math.min(least, this.#voters.get(id)?.nextMs ?? 0), Number.POSITIVE_INFINITY)
  }
}
