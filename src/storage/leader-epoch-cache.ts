/**
 * At which offset each leadership of a partition began, as far as its log reaches.
 *
 * Owns the entries and Kafka's rules for reading them; the file is written by the log. Epochs and start offsets both strictly
 * increase. Source: KIP-101, KIP-279; Kafka's LeaderEpochFileCache.
 */
export interface EpochEntry {
  readonly epoch: number
  readonly startOffset: number
}

export interface EpochEndOffset {
  readonly leaderEpoch: number
  /** Exclusive end of the epoch, -1 when the log knows nothing of it. */
  readonly endOffset: number
}

export const undefinedEpochEndOffset: EpochEndOffset = { leaderEpoch: -1, endOffset: -1 }

export class LeaderEpochCache {
  #entries: EpochEntry[]
  /** Set when the file no longer says what is here; whoever writes the file clears it. */
  dirty = false

  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = []
    for (const { epoch, startOffset } of entries) this.assign(epoch, startOffset)
    this.dirty = false
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries
  }

  get latestEpoch(): number {
    return this.#entries.at(-1)?.epoch ?? -1
  }

  /** Records that `epoch` starts at `startOffset`. What contradicts it (a later start, a higher epoch) was truncated and goes. */
  assign(epoch: number, startOffset: number): void {
    if (epoch < 0) return
    const latest = this.#entries.at(-1)
    if (latest !== undefined && latest.epoch === epoch && startOffset >= latest.startOffset) return
    while (this.#entries.length > 0) {
      const last = this.#entries.at(-1)!
      if (last.epoch < epoch && last.startOffset < startOffset) break
      this.#entries.pop()
    }
    this.#entries.push({ epoch, startOffset })
    this.dirty = true
  }

  /** The leadership under which the record at `offset` was written, -1 if it is not known. */
  epochAt(offset: number): number {
    for (let slot = this.#entries.length - 1; slot >= 0; slot--) {
      const entry = this.#entries[slot]!
      if (entry.startOffset <= offset) return entry.epoch
    }
    return -1
  }

  /**
   * Where the leadership `epoch` ended in this log: a follower that last saw it truncates to there. Of an epoch this log skipped, the
   * greatest one below it and its end (KIP-279).
   */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEndOffset {
    if (epoch < 0) return undefinedEpochEndOffset
    if (epoch === this.latestEpoch) return { leaderEpoch: epoch, endOffset: logEndOffset }
    const slot = this.#entries.findIndex((entry) => entry.epoch > epoch)
    if (slot === -1) return undefinedEpochEndOffset
    const floor = this.#entries[slot - 1]
    return { leaderEpoch: floor?.epoch ?? epoch, endOffset: this.#entries[slot]!.startOffset }
  }

  /** The log now ends at `endOffset`: leaderships that began there or later left nothing. */
  truncateFromEnd(endOffset: number): void {
    while (this.#entries.length > 0 && this.#entries.at(-1)!.startOffset >= endOffset) {
      this.#entries.pop()
      this.dirty = true
    }
  }

  /** The log now starts at `startOffset`: the leadership that holds there is kept, starting there. */
  truncateFromStart(startOffset: number): void {
    let floor = -1
    while (floor + 1 < this.#entries.length && this.#entries[floor + 1]!.startOffset <= startOffset) floor++
    const holder = this.#entries[floor]
    if (holder === undefined || holder.startOffset === startOffset) {
      if (floor > 0) {
        this.#entries = this.#entries.slice(floor)
        this.dirty = true
      }
      return
    }
    this.#entries = [{ epoch: holder.epoch, startOffset }, ...this.#entries.slice(floor + 1)]
    this.dirty = true
  }

  clear(): void {
    if (this.#entries.length > 0) this.dirty = true
    this.#entries = []
  }

  /** Puts back what `entries` returned earlier. */
  restore(entries: readonly EpochEntry[]): void {
    this.#entries = [...entries]
    this.dirty = true
  }
}
