/**
 * Folders of new logs, many of them put on the medium together.
 *
 * Owns the making of a folder with the topic's id in it, and the rounds that make names and content durable; opens no log. A round takes every folder made since the last one
 * began: where the file system can be synced as a whole, ten thousand logs cost no more syncs than a few.
 */
import type { Uuid } from "../base/ids.js"
import { DiskError, type Env, type File } from "../env/env.js"
import { encodePartitionMetadata, partitionMetadataFile } from "./checkpoint-files.js"
import { syncFileSystemFilesMin } from "./flusher.js"
import { isShortage } from "./shortage.js"

interface MadeFolder {
  readonly path: string
  readonly settle: (error: unknown) => void
}

export class LogFolders {
  #made: MadeFolder[] = []
  #running = false

  constructor(
    private readonly env: Env,
    /** Of the log directory. */
    private readonly directory: string,
    /** A sync failed: afterwards nobody knows what is on the medium. */
    private readonly failed: (error: unknown) => void,
  ) {}

  /**
   * When it resolves, the folder and the topic id in it are on the medium. Before, a power cut may leave the folder without its id, which then says that its making was cut short.
   * Resolves with what is in the folder, undefined where it is not known: an earlier try may have left something. Rejects with `DiskError`.
   */
  async make(path: string, topicId: Uuid): Promise<readonly string[] | undefined> {
    const { disk } = this.env
    await disk.makeDirectory(path)
    const { file, isNew } = await this.#openMetadata(`${path}/${partitionMetadataFile}`)
    try {
      if (!isNew) await file.truncate(0)
      await file.write([encodePartitionMetadata(topicId)], 0)
      // The sync of the whole file system takes it along, if there is one.
      if (disk.syncFileSystem === undefined) await file.sync()
    } finally {
      await file.close()
    }
    await new Promise<void>((resolve, reject) => {
      this.#made.push({ path, settle: (error) => (error === undefined ? resolve() : reject(error)) })
      if (this.#running) return
      this.#running = true
      // Those made in the same turn of the event loop share this round.
      this.env.timers.soon(() => void this.#rounds())
    })
    return isNew ? [partitionMetadataFile] : undefined
  }

  /** An earlier process may have been killed while it made the folder: when this resolves, what it left is on the medium, and not in the cache alone. Rejects with `DiskError`. */
  async settle(path: string): Promise<void> {
    await this.#syncMetadata(path)
    await this.env.disk.syncDirectory(path)
  }

  async #openMetadata(path: string): Promise<{ file: File; isNew: boolean }> {
    const { disk } = this.env
    try {
      return { file: await disk.open(path, { exclusive: true }), isNew: true }
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== "EEXIST") throw error
      return { file: await disk.open(path, { create: true }), isNew: false }
    }
  }

  async #rounds(): Promise<void> {
    while (this.#made.length > 0) {
      const round = this.#made
      this.#made = []
      let problem: unknown
      try {
        await this.#sync(round)
      } catch (error) {
        problem = error
        if (!isShortage(error)) this.failed(error)
      }
      for (const { settle } of round) settle(problem)
    }
    this.#running = false
  }

  async #sync(round: readonly MadeFolder[]): Promise<void> {
    const { disk } = this.env
    if (disk.syncFileSystem !== undefined && round.length >= syncFileSystemFilesMin)
      return disk.syncFileSystem(this.directory)
    for (const { path } of round) {
      if (disk.syncFileSystem !== undefined) await this.#syncMetadata(path)
      await disk.syncDirectory(path)
    }
    await disk.syncDirectory(this.directory)
  }

  async #syncMetadata(path: string): Promise<void> {
    const file = await this.env.disk.open(`${path}/${partitionMetadataFile}`)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}
