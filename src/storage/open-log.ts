/**
 * Opens a partition's folder, whatever state it was left in.
 *
 * Owns recovery: what is scanned, what is cut, what is refused. Below the recovery point everything was synced, so damage there is never cut off
 * and never passed over: the log stays offline and says why. At or above it a torn tail is what a crash leaves, and ends the log. After a clean stop
 * the recovery point is the end, so the same code scans next to nothing.
 */
import type { Uuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import type { File } from "../env/env.js"
import {
  batchBaseOffset,
  batchHeaderBytes,
  batchLastOffset,
  batchLeaderEpoch,
  batchMaxTimestamp,
} from "../protocol/batch-header.js"
import { scanBatches } from "./batch-scan.js"
import {
  decodeLeaderEpochs,
  encodeLeaderEpochs,
  leaderEpochFile,
  readSmallFile,
  replaceFile,
} from "./checkpoint-files.js"
import { LeaderEpochCache } from "./leader-epoch-cache.js"
import { Log, type LogHome } from "./log.js"
import { OffsetIndex } from "./offset-index.js"
import { loadProducers, removeSnapshotsAbove } from "./producer-snapshots.js"
import { ProducerState } from "./producer-state.js"
import { deletedSuffix, floorSegment, Segment, segmentSuffixes } from "./segment.js"
import { isShortage } from "./shortage.js"
import { persistIndexes } from "./segment-files.js"
import { TimeIndex } from "./time-index.js"

export interface OpenLogOptions {
  readonly topic: string
  readonly partition: number
  readonly topicId: Uuid
  readonly path: string
  readonly config: LogConfig
  /** From the directory's checkpoints; 0 where they do not name the log. */
  readonly logStartOffset: number
  readonly recoveryPoint: number
  readonly highWatermark: number
  /** What is in the folder, where the caller has looked already. */
  readonly names?: readonly string[]
  /** All that is in the folder is on the medium, not in the cache alone. Default: nobody knows. */
  readonly isOnMedium?: boolean
}

/** The folder cannot be served as it is; a person or a replica has to help. */
class Unrecoverable extends Error {}

/** The log, online; or offline with its reason when the folder holds damage that must not be cut away. Rejects if the disk fails. */
export async function openLog(home: LogHome, options: OpenLogOptions): Promise<Log> {
  try {
    return await new LogOpening(home, options).open()
  } catch (error) {
    if (!(error instanceof Unrecoverable)) throw error
    const reason = `${options.topic}-${options.partition}: ${error.message}`
    home.env.log.log("error", "a log cannot be opened without losing records", {
      path: options.path,
      reason: error.message,
    })
    const log = new Log(home, {
      ...options,
      segments: [new Segment(options.logStartOffset, home.env.clock.wallMs(), 0).startEmpty()],
      logEndOffset: options.logStartOffset,
      epochs: new LeaderEpochCache(),
      producers: new ProducerState(),
    })
    log.goOffline(reason)
    return log
  }
}

class LogOpening {
  readonly #segments: Segment[] = []
  #epochs = new LeaderEpochCache()
  #logEndOffset = 0
  /** Segments went, and their snapshots with them. */
  #hasRemoved = false

  constructor(
    readonly home: LogHome,
    readonly options: OpenLogOptions,
  ) {}

  async open(): Promise<Log> {
    const { path, logStartOffset } = this.options
    const { disk } = this.home.env
    const names = await this.#tidy(this.options.names ?? (await disk.list(path)))
    const bases = names.flatMap((name) => (/^\d{20}\.log$/.test(name) ? [Number(name.slice(0, 20))] : []))
    this.#checkHoles(names, bases)
    const epochsKnown = names.includes(leaderEpochFile) && (await this.#readEpochs())
    const jitter = () => this.#jitterMs()
    if (bases.length === 0) {
      if (this.options.recoveryPoint > logStartOffset)
        throw new Unrecoverable(`all segments are missing, the log reached ${this.options.recoveryPoint}`)
      await this.#startEmptyAt(logStartOffset)
    } else {
      for (const base of bases) {
        const segment = new Segment(base, this.home.env.clock.wallMs(), jitter())
        segment.size = -1
        segment.sealed = true
        segment.nameDurable = true
        segment.indexesDurable = true
        this.#segments.push(segment)
      }
      await this.#scan(epochsKnown)
    }
    if (this.#logEndOffset < this.options.recoveryPoint)
      throw new Unrecoverable(
        `the log ends at ${this.#logEndOffset}, but it had reached ${this.options.recoveryPoint} durably`,
      )
    if (this.#logEndOffset < logStartOffset) await this.#restartAt(logStartOffset)
    const start = Math.max(logStartOffset, this.#segments[0]!.baseOffset)
    if (start > logStartOffset && logStartOffset > 0)
      this.home.env.log.log("warn", "the log starts later than was written down", {
        path,
        start,
        expected: logStartOffset,
      })
    const left = this.#hasRemoved ? await disk.list(path) : names
    const snapshots = await removeSnapshotsAbove(disk, path, left, this.#logEndOffset)
    const producers = await loadProducers(
      this.home.env,
      path,
      snapshots,
      this.#logEndOffset,
      this.#segments,
      (segment, use) => this.#withFile(segment, use),
    )
    const epochBefore = this.#epochs.latestEpoch
    this.#epochs.truncateFromEnd(this.#logEndOffset)
    this.#epochs.truncateFromStart(start)
    if (this.#epochs.dirty) await this.#writeEpochs(this.#epochs.latestEpoch === epochBefore)
    return new Log(this.home, {
      ...this.options,
      segments: this.#segments,
      logStartOffset: start,
      logEndOffset: this.#logEndOffset,
      recoveryPoint: Math.max(this.options.recoveryPoint, Math.min(start, this.#logEndOffset)),
      epochs: this.#epochs,
      producers,
    })
  }

  /** `mayWait`: the file on the disk says less than it should, or what no longer matters, but nothing that is wrong. */
  async #writeEpochs(mayWait: boolean): Promise<void> {
    try {
      await replaceFile(
        this.home.env.disk,
        this.options.path,
        leaderEpochFile,
        encodeLeaderEpochs(this.#epochs.entries),
      )
      this.#epochs.dirty = false
    } catch (error) {
      if (!mayWait || !isShortage(error)) throw error
      this.home.reportFull(error, 0)
    }
  }

  /** False: there was no room. The files are gone then, so that nobody believes what they said of an earlier end. */
  async #persistIndexes(segment: Segment): Promise<boolean> {
    const { disk } = this.home.env
    try {
      await persistIndexes(disk, this.options.path, segment)
      return true
    } catch (error) {
      if (!isShortage(error)) throw error
      this.home.reportFull(error, 0)
      for (const suffix of [segmentSuffixes.offsetIndex, segmentSuffixes.timeIndex]) {
        const path = `${this.options.path}/${segment.fileName(suffix)}`
        if ((await disk.stat(path)) !== undefined) await disk.unlink(path)
      }
      return false
    }
  }

  #jitterMs(): number {
    const { segmentJitterMs } = this.options.config
    return segmentJitterMs > 0 ? this.home.env.random.int(segmentJitterMs + 1) : 0
  }

  /** Removes what is of no use by its name alone; returns the rest. */
  async #tidy(names: readonly string[]): Promise<string[]> {
    const kept: string[] = []
    for (const name of names) {
      if (name.endsWith(".swap"))
        throw new Unrecoverable(`${name}: a compaction by Apache Kafka was interrupted; start Kafka once to finish it`)
      if (name.endsWith(deletedSuffix) || name.endsWith(".tmp") || name.endsWith(".cleaned"))
        await this.home.env.disk.unlink(`${this.options.path}/${name}`)
      else kept.push(name)
    }
    return kept
  }

  /** An index without its log, between segments that are there, is a lost segment. */
  #checkHoles(names: readonly string[], bases: readonly number[]): void {
    const last = bases.at(-1)
    if (last === undefined) return
    const present = new Set(bases)
    for (const name of names) {
      if (!/^\d{20}\.(index|timeindex)$/.test(name)) continue
      const base = Number(name.slice(0, 20))
      if (!present.has(base) && base >= this.options.logStartOffset && base < last)
        throw new Unrecoverable(`segment ${base} is missing, its index is there`)
    }
  }

  async #readEpochs(): Promise<boolean> {
    const bytes = await readSmallFile(this.home.env.disk, `${this.options.path}/${leaderEpochFile}`)
    const entries = bytes && decodeLeaderEpochs(bytes)
    this.#epochs = new LeaderEpochCache(entries)
    return entries !== undefined
  }

  async #startEmptyAt(offset: number): Promise<void> {
    const segment = new Segment(offset, this.home.env.clock.wallMs(), this.#jitterMs()).startEmpty()
    this.#segments.push(segment)
    this.#logEndOffset = offset
    // The first write makes its file. That a log begins later than at 0 must not rest on a checkpoint alone.
    if (offset === 0) return
    await this.#withFile(segment, async () => {}, true)
    await this.home.env.disk.syncDirectory(this.options.path)
    segment.nameDurable = true
  }

  /** The log lost its tail (not synced, by policy) below an offset that was already deleted up to: nothing of it is wanted. */
  async #restartAt(offset: number): Promise<void> {
    await this.#remove(this.#segments.splice(0))
    this.#epochs.clear()
    await this.#startEmptyAt(offset)
  }

  async #scan(epochsKnown: boolean): Promise<void> {
    const { recoveryPoint, config } = this.options
    const segments = this.#segments
    const gapless = !config.cleanupPolicy.compact
    // The segment that ends at the recovery point too: it may have been active when that was written, and its indexes are then not complete.
    const first = Math.max(0, floorSegment(segments, recoveryPoint - 1))
    if (!epochsKnown) for (const segment of segments.slice(0, first)) await this.#epochsOf(segment)
    let expected = segments[first]!.baseOffset
    for (let slot = first; slot < segments.length; slot++) {
      const segment = segments[slot]!
      if (slot > first && (gapless ? segment.baseOffset !== expected : segment.baseOffset < expected)) {
        this.#mayCutAt(expected, `segment ${segment.baseOffset} follows ${expected}`)
        await this.#remove(segments.splice(slot))
        break
      }
      const isLast = slot === segments.length - 1
      const end = await this.#scanSegment(segment, epochsKnown)
      expected = end.nextOffset
      if (end.cut) {
        await this.#remove(segments.splice(slot + 1))
        break
      }
      if (!isLast) {
        segment.seal()
        segment.indexesDurable = await this.#persistIndexes(segment)
      }
    }
    const active = segments.at(-1)!
    active.sealed = false
    active.indexesDurable = false
    this.#logEndOffset = expected
    // Names of indexes, for whose sake a sealed segment is not scanned again.
    const hasNewNames = first < segments.length - 1
    if (hasNewNames || this.options.isOnMedium !== true) await this.home.env.disk.syncDirectory(this.options.path)
  }

  /** Whether an invalid byte at `offset` may be cut off: only where nothing was promised to be on the medium. */
  #mayCutAt(offset: number, problem: string): void {
    const { path, recoveryPoint } = this.options
    if (offset < recoveryPoint)
      throw new Unrecoverable(`damaged at offset ${offset}, below the recovery point ${recoveryPoint}: ${problem}`)
    this.home.env.log.log("warn", "cutting off the torn tail of a log", { path, offset, problem })
  }

  async #scanSegment(segment: Segment, epochsKnown: boolean): Promise<{ nextOffset: number; cut: boolean }> {
    const { recoveryPoint, config } = this.options
    return this.#withFile(segment, async (file) => {
      const bytes = await file.size()
      segment.startEmpty()
      segment.size = 0
      segment.sealed = false
      segment.indexesDurable = false
      let from = { position: 0, offset: segment.baseOffset }
      if (epochsKnown && recoveryPoint > segment.baseOffset) from = await this.#resumeFromIndex(segment, file, bytes)
      const scan = await scanBatches(
        file,
        {
          from: from.position,
          end: bytes,
          fromOffset: from.offset,
          gapless: !config.cleanupPolicy.compact,
          checkCrc: true,
        },
        (header, at, _, size) => {
          this.#takeInEpoch(header, at)
          segment.appendBatch(header, at, size, config.indexIntervalBytes)
          return true
        },
      )
      segment.writtenBytes = scan.position
      if (scan.problem !== undefined) {
        this.#mayCutAt(scan.nextOffset, scan.problem)
        await file.truncate(scan.position)
      }
      // What lies above the recovery point may be in the page cache only, and so may the cut of a truncation that was killed at its end; from here on it
      // counts as flushed. Of a file with nothing to sync this costs next to nothing.
      const mayBeInCache = this.options.isOnMedium !== true && scan.nextOffset >= recoveryPoint
      if (mayBeInCache || scan.problem !== undefined) await file.sync()
      return { nextOffset: scan.nextOffset, cut: scan.problem !== undefined }
    })
  }

  /** Believes the persisted index below the recovery point, where it was synced before; returns where scanning may begin. */
  async #resumeFromIndex(segment: Segment, file: File, bytes: number): Promise<{ position: number; offset: number }> {
    const start = { position: 0, offset: segment.baseOffset }
    const { disk } = this.home.env
    const { path, recoveryPoint } = this.options
    const offsets = await readSmallFile(disk, `${path}/${segment.fileName(segmentSuffixes.offsetIndex)}`)
    const times = await readSmallFile(disk, `${path}/${segment.fileName(segmentSuffixes.timeIndex)}`)
    if (offsets === undefined || times === undefined) return start
    const offsetIndex = OffsetIndex.parsePrefix(segment.baseOffset, offsets, bytes)
    offsetIndex.truncateTo(recoveryPoint)
    const timeIndex = TimeIndex.parsePrefix(segment.baseOffset, times, offsetIndex.lastOffset + 1)
    if (offsetIndex.entries === 0) return start
    const at = offsetIndex.lastPosition
    const header = Buffer.alloc(batchHeaderBytes)
    if ((await file.read(header, 0, batchHeaderBytes, at)) < batchHeaderBytes) return start
    if (batchLastOffset(header) !== offsetIndex.lastOffset || batchBaseOffset(header) < segment.baseOffset) return start
    const offset = batchBaseOffset(header)
    await file.read(header, 0, batchHeaderBytes, 0)
    segment.rollTimestamp = batchMaxTimestamp(header)
    segment.offsetIndex = offsetIndex
    segment.timeIndex = timeIndex
    segment.persistedOffsetEntries = offsetIndex.entries
    segment.persistedTimeEntries = timeIndex.entries
    segment.maxTimestamp = timeIndex.last?.timestamp ?? -1
    segment.maxTimestampOffset = timeIndex.last?.offset ?? -1
    segment.size = at
    return { position: at, offset }
  }

  #takeInEpoch(header: Buffer, at: number): void {
    if (batchLeaderEpoch(header, at) > this.#epochs.latestEpoch)
      this.#epochs.assign(batchLeaderEpoch(header, at), batchBaseOffset(header, at))
  }

  async #epochsOf(segment: Segment): Promise<void> {
    await this.#withFile(segment, async (file) => {
      await scanBatches(file, { from: 0, end: await file.size(), fromOffset: segment.baseOffset }, (bytes, at) => {
        this.#takeInEpoch(bytes, at)
        return true
      })
    })
  }

  /** Files of segments above a cut; what they hold was never promised. */
  async #remove(segments: readonly Segment[]): Promise<void> {
    if (segments.length > 0) this.#hasRemoved = true
    for (const segment of segments) {
      this.home.files.retire(segment)
      for (const suffix of Object.values(segmentSuffixes)) {
        const path = `${this.options.path}/${segment.fileName(suffix)}`
        if ((await this.home.env.disk.stat(path)) !== undefined) await this.home.env.disk.unlink(path)
      }
    }
    await this.home.env.disk.syncDirectory(this.options.path)
  }

  async #withFile<T>(segment: Segment, use: (file: File) => Promise<T>, create = false): Promise<T> {
    const pooled = await this.home.files.acquire(segment, () =>
      this.home.env.disk.open(`${this.options.path}/${segment.fileName(segmentSuffixes.log)}`, { create }),
    )
    try {
      return await use(pooled.file)
    } finally {
      pooled.release()
    }
  }
}
