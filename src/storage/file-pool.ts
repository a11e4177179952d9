/**
 * Open files, at most so many, shared by everyone who reads or writes them.
 *
 * Owns opening, sharing and closing; not what is done with a file. A file stays open while somebody holds it, also after its name is
 * gone, and longer if there is room; so the bound can be exceeded only by files in use.
 */
import { invariant } from "../base/assert.js"
import type { File } from "../env/env.js"

export class PooledFile {
  holders = 0
  constructor(
    readonly pool: FilePool,
    readonly key: object,
    readonly file: File,
  ) {}

  /** Gives back one hold. */
  release(): void {
    this.pool.release(this)
  }
}

export class FilePool {
  /** Least recently used first: a Map keeps the order of insertion. */
  readonly #open = new Map<object, PooledFile>()
  readonly #opening = new Map<object, Promise<PooledFile>>()
  /** Files no longer to be found by key but still held. */
  readonly #retired = new Set<PooledFile>()

  constructor(readonly openFilesMax: number) {
    invariant(openFilesMax > 0, "a pool of no files could open none")
  }

  get openFiles(): number {
    return this.#open.size + this.#retired.size
  }

  /** Opens the file of `key`, or shares the open one. The caller owes one `release`. Rejects as `open` does. */
  async acquire(key: object, open: () => Promise<File>): Promise<PooledFile> {
    const shared = this.acquireOpen(key)
    if (shared !== undefined) return shared
    let opening = this.#opening.get(key)
    if (opening === undefined) {
      opening = open().then(
        (file) => {
          this.#opening.delete(key)
          const pooled = new PooledFile(this, key, file)
          this.#open.set(key, pooled)
          return pooled
        },
        (error: unknown) => {
          this.#opening.delete(key)
          throw error
        },
      )
      this.#opening.set(key, opening)
    }
    const pooled = await opening
    pooled.holders++
    // Whoever waited with us may have let go, and the pool closed it, before we ran.
    if (this.#open.get(key) !== pooled && !this.#retired.has(pooled)) return this.acquire(key, open)
    this.#trim()
    return pooled
  }

  /** The file of `key` if it is open, without waiting. The caller owes one `release`. */
  acquireOpen(key: object): PooledFile | undefined {
    const pooled = this.#open.get(key)
    if (pooled === undefined) return undefined
    this.#open.delete(key)
    this.#open.set(key, pooled)
    pooled.holders++
    return pooled
  }

  release(pooled: PooledFile): void {
    invariant(pooled.holders > 0, "a file was given back more often than it was taken")
    pooled.holders--
    if (pooled.holders > 0) return
    if (this.#retired.delete(pooled)) this.#close(pooled)
    else this.#trim()
  }

  /** The file is going away (deleted, or its folder failed): closes it as soon as nobody holds it. */
  retire(key: object): void {
    const pooled = this.#open.get(key)
    if (pooled === undefined) return
    this.#open.delete(key)
    if (pooled.holders === 0) this.#close(pooled)
    else this.#retired.add(pooled)
  }

  #trim(): void {
    if (this.#open.size <= this.openFilesMax) return
    for (const pooled of this.#open.values()) {
      if (pooled.holders > 0) continue
      this.#open.delete(pooled.key)
      this.#close(pooled)
      if (this.#open.size <= this.openFilesMax) return
    }
  }

  #close(pooled: PooledFile): void {
    // Nothing is written on close that was not written before: an error here has nobody to tell.
    pooled.file.close().catch(() => {})
  }
}
