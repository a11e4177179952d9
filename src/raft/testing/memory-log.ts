/**
 * A metadata log in memory, as the quorum's rules see it.
 *
 * Owns records with epochs, and what of them is in the file and on the medium. For tests of the rules: nothing here waits.
 */
import type { Offset } from "../../base/ids.js"
import type { EpochEndOffset } from "../../storage/leader-epoch-cache.js"
import type { LogView } from "../log-view.js"
import type { SnapshotId } from "../snapshot-file.js"

export interface MemoryRecord {
  readonly epoch: number
  readonly value: string
}

export class MemoryLog implements LogView {
  records: MemoryRecord[] = []
  logStartOffset: Offset = 0
  writtenOffset: Offset = 0
  flushedOffset: Offset = 0
  takesAppends = true
  diskStalledMs = 0
  latestSnapshot: SnapshotId | undefined
  startSnapshot: SnapshotId | undefined

  get logEndOffset(): Offset {
    return this.logStartOffset + this.records.length
  }

  get lastEpoch(): number {
    return this.records.at(-1)?.epoch ?? this.startSnapshot?.epoch ?? 0
  }

  endOffsetForEpoch(epoch: number): EpochEndOffset {
    if (epoch === this.records.at(-1)?.epoch) return { leaderEpoch: epoch, endOffset: this.logEndOffset }
    const slot = this.records.findIndex((record) => record.epoch > epoch)
    if (slot === -1) return { leaderEpoch: -1, endOffset: -1 }
    return { leaderEpoch: this.records[slot - 1]?.epoch ?? epoch, endOffset: this.logStartOffset + slot }
  }

  append(...records: MemoryRecord[]): void {
    this.records.push(...records)
    this.writtenOffset = this.logEndOffset
  }

  flush(): void {
    this.flushedOffset = this.logEndOffset
  }

  truncateTo(offset: Offset): void {
    this.records.length = Math.max(0, offset - this.logStartOffset)
    this.writtenOffset = Math.min(this.writtenOffset, this.logEndOffset)
    this.flushedOffset = Math.min(this.flushedOffset, this.logEndOffset)
  }

  /** What a power cut leaves. */
  losePower(): void {
    this.truncateTo(this.flushedOffset)
  }

  from(offset: Offset): MemoryRecord[] {
    return this.records.slice(offset - this.logStartOffset, this.writtenOffset - this.logStartOffset)
  }

  /** A log with a record of each of these epochs, all on the medium. */
  static of(...epochs: number[]): MemoryLog {
    const log = new MemoryLog()
    log.append(...epochs.map((epoch, index) => ({ epoch, value: `r${index}` })))
    log.flush()
    return log
  }

  toString(): string {
    const records = this.records.map(({ epoch, value }) => `${epoch}:${value}`).join(" ")
    const start = this.logStartOffset > 0 ? `from ${this.logStartOffset} ` : ""
    const unflushed = this.flushedOffset < this.logEndOffset ? `, on the medium below ${this.flushedOffset}` : ""
    return `${start}[${records}]${unflushed}`
  }
}
