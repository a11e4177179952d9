/**
 * Files of the operating system.
 *
 * Owns names, folders and syncs of folders; open files are `file.ts`, the directory lock is `lock.ts`. Every failure is a `DiskError` with the
 * system's own name of it.
 */
import * as fs from "node:fs"
import { dirname } from "node:path"
import { type Disk, DiskError, type File, type FileStat } from "../env.js"
import { call, diskError, NodeFile } from "./file.js"
import { lockDirectory } from "./lock.js"
import type { Native } from "./native.js"

function statOpen(fd: number, path: string): fs.Stats {
  try {
    return fs.fstatSync(fd)
  } catch (error) {
    throw diskError(error, "stat", path)
  }
}

export class NodeDisk implements Disk {
  readonly syncFileSystem: ((path: string) => Promise<void>) | undefined

  constructor(readonly native: Native | undefined) {
    const syncfs = native?.syncfs
    if (syncfs !== undefined) {
      this.syncFileSystem = (path) =>
        this.#withDirectory("syncFileSystem", path, (fd, done) =>
          // The error number of another thread is out of reach: whatever it was, write-back failed.
          syncfs(fd, (ok) => done(ok ? undefined : { code: "EIO" })),
        )
    }
  }

  async open(path: string, options: { create?: boolean; exclusive?: boolean; readOnly?: boolean } = {}): Promise<File> {
    const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants
    let flags = options.readOnly ? O_RDONLY : O_RDWR
    if (options.create || options.exclusive) flags |= O_CREAT
    if (options.exclusive) flags |= O_EXCL
    const fd = await call<number>("open", path, (done) => fs.open(path, flags, 0o644, done))
    if (options.readOnly) {
      // Opening a folder to read works; as a file it is none.
      const stat = await call<fs.Stats>("open", path, (done) => fs.fstat(fd, done))
      if (stat.isDirectory()) {
        await call<void>("close", path, (done) => fs.close(fd, (error) => done(error, undefined)))
        throw new DiskError("EISDIR", "open", path)
      }
    }
    return new NodeFile(path, fd, this.native)
  }

  async readFile(path: string, maxBytes: number): Promise<Buffer> {
    const fd = await call<number>("open", path, (done) => fs.open(path, fs.constants.O_RDONLY, done))
    // Of an open file that is only read neither its size nor its end has to wait for the disk, and the way to a thread and back costs ten times as much: a start reads thousands of them.
    const file = new NodeFile(path, fd, this.native, true)
    try {
      const stat = statOpen(fd, path)
      // Opening a folder to read works; as a file it is none.
      if (stat.isDirectory()) throw new DiskError("EISDIR", "open", path)
      const { size } = stat
      if (size > maxBytes) throw new DiskError("EFBIG", "readFile", path)
      const bytes = Buffer.allocUnsafe(size)
      const count = await file.read(bytes, 0, size, 0)
      return bytes.subarray(0, count)
    } finally {
      await file.close()
    }
  }

  async list(path: string): Promise<string[]> {
    const names = await call<string[]>("list", path, (done) => fs.readdir(path, done))
    return names.sort()
  }

  async stat(path: string): Promise<FileStat | undefined> {
    try {
      const stat = await call<fs.Stats>("stat", path, (done) => fs.stat(path, done))
      const isDirectory = stat.isDirectory()
      return { size: isDirectory ? 0 : stat.size, isDirectory, modifiedMs: stat.mtimeMs }
    } catch (error) {
      if (error instanceof DiskError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined
      throw error
    }
  }

  async makeDirectory(path: string): Promise<void> {
    // Nearly always only the last one is missing, and one call does it.
    const code = await new Promise<string | undefined>((resolve) => fs.mkdir(path, (error) => resolve(error?.code)))
    if (code === undefined) return
    await call<unknown>("makeDirectory", path, (done) => fs.mkdir(path, { recursive: true }, done))
  }

  rename(from: string, to: string): Promise<void> {
    return call<void>("rename", from, (done) => fs.rename(from, to, (error) => done(error, undefined)))
  }

  async unlink(path: string): Promise<void> {
    try {
      await call<void>("unlink", path, (done) => fs.unlink(path, (error) => done(error, undefined)))
    } catch (error) {
      // macOS calls it EPERM.
      if (error instanceof DiskError && error.code === "EPERM" && (await this.stat(path))?.isDirectory)
        throw new DiskError("EISDIR", "unlink", path, error)
      throw error
    }
  }

  async removeDirectory(path: string): Promise<void> {
    const stat = await this.stat(path)
    if (stat === undefined) throw new DiskError("ENOENT", "removeDirectory", path)
    if (!stat.isDirectory) throw new DiskError("ENOTDIR", "removeDirectory", path)
    await call<void>("removeDirectory", path, (done) =>
      fs.rm(path, { recursive: true }, (error) => done(error, undefined)),
    )
  }

  syncDirectory(path: string): Promise<void> {
    // Windows can neither open a folder nor needs to: its file systems log names.
    if (process.platform === "win32") return Promise.resolve()
    return this.#withDirectory("syncDirectory", path, (fd, done) => fs.fsync(fd, done))
  }

  async #withDirectory(
    operation: string,
    path: string,
    run: (fd: number, done: (error: unknown) => void) => void,
  ): Promise<void> {
    const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY
    const fd = await call<number>(operation, path, (done) => fs.open(path, flags, done))
    try {
      await call<void>(operation, path, (done) => run(fd, (error) => done(error, undefined)))
    } finally {
      await call<void>("close", path, (done) => fs.close(fd, (error) => done(error, undefined)))
    }
  }

  lock(path: string): Promise<{ release(): Promise<void> }> {
    return lockDirectory(path, this.native)
  }

  async freeBytes(path: string): Promise<{ free: number; total: number }> {
    const existing = (await this.stat(path)) === undefined ? dirname(path) : path
    const stat = await call<fs.StatsFs>("freeBytes", path, (done) => fs.statfs(existing, done))
    return { free: stat.bavail * stat.bsize, total: stat.blocks * stat.bsize }
  }
}
