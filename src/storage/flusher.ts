/**
 * Group commit of one log directory.
 *
 * Owns when and how written bytes are made durable: one round at a time takes everything that was written since the last one began, and
 * completes all of it together. A sync that failed is never tried again: afterwards the system may hold clean pages with lost bytes.
 */
import type { Env } from "../env/env.js"
import type { FlushJob, Log } from "./log.js"

/** Measured on ext4: from about here on one syncfs is cheaper than an fdatasync per file. */
export const syncFileSystemFilesMin = 16
/** Syncs on their way at once; they occupy threads that reads and writes need too. */
export const concurrentSyncsMax = 4
/** The pace of a disk is told by so many rounds, the last ones, of so long a time. */
const paceRoundsMax = 16
const paceRoundsMin = 3
const paceWindowMs = 10_000

export class Flusher {
  #dirty = new Set<Log>()
  #running = false
  /** Since when the present round is on its way, in monotonic time; undefined between rounds. */
  #roundSinceMs: number | undefined
  #stopped = false
  /** Of the present round. */
  #syncing: ReadonlySet<Log> = new Set()
  #roundIsOver: Promise<void> = Promise.resolve()
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
    if (this.#running) return
    this.#running = true
    // Writes that finished in the same turn of the event loop share this round.
    this.env.timers.soon(() => void this.#rounds())
  }

  /** The log is going away: it is in no later round, and when this resolves in no present one. */
  forget(log: Log): Promise<void> {
    this.#dirty.delete(log)
    return this.#syncing.has(log) ? this.#roundIsOver : Promise.resolve()
  }

  /** How long the present round has been on its way. A disk that hangs is known by it before any sync fails. */
  stalledMs(nowMs: number): number {
    return this.#roundSinceMs === undefined ? 0 : nowMs - this.#roundSinceMs
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

  async #rounds(): Promise<void> {
    while (this.#dirty.size > 0 && !this.#stopped) {
      this.#roundSinceMs = this.env.clock.monotonicMs()
      const logs = this.#dirty
      this.#dirty = new Set()
      const jobs = [...logs].map((log) => log.beginFlush())
      this.#syncing = logs
      const round = this.#sync(jobs)
      this.#roundIsOver = round.catch(() => {})
      try {
        await round
      } catch (error) {
        this.stop()
        for (const job of jobs) for (const pooled of job.files) pooled.release()
        this.failed(error)
        break
      }
      const endedMs = this.env.clock.monotonicMs()
      if (this.#recent.push({ tookMs: endedMs - this.#roundSinceMs, endedMs }) > paceRoundsMax) this.#recent.shift()
      for (const job of jobs) job.log.completeFlush(job)
    }
    this.#syncing = new Set()
    this.#running = false
    this.#roundSinceMs = undefined
  }

  async #sync(jobs: readonly FlushJob[]): Promise<void> {
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
    await Promise.all(Array.from({ length: Math.min(concurrentSyncsMax, steps.length) }, lane))
  }
}
