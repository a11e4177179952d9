/**
 * One log directory: a folder on one disk, locked for this process, with the logs in it.
 *
 * Owns what logs of one disk share: the sync rounds, the checkpoint files, the free room, and whether the disk can be trusted. When an
 * operation fails in a way that leaves the disk in doubt, all of it goes offline at once and nothing is tried again.
 */
import { type TopicPartition, topicPartitionName, type Uuid } from "../base/ids.js"
import { DiskError, type Env } from "../env/env.js"
import {
  cleanShutdownFile,
  decodeCleanShutdown,
  decodeOffsetCheckpoint,
  encodeCleanShutdown,
  encodeOffsetCheckpoint,
  highWatermarkFile,
  logStartOffsetFile,
  type MetaProperties,
  type OffsetCheckpoint,
  readSmallFile,
  recoveryPointFile,
  replaceFile,
} from "./checkpoint-files.js"
import { type DirectoryIdentity, lockDirectory, readIdentity } from "./directory-identity.js"
import type { FilePool } from "./file-pool.js"
import type { Latency } from "../observe/latency.js"
import { Flusher } from "./flusher.js"
import type { HotCache } from "./hot-cache.js"
import type { IndexCache } from "./index-cache.js"
import type { Log, LogHome } from "./log.js"
import { LogFolders } from "./log-folders.js"
import { isShortage } from "./shortage.js"

/** How often a full directory is looked at for room. */
export const roomProbeIntervalMs = 1000
/** Appends resume when this much is free beyond what the refused write wanted. */
export const freeBytesMin = 1024 * 1024

/** Logs being closed at the same time. */
export const logsClosedAtOnceMax = 16

export interface SharedByDirectories {
  readonly files: FilePool
  readonly hotCache: HotCache
  readonly indexCache: IndexCache
}

export class LogDirectory implements LogHome {
  readonly files: FilePool
  readonly hotCache: HotCache
  readonly indexCache: IndexCache
  readonly logs = new Set<Log>()
  onFailed: (directory: LogDirectory, reason: string) => void = () => {}

  readonly #flusher: Flusher
  readonly #folders: LogFolders
  #full = false
  #failureReason: string | undefined
  #closed = false
  /** The run of `checkpoint` that has not begun, shared by all who ask meanwhile. */
  #nextCheckpoint: Promise<void> | undefined
  #lastCheckpoint: Promise<void> = Promise.resolve()
  #nextHighWatermarks: Promise<void> | undefined
  #lastHighWatermarks: Promise<void> = Promise.resolve()
  /** What the last written files say, to spare writing the same again. */
  readonly #writtenFiles = new Map<string, string>()

  private constructor(
    readonly env: Env,
    readonly path: string,
    shared: SharedByDirectories,
    readonly properties: MetaProperties,
    readonly lock: { release(): Promise<void> },
    /** Broker epoch of the last process if that stopped cleanly. */
    readonly cleanShutdownEpoch: number | undefined,
    readonly recoveryPoints: ReadonlyMap<string, OffsetCheckpoint>,
    readonly logStartOffsets: ReadonlyMap<string, OffsetCheckpoint>,
    readonly highWatermarks: ReadonlyMap<string, OffsetCheckpoint>,
  ) {
    this.files = shared.files
    this.hotCache = shared.hotCache
    this.indexCache = shared.indexCache
    this.#flusher = new Flusher(env, path, (error) => this.fail(error))
    this.#folders = new LogFolders(env, path, (error) => this.fail(error))
  }

  /**
   * Locks the folder and reads what it says of itself; makes it what it must be when it is new. Rejects with `DirectoryError` (belongs to
   * another cluster or node, damaged properties) or `DiskError` (EWOULDBLOCK: another process holds it).
   */
  static async open(
    env: Env,
    path: string,
    shared: SharedByDirectories,
    identity: DirectoryIdentity,
  ): Promise<LogDirectory> {
    const lock = await lockDirectory(env, path)
    try {
      const properties = await readIdentity(env, path, identity)
      const clean = await readSmallFile(env.disk, `${path}/${cleanShutdownFile}`)
      const [recoveryPoints, logStartOffsets, highWatermarks] = await Promise.all(
        [recoveryPointFile, logStartOffsetFile, highWatermarkFile].map((name) => readCheckpoint(env, path, name)),
      )
      if (clean !== undefined) {
        // From here on the folder is in use: a crash must not look like a clean stop.
        await env.disk.unlink(`${path}/${cleanShutdownFile}`)
        await env.disk.syncDirectory(path)
      }
      return new LogDirectory(
        env,
        path,
        shared,
        properties,
        lock,
        clean && decodeCleanShutdown(clean),
        recoveryPoints!,
        logStartOffsets!,
        highWatermarks!,
      )
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get directoryId(): Uuid {
    return this.properties.directoryId
  }

  get full(): boolean {
    return this.#full
  }

  /** Why nothing of this directory is served, undefined while it is. */
  get failureReason(): string | undefined {
    return this.#failureReason
  }

  /** How long a write or a sync has been on its way. */
  get stalledMs(): number {
    const nowMs = this.env.clock.monotonicMs()
    let stalledMs = this.#flusher.stalledMs(nowMs)
    for (const log of this.logs) stalledMs = Math.max(stalledMs, log.writeStalledMs(nowMs))
    return this.#failureReason === undefined ? stalledMs : 0
  }

  /** How long a sync takes these days. */
  get syncPaceMs(): number {
    return this.#flusher.paceMs(this.env.clock.monotonicMs())
  }

  /** How long rounds of syncs took. */
  get syncLatency(): Latency {
    return this.#flusher.latency
  }

  /** See `LogFolders.make`. */
  makeLogFolder(path: string, topicId: Uuid): Promise<readonly string[] | undefined> {
    return this.#folders.make(path, topicId)
  }

  /** What an earlier process left of the folder's making is on the medium when this resolves. Rejects with `DiskError`. */
  settleFolder(path: string): Promise<void> {
    return this.#folders.settle(path)
  }

  wantsSync(log: Log): void {
    this.#flusher.wantsSync(log)
  }

  syncsNoMore(log: Log): Promise<void> {
    return this.#flusher.forget(log)
  }

  reportFull(error: DiskError, wantedBytes: number): void {
    if (this.#full || this.#failureReason !== undefined) return
    this.#full = true
    this.env.log.log("error", "log directory is full or out of handles, appends are refused until there is room", {
      path: this.path,
      error: error.message,
    })
    this.#probeRoom(wantedBytes)
  }

  #probeRoom(wantedBytes: number): void {
    this.env.timers.after(roomProbeIntervalMs, () => {
      if (this.#closed || this.#failureReason !== undefined) return
      this.env.disk.freeBytes(this.path).then(
        ({ free }) => {
          if (free < wantedBytes + freeBytesMin) return this.#probeRoom(wantedBytes)
          this.#full = false
          this.env.log.log("info", "log directory has room again, appends are taken", { path: this.path, free })
        },
        (error: unknown) => this.fail(error),
      )
    })
  }

  /** As `fail`, but for want of room the directory only refuses appends. */
  reportFailure(error: unknown): void {
    if (isShortage(error)) this.reportFull(error, 0)
    else this.fail(error)
  }

  fail(error: unknown): void {
    if (this.#failureReason !== undefined || this.#closed) return
    this.#failureReason = `log directory ${this.path} failed: ${error instanceof Error ? error.message : String(error)}`
    this.env.log.log("error", this.#failureReason)
    this.#flusher.stop()
    for (const log of this.logs) log.goOffline(this.#failureReason)
    this.onFailed(this, this.#failureReason)
    // An error that is not the disk's is a broken promise of our own code.
    if (!(error instanceof DiskError)) throw error
  }

  checkpoint(): Promise<void> {
    this.#nextCheckpoint ??= this.#lastCheckpoint
      .catch(() => {})
      .then(() => {
        this.#nextCheckpoint = undefined
        this.#lastCheckpoint = this.#writeCheckpoints()
        return this.#lastCheckpoint
      })
    return this.#nextCheckpoint
  }

  /** The files speak of logs that are gone, for want of room to say otherwise: no new log may get one of their names before they are written. */
  hasOldCheckpoints = false

  /** As `checkpoint`, but a full directory only remembers that it is to be done. */
  async checkpointOrWait(): Promise<void> {
    try {
      await this.checkpoint()
    } catch (error) {
      if (!isShortage(error)) throw error
      this.hasOldCheckpoints = true
      this.reportFull(error, 0)
    }
  }

  async #writeCheckpoints(): Promise<void> {
    await this.#writeCheckpoint(recoveryPointFile, (log) => log.checkpointRecoveryPoint)
    const starts = [...this.logs].map((log) => ({ log, offset: log.logStartOffset }))
    await this.#writeCheckpoint(logStartOffsetFile, (log) => log.logStartOffset)
    for (const { log, offset } of starts) if (!isFuturePath(log.path)) log.startIsDurable(offset)
    this.hasOldCheckpoints = false
  }

  /** High watermarks are hints for the time after a start; they are written more often and on their own. One run at a time, for all write the same files. */
  checkpointHighWatermarks(): Promise<void> {
    this.#nextHighWatermarks ??= this.#lastHighWatermarks
      .catch(() => {})
      .then(() => {
        this.#nextHighWatermarks = undefined
        this.#lastHighWatermarks = this.#writeCheckpoint(highWatermarkFile, (log) => log.highWatermark)
        return this.#lastHighWatermarks
      })
    return this.#nextHighWatermarks
  }

  async #writeCheckpoint(name: string, offset: (log: Log) => number): Promise<void> {
    if (this.#failureReason !== undefined) return
    // A log that is offline says nothing new: what was written of it before stays.
    const before = { [recoveryPointFile]: this.recoveryPoints, [logStartOffsetFile]: this.logStartOffsets }[name]
    const entries = [...this.logs].flatMap((log) => {
      const known = log.offlineReason === undefined ? offset(log) : before?.get(log.name)?.offset
      return known === undefined || isFuturePath(log.path)
        ? []
        : [{ topic: log.topic, partition: log.partition, offset: known }]
    })
    const content = encodeOffsetCheckpoint(entries)
    const text = content.toString("latin1")
    if (this.#writtenFiles.get(name) === text) return
    await replaceFile(this.env.disk, this.path, name, content)
    this.#writtenFiles.set(name, text)
  }

  /** Puts on the medium how far each log is, so that after a crash little is scanned. */
  async checkpointLogs(): Promise<void> {
    for (const log of this.logs) await log.prepareCheckpoint()
    await this.checkpoint()
  }

  /** False: one that could be closed was not. */
  async #closeLogs(): Promise<boolean> {
    let allClosed = true
    const logs = [...this.logs]
    let next = 0
    const lane = async () => {
      while (next < logs.length) {
        const log = logs[next++]!
        if (!(await log.close()) && log.offlineReason === undefined) allClosed = false
      }
    }
    await Promise.all(Array.from({ length: logsClosedAtOnceMax }, lane))
    return allClosed
  }

  /** Gives the folder back as it is: what it says of logs that were never opened stays. */
  async release(): Promise<void> {
    await this.#closeLogs()
    this.#closed = true
    this.#flusher.stop()
    await this.lock.release()
  }

  /** Closes all logs and, if everything is on the medium, says so in the folder. */
  async close(brokerEpoch: number): Promise<void> {
    const wasOnline = this.#failureReason === undefined
    const allClosed = await this.#closeLogs()
    if (wasOnline && allClosed && this.#failureReason === undefined) {
      try {
        await this.checkpoint()
        await this.checkpointHighWatermarks()
        await replaceFile(this.env.disk, this.path, cleanShutdownFile, encodeCleanShutdown(brokerEpoch))
      } catch (error) {
        this.env.log.log("error", "the log directory could not be closed cleanly", {
          path: this.path,
          error: String(error),
        })
      }
    }
    this.#closed = true
    this.#flusher.stop()
    await this.lock.release()
  }
}

export const isFuturePath = (path: string): boolean => path.endsWith("-future")

async function readCheckpoint(env: Env, path: string, name: string): Promise<Map<string, OffsetCheckpoint>> {
  const bytes = await readSmallFile(env.disk, `${path}/${name}`)
  if (bytes === undefined) return new Map()
  const entries = decodeOffsetCheckpoint(bytes)
  // Without recovery points everything is scanned from the start, and nothing is lost; the same holds for the others.
  if (entries === undefined) env.log.log("warn", "a checkpoint file is damaged and not used", { path, name })
  return entries ?? new Map()
}

const partitionFolder = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})$/
const uuidSuffix = /\.[0-9a-f]{32}-(delete|future|stray)$/

export type FolderKind = "log" | "delete" | "future" | "stray"

/** What a folder name says, undefined when it is none of ours. The name of a folder to delete may be cut, so its partition is no fact. */
export function parseFolderName(name: string): (TopicPartition & { readonly kind: FolderKind }) | undefined {
  const suffix = uuidSuffix.exec(name)
  const match = partitionFolder.exec(suffix ? name.slice(0, suffix.index) : name)
  const kind = (suffix?.[1] ?? "log") as FolderKind
  if (match === null) return kind === "delete" ? { topic: "", partition: -1, kind } : undefined
  return { topic: match[1]!, partition: Number(match[2]), kind }
}

/** Kafka's name of a folder that is on its way out or in: at most 255 bytes, so long topic names are cut. */
export function folderName(topic: string, partition: number, kind: "delete" | "future" | "stray", id: Buffer): string {
  const tail = `.${id.toString("hex")}-${kind}`
  const name = topicPartitionName(topic, partition)
  const room = 255 - tail.length
  return name.length <= room
    ? name + tail
    : `${topic.slice(0, room - String(partition).length - 1)}-${partition}${tail}`
}
