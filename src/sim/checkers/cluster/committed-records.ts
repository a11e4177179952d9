/**
 * What any leader has said to be committed is the same on every replica, for ever (L2, L6, R3, R4, R5).
 *
 * Owns the committed part of each partition, as the first leader had it that said so: the ground truth. A leader must hold all of it, a follower nothing else below where it agreed with its leader. The metadata log is a
 * partition like any other.
 */
export interface BatchSummary {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly leaderEpoch: number
  readonly checksum: number
}

/** A replica's log as far as it is needed here. */
export interface BatchList {
  readonly batches: readonly BatchSummary[]
  readonly endOffset: number
  indexOf(offset: number): number
}

const same = (a: BatchSummary, b: BatchSummary): boolean =>
  a.baseOffset === b.baseOffset &&
  a.nextOffset === b.nextOffset &&
  a.leaderEpoch === b.leaderEpoch &&
  a.checksum === b.checksum

const show = ({ baseOffset, nextOffset, leaderEpoch, checksum }: BatchSummary): string =>
  `[${baseOffset},${nextOffset}) of epoch ${leaderEpoch} (${checksum.toString(16)})`

class Committed implements BatchList {
  batches: BatchSummary[] = []
  /** The high watermark at most, of all leaders. */
  endOffset = 0

  indexOf(offset: number): number {
    return firstEndingAfter(this.batches, offset)
  }
}

export class CommittedRecords {
  readonly #partitions = new Map<string, Committed>()
  readonly #unjudged = new Set<string>()

  constructor(
    readonly report: (what: string) => void,
    readonly nameOf: (partition: string) => string = (partition) => partition,
  ) {}

  /** A failure that the topic's policy does not cover: nothing of it is judged any more. */
  forget(partition: string): void {
    this.#unjudged.add(partition)
  }

  endOf(partition: string): number {
    return this.#partitions.get(partition)?.endOffset ?? 0
  }

  /** A leader says that everything below is committed, and this is its log. Returns what was not known to be. */
  told(partition: string, leader: string, highWatermark: number, log: BatchList): readonly BatchSummary[] {
    if (this.#unjudged.has(partition)) return []
    let committed = this.#partitions.get(partition)
    if (committed === undefined) this.#partitions.set(partition, (committed = new Committed()))
    if (highWatermark <= committed.endOffset) return []
    this.#compare(
      partition,
      committed,
      `${leader}, which says that ${highWatermark} is committed,`,
      log,
      committed.endOffset,
      true,
    )
    const before = committed.batches.length
    for (let at = log.indexOf(committed.endOffset); at < log.batches.length; at++) {
      const batch = log.batches[at]!
      if (batch.nextOffset > highWatermark) break
      committed.batches.push(batch)
    }
    if (log.endOffset < highWatermark)
      this.report(
        `${this.nameOf(partition)}: ${leader} says that ${highWatermark} is committed, and its file ends at ${log.endOffset}`,
      )
    committed.endOffset = Math.max(committed.endOffset, Math.min(highWatermark, log.endOffset))
    return committed.batches.slice(before)
  }

  /** Whoever leads holds everything that is committed. */
  leads(partition: string, leader: string, log: BatchList): void {
    const committed = this.#partitions.get(partition)
    if (committed === undefined || this.#unjudged.has(partition)) return
    this.#compare(partition, committed, `${leader}, which leads,`, log, committed.endOffset, true)
  }

  /** A follower agreed with its leader up to an offset: below it is nothing but what is committed. It may hold less of it: what it had not synced. */
  follows(partition: string, follower: string, agreedTo: number, log: BatchList): void {
    const committed = this.#partitions.get(partition)
    if (committed === undefined || this.#unjudged.has(partition)) return
    this.#compare(partition, committed, follower, log, Math.min(agreedTo, committed.endOffset), false)
  }

  #compare(
    partition: string,
    committed: Committed,
    who: string,
    log: BatchList,
    to: number,
    mustHoldAll: boolean,
  ): void {
    const name = this.nameOf(partition)
    const first = log.batches[0]
    if (first === undefined) {
      // An empty log may begin anywhere; where is not to be seen from outside.
      return
    }
    let at = committed.indexOf(first.baseOffset)
    for (const batch of log.batches) {
      const expected = committed.batches[at]
      if (expected === undefined || expected.nextOffset > to) return
      if (batch.nextOffset <= expected.baseOffset) continue
      if (!same(batch, expected)) {
        this.report(`${name}: ${who} holds ${show(batch)} where ${show(expected)} is committed`)
        return
      }
      at += 1
    }
    const missing = committed.batches[at]
    if (mustHoldAll && missing !== undefined && missing.nextOffset <= to)
      this.report(`${name}: ${who} ends at ${log.endOffset}, and ${show(missing)} is committed`)
  }
}

/** Index of the first of the batches, which are in order, that ends after the offset. */
export function firstEndingAfter(batches: readonly { readonly nextOffset: number }[], offset: number): number {
  let low = 0
  let high = batches.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (batches[middle]!.nextOffset > offset) high = middle
    else low = middle + 1
  }
  return low
}
