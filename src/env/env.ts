/**
 * The outside world as one parameter.
 *
 * Owns the interfaces through which everything else reaches clock, timers, disk, network and randomness. Implemented for real
 * in `env/node/` and simulated in `sim/`; nothing else touches the originals. Every asynchronous call says what is true
 * when it resolves. After a simulated crash no call of that incarnation ever resolves or rejects.
 */
import type { Uuid } from "../base/ids.js"

export interface Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly disk: Disk
  readonly network: Network
  readonly random: Random
  readonly log: Logger
  /** Simulator only: a point where other work may run in between. Absent in production. */
  readonly interleave?: (site: string) => Promise<void>
  /** Simulator only: whether a rare branch should be taken here (shrink a buffer, stop half-way). Absent in production. */
  readonly buggify?: (site: string, chance?: number) => boolean
}

export interface Clock {
  /** Milliseconds since 1970. May jump either way. For timestamps and retention, never for durations. */
  wallMs(): number
  /** Milliseconds from an arbitrary start, with fractions. Never goes back. */
  monotonicMs(): number
}

export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Runs once after at least `delayMs` of monotonic time. Whether it keeps the process alive is the environment's. */
  after(delayMs: number, run: () => void): Timer
  /** Runs once all input that is already there has been handled (one turn of the event loop). Cheap: no timer behind it. */
  soon(run: () => void): void
}

export interface Random {
  bytes(count: number): Buffer
  /** Uniform integer in [0, below). */
  int(below: number): number
  uuid(): Uuid
}

export type LogLevel = "debug" | "info" | "warn" | "error"

export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** What the operating system says, by its own name: ENOSPC, EIO, ENOENT, EEXIST, EMFILE, ... */
export class DiskError extends Error {
  override name = "DiskError"
  constructor(
    readonly code: string,
    readonly operation: string,
    readonly path: string,
    cause?: unknown,
  ) {
    super(`${operation} ${path}: ${code}`, { cause })
  }
}

export interface FileStat {
  readonly size: number
  readonly isDirectory: boolean
  readonly modifiedMs: number
}

/**
 * Files by path. All errors are `DiskError`. Data is in the page cache when `write` resolves and on the medium when `sync` has;
 * a name (create, rename, unlink) is on the medium after `syncDirectory` of its folder.
 */
export interface Disk {
  /** `create`: make it if it is missing. `exclusive`: fail with EEXIST if it is there. Default: existing file, read and write. */
  open(path: string, options?: { create?: boolean; exclusive?: boolean; readOnly?: boolean }): Promise<File>
  /** Whole file in memory; `maxBytes` bounds it (EFBIG above). For small files only. */
  readFile(path: string, maxBytes: number): Promise<Buffer>
  /** Names in a folder, sorted. */
  list(path: string): Promise<string[]>
  stat(path: string): Promise<FileStat | undefined>
  /** Creates the folder and its missing parents. */
  makeDirectory(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Removes a folder and everything in it. */
  removeDirectory(path: string): Promise<void>
  /** When it resolves, names created, renamed or removed in this folder before the call survive a power cut. */
  syncDirectory(path: string): Promise<void>
  /**
   * When it resolves, everything written to any file of the file system that holds `path` before the call is on the medium, and every name in it as it was then.
   * Undefined where the platform cannot do it, or does not report write-back errors by it (Linux before 5.8).
   */
  readonly syncFileSystem: ((path: string) => Promise<void>) | undefined
  /** Takes the exclusive lock file of a directory for this process, or fails with EWOULDBLOCK naming the holder if it is known. */
  lock(path: string): Promise<{ release(): Promise<void> }>
  freeBytes(path: string): Promise<{ free: number; total: number }>
}

export interface File {
  readonly path: string
  /** Reads up to `length` bytes at `position` into `target` from `offset`; resolves with the count, less than `length` only at the end of the file. */
  read(target: Uint8Array, offset: number, length: number, position: number): Promise<number>
  /**
   * Writes all buffers one after the other at `position`. The buffers must not change until it settles. After a rejection any prefix,
   * also a torn one, may be in the file.
   */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** fdatasync. After a rejection what was written since the last success may be lost although reads still show it: never call it again. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** Bytes of a file that go to a socket without passing through the program where the platform can do that. */
export interface FileRegion {
  readonly file: File
  readonly position: number
  readonly length: number
}

export type Payload = Uint8Array | FileRegion

export const isFileRegion = (payload: Payload): payload is FileRegion => "file" in payload

export interface Network {
  /** Resolves when connections are accepted. `port` 0 takes a free one. Rejects with a `NetworkError` (EADDRINUSE, EADDRNOTAVAIL, EACCES). */
  listen(address: { host: string; port: number }, accept: (connection: Connection) => void): Promise<Listener>
  connect(address: { host: string; port: number }): Promise<Connection>
}

export class NetworkError extends Error {
  override name = "NetworkError"
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops accepting; resolves when the port is free. Open connections live on. */
  close(): Promise<void>
}

export interface Receiver {
  /**
   * Where the next bytes of this connection go. Asked before every read; the returned memory must be at least one byte and may be
   * shared by connections that take their bytes out during `received`.
   */
  buffer(): Uint8Array
  /** `count` bytes were put at the start of the buffer last returned. */
  received(count: number): void
  /** The peer will send no more. */
  ended(): void
  /** The connection is gone, once, for whatever reason. Nothing is called after it. */
  closed(error?: NetworkError): void
}

export interface Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  /** Starts delivering bytes. Called once. */
  receive(receiver: Receiver): void
  /** No more `received` until `resume`. The peer is held back by flow control once the kernel's buffers are full. */
  pause(): void
  resume(): void
  /**
   * Queues payloads in order. Memory must not change, and files must not be closed or truncated below the region, until `sent` runs: once, when the
   * connection no longer needs them (handed to the kernel, or the connection is gone).
   */
  send(payloads: readonly Payload[], sent?: () => void): void
  /** Bytes queued by `send` and not yet handed to the kernel. */
  readonly queuedBytes: number
  /** Sends what is queued, then closes. */
  end(): void
  /** Closes at once, dropping what is queued. */
  destroy(): void
}
