/**
 * System calls that Node has no function for: sendfile, preadv2, syncfs, open file description locks.
 *
 * Owns loading them through the optional foreign-function package of the platform. Where it is absent everything works without, slower;
 * callers ask and have a second way.
 */
import { createRequire } from "node:module"
import { release } from "node:os"

interface ForeignFunction {
  (...values: unknown[]): unknown
  async(...values: unknown[]): void
}

interface Koffi {
  struct(name: string, fields: Readonly<Record<string, string>>): unknown
  load(library: string | null): { func(signature: string): ForeignFunction }
  errno(): number
}

export interface Native {
  /** Bytes that went from the file at `position` to the socket, or minus the error number. Does not wait for the socket. */
  sendfile(socketFd: number, fileFd: number, position: number, count: number): number
  /**
   * Bytes read without waiting for the disk: fewer than `length`, or minus EAGAIN, when not all of it is in the page cache; minus another error number
   * where it cannot be done.
   */
  readCached(fd: number, target: Uint8Array, offset: number, length: number, position: number): number
  /** Undefined where write-back errors would not be reported (Linux before 5.8). `done` gets false on failure. */
  readonly syncfs: ((fd: number, done: (ok: boolean) => void) => void) | undefined
  /** Locks the whole file for this open file description, against every other one and against fcntl locks. False: held by another. */
  lockFile(fd: number): boolean
}

export const errorNumbers = { EINTR: 4, EAGAIN: 11, EACCES: 13, EINVAL: 22, EOVERFLOW: 75, ENOSYS: 38 } as const

/** F_OFD_SETLK, F_WRLCK, SEEK_SET of Linux. */
const setOpenFileLock = 37
const writeLock = 1
const flockBytes = 32
/** RWF_NOWAIT of preadv2. */
const withoutWaiting = 8

/** Undefined unless this is 64-bit Linux and the package is installed. */
export function loadNative(): Native | undefined {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) return undefined
  try {
    const koffi = createRequire(import.meta.url)(`@koromix/koffi-linux-${process.arch}`) as Koffi
    const libc = koffi.load(null)
    const sendfile = libc.func("int64_t sendfile(int out, int in, void *offset, size_t count)")
    const fcntl = libc.func("int fcntl(int fd, int command, ...)")
    const syncfs = libc.func("int syncfs(int fd)")
    koffi.struct("ottla_iovec", { base: "void *", length: "size_t" })
    const preadv2 = libc.func("int64_t preadv2(int fd, ottla_iovec *vector, int count, int64_t offset, int flags)")
    const offset = Buffer.alloc(8)
    return {
      sendfile(socketFd, fileFd, position, count) {
        offset.writeBigInt64LE(BigInt(position))
        const sent = Number(sendfile(socketFd, fileFd, offset, count))
        return sent < 0 ? -koffi.errno() : sent
      },
      readCached(fd, target, from, length, position) {
        const vector = { base: target.subarray(from, from + length), length }
        const count = Number(preadv2(fd, vector, 1, position, withoutWaiting))
        return count < 0 ? -koffi.errno() : count
      },
      syncfs: syncfsReportsErrors(release())
        ? (fd, done) => syncfs.async(fd, (error: unknown, result: unknown) => done(error === null && result === 0))
        : undefined,
      lockFile(fd) {
        const flock = Buffer.alloc(flockBytes)
        flock.writeInt16LE(writeLock, 0)
        const result = Number(fcntl(fd, setOpenFileLock, "void *", flock))
        if (result === 0) return true
        const errno = koffi.errno()
        if (errno === errorNumbers.EAGAIN || errno === errorNumbers.EACCES) return false
        throw new Error(`fcntl F_OFD_SETLK: error ${errno}`)
      },
    }
  } catch {
    return undefined
  }
}

/** Linux reports write-back errors by syncfs since 5.8. */
export function syncfsReportsErrors(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split(".").map((part) => Number.parseInt(part, 10))
  return major > 5 || (major === 5 && minor >= 8)
}
