/**
 * Every log of a directory opened, as a start finds them.
 *
 * Owns what a folder's name and content say of the log in it, what must be on the medium before anything counts, and which of two copies of a log stays. Deletes nothing: a copy
 * that is not wanted is set aside.
 */
import { type TopicPartition, topicPartitionName, type Uuid, zeroUuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type Env } from "../env/env.js"
import { decodePartitionMetadata, partitionMetadataFile, readSmallFile } from "./checkpoint-files.js"
import { syncFileSystemFilesMin } from "./flusher.js"
import type { Log } from "./log.js"
import { type LogDirectory, parseFolderName } from "./log-directory.js"
import type { LogTable } from "./log-table.js"
import { openLog } from "./open-log.js"
import { isShortage } from "./shortage.js"

interface LogFolder {
  readonly name: string
  readonly partition: TopicPartition
  readonly kind: "log" | "future"
}

export interface LogLoadingOptions {
  readonly env: Env
  readonly table: LogTable
  readonly configOf: (topic: string) => LogConfig
  readonly foreignTopics: ReadonlySet<string> | undefined
  /** `num.recovery.threads.per.data.dir` */
  readonly recoveriesPerDirectory: number
  /** A folder that was to be deleted. */
  readonly removeFolder: (directory: LogDirectory, name: string) => void
  /** Gives the log's folder a name that no start serves. */
  readonly setAside: (log: Log, directory: LogDirectory, reason: string) => Promise<void>
}

export class LogLoading {
  constructor(private readonly options: LogLoadingOptions) {}

  /** Rejects with `DiskError` when there are no handles or there is no room to look into a log; other errors are the directory's end. */
  async load(directory: LogDirectory): Promise<void> {
    const { env, foreignTopics, removeFolder, recoveriesPerDirectory } = this.options
    // An earlier process may have been killed between making a folder and making its name durable.
    await env.disk.syncDirectory(directory.path)
    const names = await env.disk.list(directory.path)
    const waiting: LogFolder[] = []
    for (const name of names) {
      const folder = parseFolderName(name)
      if (folder === undefined || foreignTopics?.has(folder.topic)) continue
      if (folder.kind === "delete") removeFolder(directory, name)
      else if (folder.kind !== "stray") waiting.push({ name, partition: folder, kind: folder.kind })
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
    await Promise.all(Array.from({ length: recoveriesPerDirectory }, lane))
    // What the old files said of logs that are no more must not be believed of new ones of the same name.
    if (directory.failureReason === undefined) await directory.checkpointOrWait()
  }

  /** Of many logs everything that an earlier process left in the cache. False: each log is to see to it itself. */
  async #syncAtOnce(directory: LogDirectory, logs: number): Promise<boolean> {
    const { disk } = this.options.env
    if (logs < syncFileSystemFilesMin || disk.syncFileSystem === undefined) return false
    try {
      await disk.syncFileSystem(directory.path)
    } catch (error) {
      if (isShortage(error)) throw error
      directory.fail(error)
    }
    return true
  }

  async #loadLog(directory: LogDirectory, folder: LogFolder, isOnMedium: boolean): Promise<void> {
    const { table, configOf } = this.options
    const { name, partition: tp, kind } = folder
    const path = `${directory.path}/${name}`
    const names = await this.#listFolder(path)
    if (names === undefined) return
    const topicId = await this.#topicIdIn(directory, path, names, isOnMedium)
    const key = topicPartitionName(tp.topic, tp.partition)
    const isFuture = kind === "future"
    const log = await openLog(directory, {
      topic: tp.topic,
      partition: tp.partition,
      topicId,
      path,
      config: configOf(tp.topic),
      logStartOffset: isFuture ? 0 : (directory.logStartOffsets.get(key)?.offset ?? 0),
      recoveryPoint: isFuture ? 0 : (directory.recoveryPoints.get(key)?.offset ?? 0),
      highWatermark: directory.highWatermarks.get(key)?.offset ?? 0,
      names,
      isOnMedium,
    })
    const other = table.get(key, kind)
    if (other === undefined) return table.add(directory, log, kind)
    if (isFuture || other.topicId === topicId) return this.#keepLonger(directory, log, other, kind)
    const namesake = table.namesakes().find((each) => each.name === key && each.topicId === topicId)
    if (namesake === undefined) return table.add(directory, log, "namesake")
    return this.#keepLonger(directory, log, namesake, "namesake")
  }

  /** A move between directories was cut short after the new copy got its name. The longer one has taken appends since; the other is kept aside. */
  async #keepLonger(directory: LogDirectory, log: Log, other: Log, kind: "log" | "future" | "namesake"): Promise<void> {
    const { table, setAside } = this.options
    const reason = `${log.name} is in another log directory too`
    if (log.logEndOffset <= other.logEndOffset) {
      takeOverStart(other, log)
      return setAside(log, directory, reason)
    }
    takeOverStart(log, other)
    const home = table.directoryOf(other)
    table.remove(other)
    table.add(directory, log, kind)
    await setAside(other, home, reason)
  }

  async #topicIdIn(
    directory: LogDirectory,
    path: string,
    names: readonly string[],
    isOnMedium: boolean,
  ): Promise<Uuid> {
    if (!names.includes(partitionMetadataFile)) return zeroUuid
    const metadata = await readSmallFile(this.options.env.disk, `${path}/${partitionMetadataFile}`)
    if (metadata === undefined) return zeroUuid
    // Before anything is appended behind it: without its topic id the log would be taken for one whose making was cut short.
    if (!isOnMedium) await directory.settleFolder(path)
    return decodePartitionMetadata(metadata) ?? zeroUuid
  }

  /** Undefined: there is no such folder. */
  async #listFolder(path: string): Promise<string[] | undefined> {
    try {
      return await this.options.env.disk.list(path)
    } catch (error) {
      if (error instanceof DiskError && (error.code === "ENOTDIR" || error.code === "ENOENT")) return undefined
      throw error
    }
  }
}

/** Of two copies of a log the one that serves from now on begins no earlier than the other did. */
export function takeOverStart(log: Log, former: Log): void {
  log.updateHighWatermark(Math.max(log.highWatermark, former.highWatermark))
  log.maybeIncrementLogStartOffset(former.logStartOffset)
}
