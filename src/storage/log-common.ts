/**
 * What the parts of one log share: its offsets and segments, and the queue of its background work.
 *
 * Owns the state that more than one part reads or moves; decides and writes nothing. Every offset below `flushedOffset` is on the medium
 * with all that is needed to find it; `logStartOffset <= flushedOffset <= writtenOffset <= logEndOffset`.
 */
import { invariant } from "../base/assert.js"
import { topicPartitionName, type Uuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type File } from "../env/env.js"
import type { LeaderEpochCache } from "./leader-epoch-cache.js"
import type { Log } from "./log.js"
import { type LogHome, type LogListener, type LogState, silentListener } from "./log-contract.js"
import type { ProducerState } from "./producer-state.js"
import { Segment, segmentSuffixes } from "./segment.js"
import { isShortage } from "./shortage.js"

export class LogCommon {
  readonly topic: string
  readonly partition: number
  /** Zero: the folder does not say. */
  topicId: Uuid
  readonly epochs: LeaderEpochCache
  readonly producers: ProducerState
  listener: LogListener = silentListener

  path: string
  config: LogConfig
  /** By base offset, never empty; the last one is active. */
  segments: Segment[]
  logStartOffset: number
  /** No restart brings back what lies below, as far as it is not above the start now. */
  durableStartOffset: number
  logEndOffset: number
  writtenOffset: number
  flushedOffset: number
  highWatermark: number
  offlineReason: string | undefined
  closing = false
  /** Above zero while something must not be disturbed by appends. */
  appendsHeld = 0
  /** Tail of the chain of background work: one piece at a time. */
  #work: Promise<void> = Promise.resolve()

  constructor(
    readonly log: Log,
    readonly home: LogHome,
    state: LogState,
  ) {
    this.topic = state.topic
    this.partition = state.partition
    this.topicId = state.topicId
    this.epochs = state.epochs
    this.producers = state.producers
    this.path = state.path
    this.config = state.config
    this.segments = state.segments
    this.logStartOffset = state.logStartOffset
    this.durableStartOffset = state.logStartOffset
    this.logEndOffset = state.logEndOffset
    this.writtenOffset = state.logEndOffset
    this.flushedOffset = state.logEndOffset
    this.highWatermark = Math.max(state.logStartOffset, Math.min(state.highWatermark, state.logEndOffset))
    invariant(state.segments.length > 0, "a log has an active segment, always")
  }

  get name(): string {
    return topicPartitionName(this.topic, this.partition)
  }

  get active(): Segment {
    return this.segments[this.segments.length - 1]!
  }

  get gapless(): boolean {
    return !this.config.cleanupPolicy.compact
  }

  /** Where the log may be scanned from after a crash: below it, bytes and indexes are on the medium. */
  get recoveryPoint(): number {
    const unfinished = this.segments.find((segment) => segment.sealed && !segment.indexesDurable)
    return unfinished ? Math.min(this.flushedOffset, unfinished.baseOffset) : this.flushedOffset
  }

  advanced(): void {
    this.listener.onAdvance(this.log)
  }

  newSegment(baseOffset: number, nowMs: number): Segment {
    const jitterMs = this.config.segmentJitterMs > 0 ? this.home.env.random.int(this.config.segmentJitterMs + 1) : 0
    return new Segment(baseOffset, nowMs, jitterMs).startEmpty()
  }

  open(segment: Segment, create = false): Promise<File> {
    return this.home.env.disk.open(`${this.path}/${segment.fileName(segmentSuffixes.log)}`, { create })
  }

  async withFile<T>(segment: Segment, use: (file: File) => Promise<T>): Promise<T> {
    const pooled = await this.home.files.acquire(segment, () => this.open(segment, segment === this.active))
    try {
      return await use(pooled.file)
    } finally {
      pooled.release()
    }
  }

  /** Runs a piece of background work when those before it are done. */
  serially<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#work.then(task)
    this.#work = run.then(nothing, nothing)
    return run
  }

  /** As `serially`, for work nobody waits for: no room is reported, anything else fails the directory. */
  background(task: () => Promise<void>): void {
    this.serially(async () => {
      if (this.offlineReason !== undefined) return
      await task()
    }).catch((error: unknown) => this.workFailed(error))
  }

  workFailed(error: unknown): void {
    if (this.offlineReason !== undefined) return
    if (isShortage(error)) this.home.reportFull(error, 0)
    else this.home.fail(error)
  }
}

export const nothing = () => {}

export const isMissing = (error: unknown): boolean => error instanceof DiskError && error.code === "ENOENT"
