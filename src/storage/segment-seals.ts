/**
 * What must be on the medium besides the records, so that little is scanned after a crash.
 *
 * Owns rolling, the files that seal a rolled segment (indexes, producer snapshot), the leader epoch file, and the recovery point that may be
 * written down. The recovery point never passes a segment whose indexes are not on the medium: below it nothing is ever scanned.
 */
import { encodeLeaderEpochs, leaderEpochFile, replaceFile } from "./checkpoint-files.js"
import type { LogCommon } from "./log-common.js"
import type { Segment } from "./segment.js"
import { persistIndexes, writeSnapshot } from "./segment-files.js"

interface PendingSeal {
  readonly segment: Segment
  readonly nextOffset: number
  readonly snapshot: Buffer
}

export class SegmentSeals {
  readonly #common: LogCommon
  #preparedRecoveryPoint: number
  /** Oldest first. */
  #seals: PendingSeal[] = []

  constructor(common: LogCommon, recoveryPoint: number) {
    this.#common = common
    this.#preparedRecoveryPoint = recoveryPoint
  }

  /** The segment ends here and one that starts at `baseOffset` takes over. The file is made by its first write. */
  rollTo(baseOffset: number, nowMs: number): void {
    const full = this.#common.active
    full.seal()
    this.#seals.push({ segment: full, nextOffset: baseOffset, snapshot: this.#common.producers.encodeSnapshot() })
    this.#common.segments.push(this.#common.newSegment(baseOffset, nowMs))
  }

  /** Lets the oldest rolled segment be sealed, if all of it is written. */
  startIfWritten(): void {
    const oldest = this.#seals[0]?.segment
    if (oldest !== undefined && oldest.writtenBytes === oldest.size) this.#common.background(() => this.sealWritten())
  }

  /** What an undone append had sealed is active again. */
  dropReopened(): void {
    this.#seals = this.#seals.filter((seal) => seal.segment.sealed)
  }

  forget(segments: readonly Segment[]): void {
    this.#seals = this.#seals.filter((seal) => !segments.includes(seal.segment))
  }

  /**
   * Puts indexes and snapshot of rolled segments on the medium, oldest first. Only then may the recovery point pass them: a sealed segment
   * below it is never scanned.
   */
  async sealWritten(): Promise<void> {
    while (this.#seals.length > 0) {
      const seal = this.#seals[0]!
      const { segment } = seal
      if (!segment.sealed || segment.writtenBytes !== segment.size) return
      await persistIndexes(this.#common.home.env.disk, this.#common.path, segment)
      await writeSnapshot(this.#common.home.env.disk, this.#common.path, seal.nextOffset, seal.snapshot)
      await this.#common.home.env.disk.syncDirectory(this.#common.path)
      if (this.#seals[0] !== seal) continue
      this.#seals.shift()
      segment.indexesDurable = true
      this.#common.home.indexCache.touch(segment)
      if (this.#common.config.flushPolicy === "replicated") this.#common.home.wantsSync(this.#common.log)
    }
  }

  /**
   * Puts on the medium what a recovery point presupposes, and moves `checkpointRecoveryPoint` up to it: leader epochs of everything below it,
   * indexes of sealed segments, and as much of the active index as spares scanning.
   */
  prepareCheckpoint(): Promise<void> {
    return this.#common.serially(async () => {
      if (this.#common.offlineReason !== undefined) return
      try {
        await this.sealWritten()
        const recoveryPoint = this.#common.recoveryPoint
        await this.persistEpochs()
        const active = this.#common.active
        if (active.offsetIndex!.entries > active.persistedOffsetEntries && active.nameDurable) {
          await persistIndexes(this.#common.home.env.disk, this.#common.path, active)
          await this.#common.home.env.disk.syncDirectory(this.#common.path)
        }
        this.#preparedRecoveryPoint = recoveryPoint
      } catch (error) {
        this.#common.workFailed(error)
      }
    })
  }

  /** The recovery point that may be written down now. */
  get checkpointRecoveryPoint(): number {
    return Math.min(this.#preparedRecoveryPoint, this.#common.recoveryPoint)
  }

  async persistEpochs(): Promise<void> {
    if (!this.#common.epochs.dirty) return
    this.#common.epochs.dirty = false
    try {
      await replaceFile(
        this.#common.home.env.disk,
        this.#common.path,
        leaderEpochFile,
        encodeLeaderEpochs(this.#common.epochs.entries),
      )
    } catch (error) {
      this.#common.epochs.dirty = true
      throw error
    }
  }

  /** Starts a new segment at the log's end, unless the active one is empty. */
  roll(nowMs: number): void {
    if (this.#common.active.size === 0) return
    this.rollTo(this.#common.logEndOffset, nowMs)
    this.startIfWritten()
  }

  /** What is known of producers now is on the medium, also what no record here says any more. */
  async writeProducers(): Promise<void> {
    // The end of a rolled segment may be this end: its snapshot must not come after.
    await this.sealWritten()
    const { home, path, producers, logEndOffset } = this.#common
    await writeSnapshot(home.env.disk, path, logEndOffset, producers.encodeSnapshot())
    await home.env.disk.syncDirectory(path)
  }

  /**
   * Puts on the medium all that the next open would have to find out by scanning; a producer snapshot at the log's end too. The file of the
   * active segment exists, and nothing is appended any more.
   */
  async sealAll(): Promise<void> {
    await this.sealWritten()
    const { home, path, active, producers, logEndOffset } = this.#common
    const { disk } = home.env
    if (active.maxTimestamp > 0) active.timeIndex?.maybeAppend(active.maxTimestamp, active.maxTimestampOffset)
    await persistIndexes(disk, path, active)
    await this.persistEpochs()
    await writeSnapshot(disk, path, logEndOffset, producers.encodeSnapshot())
    await disk.syncDirectory(path)
    this.#preparedRecoveryPoint = this.#common.recoveryPoint
  }
}
