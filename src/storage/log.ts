/**
 * The log of one partition replica: appends, reads, truncation and deletion over its segments.
 *
 * Owns the decision what an append becomes (offsets, segment, producer state, epochs), made at once and in memory, and composes the parts that
 * move it to the disk and back. Not the decision who may append, nor the high watermark, which it is told.
 */
import { invariant } from "../base/assert.js"
import type { Uuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
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
import { Errors } from "../protocol/errors.js"
import { headerProblem } from "./batch-scan.js"
import { bufferOverheadBytes, HotBuffer } from "./hot-cache.js"
import type { EpochEndOffset, EpochEntry, LeaderEpochCache } from "./leader-epoch-cache.js"
import { LogCommon } from "./log-common.js"
import type {
  AppendOptions,
  AppendResult,
  FlushJob,
  LogHome,
  LogListener,
  LogState,
  ReadOptions,
  ReadResult,
} from "./log-contract.js"
import { LogMemory } from "./log-memory.js"
import { emptyRead, LogReader, storageError } from "./log-reader.js"
import { LogTruncation } from "./log-truncation.js"
import { LogWriter } from "./log-writer.js"
import type { ProducerEntry, ProducerState } from "./producer-state.js"
import { ReadPositions } from "./read-positions.js"
import { SegmentDeletion } from "./segment-deletion.js"
import { SegmentIndexes } from "./segment-indexes.js"
import { SegmentSeals } from "./segment-seals.js"
import { TimestampLookup } from "./timestamp-lookup.js"
import type { TimestampedOffset } from "./timestamp-search.js"

export * from "./log-contract.js"

export class Log {
  readonly #common: LogCommon
  readonly #memory: LogMemory
  readonly #seals: SegmentSeals
  readonly #writer: LogWriter
  readonly #reader: LogReader
  readonly #timestamps: TimestampLookup
  readonly #deletion: SegmentDeletion
  readonly #truncation: LogTruncation

  constructor(home: LogHome, state: LogState) {
    const common = new LogCommon(this, home, state)
    const indexes = new SegmentIndexes(common)
    const positions = new ReadPositions()
    this.#common = common
    this.#memory = new LogMemory(home.hotCache)
    this.#seals = new SegmentSeals(common, state.recoveryPoint)
    this.#writer = new LogWriter(common, this.#memory, this.#seals)
    this.#reader = new LogReader(common, indexes, positions)
    this.#timestamps = new TimestampLookup(common, indexes, this.#writer)
    this.#deletion = new SegmentDeletion(common, indexes, this.#seals, this.#writer, positions)
    this.#truncation = new LogTruncation(common, this.#memory, this.#writer, this.#seals, this.#deletion, positions)
  }

  get topic(): string {
    return this.#common.topic
  }

  get partition(): number {
    return this.#common.partition
  }

  get topicId(): Uuid {
    return this.#common.topicId
  }

  /** Its owner learned, and wrote down, which topic it belongs to. */
  assignTopicId(topicId: Uuid): void {
    this.#common.topicId = topicId
  }

  get epochs(): LeaderEpochCache {
    return this.#common.epochs
  }

  get producers(): ProducerState {
    return this.#common.producers
  }

  get listener(): LogListener {
    return this.#common.listener
  }

  set listener(listener: LogListener) {
    this.#common.listener = listener
  }

  get name(): string {
    return this.#common.name
  }

  /** Folder of this partition. */
  get path(): string {
    return this.#common.path
  }

  get config(): LogConfig {
    return this.#common.config
  }

  set config(config: LogConfig) {
    this.#common.config = config
  }

  get logStartOffset(): number {
    return this.#common.logStartOffset
  }

  /** Below it everything is gone for good: no restart brings it back. */
  get durableStartOffset(): number {
    return Math.min(this.#common.durableStartOffset, this.#common.logStartOffset)
  }

  /** The directory's checkpoint says so. */
  startIsDurable(offset: number): void {
    this.#common.durableStartOffset = offset
  }

  /** Offset of the next record; below it everything is at least in memory. */
  get logEndOffset(): number {
    return this.#common.logEndOffset
  }

  /** Below it everything is in the file, though maybe only in the page cache. */
  get writtenOffset(): number {
    return this.#common.writtenOffset
  }

  /** Below it everything survives a power cut. */
  get flushedOffset(): number {
    return this.#common.flushedOffset
  }

  get highWatermark(): number {
    return this.#common.highWatermark
  }

  /**
   * This log takes the place of `other`, which holds the same records: it knows of producers what that one does, also of those whose records are deleted there and were never here.
   * When it resolves no crash changes that. The caller has stopped appends to both.
   */
  async takeOverProducers(other: Log): Promise<void> {
    this.#common.producers.replaceWith(other.producers)
    await this.#common.serially(() => this.#seals.writeProducers())
  }

  /** How long a write has been on its way. */
  writeStalledMs(nowMs: number): number {
    return this.#writer.stalledMs(nowMs)
  }

  /** Told by replication, which alone knows; never beyond the end. */
  updateHighWatermark(offset: number): void {
    this.#common.highWatermark = Math.max(this.#common.logStartOffset, Math.min(offset, this.#common.logEndOffset))
  }

  /** Why the log serves nothing, undefined while it does. */
  get offlineReason(): string | undefined {
    return this.#common.offlineReason
  }

  /** Whether `append` would take a batch now, as far as this log is concerned. */
  get takesAppends(): boolean {
    const { offlineReason, closing, appendsHeld, home } = this.#common
    return offlineReason === undefined && !closing && appendsHeld === 0 && !home.full
  }

  get segmentCount(): number {
    return this.#common.segments.length
  }

  get baseOffsets(): number[] {
    return this.#common.segments.map((segment) => segment.baseOffset)
  }

  get latestEpoch(): number {
    return this.#common.epochs.latestEpoch
  }

  /** Where the log may be scanned from after a crash: below it, bytes and indexes are on the medium. */
  get recoveryPoint(): number {
    return this.#common.recoveryPoint
  }

  /** The recovery point that may be written down now. */
  get checkpointRecoveryPoint(): number {
    return this.#seals.checkpointRecoveryPoint
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
    if (this.#common.offlineReason !== undefined) return refuse(Errors.KAFKA_STORAGE_ERROR, this.#common.offlineReason)
    const refuseForNow = (message: string): AppendResult => {
      if (origin === "client") this.#common.producers.refuse(bytes)
      return refuse(Errors.KAFKA_STORAGE_ERROR, message)
    }
    if (this.#common.closing || this.#common.appendsHeld > 0)
      return refuseForNow(`${this.#common.name} does not take appends now`)
    if (this.#common.home.full) return refuseForNow("the log directory is full")
    if (bytes.length > this.#common.config.segmentBytes) {
      if (batchBytes(bytes) < bytes.length) return this.#appendOneByOne(bytes, options)
      if (origin !== "replication")
        return refuse(
          Errors.RECORD_LIST_TOO_LARGE,
          `${bytes.length} bytes do not fit into a segment of ${this.#common.config.segmentBytes}`,
        )
    }

    let nextOffset = this.#common.logEndOffset
    let maxTimestamp = -1
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      invariant(bytes.length - at >= batchHeaderBytes, "an append was not validated: a cut header")
      if (origin !== "replication") {
        setBatchBaseOffset(bytes, at, nextOffset)
        setBatchLeaderEpoch(bytes, at, options.leaderEpoch)
      } else if (batchBaseOffset(bytes, at) < nextOffset)
        return refuse(
          Errors.OFFSET_OUT_OF_RANGE,
          `${this.#common.name} ends at ${nextOffset}, a replicated batch starts at ${batchBaseOffset(bytes, at)}`,
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
      const check = this.#common.producers.check(bytes)
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
    if (this.#common.active.shouldRoll(this.#common.config, bytes.length, lastOffset, maxTimestamp, options.nowMs))
      this.#seals.rollTo(baseOffset, options.nowMs)
    const segment = this.#common.active
    const mark = segment.mark()
    segment.append(bytes, this.#common.config.indexIntervalBytes)
    const epochsBefore = this.#takeInEpochs(bytes)
    const producersBefore = this.#takeInProducers(bytes)
    const buffer = new HotBuffer(
      this.#memory,
      bytes,
      baseOffset,
      nextOffset,
      (options.retainedBytes ?? bytes.length) + bufferOverheadBytes,
      release,
      options.isCold,
    )
    this.#common.logEndOffset = nextOffset
    this.#writer.add({ buffer, segment, mark, epochsBefore, producersBefore })
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
      if (epoch <= this.#common.epochs.latestEpoch) continue
      before ??= [...this.#common.epochs.entries]
      this.#common.epochs.assign(epoch, batchBaseOffset(bytes, at))
    }
    return before
  }

  #takeInProducers(bytes: Buffer): (readonly [number, ProducerEntry | undefined])[] | undefined {
    let before: (readonly [number, ProducerEntry | undefined])[] | undefined
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      const producerId = batchProducerId(bytes, at)
      if (producerId < 0) continue
      before ??= []
      before.push([producerId, this.#common.producers.record(bytes, at)])
    }
    return before
  }

  /** When it resolves, what was appended before the call is in the file, or was taken back, or the log is offline. */
  written(): Promise<void> {
    return this.#writer.written()
  }

  /** When it resolves, what was appended before the call is on the medium (true), or the log went offline or took it back (false). */
  flush(): Promise<boolean> {
    return this.#writer.flush()
  }

  get unsyncedBytes(): number {
    return this.#writer.unsyncedBytes
  }

  /** For the sync round: what must be synced so that `upTo` counts as flushed. */
  beginFlush(): FlushJob {
    return this.#writer.beginFlush()
  }

  /** The round is over: everything in the job is on the medium. */
  completeFlush(job: FlushJob): void {
    this.#writer.completeFlush(job)
  }

  /** See `SegmentSeals.prepareCheckpoint`. */
  prepareCheckpoint(): Promise<void> {
    return this.#seals.prepareCheckpoint()
  }

  /**
   * Whole batches from the one that holds `offset` on, from memory at once or from a file later.
   *
   * Shape:  nothing behind a header is decoded; the first batch may start below `offset`.
   * Units:  offsets; `maxOffset` and `nextOffset` are exclusive.
   * Errors: OFFSET_OUT_OF_RANGE, KAFKA_STORAGE_ERROR (offline), CORRUPT_MESSAGE (what is in the file is not what was written).
   */
  read(offset: number, options: ReadOptions): ReadResult | Promise<ReadResult> {
    if (this.#common.offlineReason !== undefined) return storageError(this.#common.offlineReason)
    if (offset < this.#common.logStartOffset || offset > this.#common.logEndOffset)
      return {
        ok: false,
        error: Errors.OFFSET_OUT_OF_RANGE,
        message: `offset ${offset} is outside [${this.#common.logStartOffset}, ${this.#common.logEndOffset}] of ${this.#common.name}`,
      }
    const limit = Math.min(options.maxOffset ?? this.#common.logEndOffset, this.#common.logEndOffset)
    if (offset >= limit) return emptyRead(offset)
    const minOne = options.minOneMessage ?? true
    return (
      this.#memory.read(offset, limit, options.maxBytes, minOne) ??
      this.#reader.read(offset, limit, options.maxBytes, minOne)
    )
  }

  /** The first record whose timestamp is at least `timestamp`, exact to the record; undefined when there is none. */
  offsetForTimestamp(timestamp: number): Promise<TimestampedOffset | undefined> {
    return this.#timestamps.offsetForTimestamp(timestamp)
  }

  /** The first record with the largest timestamp in the log; undefined when the log is empty. */
  maxTimestampOffset(): Promise<TimestampedOffset | undefined> {
    return this.#timestamps.offsetForMaxTimestamp()
  }

  /** Where leadership `epoch` ended here (KIP-101, KIP-279); (-1, -1) when the log does not know it. */
  endOffsetForEpoch(epoch: number): EpochEndOffset {
    return this.#common.epochs.endOffsetFor(epoch, this.#common.logEndOffset)
  }

  /** A leadership of this replica begins at the log's end. */
  assignEpochStartOffset(epoch: number, startOffset: number): void {
    this.#common.epochs.assign(epoch, startOffset)
  }

  /**
   * Moves the log start offset up, for DeleteRecords and for followers of a leader that deleted. Never back. Whole segments below go with the
   * next retention round. False, and nothing changed, when the offset is above the high watermark (OFFSET_OUT_OF_RANGE).
   */
  maybeIncrementLogStartOffset(offset: number): boolean {
    if (offset > this.#common.highWatermark) return false
    if (offset > this.#common.logStartOffset) {
      this.#common.logStartOffset = offset
      this.#common.epochs.truncateFromStart(offset)
    }
    return true
  }

  /** Starts a new segment at the log's end, unless the active one is empty. */
  roll(nowMs: number): void {
    this.#seals.roll(nowMs)
  }

  /** Deletes segments that retention no longer asks for. Resolves with their number when their names are gone. */
  deleteOldSegments(nowMs: number): Promise<number> {
    return this.#deletion.deleteOldSegments(nowMs)
  }

  /** Bytes of all segments. */
  sizeBytes(): Promise<number> {
    return this.#deletion.sizeBytes()
  }

  /**
   * Cuts the log so that it ends at `offset`, or at the start of the batch that holds it. Appends are refused meanwhile. When it resolves, a crash
   * cannot bring back what was cut. Rejects only if the directory failed.
   */
  truncateTo(offset: number): Promise<void> {
    return this.#truncation.truncateTo(offset)
  }

  /** Drops everything and starts anew at `offset`: the leader no longer has what would have to come before. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    return this.#truncation.truncateFullyAndStartAt(offset)
  }

  /** The directory failed, or the log was found damaged: from now on everything is answered with KAFKA_STORAGE_ERROR. */
  goOffline(reason: string): void {
    if (this.#common.offlineReason !== undefined) return
    this.#common.offlineReason = reason
    this.#writer.stop()
    this.listener.onOffline(this, reason)
  }

  /** Forgets producers that were idle for `expirationMs`. */
  expireProducers(nowMs: number, expirationMs: number): number {
    return this.#common.producers.expire(nowMs, expirationMs)
  }

  /**
   * Stops appends and puts everything on the medium: bytes, indexes, epochs, and a producer snapshot at the end, so that the next open scans
   * nothing. False when that did not succeed.
   */
  async close(): Promise<boolean> {
    this.#common.closing = true
    const flushed = await this.flush()
    const closed = await this.#common.serially(async () => {
      if (this.#common.offlineReason !== undefined || !flushed) return false
      if (this.#isUntouched) return true
      try {
        await this.#deletion.ensureActiveFile()
        await this.#seals.sealAll()
        return true
      } catch (error) {
        this.#common.workFailed(error)
        return false
      }
    })
    this.releaseMemoryAndFiles()
    return closed
  }

  /** Nothing was ever written: the next open finds out all there is to know by the empty folder. */
  get #isUntouched(): boolean {
    const { active, segments, epochs } = this.#common
    return segments.length === 1 && active.baseOffset === 0 && active.size === 0 && !active.nameDurable && !epochs.dirty
  }

  /** The folder is being taken away: stops everything without writing. When it resolves, nothing of this log touches the disk any more. */
  async abandon(reason: string): Promise<void> {
    this.#common.closing = true
    await this.written()
    await this.#common.serially(async () => this.goOffline(reason))
    // Its folder is about to get another name: under the old one a sync would fail, and the directory with it.
    await this.#common.home.syncsNoMore(this.#common.log)
    this.releaseMemoryAndFiles()
  }

  releaseMemoryAndFiles(): void {
    this.#memory.dropFrom(-1)
    this.#writer.releaseFiles()
    for (const segment of this.#common.segments) {
      this.#common.home.indexCache.forget(segment)
      this.#common.home.files.retire(segment)
    }
  }

  /** Runs a task with nothing else going on: no append is taken and none is on its way. */
  paused(task: () => Promise<void>): Promise<void> {
    return this.#writer.exclusively(task)
  }

  /** The folder got another name. The caller renamed it, with nothing else going on in this log. */
  moved(path: string): void {
    this.#common.path = path
  }
}
