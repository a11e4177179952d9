/**
 * Epoch, leader and vote of a node: what must survive a restart.
 *
 * Owns the value; its file is `quorum-state.ts`'s.
 */
import { type BrokerId, type Uuid, zeroUuid } from "../base/ids.js"

/** What `quorum-state` keeps: it must be on the medium before anything that rests on it is sent or appended (reliability.md R6). */
export interface ElectionState {
  readonly leaderId: BrokerId
  readonly leaderEpoch: number
  readonly votedId: BrokerId
  /** Zero where it is not known. */
  readonly votedDirectoryId: Uuid
}

export const noElection: ElectionState = { leaderId: -1, leaderEpoch: 0, votedId: -1, votedDirectoryId: zeroUuid }

/** Whether both bind the node alike. Who leads an epoch does not bind: nobody else can win it. */
export const sameVote = (a: ElectionState, b: ElectionState): boolean =>
  a.leaderEpoch === b.leaderEpoch && (a.votedId === b.votedId || a.votedId === -1)
