/**
 * The log of one partition replica: appends, reads, truncation and deletion over its segments.
 *
 * Owns offsets, segments, producer state and leader epochs, and the order in which they reach the disk. Not the decision who may append,
 * nor the high watermark, which it is told. Every offset below `flushedOffset` is on the medium with all that is needed to find it;
 * `logStartOffset <= flushedOffset <= writtenOffset <= logEndOffset`.
 *
 * `append` decides at once and in memory. One write is on its way at a time; what arrives meanwhile goes with the next. What an append
 * changed is remembered until its bytes are in the file, so that a full disk takes it back as if it had not been.
 */
import { invariant } from "../base/assert.js"
import { topicPartitionName, type Uuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type Env, type File, type Payload } from "../env/env.js"
import {
  attributeBits,
  batchAttributes,
  batchBaseOffset,
  batchBytes,
  batchHeaderBytes,
  batchLastOffset,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchProducerId,
  isControlBatch,
  setBatchBaseOffset,
  setBatchLeaderEpoch,
} from "../protocol/batch-header.js"
import { headerProblem, scanBatches } from "./batch-scan.js"
import { encodeLeaderEpochs, leaderEpochFile, replaceFile } from "./checkpoint-files.js"
import type { FilePool, PooledFile } from "./file-pool.js"
import { HotBuffer, type HotBufferOwner, type HotCache } from "./hot-cache.js"
import type { IndexCache } from "./index-cache.js"
import type { EpochEndOffset, EpochEntry, LeaderEpochCache } from "./leader-epoch-cache.js"
import { OffsetIndex } from "./offset-index.js"
import { loadProducers, removeSnapshotsAbove } from "./producer-snapshots.js"
import type { ProducerEntry, ProducerState } from "./producer-state.js"
import { planRetention } from "./retention.js"
import { persistIndexes, writeSnapshot } from "./segment-files.js"
import { isShortage } from "./shortage.js"
import { deletedSuffix, floorSegment, Segment, type SegmentMark, segmentName, segmentSuffixes } from "./segment.js"
import { Errors } from "../protocol/errors.js"
import { TimeIndex } from "./time-index.js"
import { findTimestamp, largestTimestamp, type TimestampedOffset } from "./timestamp-search.js"

/** Buffers of one gathered write: Linux takes 1,024 in one call. */
export const writeBuffersMax = 1024
/** Bytes of one gathered write, so that one busy log does not hold up a sync round for long. */
export const writeBytesMax = 16 * 1024 * 1024

/** What the folder of a log lends it. */
export interface LogHome {
  readonly env: Env
  readonly files: FilePool
  readonly hotCache: HotCache
  readonly indexCache: IndexCache
  /** No room: appends are refused until there is. */
  readonly full: boolean
  /** The log has bytes that a sync round should take. */
  wantsSync(log: Log): void
  /** An operation failed for want of room. */
  reportFull(error: DiskError, wantedBytes: number): void
  /** An operation failed in a way that leaves the disk in doubt: everything on it goes offline. */
  fail(error: unknown): void
  /** When it resolves, recovery points and start offsets as they were at the call or later are on the medium. */
  checkpoint(): Promise<void>
}

export interface LogListener {
  /** `writtenOffset` or `flushedOffset` moved. */
  onAdvance(log: Log): void
  /** Appends at or above `endOffset`, now the log's end, failed for want of room. Whoever waits for them must be told. */
  onAppendsLost(log: Log, endOffset: number): void
  /** The log serves nothing any more. Called once. */
  onOffline(log: Log, reason: string): void
}

export const silentListener: LogListener = { onAdvance() {}, onAppendsLost() {}, onOffline() {} }

/** Who sent the batches. Only what a `client` sent is checked against producer state; `replication` keeps its offsets and epochs. */
export type AppendOrigin = "client" | "coordinator" | "replication" | "raft"

export interface AppendOptions {
  readonly origin: AppendOrigin
  /** Written into each batch; ignored for `replication`. */
  readonly leaderEpoch: number
  /** Wall time. */
  readonly nowMs: number
  /** Runs once, when neither disk nor cache nor any reader needs the buffer; also after an error or a duplicate. */
  readonly release?: () => void
  /** Memory the buffer keeps alive when it is part of a larger one. */
  readonly retainedBytes?: number
}

export type AppendResult =
  | {
      readonly ok: true
      readonly baseOffset: number
      readonly lastOffset: number
      /** Timestamp the broker gave the batch, -1 where the topic keeps the producer's. */
      readonly logAppendTimeMs: number
      /** Nothing was appended: the same batch was, earlier, at these offsets. */
      readonly duplicate: boolean
    }
  | { readonly ok: false; readonly error: number; readonly message: string }

export interface ReadOptions {
  readonly maxBytes: number
  /** Exclusive; batches that reach it or beyond are left out. Default: the log's end. */
  readonly maxOffset?: number
  /** Return the first batch even if it is larger than `maxBytes`. Default true. */
  readonly minOneMessage?: boolean
}

export type ReadResult =
  | {
      readonly ok: true
      /** Whole batches in order; the first may begin below the wanted offset. Empty when there is nothing to return. */
      readonly payloads: readonly Payload[]
      readonly bytes: number
      /** Offset after the last batch returned; the wanted one when there is none. */
      readonly nextOffset: number
      readonly fromMemory: boolean
      /** Must be called once, when the payloads are sent: memory may be reused and files closed after it. */
      release(): void
    }
  | { readonly ok: false; readonly error: number; readonly message: string }

export interface LogState {
  readonly topic: string
  readonly partition: number
  readonly topicId: Uuid
  readonly path: string
  readonly config: LogConfig
  readonly segments: Segment[]
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** As it was written down; everything below the log's end is on the medium. */
  readonly recoveryPoint: number
  readonly highWatermark: number
  readonly epochs: LeaderEpochCache
  readonly producers: ProducerState
}

interface PendingAppend {
  readonly buffer: HotBuffer
  readonly segment: Segment
  readonly mark: SegmentMark
  readonly epochsBefore: readonly EpochEntry[] | undefined
  readonly producersBefore: readonly (readonly [producerId: number, entry: ProducerEntry | undefined])[] | undefined
}

interface PendingSeal {
  readonly segment: Segment
  readonly nextOffset: number
  readonly snapshot: Buffer
}

interface FoundBatch {
  readonly position: number
  readonly size: number
  readonly baseOffset: number
  readonly nextOffset: number
}

/** One sync round's share of a log. */
export interface FlushJob {
  readonly log: Log
  readonly upTo: number
  readonly files: readonly PooledFile[]
  /** Folder whose new names must be durable before the bytes behind them count. */
  readonly directory: string | undefined
  readonly segments: readonly Segment[]
}

const nothing = () => {}
const isMissing = (error: unknown) => error instanceof DiskError && error.code === "ENOENT"

export class Log implements HotBufferOwner {
  readonly topic: string
  readonly partition: number
  readonly topicId: Uuid
  readonly epochs: LeaderEpochCache
  readonly producers: ProducerState
  listener: LogListener = silentListener

  #home: LogHome
  #path: string
  #config: LogConfig
  #segments: Segment[]
  #logStartOffset: number
  #logEndOffset: number
  #writtenOffset: number
  #flushedOffset: number
  #highWatermark: number
  #offlineReason: string | undefined
  #closing = false
  /** Above zero while something must not be disturbed by appends. */
  #appendsHeld = 0

  /** Appends whose bytes are not in the file yet, in order; the first `#inFlight` of them are on their way. */
  #pending: PendingAppend[] = []
  #writing = false
  #writeWaiters: (() => void)[] = []
  /** Buffers in memory by offset, the oldest at `#hotHead`. */
  #hot: HotBuffer[] = []
  #hotHead = 0

  /** Segments with bytes in the page cache only, each with the hold that keeps its file open until they are synced. */
  #unsynced = new Map<Segment, PooledFile>()
  #flushWaiters: { upTo: number; settle: (flushed: boolean) => void }[] = []
  #unflushedSinceMs = -1

  #preparedRecoveryPoint: number
  #seals: PendingSeal[] = []
  /** Tail of the chain of background work: one piece at a time. */
  #work: Promise<void> = Promise.resolve()

  constructor(home: LogHome, state: LogState) {
    this.topic = state.topic
    this.partition = state.partition
    this.topicId = state.topicId
    this.epochs = state.epochs
    this.producers = state.producers
    this.#home = home
    this.#path = state.path
    this.#config = state.config
    this.#segments = state.segments
    this.#logStartOffset = state.logStartOffset
    this.#logEndOffset = state.logEndOffset
    this.#writtenOffset = state.logEndOffset
    this.#flushedOffset = state.logEndOffset
    this.#preparedRecoveryPoint = state.recoveryPoint
    this.#highWatermark = Math.max(state.logStartOffset, Math.min(state.highWatermark, state.logEndOffset))
    invariant(state.segments.length > 0, "a log has an active segment, always")
  }

  get name(): string {
    return topicPartitionName(this.topic, this.partition)
  }

  /** Folder of this partition. */
  get path(): string {
    return this.#path
  }

  get config(): LogConfig {
    return this.#config
  }

  set config(config: LogConfig) {
    this.#config = config
  }

  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** Offset of the next record; below it everything is at least in memory. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  /** Below it everything is in the file, though maybe only in the page cache. */
  get writtenOffset(): number {
    return this.#writtenOffset
  }

  /** Below it everything survives a power cut. */
  get flushedOffset(): number {
    return this.#flushedOffset
  }

  get highWatermark(): number {
    return this.#highWatermark
  }

  /** Told by replication, which alone knows; never beyond the end. */
  updateHighWatermark(offset: number): void {
    this.#highWatermark = Math.max(this.#logStartOffset, Math.min(offset, this.#logEndOffset))
  }

  /** Why the log serves nothing, undefined while it does. */
  get offlineReason(): string | undefined {
    return this.#offlineReason
  }

  get segmentCount(): number {
    return this.#segments.length
  }

  get baseOffsets(): number[] {
    return this.#segments.map((segment) => segment.baseOffset)
  }

  get latestEpoch(): number {
    return this.epochs.latestEpoch
  }

  /** Where the log may be scanned from after a crash: below it, bytes and indexes are on the medium. */
  get recoveryPoint(): number {
    const unfinished = this.#segments.find((segment) => segment.sealed && !segment.indexesDurable)
    return unfinished ? Math.min(this.#flushedOffset, unfinished.baseOffset) : this.#flushedOffset
  }

  get #active(): Segment {
    return this.#segments[this.#segments.length - 1]!
  }

  get #gapless(): boolean {
    return !this.#config.cleanupPolicy.compact
  }

  /**
   * Appends validated batches. Decides at once; bytes reach the file and the medium later, told by `onAdvance`.
   *
   * Shape:  `bytes` holds one or more whole v2 batches (exactly one from a client); base offset and leader epoch are overwritten unless they
   *         come by replication. The buffer belongs to the log until `release` runs.
   * Errors: OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, RECORD_LIST_TOO_LARGE, KAFKA_STORAGE_ERROR (offline, full, or being
   *         truncated), OFFSET_OUT_OF_RANGE (replicated batches that do not continue the log). Nothing was appended then.
   */
  append(bytes: Buffer, options: AppendOptions): AppendResult {
    const { origin, release } = options
    const refuse = (error: number, message: string): AppendResult => {
      release?.()
      return { ok: false, error, message }
    }
    if (this.#offlineReason !== undefined) return refuse(Errors.KAFKA_STORAGE_ERROR, this.#offlineReason)
    if (this.#closing || this.#appendsHeld > 0)
      return refuse(Errors.KAFKA_STORAGE_ERROR, `${this.name} does not take appends now`)
    if (this.#home.full) return refuse(Errors.KAFKA_STORAGE_ERROR, "the log directory is full")
    if (bytes.length > this.#config.segmentBytes) {
      if (batchBytes(bytes) < bytes.length) return this.#appendOneByOne(bytes, options)
      if (origin !== "replication")
        return refuse(
          Errors.RECORD_LIST_TOO_LARGE,
          `${bytes.length} bytes do not fit into a segment of ${this.#config.segmentBytes}`,
        )
    }

    let nextOffset = this.#logEndOffset
    let maxTimestamp = -1
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      invariant(bytes.length - at >= batchHeaderBytes, "an append was not validated: a cut header")
      if (origin !== "replication") {
        setBatchBaseOffset(bytes, at, nextOffset)
        setBatchLeaderEpoch(bytes, at, options.leaderEpoch)
      } else if (batchBaseOffset(bytes, at) < nextOffset)
        return refuse(
          Errors.OFFSET_OUT_OF_RANGE,
          `${this.name} ends at ${nextOffset}, a replicated batch starts at ${batchBaseOffset(bytes, at)}`,
        )
      const problem = headerProblem(bytes, at, bytes.length - at, nextOffset, false)
      invariant(problem === undefined, `an append was not validated: ${problem}`)
      nextOffset = batchLastOffset(bytes, at) + 1
      const timestamp = batchMaxTimestamp(bytes, at)
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
    }
    if (origin === "client" && !isControlBatch(bytes)) {
      invariant(
        batchBytes(bytes) === bytes.length,
        "a client's append holds one batch, so that it is refused as a whole",
      )
      const check = this.producers.check(bytes)
      if (check.kind === "error") return refuse(check.error, check.message)
      if (check.kind === "duplicate") {
        release?.()
        return {
          ok: true,
          baseOffset: check.baseOffset,
          lastOffset: check.lastOffset,
          logAppendTimeMs: batchAttributes(bytes) & attributeBits.logAppendTime ? check.timestamp : -1,
          duplicate: true,
        }
      }
    }

    const baseOffset = batchBaseOffset(bytes)
    const lastOffset = nextOffset - 1
    if (this.#active.shouldRoll(this.#config, bytes.length, lastOffset, maxTimestamp, options.nowMs))
      this.#rollTo(baseOffset, options.nowMs)
    const segment = this.#active
    const mark = segment.mark()
    segment.append(bytes, this.#config.indexIntervalBytes)
    const epochsBefore = this.#takeInEpochs(bytes)
    const producersBefore = this.#takeInProducers(bytes)
    const buffer = new HotBuffer(this, bytes, baseOffset, nextOffset, options.retainedBytes ?? bytes.length, release)
    this.#pending.push({ buffer, segment, mark, epochsBefore, producersBefore })
    this.#hot.push(buffer)
    this.#logEndOffset = nextOffset
    this.#startWrite()
    return {
      ok: true,
      baseOffset,
      lastOffset,
      logAppendTimeMs: batchAttributes(bytes) & attributeBits.logAppendTime ? maxTimestamp : -1,
      duplicate: false,
    }
  }

  /** A run of batches larger than a segment is spread over several. */
  #appendOneByOne(bytes: Buffer, options: AppendOptions): AppendResult {
    let parts = 1
    const release = () => {
      if (--parts === 0) options.release?.()
    }
    let first = -1
    let result: AppendResult | undefined
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      parts++
      const part = bytes.subarray(at, at + batchBytes(bytes, at))
      result = this.append(part, { ...options, release })
      if (!result.ok) break
      if (first < 0) first = result.baseOffset
    }
    release()
    invariant(result !== undefined, "an append without a batch")
    // What was appended before a refusal stays: it is a valid prefix, and replication asks again from the log's end.
    return result.ok ? { ...result, baseOffset: first } : result
  }

  #takeInEpochs(bytes: Buffer): readonly EpochEntry[] | undefined {
    let before: readonly EpochEntry[] | undefined
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      const epoch = batchLeaderEpoch(bytes, at)
      if (epoch <= this.epochs.latestEpoch) continue
      before ??= [...this.epochs.entries]
      this.epochs.assign(epoch, batchBaseOffset(bytes, at))
    }
    return before
  }

  #takeInProducers(bytes: Buffer): (readonly [number, ProducerEntry | undefined])[] | undefined {
    let before: (readonly [number, ProducerEntry | undefined])[] | undefined
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      const producerId = batchProducerId(bytes, at)
      if (producerId < 0) continue
      before ??= []
      before.push([producerId, this.producers.record(bytes, at)])
    }
    return before
  }

  /** The segment ends here and one that starts at `baseOffset` takes over. The file is made by its first write. */
  #rollTo(baseOffset: number, nowMs: number): void {
    const full = this.#active
    full.seal()
    this.#seals.push({ segment: full, nextOffset: baseOffset, snapshot: this.producers.encodeSnapshot() })
    this.#segments.push(this.#newSegment(baseOffset, nowMs))
  }

  #newSegment(baseOffset: number, nowMs: number): Segment {
    const jitterMs = this.#config.segmentJitterMs > 0 ? this.#home.env.random.int(this.#config.segmentJitterMs + 1) : 0
    return new Segment(baseOffset, nowMs, jitterMs).startEmpty()
  }

  // Nothing below decides about records: it moves what was decided to the disk.

  #startWrite(): void {
    if (this.#writing || this.#pending.length === 0 || this.#offlineReason !== undefined) return
    this.#writing = true
    const segment = this.#pending[0]!.segment
    const buffers: Buffer[] = []
    let bytes = 0
    for (const append of this.#pending) {
      if (append.segment !== segment || buffers.length === writeBuffersMax) break
      if (bytes > 0 && bytes + append.buffer.bytes.length > writeBytesMax) break
      buffers.push(append.buffer.bytes)
      bytes += append.buffer.bytes.length
    }
    const write = (pooled: PooledFile) =>
      pooled.file.write(buffers, segment.writtenBytes).then(
        () => this.#written(segment, pooled, buffers.length, bytes),
        (error: unknown) => this.#writeFailed(error, segment, pooled, bytes),
      )
    const open = this.#home.files.acquireOpen(segment)
    if (open !== undefined) write(open)
    else
      this.#home.files
        .acquire(segment, () => this.#open(segment, true))
        .then(write, (error: unknown) => this.#writeFailed(error, segment, undefined, bytes))
  }

  #open(segment: Segment, create = false): Promise<File> {
    return this.#home.env.disk.open(`${this.#path}/${segment.fileName(segmentSuffixes.log)}`, { create })
  }

  #written(segment: Segment, pooled: PooledFile, count: number, bytes: number): void {
    this.#writing = false
    // Only now: a sync round that began during the write need not have covered it, so the file must be in the next one.
    if (this.#offlineReason !== undefined || this.#unsynced.has(segment)) pooled.release()
    else this.#unsynced.set(segment, pooled)
    if (this.#offlineReason !== undefined) {
      this.#dropMemory()
      return
    }
    segment.writtenBytes += bytes
    const done = this.#pending.splice(0, count)
    this.#writtenOffset = done[count - 1]!.buffer.nextOffset
    for (const { buffer } of done) this.#home.hotCache.admit(buffer)
    if (this.#seals.length > 0 && this.#seals[0]!.segment.writtenBytes === this.#seals[0]!.segment.size)
      this.#startSeals()
    this.#scheduleSync()
    this.#startWrite()
    this.#wakeWriteWaiters()
    this.listener.onAdvance(this)
  }

  #scheduleSync(): void {
    const { flushPolicy, flushMessages, flushMs } = this.#config
    if (flushPolicy === "flush" || this.#writtenOffset - this.#flushedOffset >= flushMessages) {
      this.#home.wantsSync(this)
      return
    }
    if (this.#unflushedSinceMs >= 0 || flushMs > 2 ** 31) return
    const { clock, timers } = this.#home.env
    this.#unflushedSinceMs = clock.monotonicMs()
    timers.after(flushMs, () => {
      this.#unflushedSinceMs = -1
      if (this.#writtenOffset > this.#flushedOffset) this.#home.wantsSync(this)
    })
  }

  #writeFailed(error: unknown, segment: Segment, pooled: PooledFile | undefined, bytes: number): void {
    if (this.#offlineReason === undefined && isShortage(error)) {
      this.#undoUnwritten()
      this.#home.reportFull(error, bytes)
      // A part of the failed write may be in the file: it must not lie between what is there and what comes next.
      const cut = pooled === undefined ? Promise.resolve() : pooled.file.truncate(segment.writtenBytes)
      cut.then(
        () => {
          pooled?.release()
          this.#writing = false
          this.#startWrite()
          this.#wakeWriteWaiters()
        },
        (failure: unknown) => this.#giveUp(failure, pooled),
      )
      return
    }
    this.#giveUp(error, pooled)
  }

  #giveUp(error: unknown, pooled: PooledFile | undefined): void {
    pooled?.release()
    this.#writing = false
    if (this.#offlineReason === undefined) this.#home.fail(error)
    else this.#dropMemory()
  }

  /** Offline, and no write needs the buffers any more. */
  #dropMemory(): void {
    this.#pending = []
    this.#dropHotFrom(-1)
    this.#wakeWriteWaiters()
  }

  /** Takes back every append that is not in the file, newest first, and tells those who wait. */
  #undoUnwritten(): void {
    const first = this.#pending[0]!.segment
    for (const append of this.#pending.reverse()) {
      for (const [producerId, entry] of [...(append.producersBefore ?? [])].reverse())
        this.producers.restore(producerId, entry)
      if (append.epochsBefore) this.epochs.restore(append.epochsBefore)
      append.segment.rewind(append.mark)
      invariant(this.#hot.pop() === append.buffer, "appends are kept in memory in the order they came")
    }
    const undone = this.#pending
    this.#pending = []
    this.#segments = this.#segments.slice(0, this.#segments.indexOf(first) + 1)
    this.#seals = this.#seals.filter((seal) => seal.segment.sealed)
    this.#logEndOffset = this.#writtenOffset
    this.#highWatermark = Math.min(this.#highWatermark, this.#logEndOffset)
    for (const { buffer } of undone) buffer.letGo()
    this.listener.onAppendsLost(this, this.#logEndOffset)
  }

  #wakeWriteWaiters(): void {
    const waiters = this.#writeWaiters
    this.#writeWaiters = []
    for (const wake of waiters) wake()
  }

  /** When it resolves, what was appended before the call is in the file, or was taken back, or the log is offline. */
  async written(): Promise<void> {
    const upTo = this.#logEndOffset
    while (this.#writing && this.#writtenOffset < upTo && this.#offlineReason === undefined)
      await new Promise<void>((resolve) => this.#writeWaiters.push(resolve))
  }

  /** When it resolves, what was appended before the call is on the medium (true), or the log went offline or took it back (false). */
  async flush(): Promise<boolean> {
    const upTo = this.#logEndOffset
    await this.written()
    const target = Math.min(upTo, this.#writtenOffset)
    if (this.#offlineReason !== undefined) return false
    if (this.#flushedOffset < target) {
      const flushed = await new Promise<boolean>((settle) => {
        this.#flushWaiters.push({ upTo: target, settle })
        this.#home.wantsSync(this)
      })
      if (!flushed) return false
    }
    return target === upTo
  }

  /** For the sync round: what must be synced so that `upTo` counts as flushed. */
  beginFlush(): FlushJob {
    const segments = [...this.#unsynced.keys()]
    const files = [...this.#unsynced.values()]
    this.#unsynced.clear()
    // Under the next write the file is opened (shared) again; the round's holds are its own.
    const directory = segments.some((segment) => !segment.nameDurable) ? this.#path : undefined
    return { log: this, upTo: this.#writtenOffset, files, directory, segments }
  }

  /** The round is over: everything in the job is on the medium. */
  completeFlush(job: FlushJob): void {
    for (const pooled of job.files) pooled.release()
    for (const segment of job.segments) segment.nameDurable = true
    if (this.#offlineReason !== undefined) return
    this.#flushedOffset = Math.max(this.#flushedOffset, Math.min(job.upTo, this.#writtenOffset))
    const waiting = this.#flushWaiters
    this.#flushWaiters = []
    for (const waiter of waiting)
      if (waiter.upTo <= this.#flushedOffset) waiter.settle(true)
      else this.#flushWaiters.push(waiter)
    this.listener.onAdvance(this)
  }

  /** The directory failed, or the log was found damaged: from now on everything is answered with KAFKA_STORAGE_ERROR. */
  goOffline(reason: string): void {
    if (this.#offlineReason !== undefined) return
    this.#offlineReason = reason
    for (const waiter of this.#flushWaiters.splice(0)) waiter.settle(false)
    if (!this.#writing) this.#dropMemory()
    this.#wakeWriteWaiters()
    for (const pooled of this.#unsynced.values()) pooled.release()
    this.#unsynced.clear()
    this.listener.onOffline(this, reason)
  }

  // Reading.

  /**
   * Whole batches from the one that holds `offset` on, from memory at once or from a file later.
   *
   * Shape:  nothing behind a header is decoded; the first batch may start below `offset`.
   * Units:  offsets; `maxOffset` and `nextOffset` are exclusive.
   * Errors: OFFSET_OUT_OF_RANGE, KAFKA_STORAGE_ERROR (offline), CORRUPT_MESSAGE (what is in the file is not what was written).
   */
  read(offset: number, options: ReadOptions): ReadResult | Promise<ReadResult> {
    if (this.#offlineReason !== undefined) return storageError(this.#offlineReason)
    if (offset < this.#logStartOffset || offset > this.#logEndOffset)
      return {
        ok: false,
        error: Errors.OFFSET_OUT_OF_RANGE,
        message: `offset ${offset} is outside [${this.#logStartOffset}, ${this.#logEndOffset}] of ${this.name}`,
      }
    const limit = Math.min(options.maxOffset ?? this.#logEndOffset, this.#logEndOffset)
    if (offset >= limit) return emptyRead(offset)
    const minOne = options.minOneMessage ?? true
    return (
      this.#readFromMemory(offset, limit, options.maxBytes, minOne) ??
      this.#readFromFile(offset, limit, options.maxBytes, minOne)
    )
  }

  #readFromMemory(offset: number, limit: number, maxBytes: number, minOne: boolean): ReadResult | undefined {
    let low = this.#hotHead
    let high = this.#hot.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#hot[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    let slot = low - 1
    if (slot < this.#hotHead) return undefined
    const payloads: Buffer[] = []
    const held: HotBuffer[] = []
    let bytes = 0
    let nextOffset = offset
    for (; slot < this.#hot.length; slot++) {
      const buffer = this.#hot[slot]!
      let at = 0
      if (nextOffset > buffer.baseOffset)
        while (at < buffer.bytes.length && batchLastOffset(buffer.bytes, at) < nextOffset)
          at += batchBytes(buffer.bytes, at)
      const from = at
      while (at < buffer.bytes.length) {
        const size = batchBytes(buffer.bytes, at)
        const fits = bytes + size <= maxBytes || (minOne && bytes === 0)
        const lastOffset = batchLastOffset(buffer.bytes, at)
        if (!fits || lastOffset >= limit) break
        bytes += size
        at += size
        nextOffset = lastOffset + 1
      }
      if (at > from) {
        payloads.push(from === 0 && at === buffer.bytes.length ? buffer.bytes : buffer.bytes.subarray(from, at))
        buffer.hold()
        held.push(buffer)
      }
      if (at < buffer.bytes.length) break
    }
    let released = false
    return {
      ok: true,
      payloads,
      bytes,
      nextOffset,
      fromMemory: true,
      release() {
        invariant(!released, "the result of a read was released twice")
        released = true
        for (const buffer of held) buffer.letGo()
      },
    }
  }

  async #readFromFile(offset: number, limit: number, maxBytes: number, minOne: boolean): Promise<ReadResult> {
    let wanted = offset
    let indexRebuilt = false
    for (;;) {
      const slot = floorSegment(this.#segments, wanted)
      const segment = this.#segments[slot]
      if (segment === undefined || offset < this.#logStartOffset)
        return { ok: false, error: Errors.OFFSET_OUT_OF_RANGE, message: `offset ${offset} was deleted meanwhile` }
      let pooled: PooledFile | undefined
      try {
        pooled = await this.#home.files.acquire(segment, () => this.#open(segment))
        const index = await this.#offsetIndex(segment, pooled.file)
        const end = segment.writtenBytes
        const from = index.positionFor(wanted)
        const found: FoundBatch[] = []
        const scan = await scanBatches(
          pooled.file,
          { from, end, fromOffset: segment.baseOffset, chunkBytes: readScanBytes },
          (bytes, at, position, size) => {
            if (batchLastOffset(bytes, at) < wanted) return true
            const baseOffset = batchBaseOffset(bytes, at)
            found.push({ position, size, baseOffset, nextOffset: batchLastOffset(bytes, at) + 1 })
            return false
          },
        )
        const first = found[0]
        const misled =
          from > 0 &&
          (scan.problem !== undefined || (first !== undefined && first.position === from && first.baseOffset > wanted))
        if (misled && !indexRebuilt) {
          indexRebuilt = true
          this.#home.env.log.log("warn", "offset index does not fit its log, rebuilding it", {
            log: this.name,
            segment: segment.baseOffset,
          })
          await this.#rebuildIndexes(segment, pooled.file)
          pooled.release()
          continue
        }
        if (scan.problem !== undefined) {
          pooled.release()
          return this.#corrupt(segment, scan.position, scan.problem)
        }
        if (first === undefined) {
          pooled.release()
          const next = this.#segments[this.#segments.indexOf(segment) + 1]
          if (next === undefined || next.baseOffset >= limit) return emptyRead(offset)
          if (this.#gapless && next.baseOffset !== scan.nextOffset)
            return this.#corrupt(
              segment,
              scan.position,
              `records from ${scan.nextOffset} to ${next.baseOffset} are missing`,
            )
          wanted = next.baseOffset
          continue
        }
        if (first.nextOffset > limit || (first.size > maxBytes && !minOne)) {
          pooled.release()
          return emptyRead(offset)
        }
        const last = await this.#lastBatch(index, pooled.file, first, end, limit, maxBytes)
        const hold = pooled
        return {
          ok: true,
          payloads: [{ file: hold.file, position: first.position, length: last.position - first.position }],
          bytes: last.position - first.position,
          nextOffset: last.nextOffset,
          fromMemory: false,
          release: once(() => hold.release()),
        }
      } catch (error) {
        pooled?.release()
        if (isMissing(error) && !this.#segments.includes(segment)) continue
        if (this.#offlineReason !== undefined) return storageError(this.#offlineReason)
        if (isMissing(error)) return this.#corrupt(segment, 0, "its file is missing")
        this.#readFailed(error)
        return storageError(String(error))
      }
    }
  }

  /** Where the run of batches that starts with `first` ends, under the limits: a batch boundary, checked by reading the header before it. */
  async #lastBatch(
    index: OffsetIndex,
    file: File,
    first: FoundBatch,
    end: number,
    limit: number,
    maxBytes: number,
  ): Promise<{ position: number; nextOffset: number }> {
    const firstEnd = { position: first.position + first.size, nextOffset: first.nextOffset }
    const positionMax = Math.min(end, first.position + maxBytes)
    if (firstEnd.position + batchHeaderBytes > positionMax) return firstEnd
    const from = Math.max(
      firstEnd.position,
      Math.min(index.batchStartAtMost(positionMax), index.positionFor(limit - 1)),
    )
    let declined = -1
    const scan = await scanBatches(
      file,
      { from, end, fromOffset: first.nextOffset, chunkBytes: readScanBytes },
      (bytes, at, position, size) => {
        if (batchLastOffset(bytes, at) < limit && position + size <= positionMax) return true
        declined = batchBaseOffset(bytes, at)
        return false
      },
    )
    // A fault behind good batches is reported to whoever asks for it; the index is not believed without a header at its word.
    if (scan.position > from) return { position: scan.position, nextOffset: scan.nextOffset }
    return declined < 0 ? firstEnd : { position: from, nextOffset: declined }
  }

  #readFailed(error: unknown): void {
    this.#home.env.log.log("error", "reading a log failed", { log: this.name, error: String(error) })
    // EMFILE and the like pass; an error of the medium does not.
    if (error instanceof DiskError && error.code === "EIO") this.#home.fail(error)
    else if (!(error instanceof DiskError)) throw error
  }

  #corrupt(segment: Segment, position: number, problem: string): ReadResult {
    const message = `${this.name}: segment ${segmentName(segment.baseOffset)} is damaged at byte ${position}: ${problem}`
    this.#home.env.log.log("error", message)
    return { ok: false, error: Errors.CORRUPT_MESSAGE, message }
  }

  /** Indexes of a segment from memory, else from their files if these can be believed, else from the log itself. */
  async #offsetIndex(segment: Segment, file: File): Promise<OffsetIndex> {
    await this.#loadIndexes(segment, file)
    this.#home.indexCache.touch(segment)
    return segment.offsetIndex!
  }

  async #loadIndexes(segment: Segment, file: File): Promise<void> {
    if (segment.offsetIndex !== undefined && segment.timeIndex !== undefined) return
    if (segment.size < 0) {
      segment.size = await file.size()
      segment.writtenBytes = segment.size
    }
    const next = this.#segments[this.#segments.indexOf(segment) + 1]
    const endOffset = next?.baseOffset ?? this.#writtenOffset
    const [offsets, times] = await Promise.all([
      this.#readIndexFile(segment, segmentSuffixes.offsetIndex),
      this.#readIndexFile(segment, segmentSuffixes.timeIndex),
    ])
    if (segment.offsetIndex !== undefined) return
    const offsetIndex = offsets && OffsetIndex.parse(segment.baseOffset, offsets, segment.size)
    const timeIndex = times && TimeIndex.parse(segment.baseOffset, times, endOffset)
    if (
      offsetIndex === undefined ||
      timeIndex === undefined ||
      offsetIndex.lastOffset >= Math.max(endOffset, segment.baseOffset + 1)
    ) {
      this.#home.env.log.log("info", "rebuilding the indexes of a segment", {
        log: this.name,
        segment: segment.baseOffset,
      })
      await this.#rebuildIndexes(segment, file)
      return
    }
    segment.offsetIndex = offsetIndex
    segment.timeIndex = timeIndex
    if (!segment.timestampKnown) {
      segment.maxTimestamp = timeIndex.last?.timestamp ?? -1
      segment.maxTimestampOffset = timeIndex.last?.offset ?? -1
      segment.timestampKnown = true
    }
  }

  async #readIndexFile(segment: Segment, suffix: string): Promise<Buffer | undefined> {
    try {
      return await this.#home.env.disk.readFile(`${this.#path}/${segment.fileName(suffix)}`, indexFileBytesMax)
    } catch (error) {
      if (error instanceof DiskError && (error.code === "ENOENT" || error.code === "EFBIG")) return undefined
      throw error
    }
  }

  /** Builds what the log says into memory; the files are replaced when the segment's indexes are next persisted. */
  async #rebuildIndexes(segment: Segment, file: File): Promise<void> {
    const rebuilt = new Segment(segment.baseOffset, segment.createdMs, 0).startEmpty()
    await scanBatches(
      file,
      { from: 0, end: segment.writtenBytes, fromOffset: segment.baseOffset },
      (bytes, at, _, size) => {
        rebuilt.appendBatch(bytes, at, size, this.#config.indexIntervalBytes)
        return true
      },
    )
    if (segment.sealed) rebuilt.seal()
    segment.offsetIndex = rebuilt.offsetIndex
    segment.timeIndex = rebuilt.timeIndex
    segment.persistedOffsetEntries = 0
    segment.persistedTimeEntries = 0
    if (!segment.timestampKnown) {
      segment.maxTimestamp = rebuilt.maxTimestamp
      segment.maxTimestampOffset = rebuilt.maxTimestampOffset
      segment.timestampKnown = true
    }
    if (segment.sealed)
      await persistIndexes(this.#home.env.disk, this.#path, segment).catch((error: unknown) =>
        this.#home.env.log.log("warn", "a rebuilt index could not be written", {
          log: this.name,
          error: String(error),
        }),
      )
  }

  evicted(buffer: HotBuffer): void {
    invariant(this.#hot[this.#hotHead] === buffer, "buffers of a log are let go in the order they were written")
    this.#hot[this.#hotHead++] = undefined as unknown as HotBuffer
    if (this.#hotHead > 64 && this.#hotHead * 2 > this.#hot.length) {
      this.#hot.splice(0, this.#hotHead)
      this.#hotHead = 0
    }
    buffer.letGo()
  }

  #dropHotFrom(offset: number): void {
    while (this.#hot.length > this.#hotHead && this.#hot.at(-1)!.nextOffset > offset) {
      const buffer = this.#hot.pop()!
      this.#home.hotCache.remove(buffer)
      buffer.letGo()
    }
  }

  // Time and epochs.

  /** The first record whose timestamp is at least `timestamp`, exact to the record; undefined when there is none. */
  async offsetForTimestamp(timestamp: number): Promise<TimestampedOffset | undefined> {
    await this.written()
    return this.#serially(async () => {
      for (const segment of [...this.#segments]) {
        if (!this.#segments.includes(segment)) continue
        const found = await this.#findInSegment(segment, timestamp)
        if (found !== undefined) return found
      }
      return undefined
    })
  }

  /** The first record with the largest timestamp in the log; undefined when the log is empty. */
  async maxTimestampOffset(): Promise<TimestampedOffset | undefined> {
    await this.written()
    return this.#serially(async () => {
      let best: { segment: Segment; timestamp: number } | undefined
      for (const segment of [...this.#segments]) {
        const timestamp = await this.#largestTimestamp(segment)
        if (timestamp >= 0 && (best === undefined || timestamp > best.timestamp)) best = { segment, timestamp }
      }
      return best && this.#findInSegment(best.segment, best.timestamp)
    })
  }

  /** Of the records that can be read: those below the log's start do not count, though their segment is still there. */
  async #largestTimestamp(segment: Segment): Promise<number> {
    if (!segment.timestampKnown) await this.#withFile(segment, (file) => this.#loadIndexes(segment, file))
    if (segment.baseOffset >= this.#logStartOffset || segment.size === 0) return segment.maxTimestamp
    return this.#withFile(segment, (file) =>
      largestTimestamp(file, segment.writtenBytes, segment.baseOffset, this.#logStartOffset),
    )
  }

  async #findInSegment(segment: Segment, timestamp: number): Promise<TimestampedOffset | undefined> {
    if (segment.timestampKnown && segment.maxTimestamp < timestamp) return undefined
    return this.#withFile(segment, async (file) => {
      await this.#loadIndexes(segment, file)
      if (segment.maxTimestamp < timestamp) return undefined
      const from = segment.offsetIndex!.positionFor(segment.timeIndex!.offsetBefore(timestamp))
      const found = await findTimestamp(
        file,
        from,
        segment.writtenBytes,
        segment.baseOffset,
        timestamp,
        this.#logStartOffset,
      )
      return found && { ...found, leaderEpoch: this.epochs.epochAt(found.offset) }
    })
  }

  async #withFile<T>(segment: Segment, use: (file: File) => Promise<T>): Promise<T> {
    const pooled = await this.#home.files.acquire(segment, () => this.#open(segment, segment === this.#active))
    try {
      return await use(pooled.file)
    } finally {
      pooled.release()
    }
  }

  /** Where leadership `epoch` ended here (KIP-101, KIP-279); (-1, -1) when the log does not know it. */
  endOffsetForEpoch(epoch: number): EpochEndOffset {
    return this.epochs.endOffsetFor(epoch, this.#logEndOffset)
  }

  /** A leadership of this replica begins at the log's end. */
  assignEpochStartOffset(epoch: number, startOffset: number): void {
    this.epochs.assign(epoch, startOffset)
  }

  // Background work: one piece at a time per log.

  #serially<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#work.then(task)
    this.#work = run.then(nothing, nothing)
    return run
  }

  /** As `#serially`, for work nobody waits for: no room is reported, anything else fails the directory. */
  #background(task: () => Promise<void>): void {
    this.#serially(async () => {
      if (this.#offlineReason !== undefined) return
      await task()
    }).catch((error: unknown) => this.#workFailed(error))
  }

  #workFailed(error: unknown): void {
    if (this.#offlineReason !== undefined) return
    if (isShortage(error)) this.#home.reportFull(error, 0)
    else this.#home.fail(error)
  }

  #startSeals(): void {
    this.#background(() => this.#sealWritten())
  }

  /**
   * Puts indexes and snapshot of rolled segments on the medium, oldest first. Only then may the recovery point pass them: a sealed segment
   * below it is never scanned.
   */
  async #sealWritten(): Promise<void> {
    while (this.#seals.length > 0) {
      const seal = this.#seals[0]!
      const { segment } = seal
      if (!segment.sealed || segment.writtenBytes !== segment.size) return
      await persistIndexes(this.#home.env.disk, this.#path, segment)
      await writeSnapshot(this.#home.env.disk, this.#path, seal.nextOffset, seal.snapshot)
      await this.#home.env.disk.syncDirectory(this.#path)
      if (this.#seals[0] !== seal) continue
      this.#seals.shift()
      segment.indexesDurable = true
      this.#home.indexCache.touch(segment)
      if (this.#config.flushPolicy === "replicated") this.#home.wantsSync(this)
    }
  }

  /**
   * Puts on the medium what a recovery point presupposes, and moves `checkpointRecoveryPoint` up to it: leader epochs of everything below it,
   * indexes of sealed segments, and as much of the active index as spares scanning.
   */
  prepareCheckpoint(): Promise<void> {
    return this.#serially(async () => {
      if (this.#offlineReason !== undefined) return
      try {
        await this.#sealWritten()
        const recoveryPoint = this.recoveryPoint
        await this.#persistEpochs()
        const active = this.#active
        if (active.offsetIndex!.entries > active.persistedOffsetEntries && active.nameDurable) {
          await persistIndexes(this.#home.env.disk, this.#path, active)
          await this.#home.env.disk.syncDirectory(this.#path)
        }
        this.#preparedRecoveryPoint = recoveryPoint
      } catch (error) {
        this.#workFailed(error)
      }
    })
  }

  /** The recovery point that may be written down now. */
  get checkpointRecoveryPoint(): number {
    return Math.min(this.#preparedRecoveryPoint, this.recoveryPoint)
  }

  async #persistEpochs(): Promise<void> {
    if (!this.epochs.dirty) return
    this.epochs.dirty = false
    try {
      await replaceFile(this.#home.env.disk, this.#path, leaderEpochFile, encodeLeaderEpochs(this.epochs.entries))
    } catch (error) {
      this.epochs.dirty = true
      throw error
    }
  }

  /** Starts a new segment at the log's end, unless the active one is empty. */
  roll(nowMs: number): void {
    if (this.#active.size === 0) return
    this.#rollTo(this.#logEndOffset, nowMs)
    const sealed = this.#seals[0]!.segment
    if (sealed.writtenBytes === sealed.size) this.#startSeals()
  }

  /**
   * Moves the log start offset up, for DeleteRecords and for followers of a leader that deleted. Never back. Whole segments below go with the
   * next retention round. False, and nothing changed, when the offset is above the high watermark (OFFSET_OUT_OF_RANGE).
   */
  maybeIncrementLogStartOffset(offset: number): boolean {
    if (offset > this.#highWatermark) return false
    if (offset > this.#logStartOffset) {
      this.#logStartOffset = offset
      this.epochs.truncateFromStart(offset)
    }
    return true
  }

  /** Deletes segments that retention no longer asks for. Resolves with their number when their names are gone. */
  deleteOldSegments(nowMs: number): Promise<number> {
    return this.#serially(async () => {
      if (this.#offlineReason !== undefined || this.#closing) return 0
      try {
        return await this.#deleteOldSegments(nowMs)
      } catch (error) {
        this.#workFailed(error)
        return 0
      }
    })
  }

  async #deleteOldSegments(nowMs: number): Promise<number> {
    const { retentionBytes, retentionMs, cleanupPolicy } = this.#config
    const unknownSizes = retentionBytes >= 0 && cleanupPolicy.delete
    if (unknownSizes) await this.#loadSizes()
    const known = new Map<Segment, number>()
    for (;;) {
      const segments = [...this.#segments]
      const plan = planRetention(
        segments.map((segment) => ({
          baseOffset: segment.baseOffset,
          size: Math.max(0, segment.size),
          // Not looked at yet: taken as new, then looked at if everything before it goes.
          maxTimestamp: segment.timestampKnown ? segment.maxTimestamp : Number.POSITIVE_INFINITY,
          modifiedMs: known.get(segment) ?? Number.POSITIVE_INFINITY,
        })),
        {
          retentionMs,
          retentionBytes,
          deleteByPolicy: cleanupPolicy.delete,
          logStartOffset: this.#logStartOffset,
          logEndOffset: this.#logEndOffset,
          highWatermark: this.#highWatermark,
          nowMs,
        },
      )
      const next = segments[plan.count]
      if (next !== undefined && cleanupPolicy.delete && retentionMs >= 0) {
        if (!next.timestampKnown) {
          await this.#withFile(next, (file) => this.#loadIndexes(next, file))
          continue
        }
        if (next.maxTimestamp < 0 && !known.has(next) && next.size !== 0) {
          const stat = await this.#home.env.disk.stat(`${this.#path}/${next.fileName(segmentSuffixes.log)}`)
          known.set(next, stat?.modifiedMs ?? nowMs)
          continue
        }
      }
      if (plan.count === 0) return 0
      if (plan.rollFirst) {
        if (this.#writtenOffset !== this.#logEndOffset) return 0
        this.#rollTo(this.#logEndOffset, nowMs)
        await this.#sealWritten()
      }
      const going = segments.slice(0, plan.count)
      const startOffset = this.#segments[plan.count]!.baseOffset
      if (startOffset > this.#logStartOffset) {
        this.#logStartOffset = startOffset
        this.epochs.truncateFromStart(startOffset)
      }
      // Names may go in any order in a power cut. With the start offset on the medium first, a gap below it is no gap in the log.
      await this.#home.checkpoint()
      if (plan.rollFirst) await this.#ensureActiveFile()
      await this.#removeSegments(going)
      return going.length
    }
  }

  async #loadSizes(): Promise<void> {
    for (const segment of [...this.#segments]) {
      if (segment.size >= 0) continue
      const stat = await this.#home.env.disk.stat(`${this.#path}/${segment.fileName(segmentSuffixes.log)}`)
      if (segment.size < 0) segment.size = segment.writtenBytes = stat?.size ?? 0
    }
  }

  /** Bytes of all segments. */
  sizeBytes(): Promise<number> {
    return this.#serially(async () => {
      await this.#loadSizes()
      return this.#segments.reduce((total, segment) => total + segment.size, 0)
    })
  }

  /** The file of the active segment exists and its name is durable, so that the log is never without one. */
  async #ensureActiveFile(): Promise<void> {
    await this.#withFile(this.#active, async () => {})
    await this.#home.env.disk.syncDirectory(this.#path)
    this.#active.nameDurable = true
  }

  /** Takes segments out of the log, renames their files, and unlinks them later: who is reading them keeps the open file. */
  async #removeSegments(going: readonly Segment[]): Promise<void> {
    const { disk, timers } = this.#home.env
    this.#segments = this.#segments.filter((segment) => !going.includes(segment))
    this.#seals = this.#seals.filter((seal) => !going.includes(seal.segment))
    const paths: string[] = []
    for (const segment of going) {
      this.#home.indexCache.forget(segment)
      const suffixes = Object.values(segmentSuffixes)
      const names = suffixes.map((suffix) => segment.fileName(suffix))
      segment.nameSuffix = deletedSuffix
      for (const name of names) {
        try {
          await disk.rename(`${this.#path}/${name}`, `${this.#path}/${name}${deletedSuffix}`)
          paths.push(`${this.#path}/${name}${deletedSuffix}`)
        } catch (error) {
          if (!isMissing(error)) throw error
        }
      }
      this.#unsynced.get(segment)?.release()
      this.#unsynced.delete(segment)
      this.#home.files.retire(segment)
    }
    await disk.syncDirectory(this.#path)
    timers.after(this.#config.fileDeleteDelayMs, () => {
      for (const path of paths) disk.unlink(path).catch(nothing)
    })
  }

  // Truncation.

  /**
   * Cuts the log so that it ends at `offset`, or at the start of the batch that holds it. Appends are refused meanwhile. When it resolves, a crash
   * cannot bring back what was cut. Rejects only if the directory failed.
   */
  async truncateTo(offset: number): Promise<void> {
    if (offset >= this.#logEndOffset) return
    if (offset < this.#segments[0]!.baseOffset) return this.truncateFullyAndStartAt(offset)
    await this.#exclusively(async () => {
      this.#flushedOffset = Math.min(this.#flushedOffset, offset)
      this.#highWatermark = Math.min(this.#highWatermark, offset)
      // The recovery point goes down first: once different records lie above it, no index entry of the old ones may be believed.
      await this.#home.checkpoint()
      const slot = floorSegment(this.#segments, offset)
      const segment = this.#segments[slot]!
      await this.#removeSegments(this.#segments.slice(slot + 1).reverse())
      await this.#withFile(segment, async (file) => {
        const kept = new Segment(segment.baseOffset, segment.createdMs, segment.jitterMs).startEmpty()
        if (segment.size < 0) segment.size = segment.writtenBytes = await file.size()
        const scan = await scanBatches(
          file,
          { from: 0, end: segment.writtenBytes, fromOffset: segment.baseOffset },
          (bytes, at, _, size) => {
            if (batchLastOffset(bytes, at) >= offset) return false
            kept.appendBatch(bytes, at, size, this.#config.indexIntervalBytes)
            return true
          },
        )
        await file.truncate(scan.position)
        await file.sync()
        segment.offsetIndex = kept.offsetIndex
        segment.timeIndex = kept.timeIndex
        segment.persistedOffsetEntries = 0
        segment.persistedTimeEntries = 0
        segment.rewind(kept.mark())
        segment.writtenBytes = scan.position
        segment.timestampKnown = true
        segment.indexesDurable = false
        this.#home.indexCache.forget(segment)
        this.#logEndOffset = scan.position === 0 ? segment.baseOffset : scan.nextOffset
      })
      this.#writtenOffset = this.#logEndOffset
      this.#flushedOffset = this.#logEndOffset
      this.#highWatermark = Math.min(this.#highWatermark, this.#logEndOffset)
      this.#logStartOffset = Math.min(this.#logStartOffset, this.#logEndOffset)
      this.#dropHotFrom(this.#logEndOffset)
      this.epochs.truncateFromEnd(this.#logEndOffset)
      await this.#persistEpochs()
      await removeSnapshotsAbove(this.#home.env.disk, this.#path, this.#logEndOffset)
      await this.#reloadProducers()
    })
    this.listener.onAdvance(this)
  }

  /** Drops everything and starts anew at `offset`: the leader no longer has what would have to come before. */
  async truncateFullyAndStartAt(offset: number): Promise<void> {
    await this.#exclusively(async () => {
      const going = [...this.#segments]
      // Everything may be cut by a recovery from here on: old records are of no use, and there is no order in which their names vanish.
      this.#flushedOffset = Math.min(this.#segments[0]!.baseOffset, offset)
      await this.#home.checkpoint()
      this.#dropHotFrom(-1)
      await this.#removeSegments(going.reverse())
      await removeSnapshotsAbove(this.#home.env.disk, this.#path, -1)
      this.#segments = [this.#newSegment(offset, this.#home.env.clock.wallMs())]
      this.#logStartOffset = offset
      this.#logEndOffset = offset
      this.#writtenOffset = offset
      this.#flushedOffset = offset
      this.#highWatermark = offset
      this.producers.clear()
      this.epochs.clear()
      await this.#persistEpochs()
      await this.#ensureActiveFile()
      await this.#home.checkpoint()
    })
    this.listener.onAdvance(this)
  }

  /** Runs alone: no append is taken, and everything appended before is on the medium. */
  async #exclusively(task: () => Promise<void>): Promise<void> {
    this.#appendsHeld++
    try {
      await this.flush()
      await this.#serially(task)
    } catch (error) {
      this.#workFailed(error)
      throw error
    } finally {
      this.#appendsHeld--
    }
  }

  async #reloadProducers(): Promise<void> {
    const loaded = await loadProducers(this.#home.env, this.#path, this.#logEndOffset, this.#segments, (segment, use) =>
      this.#withFile(segment, use),
    )
    this.producers.replaceWith(loaded)
  }

  /** Forgets producers that were idle for `expirationMs`. */
  expireProducers(nowMs: number, expirationMs: number): number {
    return this.producers.expire(nowMs, expirationMs)
  }

  /**
   * Stops appends and puts everything on the medium: bytes, indexes, epochs, and a producer snapshot at the end, so that the next open scans
   * nothing. False when that did not succeed.
   */
  async close(): Promise<boolean> {
    this.#closing = true
    const flushed = await this.flush()
    const closed = await this.#serially(async () => {
      if (this.#offlineReason !== undefined || !flushed) return false
      try {
        await this.#sealWritten()
        const active = this.#active
        if (active.maxTimestamp > 0) active.timeIndex?.maybeAppend(active.maxTimestamp, active.maxTimestampOffset)
        await this.#ensureActiveFile()
        await persistIndexes(this.#home.env.disk, this.#path, active)
        await this.#persistEpochs()
        await writeSnapshot(this.#home.env.disk, this.#path, this.#logEndOffset, this.producers.encodeSnapshot())
        await this.#home.env.disk.syncDirectory(this.#path)
        this.#preparedRecoveryPoint = this.recoveryPoint
        return true
      } catch (error) {
        this.#workFailed(error)
        return false
      }
    })
    this.releaseMemoryAndFiles()
    return closed
  }

  /** The folder is being taken away: stops everything without writing. When it resolves, nothing of this log touches the disk any more. */
  async abandon(reason: string): Promise<void> {
    this.#closing = true
    await this.written()
    await this.#serially(async () => this.goOffline(reason))
    this.releaseMemoryAndFiles()
  }

  releaseMemoryAndFiles(): void {
    this.#dropHotFrom(-1)
    for (const pooled of this.#unsynced.values()) pooled.release()
    this.#unsynced.clear()
    for (const segment of this.#segments) {
      this.#home.indexCache.forget(segment)
      this.#home.files.retire(segment)
    }
  }

  /** Runs a task with nothing else going on: no append is taken and none is on its way. */
  paused(task: () => Promise<void>): Promise<void> {
    return this.#exclusively(task)
  }

  /** The folder got another name. The caller renamed it, with nothing else going on in this log. */
  moved(path: string): void {
    this.#path = path
  }
}

/** Bytes read at a time to find a batch: an index interval and a header. */
export const readScanBytes = 4096 + 512
/** Largest index file that is believed: Kafka's bound on `segment.index.bytes` is an int, its default 10 MiB. */
const indexFileBytesMax = 256 * 1024 * 1024

const storageError = (message: string): ReadResult => ({ ok: false, error: Errors.KAFKA_STORAGE_ERROR, message })

function emptyRead(offset: number): ReadResult {
  return { ok: true, payloads: [], bytes: 0, nextOffset: offset, fromMemory: true, release: nothing }
}

function once(run: () => void): () => void {
  let done = false
  return () => {
    invariant(!done, "the result of a read was released twice")
    done = true
    run()
  }
}
