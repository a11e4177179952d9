/**
 * What a leader of the quorum knows of the others.
 *
 * Owns how far each replica has fetched and when, the high watermark that follows from it, and whether a majority still listens. Voters are counted as the newest voter set says;
 * everybody else is an observer, remembered for a while. Source: KIP-595, KIP-853; Kafka's LeaderState.
 */
import { type BrokerId, type Offset, zeroUuid } from "../base/ids.js"
import { type ReplicaKey, sameReplica, type VoterSet } from "./voter-set.js"

export interface ReplicaProgress extends ReplicaKey {
  /** End of its log on its medium, -1 before it has fetched in this epoch. */
  readonly endOffset: Offset
  /** Monotonic; -1 never. */
  readonly lastFetchMs: number
  /** When it last had everything the leader had then; -1 never. */
  readonly lastCaughtUpMs: number
  /** The leader's end at its last fetch. */
  readonly leaderEndAtFetch: Offset
}

/** An observer that has not fetched for so long is forgotten. */
export const observerSessionMs = 300_000
/** Observers remembered: a bound against made-up ids. */
export const observersMax = 10_000

const unknownProgress = { endOffset: -1, lastFetchMs: -1, lastCaughtUpMs: -1, leaderEndAtFetch: -1 }

export class LeaderState {
  /** A leader commits only from its own epoch on: what an earlier one wrote is committed by what follows it (Raft §5.4.2). */
  epochStartOffset: Offset = Number.POSITIVE_INFINITY
  readonly #replicas = new Map<string, ReplicaProgress>()
  /** Voters that have fetched since the majority was last seen complete. */
  readonly #fetchedVoters = new Set<BrokerId>()
  checkQuorumDeadlineMs: number

  constructor(
    private readonly self: ReplicaKey,
    readonly grantingVoters: readonly BrokerId[],
    private readonly checkQuorumMs: number,
    nowMs: number,
  ) {
    this.checkQuorumDeadlineMs = nowMs + checkQuorumMs
  }

  progressOf(key: ReplicaKey): ReplicaProgress {
    const exact = this.#replicas.get(nameOf(key))
    if (exact !== undefined && key.directoryId !== zeroUuid) return exact
    // Static voters have no directory in the set, but say one when they fetch: the latest incarnation counts.
    let latest = exact
    for (const each of this.#replicas.values())
      if (sameReplica(each, key) && (latest === undefined || each.lastFetchMs > latest.lastFetchMs)) latest = each
    return latest ?? { ...key, ...unknownProgress }
  }

  /** A replica has everything below `endOffset` on its medium: that is what a fetch position means here. */
  fetched(key: ReplicaKey, endOffset: Offset, leaderEndOffset: Offset, voters: VoterSet, nowMs: number): void {
    const before = this.progressOf(key)
    const lastCaughtUpMs =
      endOffset >= leaderEndOffset
        ? nowMs
        : before.leaderEndAtFetch >= 0 && endOffset >= before.leaderEndAtFetch
          ? Math.max(before.lastCaughtUpMs, before.lastFetchMs)
          : before.lastCaughtUpMs
    if (!this.#replicas.has(nameOf(key)) && this.#replicas.size >= observersMax && !voters.has(key)) return
    this.#replicas.set(nameOf(key), {
      ...key,
      endOffset,
      lastFetchMs: nowMs,
      lastCaughtUpMs,
      leaderEndAtFetch: leaderEndOffset,
    })
    this.heardFrom(key, voters, nowMs)
  }

  /** A voter follows, whatever it has: a majority of them within the time keeps the leader (KIP-595, "check quorum"). */
  heardFrom(key: ReplicaKey, voters: VoterSet, nowMs: number): void {
    if (!voters.has(key)) return
    this.#fetchedVoters.add(key.id)
    const others = voters.majority - (voters.has(this.self) ? 1 : 0)
    if ([...this.#fetchedVoters].filter((id) => voters.get(id) !== undefined).length < others) return
    this.#fetchedVoters.clear()
    this.checkQuorumDeadlineMs = nowMs + this.checkQuorumMs
  }

  /** The time to hear from a majority begins anew: it is another one. */
  votersChanged(nowMs: number): void {
    this.checkQuorumDeadlineMs = nowMs + this.checkQuorumMs
  }

  /**
   * The offset below which a majority of voters has everything on the medium; -1 where too few are known.
   *
   * The leader itself counts only while it is a voter (§4.2.2 of the Raft thesis: it may commit its own removal), but nothing counts that is not on its own medium: what it
   * could still take back (a full disk) must not be committed without it.
   */
  majorityOffset(voters: VoterSet, flushedOffset: Offset): Offset {
    const offsets = voters.voters
      .map((voter) => (sameReplica(voter, this.self) ? flushedOffset : this.progressOf(voter).endOffset))
      .sort((a, b) => b - a)
    return Math.min(flushedOffset, offsets[voters.majority - 1] ?? -1)
  }

  /** What a majority of voters without this node has on the medium: so much could be committed if another led. -1: the others are no majority, or have not told. */
  othersOffset(voters: VoterSet): Offset {
    const offsets = voters.voters
      .filter((voter) => !sameReplica(voter, this.self))
      .map((voter) => this.progressOf(voter).endOffset)
      .sort((a, b) => b - a)
    return offsets[voters.majority - 1] ?? -1
  }

  /** Everybody that fetches and is no voter. */
  observers(voters: VoterSet, nowMs: number): ReplicaProgress[] {
    for (const [name, each] of this.#replicas)
      if (nowMs - each.lastFetchMs >= observerSessionMs && !voters.has(each)) this.#replicas.delete(name)
    return [...this.#replicas.values()].filter((each) => !voters.has(each))
  }

  /** The other voters, the one with the longest log first: who should lead next. */
  successors(voters: VoterSet): ReplicaKey[] {
    return voters.voters
      .filter((voter) => !sameReplica(voter, this.self))
      .map((voter) => ({ voter, endOffset: this.progressOf(voter).endOffset }))
      .sort((a, b) => b.endOffset - a.endOffset || a.voter.id - b.voter.id)
      .map(({ voter }) => ({ id: voter.id, directoryId: voter.directoryId }))
  }
}

const nameOf = ({ id, directoryId }: ReplicaKey): string => `${id}/${directoryId}`
