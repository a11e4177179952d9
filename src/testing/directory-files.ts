/**
 * Files of a real directory, for a node that lives and dies in this process.
 *
 * Owns what a dead process would leave to the kernel: its open files and its locks, which end with it, and the silence of its calls. What is on its way when it dies may still reach the file, as with `kill -9`.
 */
import type { Disk, File } from "../env/env.js"
import type { Files } from "./cluster.js"
import type { Track } from "./tcp-port.js"

export function directoryFiles(disk: Disk, directory: string, track: Track): Files {
  return { directory, open: (isDead) => new LifeDisk(disk, track, isDead) }
}

class LifeDisk implements Disk {
  readonly #open = new Set<{ end(): Promise<void> }>()
  #calls = 0
  #whenIdle: (() => void) | undefined
  readonly syncFileSystem: Disk["syncFileSystem"]

  constructor(
    private readonly disk: Disk,
    private readonly track: Track,
    private readonly isDead: () => boolean,
  ) {
    const { syncFileSystem } = disk
    this.syncFileSystem = syncFileSystem && ((path) => this.call(() => syncFileSystem.call(disk, path)))
  }

  /** Resolves when nothing of this life is open or under way. Only for a life that is over. */
  async abandon(): Promise<void> {
    if (this.#calls > 0)
      await this.track(
        new Promise<void>((resolve) => {
          this.#whenIdle = resolve
        }),
      )
    const open = [...this.#open]
    this.#open.clear()
    await this.track(Promise.allSettled(open.map((each) => each.end())))
  }

  async call<T>(run: () => Promise<T>, arrived?: (result: T) => void): Promise<T> {
    if (this.isDead()) return new Promise<never>(() => {})
    this.#calls += 1
    try {
      const result = await this.track(run())
      arrived?.(result)
      if (!this.isDead()) return result
    } catch (error) {
      if (!this.isDead()) throw error
    } finally {
      this.#calls -= 1
      if (this.#calls === 0) this.#whenIdle?.()
    }
    return new Promise<never>(() => {})
  }

  forget(open: { end(): Promise<void> }): void {
    this.#open.delete(open)
  }

  async open(path: string, options?: Parameters<Disk["open"]>[1]): Promise<File> {
    let opened: LifeFile | undefined
    await this.call(
      () => this.disk.open(path, options),
      (file) => this.#open.add((opened = new LifeFile(this, file))),
    )
    return opened!
  }

  readFile(path: string, maxBytes: number): Promise<Buffer> {
    return this.call(() => this.disk.readFile(path, maxBytes))
  }

  list(path: string): Promise<string[]> {
    return this.call(() => this.disk.list(path))
  }

  stat(path: string): ReturnType<Disk["stat"]> {
    return this.call(() => this.disk.stat(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.call(() => this.disk.makeDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.call(() => this.disk.rename(from, to))
  }

  unlink(path: string): Promise<void> {
    return this.call(() => this.disk.unlink(path))
  }

  removeDirectory(path: string): Promise<void> {
    return this.call(() => this.disk.removeDirectory(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.call(() => this.disk.syncDirectory(path))
  }

  async lock(path: string): Promise<{ release(): Promise<void> }> {
    let held: { end(): Promise<void> } | undefined
    const lock = await this.call(
      () => this.disk.lock(path),
      (taken) => this.#open.add((held = { end: () => taken.release() })),
    )
    return {
      release: () => {
        if (held !== undefined) this.forget(held)
        return this.call(() => lock.release())
      },
    }
  }

  freeBytes(path: string): ReturnType<Disk["freeBytes"]> {
    return this.call(() => this.disk.freeBytes(path))
  }
}

class LifeFile implements File {
  constructor(
    private readonly life: LifeDisk,
    private readonly file: File,
  ) {}

  get path(): string {
    return this.file.path
  }

  end(): Promise<void> {
    return this.file.close()
  }

  read(target: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return this.life.call(() => this.file.read(target, offset, length, position))
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.life.call(() => this.file.write(buffers, position))
  }

  sync(): Promise<void> {
    return this.life.call(() => this.file.sync())
  }

  truncate(size: number): Promise<void> {
    return this.life.call(() => this.file.truncate(size))
  }

  size(): Promise<number> {
    return this.life.call(() => this.file.size())
  }

  close(): Promise<void> {
    this.life.forget(this)
    return this.life.call(() => this.file.close())
  }
}
