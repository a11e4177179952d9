/**
 * An open file of the operating system.
 *
 * Owns the descriptor: it is closed once, after the last call in flight, so that no call ever reaches a file that got the same number
 * later. Calls run on the thread pool, but for small reads of what is in the page cache: those cost less than the way to a thread and back.
 */
import * as fs from "node:fs"
import { DiskError, type File } from "../env.js"
import type { Native } from "./native.js"

/** Buffers per system call (IOV_MAX of Linux). */
const buffersPerWriteMax = 1024

/** Largest read that is tried at once. Copying more from the page cache is worth a thread. */
const cachedReadBytesMax = 16 * 1024

export function diskError(error: unknown, operation: string, path: string): DiskError {
  if (error instanceof DiskError) return error
  const code = (error as { code?: unknown } | undefined)?.code
  return new DiskError(typeof code === "string" ? code : "EIO", operation, path, error)
}

/** Errors of arguments (a negative position) are thrown by node:fs at once: they are bugs, and reported as EINVAL of that call. */
export function call<T>(
  operation: string,
  path: string,
  run: (done: (error: unknown, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      run((error, value) => {
        if (error) reject(diskError(error, operation, path))
        else resolve(value)
      })
    } catch (error) {
      reject(new DiskError("EINVAL", operation, path, error))
    }
  })
}

export class NodeFile implements File {
  #users = 0
  #closing: ((error?: DiskError) => void) | undefined
  #closed = false

  constructor(
    readonly path: string,
    readonly fd: number,
    private readonly native?: Native,
    /** Only read, so closing it waits for nothing. */
    private readonly closesAtOnce = false,
  ) {}

  /** Keeps the descriptor open until `release`; false if it is closed. */
  hold(): boolean {
    if (this.#closed) return false
    this.#users += 1
    return true
  }

  release(): void {
    this.#users -= 1
    if (this.#users === 0 && this.#closing !== undefined) this.#close()
  }

  #use<T>(operation: string, run: (done: (error: unknown, value: T) => void) => void): Promise<T> {
    if (!this.hold()) return Promise.reject(new DiskError("EBADF", operation, this.path))
    return call<T>(operation, this.path, run).finally(() => this.release())
  }

  read(target: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const wanted = Math.min(length, target.length - offset)
    let got = 0
    if (this.native !== undefined && wanted > 0 && wanted <= cachedReadBytesMax && !this.#closed) {
      got = Math.max(0, this.native.readCached(this.fd, target, offset, wanted, position))
      if (got === wanted) return Promise.resolve(got)
    }
    return this.#use("read", (done) => {
      const next = () =>
        fs.read(this.fd, target, offset + got, wanted - got, position + got, (error, count) => {
          got += count ?? 0
          if (error || count === 0 || got === wanted) done(error, got)
          else next()
        })
      if (wanted === 0) done(undefined, 0)
      else next()
    })
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#use("write", (done) => {
      let index = 0
      let within = 0
      let at = position
      const advance = (count: number) => {
        at += count
        within += count
        while (index < buffers.length && within >= buffers[index]!.length) {
          within -= buffers[index]!.length
          index += 1
        }
      }
      const next = () => {
        if (index === buffers.length) {
          done(undefined, undefined)
          return
        }
        const after = (error: unknown, count: number) => {
          if (error) {
            done(error, undefined)
            return
          }
          if (count === 0) {
            done({ code: "EIO" }, undefined)
            return
          }
          advance(count)
          next()
        }
        const first = within === 0 ? buffers[index]! : buffers[index]!.subarray(within)
        if (index === buffers.length - 1) fs.write(this.fd, first, 0, first.length, at, after)
        else fs.writev(this.fd, [first, ...buffers.slice(index + 1, index + buffersPerWriteMax)], at, after)
      }
      advance(0)
      next()
    })
  }

  sync(): Promise<void> {
    return this.#use("sync", (done) => fs.fdatasync(this.fd, (error) => done(error, undefined)))
  }

  truncate(size: number): Promise<void> {
    return this.#use("truncate", (done) => fs.ftruncate(this.fd, size, (error) => done(error, undefined)))
  }

  size(): Promise<number> {
    return this.#use("stat", (done) => fs.fstat(this.fd, (error, stat) => done(error, error ? 0 : stat.size)))
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.reject(new DiskError("EBADF", "close", this.path))
    this.#closed = true
    return new Promise((resolve, reject) => {
      this.#closing = (error) => (error === undefined ? resolve() : reject(error))
      if (this.#users === 0) this.#close()
    })
  }

  #close(): void {
    const closing = this.#closing!
    if (this.closesAtOnce) {
      try {
        fs.closeSync(this.fd)
        closing()
      } catch (error) {
        closing(diskError(error, "close", this.path))
      }
      return
    }
    fs.close(this.fd, (error) => closing(error ? diskError(error, "close", this.path) : undefined))
  }
}
