/**
 * Who follows whom: the partitions that this broker follows, each with the fetcher of its leader.
 *
 * Owns the fetchers, one for each leader that is followed, and moves partitions between them as the metadata says. A partition is fetched from one leader in one epoch.
 */
import type { BrokerId } from "../base/ids.js"
import { FollowerState } from "./follower-state.js"
import type { Partition } from "./partition.js"
import { type FetcherOptions, ReplicaFetcher } from "./replica-fetcher.js"

export class ReplicaFetchers {
  readonly #states = new Map<Partition, FollowerState>()
  readonly #fetchers = new Map<BrokerId, ReplicaFetcher>()
  #stopped = false

  constructor(private readonly options: FetcherOptions) {}

  /** Takes over what the metadata says of the partition now. */
  follow(partition: Partition): void {
    const { leader, leaderEpoch } = partition.state
    const follows = !partition.isStopped && leader >= 0 && leader !== this.options.nodeId
    let state = this.#states.get(partition)
    if (!follows || this.#stopped) {
      if (state === undefined) return
      this.#release(state)
      // One that is being truncated is remembered until that is over, should it follow again before.
      if (!state.isTruncating) this.#states.delete(partition)
      return
    }
    if (state === undefined) this.#states.set(partition, (state = new FollowerState(partition)))
    const isSame =
      state.leaderEpoch === leaderEpoch && (state.fetcher as ReplicaFetcher | undefined)?.leaderId === leader
    if (isSame) return
    this.#release(state)
    state.leaderEpoch = leaderEpoch
    state.blockedUntilMs = 0
    state.backoffMs = 0
    this.#fetcher(leader).add(state)
  }

  #release(state: FollowerState): void {
    const fetcher = state.fetcher as ReplicaFetcher | undefined
    fetcher?.remove(state)
  }

  #fetcher(leaderId: BrokerId): ReplicaFetcher {
    let fetcher = this.#fetchers.get(leaderId)
    if (fetcher === undefined) this.#fetchers.set(leaderId, (fetcher = new ReplicaFetcher(leaderId, this.options)))
    return fetcher
  }

  /** Lets go of leaders that are not followed any more. */
  tidy(): void {
    for (const [leaderId, fetcher] of this.#fetchers) {
      if (fetcher.size > 0) continue
      fetcher.stop()
      this.#fetchers.delete(leaderId)
    }
  }

  advanced(partition: Partition): void {
    const state = this.#states.get(partition)
    if (state === undefined) return
    const fetcher = state.fetcher as ReplicaFetcher | undefined
    fetcher?.advanced(state)
  }

  /** Leaders that cannot be reached, each with the monotonic time since when. */
  unreachable(): Map<BrokerId, number> {
    const found = new Map<BrokerId, number>()
    for (const [leaderId, { unreachableSinceMs }] of this.#fetchers)
      if (unreachableSinceMs !== undefined) found.set(leaderId, unreachableSinceMs)
    return found
  }

  /** The broker was restarted, or has moved. */
  leaderChanged(leaderId: BrokerId): void {
    this.#fetchers.get(leaderId)?.leaderChanged()
  }

  stop(): void {
    this.#stopped = true
    for (const fetcher of this.#fetchers.values()) fetcher.stop()
    this.#fetchers.clear()
    this.#states.clear()
  }
}
