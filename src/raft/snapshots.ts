/**
 * The snapshots beside the metadata log, as files of this node.
 *
 * Owns which there are, how they are read whole or in pieces, and how they come and go. With others in the quorum two are kept, and the log from the older one on, so
 * that a follower that is a little behind needs none. A name without `.part` stands for a whole file on the medium.
 */
import type { Offset } from "../base/ids.js"
import { MalformedError } from "../base/reader.js"
import { DiskError, type Env, type File } from "../env/env.js"
import {
  decodeSnapshot,
  parseSnapshotFileName,
  snapshotBytesMax,
  type SnapshotContent,
  snapshotFileName,
  type SnapshotId,
} from "./snapshot-file.js"

const partSuffix = ".part"

const inOrder = (a: SnapshotId, b: SnapshotId): number => a.endOffset - b.endOffset || a.epoch - b.epoch

export class Snapshots {
  /** By end offset. */
  #ids: SnapshotId[] = []

  constructor(
    private readonly env: Env,
    private readonly path: string,
  ) {}

  /** Looks which there are, and clears away what was never finished. */
  async load(): Promise<void> {
    for (const name of await this.env.disk.list(this.path)) {
      const id = parseSnapshotFileName(name)
      if (id !== undefined) this.#ids.push(id)
      else if (name.endsWith(`.checkpoint${partSuffix}`)) await this.env.disk.unlink(`${this.path}/${name}`)
    }
    this.#ids.sort(inOrder)
  }

  get latest(): SnapshotId | undefined {
    return this.#ids.at(-1)
  }

  get all(): readonly SnapshotId[] {
    return this.#ids
  }

  endingAt(endOffset: Offset): SnapshotId | undefined {
    return this.#ids.findLast((id) => id.endOffset === endOffset)
  }

  has(id: SnapshotId): boolean {
    return this.#ids.some((each) => inOrder(each, id) === 0)
  }

  #pathOf(id: SnapshotId, suffix = ""): string {
    return `${this.path}/${snapshotFileName(id)}${suffix}`
  }

  /** Its content; undefined, and said in the log, where it is damaged. */
  async read(id: SnapshotId, suffix = ""): Promise<SnapshotContent | undefined> {
    try {
      return decodeSnapshot(await this.env.disk.readFile(this.#pathOf(id, suffix), snapshotBytesMax))
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.env.log.log("error", "a metadata snapshot is damaged and not used", {
        snapshot: snapshotFileName(id),
        reason: error.message,
      })
      return undefined
    }
  }

  /** Bytes from `position` on and the size of the whole; undefined where there is no such snapshot. */
  async piece(
    id: SnapshotId,
    position: number,
    maxBytes: number,
  ): Promise<{ bytes: Buffer; size: number } | undefined> {
    if (!this.has(id)) return undefined
    let file: File
    try {
      file = await this.env.disk.open(this.#pathOf(id), { readOnly: true })
    } catch (error) {
      // It was deleted meanwhile: a newer one is there.
      if (error instanceof DiskError && error.code === "ENOENT") return undefined
      throw error
    }
    try {
      const size = await file.size()
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(maxBytes, size - position)))
      const count = position < 0 || bytes.length === 0 ? 0 : await file.read(bytes, 0, bytes.length, position)
      return { bytes: bytes.subarray(0, count), size }
    } finally {
      await file.close()
    }
  }

  /** A file to write it to, empty. */
  async begin(id: SnapshotId): Promise<File> {
    const file = await this.env.disk.open(this.#pathOf(id, partSuffix), { create: true })
    await file.truncate(0)
    return file
  }

  /** What `begin` gave is whole and synced: it gets its name. When it resolves, it is there for good. */
  async finish(id: SnapshotId): Promise<void> {
    await this.env.disk.rename(this.#pathOf(id, partSuffix), this.#pathOf(id))
    await this.env.disk.syncDirectory(this.path)
    if (!this.has(id)) this.#ids.push(id)
    this.#ids.sort(inOrder)
  }

  readPart(id: SnapshotId): Promise<SnapshotContent | undefined> {
    return this.read(id, partSuffix)
  }

  async abandon(id: SnapshotId): Promise<void> {
    try {
      await this.env.disk.unlink(this.#pathOf(id, partSuffix))
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
    }
  }

  /** Deletes those that end before `endOffset`. */
  async deleteBefore(endOffset: Offset): Promise<void> {
    const going = this.#ids.filter((id) => id.endOffset < endOffset)
    this.#ids = this.#ids.filter((id) => id.endOffset >= endOffset)
    for (const id of going) await this.env.disk.unlink(this.#pathOf(id))
  }
}
