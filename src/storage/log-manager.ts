/**
 * All logs of a broker, over its log directories.
 *
 * Owns where a new log goes, how one leaves, and what is done again and again: retention, checkpoints, expiry of producers. A log is deleted only when
 * it is asked for, never because of what a folder looks like.
 */
import { invariant } from "../base/assert.js"
import { topicPartitionName, type Uuid, zeroUuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import type { Env } from "../env/env.js"
import { encodePartitionMetadata, partitionMetadataFile, replaceFile } from "./checkpoint-files.js"
import { FilePool } from "./file-pool.js"
import { HotCache } from "./hot-cache.js"
import { IndexCache } from "./index-cache.js"
import type { Log } from "./log.js"
import { folderName, LogDirectory } from "./log-directory.js"
import { LogLoading, takeOverStart } from "./log-loading.js"
import { LogTable } from "./log-table.js"
import { openLog } from "./open-log.js"
import { RecurringWork } from "./recurring-work.js"

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

export class LogManager {
  readonly #table = new LogTable()
  readonly #work: RecurringWork
  /** Logs on their way into a directory. */
  readonly #making = new Map<LogDirectory, number>()
  #loaded = false

  private constructor(
    readonly env: Env,
    readonly directories: readonly LogDirectory[],
    readonly options: LogManagerOptions & typeof logManagerDefaults,
  ) {
    this.#work = new RecurringWork(env)
  }

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
    const loading = new LogLoading({
      env: this.env,
      table: this.#table,
      configOf: options.configOf,
      foreignTopics: options.foreignTopics,
      recoveriesPerDirectory: options.recoveriesPerDirectory,
      removeFolder: (directory, name) => this.#removeFolderLater(directory, name, 0),
      setAside: (log, directory, reason) => this.#setAside(log, directory, reason),
    })
    await Promise.all(this.directories.map((directory) => loading.load(directory)))
    this.#loaded = true
    this.#work.every(options.retentionCheckIntervalMs, () => this.deleteOldSegments())
    this.#work.every(options.checkpointIntervalMs, () => this.checkpoint())
    this.#work.every(options.highWatermarkCheckpointIntervalMs, () => this.checkpointHighWatermarks())
    this.#work.every(options.producerIdExpirationCheckIntervalMs, async () => this.expireProducers())
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
    return this.#table.get(topicPartitionName(topic, partition), "log")
  }

  getFuture(topic: string, partition: number): Log | undefined {
    return this.#table.get(topicPartitionName(topic, partition), "future")
  }

  logs(): IterableIterator<Log> {
    return this.#table.logs()
  }

  futureLogs(): IterableIterator<Log> {
    return this.#table.futures()
  }

  /** Logs of a name that another topic's log has too; see `claim`. */
  namesakes(): Log[] {
    return this.#table.namesakes()
  }

  /** Everything that lies here under this name, of whatever topic: the log, a future one, and namesakes. */
  copies(topic: string, partition: number): Log[] {
    return this.#table.copies(topic, partition)
  }

  /**
   * The log of this topic, which is served from now on; without one, a log that does not know its topic; undefined: neither is here. Others of the name are set aside, where
   * their directory has not failed: their records must never show under this id. Rejects with `DiskError`.
   */
  async claim(topic: string, partition: number, topicId: Uuid): Promise<Log | undefined> {
    const future = this.getFuture(topic, partition)
    const copies = this.copies(topic, partition).filter((log) => log !== future)
    const wanted = copies.find((log) => log.topicId === topicId) ?? copies.find((log) => log.topicId === zeroUuid)
    for (const log of copies) {
      if (log === wanted) continue
      if (this.directoryOf(log).failureReason === undefined) await this.setAside(log)
      else this.#table.become(log, "namesake")
    }
    if (wanted !== undefined && this.#table.isNamesake(wanted)) this.#table.become(wanted, "log")
    return wanted
  }

  directoryOf(log: Log): LogDirectory {
    return this.#table.directoryOf(log)
  }

  directory(directoryId: Uuid): LogDirectory | undefined {
    return this.directories.find((directory) => directory.directoryId === directoryId)
  }

  async #setAside(log: Log, directory: LogDirectory, reason: string): Promise<void> {
    await log.abandon(reason)
    const name = folderName(log.topic, log.partition, "stray", this.env.random.bytes(16))
    this.env.log.log("warn", "a log is set aside", { path: log.path, name })
    await this.env.disk.rename(log.path, `${directory.path}/${name}`)
    await this.env.disk.syncDirectory(directory.path)
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
    this.#table.add(directory, log, kind)
    return log
  }

  /** Takes a log out of service without deleting a byte of it: its folder gets a name that no start serves. */
  async setAside(log: Log): Promise<void> {
    const directory = this.directoryOf(log)
    this.#table.remove(log)
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
    this.#table.leaveName(log)
    await log.abandon(`${log.name} was deleted`)
    this.#table.remove(log)
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
    this.#work.after(delayMs, async () => {
      if (directory.failureReason !== undefined) return
      try {
        await this.env.disk.removeDirectory(`${directory.path}/${name}`)
      } catch (error) {
        this.env.log.log("warn", "a deleted log could not be removed", { name, error: String(error) })
      }
    })
  }

  /**
   * A future log that caught up takes the place of the current one (AlterReplicaLogDirs). The caller has stopped appends to both. `swapped` is told the log
   * that serves from now on while the old one still does; it is deleted after that.
   */
  async replaceWithFuture(topic: string, partition: number, swapped: (log: Log) => void = () => {}): Promise<Log> {
    const key = topicPartitionName(topic, partition)
    const future = this.getFuture(topic, partition)
    invariant(future, "a swap without a future log")
    const current = this.get(topic, partition)
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
    if (current !== undefined) this.#table.leaveName(current)
    this.#table.become(future, "log")
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
    for (const log of [...this.logs(), ...this.futureLogs()]) {
      if (this.#work.isClosed) break
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
    for (const log of this.logs()) log.expireProducers(this.env.clock.wallMs(), this.options.producerIdExpirationMs)
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

  /** Stops recurring work, puts every log on the medium and gives the directories back. A next start scans nothing. */
  async close(brokerEpoch = -1): Promise<void> {
    if (this.#work.isClosed) return
    await this.#work.close()
    // Checkpoints written without the logs would say that there are none, and forget where each begins.
    await Promise.all(
      this.directories.map((directory) => (this.#loaded ? directory.close(brokerEpoch) : directory.release())),
    )
  }
}
