/**
 * What the quorum's rules want done.
 *
 * Owns the list, gathered during one event and taken once. Order for whoever does it: begin to persist, send what may go, append, cut or fetch, then announce.
 */
import type { BrokerId, Offset } from "../base/ids.js"
import type { ElectionState } from "./election-state.js"
import type { Outgoing } from "./requests.js"
import type { SnapshotId } from "./snapshot-file.js"

export interface Effects {
  /** Goes to the medium; `onPersisted` says when it is there. */
  readonly persist: ElectionState | undefined
  readonly send: readonly Outgoing[]
  /** Only once everything persisted up to now is on the medium: a vote, or what is asked in a new epoch. */
  readonly sendAfterPersist: readonly Outgoing[]
  /** Begin this leadership with a LEADER_CHANGE record, the first of its epoch. */
  readonly appendLeaderChange: { readonly epoch: number; readonly grantingVoters: readonly BrokerId[] } | undefined
  readonly truncateTo: Offset | undefined
  readonly fetchSnapshot: SnapshotId | undefined
  /** All records below are committed. */
  readonly highWatermark: Offset | undefined
  /** This node led, and does not any more. */
  readonly resigned: boolean
  /** Epoch or leader may have changed. */
  readonly leaderChanged: boolean
  /** What must never happen has, and what it means. */
  readonly broken: string | undefined
}

const none: Effects = {
  persist: undefined,
  send: [],
  sendAfterPersist: [],
  appendLeaderChange: undefined,
  truncateTo: undefined,
  fetchSnapshot: undefined,
  highWatermark: undefined,
  resigned: false,
  leaderChanged: false,
  broken: undefined,
}

type Draft = {
  -readonly [Name in keyof Effects]: Effects[Name] extends readonly Outgoing[] ? Outgoing[] : Effects[Name]
}

export class EffectsDraft {
  #draft: Draft | undefined

  /** To be written to. */
  get now(): Draft {
    return (this.#draft ??= { ...none, send: [], sendAfterPersist: [] })
  }

  /** Undefined: nothing is to be done. */
  take(): Effects | undefined {
    const taken = this.#draft
    this.#draft = undefined
    return taken
  }
}
