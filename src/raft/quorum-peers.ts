/**
 * The connections of the quorum: to each voter, and to the leader that is fetched from.
 *
 * Owns where each node is and the connections to it. A fetch waits at the leader, and a connection answers in order: so fetches have one of their own, or a vote would wait behind
 * them. Nothing here decides when or what to ask.
 */
import type { BrokerId } from "../base/ids.js"
import type { ConnectPeer, Peer, PeerAddress } from "../net/peer.js"
import type { VoterSet } from "./voter-set.js"

const sameAddress = (a: PeerAddress | undefined, b: PeerAddress): boolean => a?.host === b.host && a.port === b.port

export class QuorumPeers {
  readonly #voters = new Map<BrokerId, Peer>()
  #fetchPeer: Peer | undefined
  #fetchInFlight = false
  #leader: { readonly id: BrokerId; readonly epoch: number; readonly address: PeerAddress } | undefined
  #nextServer = 0
  #closed = false

  constructor(
    private readonly connect: ConnectPeer,
    private readonly self: BrokerId,
    private readonly listenerName: string,
    private readonly bootstrapServers: readonly PeerAddress[],
    private readonly voters: () => VoterSet,
  ) {}

  /** A leader says itself where it is. */
  learn(id: BrokerId, epoch: number, address: PeerAddress | undefined): void {
    if (address === undefined || address.port <= 0 || id < 0 || id === this.self) return
    if (this.#leader === undefined || epoch >= this.#leader.epoch) this.#leader = { id, epoch, address }
  }

  addressOf(id: BrokerId): PeerAddress | undefined {
    // What it says itself is newer than what was configured or recorded.
    return this.#leader?.id === id ? this.#leader.address : this.voters().addressOf(id, this.listenerName)
  }

  /** For votes and the like; undefined: nobody knows where it is. */
  voter(id: BrokerId): Peer | undefined {
    const address = this.addressOf(id)
    if (address === undefined || this.#closed) return undefined
    let peer = this.#voters.get(id)
    if (peer !== undefined && !sameAddress(peer.address, address)) {
      peer.close()
      peer = undefined
    }
    peer ??= this.connect(address)
    this.#voters.set(id, peer)
    return peer
  }

  /** For fetches: of the leader `id`, or with -1 of the next one that may know it. What was on its way to another is given up. */
  fetchFrom(id: BrokerId): Peer | undefined {
    if (this.#closed) return undefined
    const address = id === -1 ? this.#nextCandidate() : this.addressOf(id)
    if (address === undefined) return undefined
    if (this.#fetchPeer !== undefined && (this.#fetchInFlight || !sameAddress(this.#fetchPeer.address, address))) {
      this.#fetchPeer.close()
      this.#fetchPeer = undefined
    }
    return (this.#fetchPeer ??= this.connect(address))
  }

  /** Runs one request on the connection for fetches. */
  async duringFetch<T>(peer: Peer, request: () => Promise<T>): Promise<T> {
    this.#fetchInFlight = true
    try {
      return await request()
    } finally {
      if (this.#fetchPeer === peer) this.#fetchInFlight = false
    }
  }

  /** Voters and bootstrap servers in turn. */
  #nextCandidate(): PeerAddress | undefined {
    const known = this.voters()
      .ids.filter((id) => id !== this.self)
      .flatMap((id) => this.addressOf(id) ?? [])
    const candidates = [...known]
    for (const server of this.bootstrapServers)
      if (!candidates.some((each) => sameAddress(each, server))) candidates.push(server)
    return candidates[this.#nextServer++ % Math.max(1, candidates.length)]
  }

  close(): void {
    this.#closed = true
    for (const peer of this.#voters.values()) peer.close()
    this.#voters.clear()
    this.#fetchPeer?.close()
    this.#fetchPeer = undefined
  }
}
