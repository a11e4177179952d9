/**
 * Who votes in the metadata quorum.
 *
 * Owns the set of voters as a value: who they are (id and directory), where they are reached, what a majority is. Every change makes a new set, and two sets one step apart
 * always share a member of any of their majorities. Source: KIP-853; Kafka's VoterSet, ReplicaKey.
 */
import { invariant } from "../base/assert.js"
import { type BrokerId, type Uuid, zeroUuid } from "../base/ids.js"
import type { PeerAddress } from "../net/peer.js"

/** A replica by node and disk: a node that lost its disk is another replica (reliability.md R6). `zeroUuid`: the directory is not known, and any matches. */
export interface ReplicaKey {
  readonly id: BrokerId
  readonly directoryId: Uuid
}

export interface VoterEndpoint extends PeerAddress {
  readonly name: string
}

export interface Voter extends ReplicaKey {
  readonly endpoints: readonly VoterEndpoint[]
  readonly minKRaftVersion: number
  readonly maxKRaftVersion: number
}

/** The range of `kraft.version` this implementation supports. */
export const supportedKRaftVersions = { minKRaftVersion: 0, maxKRaftVersion: 1 } as const

export const sameReplica = (a: ReplicaKey, b: ReplicaKey): boolean =>
  a.id === b.id && (a.directoryId === zeroUuid || b.directoryId === zeroUuid || a.directoryId === b.directoryId)

export class VoterSet {
  /** By id. */
  readonly voters: readonly Voter[]

  constructor(voters: readonly Voter[]) {
    this.voters = [...voters].sort((a, b) => a.id - b.id)
    invariant(new Set(voters.map(({ id }) => id)).size === voters.length, "a voter id is in the voter set once")
  }

  /** The voters of `controller.quorum.voters`: their directories are not known. */
  static static(
    voters: readonly { readonly id: BrokerId; readonly host: string; readonly port: number }[],
    listenerName: string,
  ): VoterSet {
    return new VoterSet(
      voters.map(({ id, host, port }) => ({
        id,
        directoryId: zeroUuid,
        endpoints: [{ name: listenerName, host, port }],
        ...supportedKRaftVersions,
      })),
    )
  }

  get size(): number {
    return this.voters.length
  }

  get ids(): BrokerId[] {
    return this.voters.map(({ id }) => id)
  }

  get majority(): number {
    return Math.floor(this.voters.length / 2) + 1
  }

  get(id: BrokerId): Voter | undefined {
    return this.voters.find((voter) => voter.id === id)
  }

  has(key: ReplicaKey): boolean {
    return this.voters.some((voter) => sameReplica(voter, key))
  }

  isOnly(key: ReplicaKey): boolean {
    return this.voters.length === 1 && this.has(key)
  }

  addressOf(id: BrokerId, listenerName: string): PeerAddress | undefined {
    const endpoints = this.get(id)?.endpoints ?? []
    return endpoints.find(({ name }) => name.toUpperCase() === listenerName.toUpperCase()) ?? endpoints[0]
  }

  with(voter: Voter): VoterSet {
    return new VoterSet([...this.voters, voter])
  }

  without(id: BrokerId): VoterSet {
    return new VoterSet(this.voters.filter((voter) => voter.id !== id))
  }

  /** The same voters, one of them with new endpoints, versions, or a directory that was not known before. */
  updated(voter: Voter): VoterSet {
    return this.without(voter.id).with(voter)
  }

  toString(): string {
    return this.voters
      .map(({ id, directoryId }) => (directoryId === zeroUuid ? `${id}` : `${id}/${directoryId}`))
      .join(",")
  }
}

export const noVoters = new VoterSet([])
