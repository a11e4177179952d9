/**
 * Group commit of one log directory.
 *
 * Owns when and how written bytes are made durable: a round takes everything that was written since the last one began, and completes all of it together; logs with much to sync
 * have rounds of their own beside. A sync that failed is never tried again: afterwards the system may hold clean pages with lost bytes.
 */
import type { Env } from "../env/env.js"
import { Latency } from "../observe/latency.js"
import type { FlushJob, Log } from "./log.js"

/** Measured on ext4: from about here on one syncfs is cheaper than an fdatasync per file. */
export const syncFileSystemFilesMin = 16
/** Syncs on their way at once in a round of each kind; they occupy threads that reads and writes need too. */
export const concurrentSyncsMax = { usual: 4, bulk: 2 } as const
/** The pace of a disk is told by so many rounds, the last ones, of so long a time. */
const paceRoundsMax = 16
const paceRoundsMin = 3
const paceWindowMs = 10_000

/** From so many unsynced bytes on a log is synced in rounds of its own kind: whoever waits for one record does not wait for megabytes of another log. */
export const bulkBytesMin = 128 * 1024

type RoundKind = keyof typeof concurrentSyncsMax

/** A round on its way. */
interface Round {
  readonly logs: ReadonlySet<Log>
  /** In monotonic time. */
  readonly sinceMs: number
  /** Resolves when it is over, well or not. */
  readonly isOver: Promise<void>
}

export class Flusher {
  #dirty = new Set<Log>()
  /** One of each kind at most; a log is in one of them at most. */
  readonly #running: Record<RoundKind, Round | undefined> = { usual: undefined, bulk: undefined }
  #isComing = false
  #stopped = false
  /** How long rounds took. */
  readonly latency = new Latency()
  /** The last rounds: how long they took, and when they ended. */
  readonly #recent: { readonly tookMs: number; readonly endedMs: number }[] = []

  constructor(
    readonly env: Env,
    readonly directory: string,
    readonly failed: (error: unknown) => void,
  ) {}

  /** The log's written bytes belong into the next round. */
  wantsSync(log: Log): void {
    if (this.#stopped) return
    this.#dirty.add(log)
    // Writes that finished in the same turn of the event loop share a round.
    if (this.#isComing) return
    this.#isComing = true
    this.env.timers.soon(() => {
      this.#isComing = false
      this.#begin()
    })
  }

  /** The log is going away: it is in no later round, and when this resolves in no present one. */
  async forget(log: Log): Promise<void> {
    this.#dirty.delete(log)
    for (const round of this.#rounds()) if (round.logs.has(log)) await round.isOver
  }

  /** How long the present round has been on its way, the older one of two. A disk that hangs is known by it before any sync fails. */
  stalledMs(nowMs: number): number {
    return Math.max(0, ...this.#rounds().map(({ sinceMs }) => nowMs - sinceMs))
  }

  /** How long a round takes these days, as the median; 0 where there were too few to tell. */
  paceMs(nowMs: number): number {
    const took = this.#recent.filter(({ endedMs }) => nowMs - endedMs <= paceWindowMs).map(({ tookMs }) => tookMs)
    if (took.length < paceRoundsMin) return 0
    return took.sort((a, b) => a - b)[took.length >> 1]!
  }

  /** No round begins any more. */
  stop(): void {
    this.#stopped = true
    this.#dirty.clear()
  }

  #rounds(): Round[] {
    return [this.#running.usual, this.#running.bulk].filter((round) => round !== undefined)
  }

  /** Begins what rounds can begin now. What waits for the end of one is looked at then. */
  #begin(): void {
    if (this.#stopped || this.#dirty.size === 0) return
    const { usual, bulk } = this.#running
    if (usual !== undefined && bulk !== undefined) return
    const usualLogs: Log[] = []
    const bulkLogs: Log[] = []
    for (const log of this.#dirty) {
      if (usual?.logs.has(log) || bulk?.logs.has(log)) continue
      if (log.unsyncedBytes >= bulkBytesMin) {
        if (bulk === undefined) bulkLogs.push(log)
      } else if (usual === undefined) usualLogs.push(log)
    }
    if (usualLogs.length > 0) this.#start("usual", usualLogs)
    if (bulkLogs.length > 0) this.#start("bulk", bulkLogs)
  }

  #start(kind: RoundKind, logs: readonly Log[]): void {
    for (const log of logs) this.#dirty.delete(log)
    const sinceMs = this.env.clock.monotonicMs()
    const jobs = logs.map((log) => log.beginFlush())
    const isOver = this.#sync(kind, jobs).then(
      () => {
        const endedMs = this.env.clock.monotonicMs()
        this.latency.record(endedMs - sinceMs)
        if (this.#recent.push({ tookMs: endedMs - sinceMs, endedMs }) > paceRoundsMax) this.#recent.shift()
        this.#running[kind] = undefined
        for (const job of jobs) job.log.completeFlush(job)
        this.#begin()
      },
      (error: unknown) => {
        this.#running[kind] = undefined
        this.stop()
        for (const job of jobs) for (const pooled of job.files) pooled.release()
        this.failed(error)
      },
    )
    this.#running[kind] = { logs: new Set(logs), sinceMs, isOver }
  }

  async #sync(kind: RoundKind, jobs: readonly FlushJob[]): Promise<void> {
    const { disk } = this.env
    const files = jobs.flatMap((job) => job.files.map((pooled) => pooled.file))
    const directories = jobs.flatMap((job) => (job.directory === undefined ? [] : [job.directory]))
    // One call for all of them, names included.
    if (files.length >= syncFileSystemFilesMin && disk.syncFileSystem !== undefined)
      return disk.syncFileSystem(this.directory)
    const steps: (() => Promise<void>)[] = directories.map((path) => () => disk.syncDirectory(path))
    for (const file of files) steps.push(() => file.sync())
    let next = 0
    const lane = async () => {
      while (next < steps.length) await steps[next++]!()
    }
    await Promise.all(Array.from({ length: Math.min(concurrentSyncsMax[kind], steps.length) }, lane))
  }
}
