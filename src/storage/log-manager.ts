/**
 * All logs of a broker, over its log directories.
 *
 * Owns which logs there are, where a new one goes, and the recurring work: retention, checkpoints, expiry of producers. A log is deleted only when
 * it is asked for, never because of what a folder looks like. Recurring work of one kind never overlaps itself and ends with `close`.
 */
import { invariant } from "../base/assert.js"
import { type TopicPartition, topicPartitionName, type Uuid, zeroUuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type Env, type Timer } from "../env/env.js"
import {
  decodePartitionMetadata,
  encodePartitionMetadata,
  partitionMetadataFile,
  readSmallFile,
  replaceFile,
} from "./checkpoint-files.js"
import { syncFileSystemFilesMin } from "./flusher.js"
import { FilePool } from "./file-pool.js"
import { HotCache } from "./hot-cache.js"
import { IndexCache } from "./index-cache.js"
import type { Log } from "./log.js"
import { folderName, LogDirectory, parseFolderName } from "./log-directory.js"
import { openLog } from "./open-log.js"
import { isShortage } from "./shortage.js"

export interface LogManagerOptions {
  /** Paths of the log directories, at least one. */
  readonly directories: readonly string[]
  readonly nodeId: number
  /** The cluster of directories that belong to none yet. Undefined: a new one. */
  readonly newClusterId?: Uuid
  readonly configOf: (topic: string) => LogConfig
  /** Topics whose logs somebody else opens: raft its metadata log. */
  readonly foreignTopics?: ReadonlySet<string>
  readonly hotCacheBytes?: number
  readonly indexCacheBytes?: number
  readonly openFilesMax?: number
  /** `num.recovery.threads.per.data.dir` */
  readonly recoveriesPerDirectory?: number
  /** `log.retention.check.interval.ms` */
  readonly retentionCheckIntervalMs?: number
  /** `log.flush.offset.checkpoint.interval.ms` */
  readonly checkpointIntervalMs?: number
  /** `replica.high.watermark.checkpoint.interval.ms` */
  readonly highWatermarkCheckpointIntervalMs?: number
  /** `producer.id.expiration.ms` and `producer.id.expiration.check.interval.ms` */
  readonly producerIdExpirationMs?: number
  readonly producerIdExpirationCheckIntervalMs?: number
  /** A directory failed: its logs are offline already. */
  readonly onDirectoryFailed?: (directory: LogDirectory, reason: string) => void
}

export const logManagerDefaults = {
  hotCacheBytes: 128 * 1024 * 1024,
  indexCacheBytes: 32 * 1024 * 1024,
  openFilesMax: 4096,
  recoveriesPerDirectory: 8,
  retentionCheckIntervalMs: 300_000,
  checkpointIntervalMs: 60_000,
  highWatermarkCheckpointIntervalMs: 5_000,
  producerIdExpirationMs: 86_400_000,
  producerIdExpirationCheckIntervalMs: 600_000,
} as const

export interface CreateLogOptions {
  readonly topicId: Uuid
  readonly config: LogConfig
  /** Where it should lie. Default: the online directory with the fewest logs. */
  readonly directoryId?: Uuid
}

interface LogFolder {
  readonly name: string
  readonly partition: TopicPartition
  readonly future: boolean
}

export class LogManager {
  readonly #logs = new Map<string, Log>()
  readonly #futures = new Map<string, Log>()
  readonly #home = new Map<Log, LogDirectory>()
  /** Logs on their way into a directory. */
  readonly #making = new Map<LogDirectory, number>()
  readonly #timers = new Set<Timer>()
  readonly #running = new Set<Promise<void>>()
  #closed = false
  #loaded = false

  private constructor(
    readonly env: Env,
    readonly directories: readonly LogDirectory[],
    readonly options: LogManagerOptions & typeof logManagerDefaults,
  ) {}

  /** Opens the directories and every log in them. Rejects when no directory can be used. */
  static async open(env: Env, given: LogManagerOptions): Promise<LogManager> {
    const manager = await LogManager.openDirectories(env, given)
    await manager.loadLogs()
    return manager
  }

  /** Opens the directories only. `loadLogs` follows, once `configOf` knows the topics, which the metadata log tells. */
  static async openDirectories(env: Env, given: LogManagerOptions): Promise<LogManager> {
    invariant(given.directories.length > 0, "a broker without a log directory")
    const options = { ...logManagerDefaults, ...given } as LogManagerOptions & typeof logManagerDefaults
    const shared = {
      files: new FilePool(options.openFilesMax),
      hotCache: new HotCache(options.hotCacheBytes),
      indexCache: new IndexCache(options.indexCacheBytes),
    }
    const directories: LogDirectory[] = []
    const { nodeId, newClusterId } = options
    let clusterId: Uuid | undefined
    try {
      for (const path of options.directories) {
        const directory = await LogDirectory.open(env, path, shared, { nodeId, clusterId, newClusterId })
        clusterId = directory.properties.clusterId
        directory.onFailed = (failed, reason) => options.onDirectoryFailed?.(failed, reason)
        directories.push(directory)
      }
    } catch (error) {
      for (const directory of directories) await directory.release()
      throw error
    }
    return new LogManager(env, directories, options)
  }

  /** Opens every log of the directories, several at a time, and begins the recurring work. */
  async loadLogs(): Promise<void> {
    const { options } = this
    await Promise.all(this.directories.map((directory) => this.#load(directory)))
    this.#loaded = true
    this.#every(options.retentionCheckIntervalMs, () => this.deleteOldSegments())
    this.#every(options.checkpointIntervalMs, () => this.checkpoint())
    this.#every(options.highWatermarkCheckpointIntervalMs, () => this.checkpointHighWatermarks())
    this.#every(options.producerIdExpirationCheckIntervalMs, async () => this.expireProducers())
  }

  get clusterId(): Uuid {
    return this.directories[0]!.properties.clusterId
  }

  /** The broker epoch of the last stop, if it was clean for every directory; -1 otherwise (KIP-966). */
  get previousBrokerEpoch(): number {
    const epochs = new Set(this.directories.map(({ cleanShutdownEpoch }) => cleanShutdownEpoch ?? -1))
    return epochs.size === 1 ? [...epochs][0]! : -1
  }

  failedDirectoryIds(): Uuid[] {
    return this.directories
      .filter(({ failureReason }) => failureReason !== undefined)
      .map(({ directoryId }) => directoryId)
  }

  /** How long a write or a sync has been on its way, and how long a sync takes these days, in the directories that are worst off. */
  diskPace(): { readonly stalledMs: number; readonly syncMs: number } {
    return {
      stalledMs: Math.max(...this.directories.map(({ stalledMs }) => stalledMs)),
      syncMs: Math.max(...this.directories.map(({ syncPaceMs }) => syncPaceMs)),
    }
  }

  get(topic: string, partition: number): Log | undefined {
    return this.#logs.get(topicPartitionName(topic, partition))
  }

  getFuture(topic: string, partition: number): Log | undefined {
    return this.#futures.get(topicPartitionName(topic, partition))
  }

  logs(): IterableIterator<Log> {
    return this.#logs.values()
  }

  futureLogs(): IterableIterator<Log> {
    return this.#futures.values()
  }

  directoryOf(log: Log): LogDirectory {
    const directory = this.#home.get(log)
    invariant(directory, "a log this manager did not open")
    return directory
  }

  directory(directoryId: Uuid): LogDirectory | undefined {
    return this.directories.find((directory) => directory.directoryId === directoryId)
  }

  async #load(directory: LogDirectory): Promise<void> {
    // An earlier process may have been killed between making a folder and making its name durable.
    await this.env.disk.syncDirectory(directory.path)
    const names = await this.env.disk.list(directory.path)
    const waiting: LogFolder[] = []
    for (const name of names) {
      const folder = parseFolderName(name)
      if (folder === undefined || this.options.foreignTopics?.has(folder.topic)) continue
      if (folder.kind === "delete") this.#removeFolderLater(directory, name, 0)
      else if (folder.kind === "log" || folder.kind === "future")
        waiting.push({ name, partition: folder, future: folder.kind === "future" })
    }
    const isOnMedium = await this.#syncAtOnce(directory, waiting.length)
    let taken = 0
    const lane = async () => {
      for (;;) {
        const next = waiting[taken++]
        if (next === undefined || directory.failureReason !== undefined) return
        try {
          await this.#loadLog(directory, next, isOnMedium)
        } catch (error) {
          // Without handles or room to look into a log nothing is known of it: the start fails, and says so.
          if (isShortage(error)) throw error
          directory.fail(error)
        }
      }
    }
    await Promise.all(Array.from({ length: this.options.recoveriesPerDirectory }, lane))
    // What the old files said of logs that are no more must not be believed of new ones of the same name.
    if (directory.failureReason === undefined) await directory.checkpointOrWait()
  }

  /** Of many logs everything that an earlier process left in the cache. False: each log is to see to it itself. */
  async #syncAtOnce(directory: LogDirectory, logs: number): Promise<boolean> {
    const { disk } = this.env
    const { path } = directory
    if (logs < syncFileSystemFilesMin || disk.syncFileSystem === undefined) return false
    try {
      await disk.syncFileSystem(path)
    } catch (error) {
      if (isShortage(error)) throw error
      directory.fail(error)
    }
    return true
  }

  async #loadLog(directory: LogDirectory, folder: LogFolder, isOnMedium: boolean): Promise<void> {
    const { name, partition: tp, future } = folder
    const path = `${directory.path}/${name}`
    const names = await this.#listFolder(path)
    if (names === undefined) return
    const metadata = names.includes(partitionMetadataFile)
      ? await readSmallFile(this.env.disk, `${path}/${partitionMetadataFile}`)
      : undefined
    const key = topicPartitionName(tp.topic, tp.partition)
    const log = await openLog(directory, {
      topic: tp.topic,
      partition: tp.partition,
      topicId: (metadata && decodePartitionMetadata(metadata)) ?? zeroUuid,
      path,
      config: this.options.configOf(tp.topic),
      logStartOffset: future ? 0 : (directory.logStartOffsets.get(key)?.offset ?? 0),
      recoveryPoint: future ? 0 : (directory.recoveryPoints.get(key)?.offset ?? 0),
      highWatermark: directory.highWatermarks.get(key)?.offset ?? 0,
      names,
      isOnMedium,
    })
    const other = (future ? this.#futures : this.#logs).get(key)
    if (other === undefined) return this.#adopt(directory, log, future)
    // A move between directories was cut short after the new copy got its name. The longer one has taken appends since; the other is kept aside.
    const loser = log.logEndOffset > other.logEndOffset ? other : log
    takeOverStart(loser === log ? other : log, loser)
    if (loser === other) {
      this.directoryOf(other).logs.delete(other)
      this.#logs.delete(key)
      this.#futures.delete(key)
      this.#adopt(directory, log, future)
    }
    await this.#setAside(
      loser,
      loser === log ? directory : this.directoryOf(other),
      `${log.name} is in another log directory too`,
    )
    this.#home.delete(other === loser ? other : log)
  }

  /** Undefined: there is no such folder. */
  async #listFolder(path: string): Promise<string[] | undefined> {
    try {
      return await this.env.disk.list(path)
    } catch (error) {
      if (error instanceof DiskError && (error.code === "ENOTDIR" || error.code === "ENOENT")) return undefined
      throw error
    }
  }

  async #setAside(log: Log, directory: LogDirectory, reason: string): Promise<void> {
    await log.abandon(reason)
    const name = folderName(log.topic, log.partition, "stray", this.env.random.bytes(16))
    this.env.log.log("warn", "a log is set aside", { path: log.path, name })
    await this.env.disk.rename(log.path, `${directory.path}/${name}`)
    await this.env.disk.syncDirectory(directory.path)
  }

  #adopt(directory: LogDirectory, log: Log, future: boolean): void {
    const logs = future ? this.#futures : this.#logs
    invariant(!logs.has(log.name), `${log.name} is there twice: the caller did not look`)
    logs.set(log.name, log)
    directory.logs.add(log)
    this.#home.set(log, directory)
    // It failed while this was on its way, and told only those it knew.
    if (directory.failureReason !== undefined) log.goOffline(directory.failureReason)
  }

  /**
   * Makes an empty log. When it resolves, its folder and topic id are on the medium; the first append makes its first file. Rejects with `DiskError` (no room) or
   * when no directory is online; the caller made sure that there is no such log.
   */
  async create(
    topic: string,
    partition: number,
    options: CreateLogOptions,
    kind: "log" | "future" = "log",
  ): Promise<Log> {
    const online = this.directories.filter((directory) => directory.failureReason === undefined)
    // Those being made count: thousands may be on their way at once.
    const size = (directory: LogDirectory) => directory.logs.size + (this.#making.get(directory) ?? 0)
    const directory =
      online.find((candidate) => candidate.directoryId === options.directoryId) ??
      online.reduce<LogDirectory | undefined>(
        (best, candidate) => (best === undefined || size(candidate) < size(best) ? candidate : best),
        undefined,
      )
    if (directory === undefined) throw new Error("no log directory is online")
    const count = (change: number) => this.#making.set(directory, (this.#making.get(directory) ?? 0) + change)
    count(1)
    try {
      return await this.#createIn(directory, topic, partition, options, kind)
    } finally {
      count(-1)
    }
  }

  async #createIn(
    directory: LogDirectory,
    topic: string,
    partition: number,
    options: CreateLogOptions,
    kind: "log" | "future",
  ): Promise<Log> {
    const name =
      kind === "log"
        ? topicPartitionName(topic, partition)
        : folderName(topic, partition, "future", this.env.random.bytes(16))
    const path = `${directory.path}/${name}`
    if (directory.hasOldCheckpoints) await directory.checkpoint()
    const names = await directory.makeLogFolder(path, options.topicId)
    const log = await openLog(directory, {
      topic,
      partition,
      topicId: options.topicId,
      path,
      config: options.config,
      logStartOffset: 0,
      recoveryPoint: 0,
      highWatermark: 0,
      isOnMedium: true,
      ...(names !== undefined && { names }),
    })
    this.#adopt(directory, log, kind === "future")
    return log
  }

  /** Takes a log out of service without deleting a byte of it: its folder gets a name that no start serves. */
  async setAside(log: Log): Promise<void> {
    const directory = this.directoryOf(log)
    for (const logs of [this.#logs, this.#futures]) if (logs.get(log.name) === log) logs.delete(log.name)
    directory.logs.delete(log)
    this.#home.delete(log)
    await this.#setAside(log, directory, `${log.name} is set aside`)
    await directory.checkpoint()
  }

  /**
   * Writes down which topic a log belongs to whose folder did not say: its making was cut short, or it is older than topic ids. Without that it would be
   * taken for the log of any later topic of its name.
   */
  async assignTopicId(log: Log, topicId: Uuid): Promise<void> {
    await replaceFile(this.env.disk, log.path, partitionMetadataFile, encodePartitionMetadata(topicId))
    log.assignTopicId(topicId)
  }

  /**
   * Deletes a log because its topic was deleted or its replica moved. When it resolves the log is gone under its name, also after a crash; the bytes
   * go `fileDeleteDelayMs` later.
   */
  async delete(log: Log): Promise<void> {
    const directory = this.directoryOf(log)
    for (const logs of [this.#logs, this.#futures]) if (logs.get(log.name) === log) logs.delete(log.name)
    await log.abandon(`${log.name} was deleted`)
    directory.logs.delete(log)
    this.#home.delete(log)
    if (directory.failureReason !== undefined) return
    const name = folderName(log.topic, log.partition, "delete", this.env.random.bytes(16))
    await this.env.disk.rename(log.path, `${directory.path}/${name}`)
    await this.env.disk.syncDirectory(directory.path)
    // A new log of this name must not inherit how far the old one was.
    await directory.checkpoint()
    await directory.checkpointHighWatermarks()
    this.#removeFolderLater(directory, name, log.config.fileDeleteDelayMs)
  }

  #removeFolderLater(directory: LogDirectory, name: string, delayMs: number): void {
    const timer = this.env.timers.after(delayMs, () => {
      this.#timers.delete(timer)
      if (this.#closed || directory.failureReason !== undefined) return
      this.#track(
        this.env.disk.removeDirectory(`${directory.path}/${name}`).catch((error: unknown) => {
          this.env.log.log("warn", "a deleted log could not be removed", { name, error: String(error) })
        }),
      )
    })
    this.#timers.add(timer)
  }

  /**
   * A future log that caught up takes the place of the current one (AlterReplicaLogDirs). The caller has stopped appends to both. `swapped` is told the log
   * that serves from now on while the old one still does; it is deleted after that.
   */
  async replaceWithFuture(topic: string, partition: number, swapped: (log: Log) => void = () => {}): Promise<Log> {
    const key = topicPartitionName(topic, partition)
    const future = this.#futures.get(key)
    invariant(future, "a swap without a future log")
    const current = this.#logs.get(key)
    const directory = this.directoryOf(future)
    await future.flush()
    if (current !== undefined) await future.takeOverProducers(current)
    // The new one gets the name before the old one loses it: a crash in between leaves two whole copies, never none.
    await future.paused(async () => {
      const path = `${directory.path}/${key}`
      await this.env.disk.rename(future.path, path)
      await this.env.disk.syncDirectory(directory.path)
      future.moved(path)
    })
    this.#futures.delete(key)
    this.#logs.set(key, future)
    // What is deleted from the old one meanwhile, which serves until the swap, is never served again.
    do {
      if (current !== undefined) takeOverStart(future, current)
      await directory.checkpoint()
    } while (current !== undefined && current.logStartOffset > future.logStartOffset)
    swapped(future)
    if (current !== undefined) await this.delete(current)
    return future
  }

  async deleteOldSegments(): Promise<number> {
    let deleted = 0
    for (const log of [...this.#logs.values(), ...this.#futures.values()]) {
      if (this.#closed) break
      deleted += await log.deleteOldSegments(this.env.clock.wallMs())
    }
    return deleted
  }

  async checkpoint(): Promise<void> {
    await Promise.all(this.#online().map((directory) => this.#guard(directory, () => directory.checkpointLogs())))
  }

  async checkpointHighWatermarks(): Promise<void> {
    await Promise.all(
      this.#online().map((directory) => this.#guard(directory, () => directory.checkpointHighWatermarks())),
    )
  }

  expireProducers(): void {
    for (const log of this.#logs.values())
      log.expireProducers(this.env.clock.wallMs(), this.options.producerIdExpirationMs)
  }

  #online(): LogDirectory[] {
    return this.directories.filter((directory) => directory.failureReason === undefined)
  }

  async #guard(directory: LogDirectory, task: () => Promise<void>): Promise<void> {
    try {
      await task()
    } catch (error) {
      directory.reportFailure(error)
    }
  }

  /** Runs `task` again and again, each time `intervalMs` after it ended. */
  #every(intervalMs: number, task: () => Promise<unknown>): void {
    const timer = this.env.timers.after(intervalMs, () => {
      this.#timers.delete(timer)
      if (this.#closed) return
      this.#track(
        task().then(
          () => this.#again(intervalMs, task),
          (error: unknown) => {
            this.env.log.log("error", "recurring work on the logs failed", { error: String(error) })
            this.#again(intervalMs, task)
          },
        ),
      )
    })
    this.#timers.add(timer)
  }

  #again(intervalMs: number, task: () => Promise<unknown>): void {
    if (!this.#closed) this.#every(intervalMs, task)
  }

  #track(work: Promise<void>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }

  /** Stops recurring work, puts every log on the medium and gives the directories back. A next start scans nothing. */
  async close(brokerEpoch = -1): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    await Promise.all(this.#running)
    // Checkpoints written without the logs would say that there are none, and forget where each begins.
    await Promise.all(
      this.directories.map((directory) => (this.#loaded ? directory.close(brokerEpoch) : directory.release())),
    )
  }
}

/** Of two copies of a log the one that serves from now on begins no earlier than the other did. */
function takeOverStart(log: Log, former: Log): void {
  log.updateHighWatermark(Math.max(log.highWatermark, former.highWatermark))
  log.maybeIncrementLogStartOffset(former.logStartOffset)
}
