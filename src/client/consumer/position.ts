/**
 * Where one partition is being read, and what has been read of it and not been handed out.
 *
 * Owns positions and the batches in between. A seek begins a new read: what an older request brings is not taken. Records are decoded when they are handed out, one by one.
 */
import { batchesIn, recordsOf } from "../../protocol/record-batch.js"
import {
  batchBaseOffset,
  batchCompression,
  batchLastOffset,
  batchLeaderEpoch,
  compressionTypes,
  isControlBatch,
} from "../../protocol/batch-header.js"
import { type AbortedTransaction, AbortedTransactions } from "./aborted-transactions.js"
import type { ConsumerRecord } from "./record.js"

interface Buffered {
  /** Whole batches. */
  readonly records: Buffer
  /** Of these batches. */
  readonly aborted: readonly AbortedTransaction[]
  /** What is asked for next. */
  readonly nextOffset: number
}

/** What a reader asks for that has no position yet. */
export type Reset = "earliest" | "latest" | { readonly timestamp: number }

export class Position {
  /** What the next request asks for; undefined until it is known. */
  fetchOffset: number | undefined
  /** The next record to be handed out. */
  offset = -1
  /** What must be found out first. */
  reset: Reset | undefined
  isPaused = false
  /** Hands nothing out, for reasons of the consumer's own: it is on its way to another member, or enough of it is in work. */
  isHeld = false
  /** A request of it is on its way. */
  isAsked = false
  /** It has brought batches whose codec may have to be loaded first. */
  hasZstd = false
  /** A follower that is nearer (KIP-392), and until when it is believed. */
  preferredReplica: { readonly nodeId: number; readonly untilMs: number } | undefined
  /** Not before, in monotonic time. */
  blockedUntilMs = 0
  highWatermark = -1
  lastStableOffset = -1
  logStartOffset = -1
  /** Of the record that was handed out last, and so of everything before `offset`; -1: not known. */
  offsetEpoch = -1
  /** Of the last batch that was read: a leader that does not have it says where the logs part. */
  lastEpoch = -1
  /** Raised by every seek. */
  generation = 0
  #buffered: Buffered[] = []
  #bytes = 0
  #reading: Iterator<ConsumerRecord> | undefined

  constructor(
    readonly topic: string,
    readonly partition: number,
    /** Records of transactions that are not decided yet are not asked for, and those of aborted ones are left out. */
    readonly isReadCommitted = false,
  ) {}

  get bufferedBytes(): number {
    return this.#bytes
  }

  get hasBuffered(): boolean {
    return this.#reading !== undefined || this.#buffered.length > 0
  }

  /** Records that may be read and are not handed out; undefined until a leader has said. */
  get lag(): number | undefined {
    const endOffset = this.isReadCommitted ? this.lastStableOffset : this.highWatermark
    return endOffset < 0 || this.offset < 0 ? undefined : Math.max(0, endOffset - this.offset)
  }

  /** `leaderEpoch`: of the record before, if it is known: a leader that does not have it says so. */
  seek(offset: number, leaderEpoch = -1): void {
    this.#forget()
    this.reset = undefined
    this.offset = this.fetchOffset = offset
    this.offsetEpoch = this.lastEpoch = leaderEpoch
  }

  resetTo(reset: Reset): void {
    this.#forget()
    this.reset = reset
    this.fetchOffset = undefined
  }

  #forget(): void {
    this.generation++
    this.#buffered = []
    this.#bytes = 0
    this.#reading = undefined
    this.lastEpoch = -1
  }

  /** What an answer brought, and which transactions it says were aborted. Returns how many bytes were taken. */
  add(records: Buffer, aborted: readonly AbortedTransaction[] = []): number {
    let last: { readonly start: number; readonly end: number } | undefined
    for (const batch of batchesIn(records)) {
      last = batch
      this.hasZstd ||= compressionTypes[batchCompression(records, batch.start)] === "zstd"
    }
    if (last === undefined) return 0
    const whole = records.subarray(0, last.end)
    const nextOffset = batchLastOffset(records, last.start) + 1
    this.#buffered.push({ records: whole, aborted, nextOffset })
    this.#bytes += whole.length
    this.fetchOffset = nextOffset
    this.lastEpoch = batchLeaderEpoch(records, last.start)
    return whole.length
  }

  /** The next record, or undefined when there is none here. */
  next(): ConsumerRecord | undefined {
    for (;;) {
      if (this.#reading === undefined) {
        const first = this.#buffered[0]
        if (first === undefined) return undefined
        this.#reading = this.#records(first)
      }
      const { done, value } = this.#reading.next()
      if (done !== true) {
        this.offset = Number(value.offset) + 1
        return value
      }
      this.#reading = undefined
      const { records, nextOffset } = this.#buffered.shift()!
      this.#bytes -= records.length
      // What compaction or a transaction took away lies behind us too.
      this.offset = Math.max(this.offset, nextOffset)
    }
  }

  *#records({ records: bytes, aborted }: Buffered): Generator<ConsumerRecord> {
    const { topic, partition } = this
    const transactions = this.isReadCommitted ? new AbortedTransactions(aborted) : undefined
    for (const { start, end } of batchesIn(bytes)) {
      // Of batches that lie behind us too: they may begin or end a transaction.
      const isAborted = transactions?.passes(bytes, start, end) === true
      if (isAborted || isControlBatch(bytes, start) || batchLastOffset(bytes, start) < this.offset) continue
      const batch = bytes.subarray(start, end)
      const leaderEpoch = batchLeaderEpoch(bytes, start)
      for (const { offset, timestamp, key, value, headers } of recordsOf(batch)) {
        if (offset < this.offset) continue
        this.offsetEpoch = leaderEpoch
        yield { topic, partition, offset: BigInt(offset), timestamp, key, value, headers }
      }
    }
  }
}

/** Where the first batch of an answer begins, -1 for none. */
export const firstOffset = (records: Buffer): number => (records.length < 8 ? -1 : batchBaseOffset(records, 0))
