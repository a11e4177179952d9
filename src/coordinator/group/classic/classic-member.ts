/**
 * A member of a classic group.
 *
 * Owns what a member said about itself, which is in the log from its first generation on, and beside it what never is: requests that are parked, and the session. Who is a
 * member is the group's. Invariant: bytes kept here are copies; requests come in memory that is recycled.
 */
import type { ResponseInputOf } from "../../../protocol/message.js"
import type { joinGroup } from "../../../protocol/messages/join-group.js"
import type { syncGroup } from "../../../protocol/messages/sync-group.js"
import type { Now, Outcome, Respond } from "../contract.js"

export type JoinResponse = ResponseInputOf<typeof joinGroup>
export type SyncResponse = ResponseInputOf<typeof syncGroup>

/** A protocol (of assignment: "range", "default", ...) that a member can follow, with what it tells the leader for it. */
export interface MemberProtocol {
  readonly name: string
  readonly metadata: Buffer
}

export interface ParkedJoin {
  readonly respond: Respond<JoinResponse>
  /** Of the request, which decides what its answer can say. */
  readonly version: number
}

export interface MemberIdentity {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
}

export interface MemberTerms {
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** In the member's order of preference. */
  readonly protocols: readonly MemberProtocol[]
}

export class ClassicMember implements MemberIdentity, MemberTerms {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly MemberProtocol[]

  // Not in the log.
  /** Changed by the group, which counts them. */
  parkedJoin: ParkedJoin | undefined
  parkedSync: Respond<SyncResponse> | undefined
  /** Joined, and not in a generation yet. */
  isNew = false
  lastSeenMs = 0
  sessionStartMs = 0
  /** Of the session's timer, made once: a heartbeat costs no more than moving it. */
  sessionKey = ""
  onSessionOver: ((now: Now) => Outcome) | undefined

  constructor(identity: MemberIdentity, terms: MemberTerms) {
    this.memberId = identity.memberId
    this.groupInstanceId = identity.groupInstanceId
    this.clientId = identity.clientId
    this.clientHost = identity.clientHost
    this.sessionTimeoutMs = terms.sessionTimeoutMs
    this.rebalanceTimeoutMs = terms.rebalanceTimeoutMs
    this.protocols = terms.protocols
  }

  get isStatic(): boolean {
    return this.groupInstanceId !== null
  }

  /** A member whose request is parked is alive as long as the broker makes it wait; a new one may have gone without a word. */
  get isWaitingForUs(): boolean {
    return !this.isNew && (this.parkedJoin !== undefined || this.parkedSync !== undefined)
  }

  metadata(protocolName: string | null): Buffer | undefined {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata
  }

  /** Same protocols, same order, same bytes. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      this.protocols.every(
        ({ name, metadata }, index) => name === protocols[index]!.name && metadata.equals(protocols[index]!.metadata),
      )
    )
  }

  /** Among the candidates, the one the member likes best. */
  vote(candidates: ReadonlySet<string>): string | undefined {
    return this.protocols.find(({ name }) => candidates.has(name))?.name
  }
}

/** A copy with memory of its own: what is kept must hold on to neither the request's frame nor a shared slab. */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

/** What a request offers, to be kept. Of several protocols of one name the first counts. */
export function keptProtocols(offered: readonly MemberProtocol[]): readonly MemberProtocol[] {
  const names = new Set<string>()
  const kept: MemberProtocol[] = []
  for (const { name, metadata } of offered) {
    if (names.has(name)) continue
    names.add(name)
    kept.push({ name, metadata: copyOf(metadata) })
  }
  return kept
}
