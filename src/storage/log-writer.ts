/**
 * How the appends of one log reach its files.
 *
 * Owns what is not written yet, the one write that is on its way, and which files a sync round must take; decides nothing about records.
 * What an append changed is remembered until its bytes are in the file, so that a full disk takes it back as if it had not been.
 */
import type { PooledFile } from "./file-pool.js"
import type { HotBuffer } from "./hot-cache.js"
import type { EpochEntry } from "./leader-epoch-cache.js"
import type { LogCommon } from "./log-common.js"
import type { FlushJob } from "./log-contract.js"
import type { LogMemory } from "./log-memory.js"
import type { ProducerEntry } from "./producer-state.js"
import type { Segment, SegmentMark } from "./segment.js"
import type { SegmentSeals } from "./segment-seals.js"
import { isShortage } from "./shortage.js"

/** Buffers of one gathered write: Linux takes 1,024 in one call. */
export const writeBuffersMax = 1024
/** Bytes of one gathered write, so that one busy log does not hold up a sync round for long. */
export const writeBytesMax = 16 * 1024 * 1024

/** An append whose bytes are not in the file, and what is needed to undo it. */
export interface PendingAppend {
  readonly buffer: HotBuffer
  readonly segment: Segment
  readonly mark: SegmentMark
  readonly epochsBefore: readonly EpochEntry[] | undefined
  readonly producersBefore: readonly (readonly [producerId: number, entry: ProducerEntry | undefined])[] | undefined
}

export class LogWriter {
  readonly #common: LogCommon
  readonly #memory: LogMemory
  readonly #seals: SegmentSeals
  /** In order; the first of them are on their way while `#writing`. */
  #pending: PendingAppend[] = []
  #writing = false
  #writingSinceMs = 0
  #writeWaiters: (() => void)[] = []
  #unsyncedBytes = 0
  /** Segments with bytes in the page cache only, each with the hold that keeps its file open until they are synced. */
  #unsynced: { readonly segment: Segment; readonly pooled: PooledFile }[] = []
  #flushWaiters: { upTo: number; settle: (flushed: boolean) => void }[] = []
  #unflushedSinceMs = -1
  /** The task of `exclusively`, while it runs. Everything was on the medium before it; where the log ends after it is for the task to say. */
  #alone: Promise<void> | undefined

  constructor(common: LogCommon, memory: LogMemory, seals: SegmentSeals) {
    this.#common = common
    this.#memory = memory
    this.#seals = seals
  }

  /** Takes an append that was decided, and starts writing unless a write is on its way. */
  add(append: PendingAppend): void {
    this.#pending.push(append)
    this.#memory.add(append.buffer)
    this.#startWrite()
  }

  /** Written since the last sync round began. */
  get unsyncedBytes(): number {
    return this.#unsyncedBytes
  }

  /** How long the present write has been on its way. */
  stalledMs(nowMs: number): number {
    return this.#writing ? nowMs - this.#writingSinceMs : 0
  }

  #startWrite(): void {
    if (this.#writing || this.#pending.length === 0 || this.#common.offlineReason !== undefined) return
    this.#writing = true
    this.#writingSinceMs = this.#common.home.env.clock.monotonicMs()
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
    const open = this.#common.home.files.acquireOpen(segment)
    if (open !== undefined) write(open)
    else
      this.#common.home.files
        .acquire(segment, () => this.#common.open(segment, true))
        .then(write, (error: unknown) => this.#writeFailed(error, segment, undefined, bytes))
  }

  #written(segment: Segment, pooled: PooledFile, count: number, bytes: number): void {
    this.#writing = false
    // Only now: a sync round that began during the write need not have covered it, so the file must be in the next one.
    if (this.#common.offlineReason !== undefined || this.#isUnsynced(segment)) pooled.release()
    else this.#unsynced.push({ segment, pooled })
    if (this.#common.offlineReason !== undefined) {
      this.#dropMemory()
      return
    }
    segment.writtenBytes += bytes
    this.#unsyncedBytes += bytes
    const done = this.#pending.splice(0, count)
    this.#common.writtenOffset = done[count - 1]!.buffer.nextOffset
    for (const { buffer } of done) this.#memory.written(buffer)
    this.#seals.startIfWritten()
    this.#scheduleSync()
    this.#startWrite()
    this.#wakeWriteWaiters()
    this.#common.advanced()
  }

  #isUnsynced(segment: Segment): boolean {
    return this.#unsynced.some((each) => each.segment === segment)
  }

  #scheduleSync(): void {
    const { flushPolicy, flushMessages, flushMs } = this.#common.config
    if (flushPolicy === "flush" || this.#common.writtenOffset - this.#common.flushedOffset >= flushMessages) {
      this.#common.home.wantsSync(this.#common.log)
      return
    }
    if (this.#unflushedSinceMs >= 0 || flushMs > 2 ** 31) return
    const { clock, timers } = this.#common.home.env
    this.#unflushedSinceMs = clock.monotonicMs()
    timers.after(flushMs, () => {
      this.#unflushedSinceMs = -1
      if (this.#common.writtenOffset > this.#common.flushedOffset) this.#common.home.wantsSync(this.#common.log)
    })
  }

  #writeFailed(error: unknown, segment: Segment, pooled: PooledFile | undefined, bytes: number): void {
    if (this.#common.offlineReason === undefined && isShortage(error)) {
      this.#undoUnwritten()
      this.#common.home.reportFull(error, bytes)
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
    if (this.#common.offlineReason === undefined) this.#common.home.fail(error)
    else this.#dropMemory()
  }

  /** Offline, and no write needs the buffers any more. */
  #dropMemory(): void {
    this.#pending = []
    this.#memory.dropFrom(-1)
    this.#wakeWriteWaiters()
  }

  /** Takes back every append that is not in the file, newest first, and tells those who wait. */
  #undoUnwritten(): void {
    const first = this.#pending[0]!.segment
    for (const append of this.#pending.reverse()) {
      for (const [producerId, entry] of [...(append.producersBefore ?? [])].reverse())
        this.#common.producers.restore(producerId, entry)
      if (append.epochsBefore) this.#common.epochs.restore(append.epochsBefore)
      append.segment.rewind(append.mark)
      this.#memory.takeBack(append.buffer)
    }
    const undone = this.#pending
    this.#pending = []
    this.#common.segments = this.#common.segments.slice(0, this.#common.segments.indexOf(first) + 1)
    this.#seals.dropReopened()
    this.#common.logEndOffset = this.#common.writtenOffset
    this.#common.highWatermark = Math.min(this.#common.highWatermark, this.#common.logEndOffset)
    for (const { buffer } of undone) buffer.letGo()
    this.#common.listener.onAppendsLost(this.#common.log, this.#common.logEndOffset)
  }

  #wakeWriteWaiters(): void {
    const waiters = this.#writeWaiters
    this.#writeWaiters = []
    for (const wake of waiters) wake()
  }

  /** When it resolves, what was appended before the call is in the file, or was taken back, or the log is offline. */
  async written(): Promise<void> {
    const upTo = this.#common.logEndOffset
    while (this.#writing && this.#common.writtenOffset < upTo && this.#common.offlineReason === undefined)
      await new Promise<void>((resolve) => this.#writeWaiters.push(resolve))
  }

  /** When it resolves, what was appended before the call is on the medium (true), or the log went offline or took it back (false). */
  async flush(): Promise<boolean> {
    while (this.#alone !== undefined) await this.#alone
    const upTo = this.#common.logEndOffset
    await this.written()
    const target = Math.min(upTo, this.#common.writtenOffset)
    if (this.#common.offlineReason !== undefined) return false
    if (this.#common.flushedOffset < target) {
      const flushed = await new Promise<boolean>((settle) => {
        this.#flushWaiters.push({ upTo: target, settle })
        this.#common.home.wantsSync(this.#common.log)
      })
      if (!flushed) return false
    }
    return target === upTo
  }

  /** For the sync round: what must be synced so that `upTo` counts as flushed. */
  beginFlush(): FlushJob {
    const segments = this.#unsynced.map(({ segment }) => segment)
    const files = this.#unsynced.map(({ pooled }) => pooled)
    this.#unsynced = []
    this.#unsyncedBytes = 0
    // Under the next write the file is opened (shared) again; the round's holds are its own.
    const directory = segments.some((segment) => !segment.nameDurable) ? this.#common.path : undefined
    return { log: this.#common.log, upTo: this.#common.writtenOffset, files, directory, segments }
  }

  /** The round is over: everything in the job is on the medium. */
  completeFlush(job: FlushJob): void {
    for (const pooled of job.files) pooled.release()
    for (const segment of job.segments) segment.nameDurable = true
    if (this.#common.offlineReason !== undefined || this.#alone !== undefined) return
    this.#common.flushedOffset = Math.max(this.#common.flushedOffset, Math.min(job.upTo, this.#common.writtenOffset))
    const waiting = this.#flushWaiters
    this.#flushWaiters = []
    for (const waiter of waiting)
      if (waiter.upTo <= this.#common.flushedOffset) waiter.settle(true)
      else this.#flushWaiters.push(waiter)
    this.#common.advanced()
  }

  /** Runs alone: no append is taken, and everything appended before is on the medium. */
  async exclusively(task: () => Promise<void>): Promise<void> {
    this.#common.appendsHeld++
    try {
      await this.flush()
      await this.#common.serially(() => this.#runAlone(task))
    } catch (error) {
      this.#common.workFailed(error)
      throw error
    } finally {
      this.#common.appendsHeld--
    }
  }

  async #runAlone(task: () => Promise<void>): Promise<void> {
    let isOver = () => {}
    this.#alone = new Promise((resolve) => (isOver = resolve))
    try {
      await task()
    } finally {
      this.#alone = undefined
      isOver()
    }
  }

  /** The log went offline: nobody waits any more, and memory goes as soon as no write needs it. */
  stop(): void {
    for (const waiter of this.#flushWaiters.splice(0)) waiter.settle(false)
    if (!this.#writing) this.#dropMemory()
    this.#wakeWriteWaiters()
    this.releaseFiles()
  }

  /** The segment is going away: nothing of it is synced any more. */
  forget(segment: Segment): void {
    const at = this.#unsynced.findIndex((each) => each.segment === segment)
    if (at >= 0) this.#unsynced.splice(at, 1)[0]!.pooled.release()
  }

  releaseFiles(): void {
    for (const { pooled } of this.#unsynced.splice(0)) pooled.release()
  }
}
