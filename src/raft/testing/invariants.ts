/**
 * What must hold in every quorum at every moment (reliability.md R1-R6, R8).
 *
 * Owns one small class per invariant. They are told what nodes say and do, remember it for the whole world, and throw at the first contradiction.
 */
import assert from "node:assert/strict"
import type { BrokerId, Offset } from "../../base/ids.js"

/** One batch in the log of a node, with a digest of everything up to it. */
export interface MirroredBatch {
  readonly baseOffset: Offset
  readonly nextOffset: Offset
  readonly epoch: number
  readonly values: readonly string[]
  readonly digest: string
}

/** R1: at most one leader in an epoch, ever. */
export class ElectionSafety {
  readonly #leaders = new Map<number, BrokerId>()

  leads(id: BrokerId, epoch: number): void {
    assert.ok(
      !this.#leaders.has(epoch),
      `R1: node ${id} leads epoch ${epoch}, which node ${this.#leaders.get(epoch)} won`,
    )
    this.#leaders.set(epoch, id)
  }

  get elections(): number {
    return this.#leaders.size
  }
}

/** R2: a leader never cuts its own log. */
export class LeaderAppendOnly {
  truncated(id: BrokerId, isLeader: boolean): void {
    assert.ok(!isLeader, `R2: leader ${id} cuts its log`)
  }
}

/** R3: if two logs have a batch of one epoch at one offset, they are equal up to it. */
export class LogMatching {
  readonly #digests = new Map<string, string>()

  has(id: BrokerId, { baseOffset, epoch, digest }: MirroredBatch): void {
    const key = `${baseOffset} ${epoch}`
    const known = this.#digests.get(key)
    assert.ok(
      known === undefined || known === digest,
      `R3: node ${id} has another history up to offset ${baseOffset} of epoch ${epoch}`,
    )
    this.#digests.set(key, digest)
  }
}

/** R4, R5: what is committed is in the log of every later leader, and the same everywhere. */
export class CommittedForEver {
  /** Digest of everything up to the batch that ends at an offset. */
  readonly #committed = new Map<Offset, string>()
  /** How far leaders of each epoch have committed. */
  readonly #ends = new Map<number, Offset>()
  #end: Offset = 0

  get end(): Offset {
    return this.#end
  }

  /** `epoch`: the leader's that says so, not the batch's. */
  committed(id: BrokerId, { nextOffset, digest }: MirroredBatch, epoch: number): void {
    const known = this.#committed.get(nextOffset)
    assert.ok(known === undefined || known === digest, `R5: node ${id} commits something else below ${nextOffset}`)
    this.#committed.set(nextOffset, digest)
    this.#end = Math.max(this.#end, nextOffset)
    this.#ends.set(epoch, Math.max(nextOffset, this.#ends.get(epoch) ?? 0))
  }

  /** A leader that comes late, after others of later epochs, need not have what those committed: it will not commit anything. */
  leads(
    id: BrokerId,
    epoch: number,
    log: readonly MirroredBatch[],
    snapshot: { readonly id: { readonly endOffset: Offset }; readonly digest: string } | undefined,
  ): void {
    const end = Math.max(0, ...[...this.#ends].filter(([earlier]) => earlier < epoch).map(([, offset]) => offset))
    if (end === 0) return
    const inLog = log.find(({ nextOffset }) => nextOffset === end)?.digest
    const digest = snapshot?.id.endOffset === end ? snapshot.digest : inLog
    assert.equal(digest, this.#committed.get(end), `R4: leader ${id} lacks what is committed below ${end}`)
  }
}

/** R6: what a node has told is on its medium: a vote, and how far its log goes. */
export class ToldIsDurable {
  readonly #votes = new Map<string, BrokerId>()
  readonly #told = new Map<BrokerId, Offset>()

  voted(voter: BrokerId, epoch: number, candidate: BrokerId): void {
    const key = `${voter} ${epoch}`
    const before = this.#votes.get(key)
    assert.ok(
      before === undefined || before === candidate,
      `R6: node ${voter} votes for ${before} and ${candidate} in epoch ${epoch}`,
    )
    this.#votes.set(key, candidate)
  }

  fetched(id: BrokerId, offset: Offset): void {
    this.#told.set(id, Math.max(offset, this.#told.get(id) ?? 0))
  }

  /** It gave up what it had, because the leader said so. */
  truncated(id: BrokerId, endOffset: Offset): void {
    this.#told.set(id, Math.min(endOffset, this.#told.get(id) ?? 0))
  }

  /** A new disk has told nothing. */
  replaced(id: BrokerId): void {
    this.#told.delete(id)
    for (const key of [...this.#votes.keys()]) if (key.startsWith(`${id} `)) this.#votes.delete(key)
  }

  opened(id: BrokerId, logEndOffset: Offset): void {
    const told = this.#told.get(id) ?? 0
    assert.ok(
      logEndOffset >= told,
      `R6: node ${id} said it has everything below ${told}, and comes back with ${logEndOffset}`,
    )
  }
}

/** R8: two voter sets that follow each other differ by one voter, so that any two majorities meet. */
export class OneVoterAtATime {
  #latest: { readonly offset: Offset; readonly voters: readonly BrokerId[] } | undefined

  committed(offset: Offset, voters: readonly BrokerId[]): void {
    const before = this.#latest
    if (before !== undefined && offset <= before.offset) return
    this.#latest = { offset, voters }
    if (before === undefined) return
    const changed = [
      ...voters.filter((id) => !before.voters.includes(id)),
      ...before.voters.filter((id) => !voters.includes(id)),
    ]
    assert.ok(changed.length <= 1, `R8: voters go from ${before.voters} to ${voters} at once`)
  }
}

export class Invariants {
  readonly elections = new ElectionSafety()
  readonly appendOnly = new LeaderAppendOnly()
  readonly matching = new LogMatching()
  readonly committed = new CommittedForEver()
  readonly durable = new ToldIsDurable()
  readonly voters = new OneVoterAtATime()
}
