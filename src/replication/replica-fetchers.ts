/**
 * Who follows whom: the partitions that this broker follows, each with a fetcher of its leader.
 *
 * Owns the fetchers and moves partitions between them as the metadata says. A partition is fetched from one leader in one epoch. Of each leader there are at most two: one for the
 * partitions that are in sync here, one for those that are not. What somebody waits for to be acknowledged does not queue behind what nobody does.
 */
import type { BrokerId } from "../base/ids.js"
import { FollowerState } from "./follower-state.js"
import type { Partition } from "./partition.js"
import { catchUpPace, type FetcherOptions, inSyncPace, ReplicaFetcher } from "./replica-fetcher.js"

export class ReplicaFetchers {
  readonly #states = new Map<Partition, FollowerState>()
  readonly #inSync = new Map<BrokerId, ReplicaFetcher>()
  readonly #behind = new Map<BrokerId, ReplicaFetcher>()
  #stopped = false

  constructor(private readonly options: FetcherOptions) {}

  /** Takes over what the metadata says of the partition now. */
  follow(partition: Partition): void {
    const { leader, leaderEpoch, isr } = partition.state
    const { nodeId } = this.options
    const follows = !partition.isStopped && leader >= 0 && leader !== nodeId
    let state = this.#states.get(partition)
    if (!follows || this.#stopped) {
      if (state === undefined) return
      this.#release(state)
      // One that is being truncated is remembered until that is over, should it follow again before.
      if (!state.isTruncating) this.#states.delete(partition)
      return
    }
    if (state === undefined) this.#states.set(partition, (state = new FollowerState(partition)))
    const isInSync = isr.includes(nodeId)
    const fetchers = isInSync ? this.#inSync : this.#behind
    if (state.leaderEpoch === leaderEpoch) {
      const fetcher = state.fetcher as ReplicaFetcher | undefined
      if (state.isHandedOver || (fetcher !== undefined && fetcher === fetchers.get(leader))) return
      if (fetcher !== undefined) {
        this.#handOver(partition, state, fetcher)
        return
      }
    }
    state.isHandedOver = false
    this.#release(state)
    state.leaderEpoch = leaderEpoch
    state.blockedUntilMs = 0
    state.backoffMs = 0
    let fetcher = fetchers.get(leader)
    if (fetcher === undefined) {
      fetcher = new ReplicaFetcher(leader, isInSync ? inSyncPace : catchUpPace, this.options)
      fetchers.set(leader, fetcher)
    }
    fetcher.add(state)
  }

  #handOver(partition: Partition, state: FollowerState, from: ReplicaFetcher): void {
    const { leaderEpoch } = state
    state.isHandedOver = true
    from.handOver(state, () => {
      // Unless another epoch has begun meanwhile.
      if (!state.isHandedOver || state.leaderEpoch !== leaderEpoch) return
      state.isHandedOver = false
      this.follow(partition)
    })
  }

  #release(state: FollowerState): void {
    const fetcher = state.fetcher as ReplicaFetcher | undefined
    fetcher?.remove(state)
  }

  *#all(): Generator<ReplicaFetcher> {
    yield* this.#inSync.values()
    yield* this.#behind.values()
  }

  /** Lets go of leaders that are not followed any more. */
  tidy(): void {
    for (const fetchers of [this.#inSync, this.#behind])
      for (const [leaderId, fetcher] of fetchers) {
        if (!fetcher.isIdle) continue
        fetcher.stop()
        fetchers.delete(leaderId)
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
    for (const { leaderId, unreachableSinceMs } of this.#all())
      if (unreachableSinceMs !== undefined)
        found.set(leaderId, Math.max(unreachableSinceMs, found.get(leaderId) ?? unreachableSinceMs))
    return found
  }

  /** The broker was restarted, or has moved. */
  leaderChanged(leaderId: BrokerId): void {
    this.#inSync.get(leaderId)?.leaderChanged()
    this.#behind.get(leaderId)?.leaderChanged()
  }

  stop(): void {
    this.#stopped = true
    for (const fetcher of this.#all()) fetcher.stop()
    this.#inSync.clear()
    this.#behind.clear()
    this.#states.clear()
  }
}
