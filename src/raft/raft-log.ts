/**
 * `__cluster_metadata-0` on this node: the log, its snapshots, and the voters both name.
 *
 * Owns the way of records into the log, as leader or as follower, and out of it; whether this node may append is decided by `core.ts`. What a record means is not its business.
 * A batch of another node is taken only if it is whole, continues the log, and belongs to no later epoch than the one that was asked in.
 */
import { invariant } from "../base/assert.js"
import type { Offset, Uuid } from "../base/ids.js"
import { MalformedError } from "../base/reader.js"
import { defaultLogConfig } from "../config/log-config.js"
import { DiskError, type Env, isFileRegion, type Payload } from "../env/env.js"
import {
  batchBaseOffset,
  batchLastOffset,
  batchLeaderEpoch,
  batchMaxTimestamp,
  isControlBatch,
} from "../protocol/batch-header.js"
import { batchesIn, buildBatch, hasValidChecksum, recordsOf } from "../protocol/record-batch.js"
import {
  encodePartitionMetadata,
  partitionMetadataFile,
  readSmallFile,
  replaceFile,
} from "../storage/checkpoint-files.js"
import type { EpochEndOffset } from "../storage/leader-epoch-cache.js"
import type { Log } from "../storage/log.js"
import type { LogDirectory } from "../storage/log-directory.js"
import { openLog } from "../storage/open-log.js"
import type { LogView } from "./log-view.js"
import { bootstrapFile, decodeSnapshot, encodeSnapshot, type SnapshotId } from "./snapshot-file.js"
import { Snapshots } from "./snapshots.js"
import { kraftVersionControlRecord, VoterHistory, votersControlRecord } from "./voter-history.js"
import type { VoterSet } from "./voter-set.js"

export const metadataTopic = "__cluster_metadata"
/** The metadata log's fixed topic id (Kafka's Uuid.METADATA_TOPIC_ID). */
export const metadataTopicId: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ"
const readBytes = 1024 * 1024

/** The metadata log cannot be used, and nothing can start without it; the message says what is wrong. */
export class MetadataLogError extends Error {
  override name = "MetadataLogError"
}

/** One batch as it lies in the log. */
export interface AppendedBatch {
  /** Empty for a control batch. */
  readonly values: readonly Buffer[]
  readonly baseOffset: Offset
  readonly nextOffset: Offset
  readonly epoch: number
}

export interface AppendedRecords {
  readonly baseOffset: Offset
  readonly nextOffset: Offset
  readonly epoch: number
}

export class RaftLog implements LogView {
  readonly history: VoterHistory
  readonly #snapshots: Snapshots
  #bytesSinceSnapshot = 0
  #lastTimestampMs = 0
  #snapshotting = false
  /** Control records below are in `history`. */
  #scannedOffset: Offset = 0

  private constructor(
    private readonly env: Env,
    private readonly directory: LogDirectory,
    readonly log: Log,
    configured: VoterSet,
  ) {
    this.history = new VoterHistory(configured)
    this.#snapshots = new Snapshots(env, log.path)
  }

  /**
   * Opens it in a log directory; makes it in a new one.
   *
   * Errors: MetadataLogError (damage that only a person can judge), DiskError.
   */
  static async open(env: Env, directory: LogDirectory, configured: VoterSet): Promise<RaftLog> {
    const path = `${directory.path}/${metadataTopic}-0`
    await env.disk.makeDirectory(path)
    if ((await env.disk.stat(`${path}/${partitionMetadataFile}`)) === undefined) {
      await replaceFile(env.disk, path, partitionMetadataFile, encodePartitionMetadata(metadataTopicId))
    }
    // Also when it was there: an earlier process may have been killed before its name was durable.
    await env.disk.syncDirectory(directory.path)
    const key = `${metadataTopic}-0`
    const log = await openLog(directory, {
      topic: metadataTopic,
      partition: 0,
      topicId: metadataTopicId,
      path,
      // Retention is by snapshots alone. A metadata batch must fit whole, so segments are large.
      config: { ...defaultLogConfig, retentionMs: -1, cleanupPolicy: { delete: false, compact: false } },
      logStartOffset: directory.logStartOffsets.get(key)?.offset ?? 0,
      recoveryPoint: directory.recoveryPoints.get(key)?.offset ?? 0,
      highWatermark: directory.highWatermarks.get(key)?.offset ?? 0,
    })
    if (log.offlineReason !== undefined) throw new MetadataLogError(log.offlineReason)
    directory.logs.add(log)
    const raftLog = new RaftLog(env, directory, log, configured)
    await raftLog.#snapshots.load()
    await raftLog.#catchUpWithSnapshot()
    raftLog.#startWithSnapshot()
    return raftLog
  }

  /** A snapshot of another node is whole, but the crash came before the log gave way to it. */
  async #catchUpWithSnapshot(): Promise<void> {
    const latest = this.#snapshots.latest
    if (latest === undefined || latest.endOffset === 0) return
    const { latestEpoch, logEndOffset } = this.log
    const isAhead = latest.epoch > latestEpoch || (latest.epoch === latestEpoch && latest.endOffset > logEndOffset)
    // A log that is empty where the snapshot ends is what such a step leaves.
    if (!isAhead || (logEndOffset === latest.endOffset && this.log.logStartOffset === latest.endOffset)) return
    if ((await this.#snapshots.read(latest)) !== undefined) await this.log.truncateFullyAndStartAt(latest.endOffset)
  }

  /** A power cut may bring back a start of the log whose snapshot is gone: it starts with the oldest one that is there. */
  #startWithSnapshot(): void {
    const { logStartOffset, logEndOffset, highWatermark } = this.log
    if (logStartOffset === 0) return
    const oldest = this.#snapshots.all.find(({ endOffset }) => endOffset >= logStartOffset && endOffset <= logEndOffset)
    if (oldest === undefined || oldest.endOffset === logStartOffset) return
    // What a snapshot holds was committed.
    this.log.updateHighWatermark(Math.max(highWatermark, oldest.endOffset))
    this.log.maybeIncrementLogStartOffset(oldest.endOffset)
  }

  get path(): string {
    return this.log.path
  }

  get logStartOffset(): Offset {
    return this.log.logStartOffset
  }

  get logEndOffset(): Offset {
    return this.log.logEndOffset
  }

  get writtenOffset(): Offset {
    return this.log.writtenOffset
  }

  get flushedOffset(): Offset {
    return this.log.flushedOffset
  }

  get takesAppends(): boolean {
    return this.log.takesAppends
  }

  get diskStalledMs(): number {
    return this.directory.stalledMs
  }

  get lastEpoch(): number {
    const { latestEpoch } = this.log
    return latestEpoch >= 0 ? latestEpoch : (this.startSnapshot?.epoch ?? 0)
  }

  get latestSnapshot(): SnapshotId | undefined {
    const latest = this.#snapshots.latest
    // What a format left is everybody's own.
    return latest !== undefined && latest.endOffset > 0 ? latest : undefined
  }

  get startSnapshot(): SnapshotId | undefined {
    return this.log.logStartOffset > 0 ? this.#snapshots.endingAt(this.log.logStartOffset) : undefined
  }

  get snapshots(): Snapshots {
    return this.#snapshots
  }

  endOffsetForEpoch(epoch: number): EpochEndOffset {
    return this.log.endOffsetForEpoch(epoch)
  }

  // At start.

  /** The records that `kafka-storage format` left for a new cluster; undefined where there are none. */
  async bootstrapValues(directory: string): Promise<Buffer[] | undefined> {
    const bytes = await readSmallFile(this.env.disk, `${directory}/${bootstrapFile}`)
    return bytes === undefined ? undefined : decodeSnapshot(bytes).values
  }

  /** The newest snapshot that is whole; what it holds is the result of everything below its end offset. */
  async readLatestSnapshot(): Promise<{ id: SnapshotId; values: Buffer[] } | undefined> {
    for (const id of [...this.#snapshots.all].reverse()) {
      if (id.endOffset < this.log.logStartOffset || id.endOffset > this.log.logEndOffset) continue
      const content = await this.#snapshots.read(id)
      if (content === undefined) continue
      this.history.startAt(id.endOffset, content.controls)
      this.#scannedOffset = id.endOffset
      this.#lastTimestampMs = content.timestampMs
      return { id, values: content.values }
    }
    if (this.log.logStartOffset > 0) {
      throw new MetadataLogError(
        `the metadata log starts at ${this.log.logStartOffset}, and no snapshot that reaches it can be read`,
      )
    }
    return undefined
  }

  /** All batches in the log from `offset` on, in order, control batches without values. Before `start` only, when everything that is there has been recovered from the medium. */
  async *batchesFrom(offset: Offset): AsyncGenerator<AppendedBatch> {
    let next = offset
    while (next < this.log.logEndOffset) {
      const read = await this.log.read(next, { maxBytes: readBytes })
      if (!read.ok) throw new MetadataLogError(`the metadata log cannot be read at ${next}: ${read.message}`)
      try {
        for (const payload of read.payloads) {
          const bytes = await bytesOf(payload)
          this.#bytesSinceSnapshot += bytes.length
          for (const { start } of batchesIn(bytes)) {
            const batch = this.#takeIn(bytes, start)
            if (batch.nextOffset > next) yield batch
          }
        }
      } finally {
        read.release()
      }
      invariant(read.nextOffset > next, "a read of the metadata log returned nothing below its end")
      next = read.nextOffset
    }
  }

  /** Reads what nobody has read yet, for the voters in it. */
  async finishReading(): Promise<void> {
    if (this.#scannedOffset === 0 && this.#snapshots.latest !== undefined) await this.readLatestSnapshot()
    const bytes = this.#bytesSinceSnapshot
    for await (const _ of this.batchesFrom(Math.max(this.#scannedOffset, this.log.logStartOffset)));
    this.#bytesSinceSnapshot = bytes
  }

  #takeIn(bytes: Buffer, start: number): AppendedBatch {
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, batchMaxTimestamp(bytes, start))
    const baseOffset = batchBaseOffset(bytes, start)
    const nextOffset = batchLastOffset(bytes, start) + 1
    const values: Buffer[] = []
    const isControl = isControlBatch(bytes, start)
    for (const record of recordsOf(bytes, start)) {
      if (!isControl) values.push(record.value ?? Buffer.alloc(0))
      else if (record.offset >= this.#scannedOffset) this.history.replay(record, record.offset)
    }
    this.#scannedOffset = Math.max(this.#scannedOffset, nextOffset)
    return { values, baseOffset, nextOffset, epoch: batchLeaderEpoch(bytes, start) }
  }

  // Appends.

  /** Appends one atomic batch of this leadership. Undefined: the log takes none. */
  appendAsLeader(
    records: readonly { readonly key?: Buffer; readonly value: Buffer }[],
    options: { readonly isControl: boolean; readonly epoch: number; readonly nowMs: number },
  ): AppendedRecords | undefined {
    const { isControl, epoch, nowMs } = options
    const batch = buildBatch({ records, timestamp: nowMs, leaderEpoch: epoch, isControl })
    const result = this.log.append(batch, { origin: "raft", leaderEpoch: epoch, nowMs })
    if (!result.ok) {
      this.env.log.log("warn", "the metadata log refused an append", { reason: result.message })
      return undefined
    }
    this.#bytesSinceSnapshot += batch.length
    this.#lastTimestampMs = nowMs
    this.#scannedOffset = result.lastOffset + 1
    if (isControl)
      for (const [index, { key, value }] of records.entries())
        this.history.replay({ key: key ?? null, value }, result.baseOffset + index)
    return { baseOffset: result.baseOffset, nextOffset: result.lastOffset + 1, epoch }
  }

  /**
   * Appends what a leader of `epoch` sent; the buffer belongs to the log from here on. Returns what was appended, or undefined where nothing was: the log takes none now.
   * Throws `MalformedError` for bytes that no leader would send, before anything is appended.
   */
  appendAsFollower(bytes: Buffer, epoch: number, nowMs: number): readonly AppendedBatch[] | undefined {
    let nextOffset = this.log.logEndOffset
    let lastEpoch = this.lastEpoch
    let end = 0
    for (const batch of batchesIn(bytes)) {
      const { start } = batch
      if (!hasValidChecksum(bytes, start, batch.end)) throw new MalformedError(`a batch at ${start} fails its checksum`)
      const batchEpoch = batchLeaderEpoch(bytes, start)
      if (batchBaseOffset(bytes, start) !== nextOffset || batchLastOffset(bytes, start) < nextOffset)
        throw new MalformedError(`a batch at offset ${batchBaseOffset(bytes, start)} where ${nextOffset} was expected`)
      if (batchEpoch < lastEpoch || batchEpoch > epoch)
        throw new MalformedError(`a batch of epoch ${batchEpoch} after ${lastEpoch}, from a leader of ${epoch}`)
      nextOffset = batchLastOffset(bytes, start) + 1
      lastEpoch = batchEpoch
      end = batch.end
    }
    // A leader sends whole batches, but whoever is in between may cut the last one.
    if (end === 0) return []
    const whole = bytes.subarray(0, end)
    const starts = [...batchesIn(whole)].map(({ start }) => start)
    // Decoded before it is appended: what cannot be read must not get in.
    for (const start of starts) for (const _ of recordsOf(whole, start));
    const result = this.log.append(whole, { origin: "replication", leaderEpoch: epoch, nowMs })
    if (!result.ok) {
      this.env.log.log("warn", "the metadata log refused what the leader sent", { reason: result.message })
      return undefined
    }
    this.#bytesSinceSnapshot += end
    return starts.map((start) => this.#takeIn(whole, start))
  }

  /** Whole batches from `offset` on, as a copy: only what is in the file, for only that will not be taken back. Undefined, and said in the log: they cannot be read. */
  async readForFollower(offset: Offset, maxBytes: number): Promise<Buffer | undefined> {
    const read = await this.log.read(offset, { maxBytes, maxOffset: this.log.writtenOffset })
    if (!read.ok) {
      this.env.log.log("error", "the metadata log cannot be read", { offset, reason: read.message })
      return undefined
    }
    try {
      return Buffer.concat(await Promise.all(read.payloads.map(bytesOf)))
    } catch (error) {
      this.#unreadable(error)
      return undefined
    } finally {
      read.release()
    }
  }

  /** Bytes of a snapshot from `position` on, and the size of the whole. Undefined: there is no such snapshot, or, said in the log, it cannot be read. */
  async readSnapshotForFollower(
    id: SnapshotId,
    position: number,
    maxBytes: number,
  ): Promise<{ bytes: Buffer; size: number } | undefined> {
    try {
      return await this.#snapshots.piece(id, position, maxBytes)
    } catch (error) {
      this.#unreadable(error)
      return undefined
    }
  }

  /** An error of the medium ends the use of the directory, as everywhere; others pass. */
  #unreadable(error: unknown): void {
    if (!(error instanceof DiskError)) throw error
    this.env.log.log("error", "the metadata log cannot be read", { error: error.message })
    if (error.code === "EIO") this.directory.fail(error)
  }

  /** Appends at or above `endOffset` are gone; true: with them went voters. */
  forgetFrom(endOffset: Offset): boolean {
    this.#scannedOffset = Math.min(this.#scannedOffset, endOffset)
    return this.history.truncateTo(endOffset)
  }

  /** When it resolves, a crash cannot bring back what was cut. Rejects only if the directory failed. */
  async truncateTo(offset: Offset): Promise<void> {
    await this.log.truncateTo(offset)
    this.forgetFrom(this.log.logEndOffset)
  }

  // Snapshots.

  get isSnapshotting(): boolean {
    return this.#snapshotting
  }

  /** Bytes in the log since the last snapshot. */
  get bytesSinceSnapshot(): number {
    return this.#bytesSinceSnapshot
  }

  /**
   * Writes a snapshot of everything below `endOffset` and lets go of older ones and of the log before them. One at a time: a call during another does nothing. With `keepPrevious` the
   * snapshot before and the log from there on stay, for those who are a little behind. Rejects with DiskError; the log is as it was then.
   */
  async snapshot(values: Iterable<Buffer>, id: SnapshotId, keepPrevious: boolean): Promise<void> {
    const before = this.#snapshots.latest
    if (this.#snapshotting || id.endOffset <= Math.max(before?.endOffset ?? 0, this.log.logStartOffset)) return
    this.#snapshotting = true
    try {
      this.#bytesSinceSnapshot = 0
      const { voters, kraftVersion } = this.history.before(id.endOffset)
      const controls = kraftVersion === 0 ? [] : [kraftVersionControlRecord(kraftVersion), votersControlRecord(voters)]
      const file = await this.#snapshots.begin(id)
      try {
        await file.write([encodeSnapshot(values, id, this.#lastTimestampMs, controls)], 0)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#snapshots.finish(id)
      this.log.roll(this.env.clock.wallMs())
      const keptFrom = keepPrevious ? Math.max(before?.endOffset ?? 0, this.log.logStartOffset) : id.endOffset
      this.log.maybeIncrementLogStartOffset(keptFrom)
      await this.log.deleteOldSegments(this.env.clock.wallMs())
      await this.#snapshots.deleteBefore(keptFrom)
      this.history.forgetBefore(keptFrom)
    } finally {
      this.#snapshotting = false
    }
  }

  /** Puts a snapshot of the leader, whole in its `.part`, in the place of everything that is here. */
  async install(
    id: SnapshotId,
    controls: readonly { readonly key: Buffer | null; readonly value: Buffer | null }[],
    timestampMs: number,
  ): Promise<void> {
    await this.#snapshots.finish(id)
    // From here on a start does the rest.
    await this.log.truncateFullyAndStartAt(id.endOffset)
    this.history.startAt(id.endOffset, controls)
    this.#scannedOffset = id.endOffset
    this.#lastTimestampMs = timestampMs
    this.#bytesSinceSnapshot = 0
    await this.#snapshots.deleteBefore(id.endOffset)
  }

  /** Puts everything on the medium. The directory closes the log itself. */
  flush(): Promise<boolean> {
    return this.log.flush()
  }

  get directoryId(): Uuid {
    return this.directory.properties.directoryId
  }
}

async function bytesOf(payload: Payload): Promise<Buffer> {
  if (!isFileRegion(payload)) return payload as Buffer
  const bytes = Buffer.allocUnsafe(payload.length)
  await payload.file.read(bytes, 0, payload.length, payload.position)
  return bytes
}
