/**
 * The parts a node can play in the quorum, each with what it remembers while it plays it.
 *
 * Owns the shapes. Who becomes what, and when, is `core.ts`. Times are monotonic milliseconds.
 */
import type { BrokerId } from "../base/ids.js"
import type { LeaderState } from "./leader-state.js"
import type { ReplicaKey } from "./voter-set.js"

export interface FollowerRole {
  readonly kind: "follower"
  deadlineMs: number
  /** It has had an answer of this leader: it will not help to depose it while it is heard from (KIP-996). */
  hasFetched: boolean
  /** The leader is known or believed to be gone; when to stand for election, a number then. */
  standAtMs: number | undefined
}

export interface StandingRole {
  readonly kind: "prospective" | "candidate"
  readonly votes: Map<BrokerId, boolean>
  deadlineMs: number
  readonly lost: number
}

export interface ResignedRole {
  readonly kind: "resigned"
  deadlineMs: number
  readonly preferredCandidates: readonly ReplicaKey[]
  readonly acknowledged: Set<BrokerId>
}

export type Role =
  | { readonly kind: "unattached"; deadlineMs: number }
  | FollowerRole
  | StandingRole
  | { readonly kind: "leader"; readonly state: LeaderState }
  | ResignedRole

export type RoleName = Role["kind"]
