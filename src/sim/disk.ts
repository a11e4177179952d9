/**
 * The simulated disk of one machine, and the `Disk` each incarnation of its node sees.
 *
 * Fault model. A crash of the process (kill -9) keeps the page cache: everything written is still there; calls in flight may or may not
 * have happened, a write in flight by any prefix. A power cut loses what was not synced, each 4 KiB page by itself: kept, dropped or torn
 * by 512 B sectors, in no order; a file that grew may have any size in between, with zeros (or garbage) for what is missing; a truncation
 * may come undone; names created, renamed or removed without a sync of their folder appear or not, each rename as a whole. The kernel may
 * write any page back early. A failed sync behaves as ext4's: EIO once, all pages count as clean, reads show the new bytes, the
 * retry succeeds, and when the cache is dropped the old bytes return. Reads and writes may fail by range, space and handles run out, calls
 * may be slow, and bits flip silently. Nothing else: what a sync has promised is never lost but by `flipBit` and `zero`. A file
 * whose name is not synced is lost with it; `syncFileSystem` promises data and names.
 */
import { invariant } from "../base/assert.js"
import { type Disk, DiskError, type File, type FileStat } from "../env/env.js"
import type { MachineClock } from "./clock.js"
import { Inode, type PowerCut, type SyncSnapshot } from "./inode.js"
import { Folder, Names, parts, type Place } from "./names.js"
import type { SeededRandom } from "./random.js"
import type { Owner, Scheduler } from "./scheduler.js"
import { hashBytes } from "./trace.js"

export interface DiskOptions {
  /** Each call takes from the first to the sum of both, and sometimes `slowFactor` times that. */
  latencyNs: { least: number; spread: number }
  syncLatencyNs: { least: number; spread: number }
  slowChance: number
  slowFactor: number
  /** Chance per write that the kernel writes one dirty page of that file back. */
  writeBackChance: number
  syncErrorChance: number
  readErrorChance: number
  writeErrorChance: number
  capacityBytes: number
  openFilesMax: number
  /** False: as on a platform without it. */
  syncFileSystem: boolean
}

export const defaultDiskOptions: DiskOptions = {
  latencyNs: { least: 5_000, spread: 50_000 },
  syncLatencyNs: { least: 100_000, spread: 400_000 },
  slowChance: 0,
  slowFactor: 100,
  writeBackChance: 0.1,
  syncErrorChance: 0,
  readErrorChance: 0,
  writeErrorChance: 0,
  capacityBytes: 1 << 30,
  openFilesMax: 4096,
  syncFileSystem: true,
}

export type DiskOperationKind =
  | "open"
  | "read"
  | "write"
  | "sync"
  | "truncate"
  | "close"
  | "readFile"
  | "list"
  | "stat"
  | "makeDirectory"
  | "rename"
  | "unlink"
  | "removeDirectory"
  | "syncDirectory"
  | "syncFileSystem"
  | "lock"
  | "freeBytes"

export interface DiskOperation {
  /** Counts from 1 over the life of the machine. */
  readonly number: number
  readonly kind: DiskOperationKind
  readonly path: string
}

/** What a test makes of one operation: an error by its code, or a crash before or after its effect. Undefined: it just happens. */
export type Interception = { error: string } | { crash: "kill" | "power"; when: "before" | "after" } | undefined

interface FailingRange {
  readonly path: string
  readonly kind: "read" | "write"
  readonly from: number
  readonly to: number
  readonly code: string
}

type Attempt<T> = {
  kind: DiskOperationKind
  path: string
  latencyNs: number
  payload?: number
  run: () => T
  /** What may have happened of it when the node dies while it is in flight. Default: all or nothing. */
  abandon?: () => void
  fail?: () => void
}

/** The machine's disk: it survives the node. */
export class SimulatedDisk {
  names = new Names()
  readonly options: DiskOptions
  /** Called before every operation; for exhaustive error injection and crashes at a given point. */
  intercept: ((operation: DiskOperation) => Interception) | undefined
  /** Set by the node that owns the machine. */
  crashNode: ((how: "kill" | "power") => void) | undefined
  operationCount = 0
  openFiles = 0
  /** No less than `usedBytes`. */
  #usedBytesMost = 0
  #failing: FailingRange[] = []
  #hungUntilNs = 0
  #busyUntilNs = 0
  #failNextSync: string[] = []
  readonly #labels = new Map<string, Map<DiskOperationKind, string>>()
  readonly #inFlight = new Set<() => void>()
  readonly #locks = new Map<string, Owner>()

  constructor(
    readonly scheduler: Scheduler,
    readonly clock: MachineClock,
    readonly random: SeededRandom,
    options: Partial<DiskOptions> = {},
  ) {
    this.options = { ...defaultDiskOptions, ...options }
  }

  // What the outside does to the disk.

  /** Process death: the page cache stays. */
  kill(): void {
    const abandoned = [...this.#inFlight]
    this.#inFlight.clear()
    this.#busyUntilNs = 0
    for (const abandon of abandoned) abandon()
    this.#locks.clear()
    this.openFiles = 0
  }

  /** Without `how`, the chances are drawn: all kept, all dropped, and everything between. */
  powerCut(how: Partial<PowerCut> & { keepNames?: number } = {}): void {
    this.kill()
    const keep = how.keep ?? this.random.pick([0, 0.5, 0.9, 1])
    const cut: PowerCut = {
      keep,
      tear: how.tear ?? this.random.pick([0, 0.5, 1]),
      garbage: how.garbage ?? this.random.pick([0, 0, 0.5]),
    }
    this.names.powerCut(this.random, how.keepNames ?? this.random.pick([0, 0.5, 0.9, 1]))
    for (const inode of this.names.inodes()) inode.powerCut(this.random, cut)
    this.#usedBytesMost = this.usedBytes
  }

  /** The next sync that covers this file fails once, with ext4's consequences. */
  failNextSync(path: string): void {
    this.#failNextSync.push(normal(path))
  }

  /** Reads or writes that touch the range fail until `heal`. */
  failRange(path: string, kind: "read" | "write", from = 0, to = Number.POSITIVE_INFINITY, code = "EIO"): void {
    this.#failing.push({ path: normal(path), kind, from, to, code })
  }

  /** Nothing that is asked of the disk from now on is done before so many milliseconds are over. */
  hang(ms: number): void {
    this.#hungUntilNs = this.scheduler.nowNs + ms * 1e6
  }

  /** The machine gets a new disk, with nothing on it. Only while it has no power. */
  replaceWithEmpty(): void {
    this.replaceWith(new Names())
  }

  /** The machine gets another disk, with this on it. Only while nothing runs on it. */
  replaceWith(names: Names): void {
    this.names = names
    this.#usedBytesMost = this.usedBytes
  }

  /** The disks of two machines change places. Only while both have no power. */
  swapWith(other: SimulatedDisk): void {
    const { names } = this
    this.names = other.names
    other.names = names
    this.#usedBytesMost = this.usedBytes
    other.#usedBytesMost = other.usedBytes
  }

  /** When everything that was ever asked of it is done: what is on its way while the disk is slow stays slow. */
  get busyUntilMs(): number {
    return this.#busyUntilNs / 1e6
  }

  heal(): void {
    this.#failing = []
    this.#hungUntilNs = 0
    this.#failNextSync = []
    this.options.syncErrorChance = 0
    this.options.readErrorChance = 0
    this.options.writeErrorChance = 0
    this.options.slowChance = 0
  }

  /** The page cache is dropped. */
  evict(): void {
    for (const inode of this.names.inodes()) inode.evict()
  }

  flipBit(path: string, position: number, bit = 0): void {
    this.#inode(path).corrupt(position, (byte) => byte ^ (1 << bit))
  }

  zero(path: string, from: number, to: number): void {
    const inode = this.#inode(path)
    for (let at = from; at < to; at++) inode.corrupt(at, () => 0)
  }

  /** What programs would read, for checkers; undefined if there is no such file. */
  peek(path: string): Buffer | undefined {
    const named = this.names.find(path)
    return named instanceof Inode ? named.contents() : undefined
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    const walk = (folder: Folder, prefix: string): string[] =>
      [...folder.cached].flatMap(([name, named]) =>
        named instanceof Folder ? walk(named, `${prefix}${name}/`) : [`${prefix}${name}`],
      )
    return walk(this.names.root, "/").sort()
  }

  get usedBytes(): number {
    let used = 0
    for (const inode of this.names.inodes()) used += inode.size
    return used
  }

  /** Bytes of a growth by `wanted` that fit. Counts in full only when it might not fit: that visits every file. */
  take(wanted: number): number {
    const { capacityBytes } = this.options
    if (this.#usedBytesMost + wanted > capacityBytes) this.#usedBytesMost = this.usedBytes
    const taken = Math.min(wanted, Math.max(0, capacityBytes - this.#usedBytesMost))
    this.#usedBytesMost += taken
    return taken
  }

  #inode(path: string): Inode {
    const named = this.names.find(path)
    invariant(named instanceof Inode, `a test names a file that is not there: ${path}`)
    return named
  }

  // What incarnations do with it.

  latencyNs(range: { least: number; spread: number }): number {
    const usual = range.least + this.random.int(range.spread + 1)
    return this.random.chance(this.options.slowChance) ? usual * this.options.slowFactor : usual
  }

  /** The error that ranges, chances or a test demand of a read or write, if any. */
  faultOf(kind: "read" | "write", path: string, from: number, to: number): string | undefined {
    const name = normal(path)
    const range = this.#failing.find((f) => f.kind === kind && f.path === name && f.from < to && from < f.to)
    if (range !== undefined) return range.code
    const chance = kind === "read" ? this.options.readErrorChance : this.options.writeErrorChance
    return this.random.chance(chance) ? "EIO" : undefined
  }

  syncFails(path: string): boolean {
    const at = this.#failNextSync.indexOf(normal(path))
    if (at >= 0) this.#failNextSync.splice(at, 1)
    return at >= 0 || this.random.chance(this.options.syncErrorChance)
  }

  tryLock(path: string, owner: Owner): boolean {
    const name = normal(path)
    if (this.#locks.has(name)) return false
    this.#locks.set(name, owner)
    return true
  }

  unlock(path: string): void {
    this.#locks.delete(normal(path))
  }

  lockHolder(path: string): string | undefined {
    return this.#locks.get(normal(path))?.name
  }

  /** One string for each operation on each path: texts put together anew are hashed anew in the trace. */
  #label(kind: DiskOperationKind, path: string): string {
    let labels = this.#labels.get(path)
    if (labels === undefined) this.#labels.set(path, (labels = new Map()))
    let label = labels.get(kind)
    if (label === undefined) labels.set(kind, (label = `disk ${kind} ${path}`))
    return label
  }

  attempt<T>(owner: Owner, attempt: Attempt<T>): Promise<T> {
    if (!owner.alive) return new Promise(() => {})
    const { kind, path } = attempt
    const operation = { number: ++this.operationCount, kind, path }
    const interception = this.intercept?.(operation)
    this.scheduler.note(owner.name, this.#label(kind, path), attempt.payload)
    if (interception !== undefined && "crash" in interception) {
      if (interception.when === "after") {
        try {
          attempt.run()
        } catch {
          // The operation failed and its caller never hears of it.
        }
      }
      this.crashNode?.(interception.crash)
      return new Promise(() => {})
    }
    return new Promise<T>((resolve, reject) => {
      const abandon = () => {
        try {
          if (attempt.abandon !== undefined) attempt.abandon()
          else if (this.random.chance(0.5)) attempt.run()
        } catch {
          // As above.
        }
      }
      this.#inFlight.add(abandon)
      const hungNs = Math.max(0, this.#hungUntilNs - this.scheduler.nowNs)
      this.#busyUntilNs = Math.max(this.#busyUntilNs, this.scheduler.nowNs + hungNs + attempt.latencyNs)
      this.scheduler.after(hungNs + attempt.latencyNs, owner, this.#label(kind, "done"), () => {
        this.#inFlight.delete(abandon)
        try {
          if (interception !== undefined) {
            attempt.fail?.()
            throw new DiskError(interception.error, kind, path)
          }
          resolve(attempt.run())
        } catch (error) {
          if (error instanceof DiskError) reject(error)
          else throw error
        }
      })
    })
  }
}

const normal = (path: string) => parts(path).join("/")

/** The disk as one incarnation of a node sees it. */
export class IncarnationDisk implements Disk {
  readonly syncFileSystem: ((path: string) => Promise<void>) | undefined

  constructor(
    readonly disk: SimulatedDisk,
    readonly owner: Owner,
  ) {
    if (disk.options.syncFileSystem) this.syncFileSystem = (path) => this.#syncFileSystem(path)
  }

  #attempt<T>(kind: DiskOperationKind, path: string, run: () => T, more: Partial<Attempt<T>> = {}): Promise<T> {
    return this.disk.attempt(this.owner, {
      kind,
      path,
      latencyNs: this.disk.latencyNs(this.disk.options.latencyNs),
      run,
      ...more,
    })
  }

  #place(operation: string, path: string): Place {
    const place = this.disk.names.place(path)
    if (place === undefined) throw new DiskError("ENOENT", operation, path)
    return place
  }

  open(path: string, options: { create?: boolean; exclusive?: boolean; readOnly?: boolean } = {}): Promise<File> {
    return this.#attempt("open", path, () => {
      const { disk } = this
      if (disk.openFiles >= disk.options.openFilesMax) throw new DiskError("EMFILE", "open", path)
      const place = this.#place("open", path)
      let named = place.folder.cached.get(place.name)
      if (named instanceof Folder) throw new DiskError("EISDIR", "open", path)
      if (named !== undefined && options.exclusive) throw new DiskError("EEXIST", "open", path)
      if (named === undefined) {
        if (!options.create && !options.exclusive) throw new DiskError("ENOENT", "open", path)
        named = disk.names.newInode()
        named.modifiedMs = disk.clock.wallMs()
        disk.names.add(place, named)
      }
      disk.openFiles += 1
      return new SimulatedFile(disk, this.owner, path, named, options.readOnly ?? false)
    })
  }

  readFile(path: string, maxBytes: number): Promise<Buffer> {
    return this.#attempt("readFile", path, () => {
      const named = this.disk.names.find(path)
      if (named === undefined) throw new DiskError("ENOENT", "readFile", path)
      if (named instanceof Folder) throw new DiskError("EISDIR", "readFile", path)
      const fault = this.disk.faultOf("read", path, 0, named.size)
      if (fault !== undefined) throw new DiskError(fault, "readFile", path)
      if (named.size > maxBytes) throw new DiskError("EFBIG", "readFile", path)
      return named.contents()
    })
  }

  list(path: string): Promise<string[]> {
    return this.#attempt("list", path, () => {
      const named = this.disk.names.find(path)
      if (named === undefined) throw new DiskError("ENOENT", "list", path)
      if (named instanceof Inode) throw new DiskError("ENOTDIR", "list", path)
      return [...named.cached.keys()].sort()
    })
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#attempt("stat", path, () => {
      const named = this.disk.names.find(path)
      if (named === undefined) return undefined
      const isDirectory = named instanceof Folder
      return { size: isDirectory ? 0 : named.size, isDirectory, modifiedMs: named.modifiedMs }
    })
  }

  makeDirectory(path: string): Promise<void> {
    return this.#attempt("makeDirectory", path, () => {
      const { names, clock } = this.disk
      let folder = names.root
      for (const name of parts(path)) {
        let next = folder.cached.get(name)
        if (next instanceof Inode) throw new DiskError("EEXIST", "makeDirectory", path)
        if (next === undefined) {
          next = names.newFolder()
          next.modifiedMs = clock.wallMs()
          names.add({ folder, name }, next)
        }
        folder = next
      }
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#attempt("rename", from, () => {
      const source = this.#place("rename", from)
      const target = this.#place("rename", to)
      const named = source.folder.cached.get(source.name)
      if (named === undefined) throw new DiskError("ENOENT", "rename", from)
      const replaced = target.folder.cached.get(target.name)
      if (replaced === named) return
      if (named instanceof Folder && replaced instanceof Inode) throw new DiskError("ENOTDIR", "rename", to)
      if (named instanceof Inode && replaced instanceof Folder) throw new DiskError("EISDIR", "rename", to)
      if (replaced instanceof Folder && replaced.cached.size > 0) throw new DiskError("ENOTEMPTY", "rename", to)
      this.disk.names.rename(source, target)
    })
  }

  unlink(path: string): Promise<void> {
    return this.#attempt("unlink", path, () => {
      const place = this.#place("unlink", path)
      const named = place.folder.cached.get(place.name)
      if (named === undefined) throw new DiskError("ENOENT", "unlink", path)
      if (named instanceof Folder) throw new DiskError("EISDIR", "unlink", path)
      this.disk.names.remove(place)
    })
  }

  removeDirectory(path: string): Promise<void> {
    const removals = () => {
      const place = this.#place("removeDirectory", path)
      const named = place.folder.cached.get(place.name)
      if (named === undefined) throw new DiskError("ENOENT", "removeDirectory", path)
      if (named instanceof Inode) throw new DiskError("ENOTDIR", "removeDirectory", path)
      const places: Place[] = []
      const walk = (folder: Folder) => {
        for (const [name, child] of folder.cached) {
          if (child instanceof Folder) walk(child)
          places.push({ folder, name })
        }
      }
      walk(named)
      places.push(place)
      return places
    }
    const remove = (places: readonly Place[]) => {
      for (const place of places) this.disk.names.remove(place)
    }
    return this.#attempt("removeDirectory", path, () => remove(removals()), {
      // One call for us, many for the kernel: a crash leaves it half done.
      abandon: () => {
        const places = removals()
        remove(places.slice(0, this.disk.random.int(places.length + 1)))
      },
    })
  }

  syncDirectory(path: string): Promise<void> {
    const mark = this.disk.names.mark()
    return this.#attempt(
      "syncDirectory",
      path,
      () => {
        const named = this.disk.names.find(path)
        if (named === undefined) throw new DiskError("ENOENT", "syncDirectory", path)
        if (named instanceof Inode) throw new DiskError("ENOTDIR", "syncDirectory", path)
        if (this.disk.syncFails(path)) throw new DiskError("EIO", "syncDirectory", path)
        this.disk.names.syncFolder(named, mark)
      },
      { latencyNs: this.disk.latencyNs(this.disk.options.syncLatencyNs) },
    )
  }

  #syncFileSystem(path: string): Promise<void> {
    const mark = this.disk.names.mark()
    const inodes = [...this.disk.names.inodes()].filter((inode) => inode.dirtyPages > 0)
    const snapshots = inodes.map((inode) => inode.beginSync())
    const fail = () => inodes.forEach((inode, i) => void inode.failSync(snapshots[i]!, this.disk.random))
    return this.#attempt(
      "syncFileSystem",
      path,
      () => {
        if (this.disk.syncFails(path)) {
          fail()
          throw new DiskError("EIO", "syncFileSystem", path)
        }
        inodes.forEach((inode, i) => void inode.finishSync(snapshots[i]!))
        this.disk.names.syncAll(mark)
      },
      { latencyNs: this.disk.latencyNs(this.disk.options.syncLatencyNs), abandon: () => {}, fail },
    )
  }

  lock(path: string): Promise<{ release(): Promise<void> }> {
    return this.#attempt("lock", path, () => {
      const place = this.#place("lock", path)
      const named = place.folder.cached.get(place.name)
      if (named instanceof Folder) throw new DiskError("EISDIR", "lock", path)
      if (!this.disk.tryLock(path, this.owner)) {
        throw new DiskError("EWOULDBLOCK", `lock (held by ${this.disk.lockHolder(path)})`, path)
      }
      if (named === undefined) {
        const inode = this.disk.names.newInode()
        this.disk.names.add(place, inode)
      }
      return {
        release: () =>
          this.#attempt("lock", path, () => {
            this.disk.unlock(path)
          }),
      }
    })
  }

  freeBytes(path: string): Promise<{ free: number; total: number }> {
    return this.#attempt("freeBytes", path, () => {
      const total = this.disk.options.capacityBytes
      return { free: Math.max(0, total - this.disk.usedBytes), total }
    })
  }
}

class SimulatedFile implements File {
  #closed = false

  constructor(
    readonly disk: SimulatedDisk,
    readonly owner: Owner,
    readonly path: string,
    readonly inode: Inode,
    readonly readOnly: boolean,
  ) {}

  #attempt<T>(kind: DiskOperationKind, run: () => T, more: Partial<Attempt<T>> = {}): Promise<T> {
    return this.disk.attempt(this.owner, {
      kind,
      path: this.path,
      latencyNs: this.disk.latencyNs(this.disk.options.latencyNs),
      run: () => {
        if (this.#closed) throw new DiskError("EBADF", kind, this.path)
        return run()
      },
      ...more,
    })
  }

  read(target: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return this.#attempt(
      "read",
      () => {
        const fault = this.disk.faultOf("read", this.path, position, position + length)
        if (fault !== undefined) throw new DiskError(fault, "read", this.path)
        return this.inode.read(target, offset, Math.min(length, target.length - offset), position)
      },
      { payload: position, abandon: () => {} },
    )
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let length = 0
    let hash = position | 0
    for (const bytes of buffers) {
      length += bytes.length
      hash = Math.imul(hash ^ hashBytes(bytes), 0x01000193)
    }
    const apply = (count: number) => {
      this.inode.modifiedMs = this.disk.clock.wallMs()
      let at = position
      for (const bytes of buffers) {
        const part = bytes.subarray(0, Math.max(0, position + count - at))
        this.inode.write(part, at)
        at += part.length
      }
      if (this.disk.random.chance(this.disk.options.writeBackChance)) this.inode.writeBackOne(this.disk.random)
    }
    const applyPart = () => apply(this.disk.random.int(length + 1))
    return this.#attempt(
      "write",
      () => {
        if (this.readOnly) throw new DiskError("EBADF", "write", this.path)
        let now = position | 0
        for (const bytes of buffers) now = Math.imul(now ^ hashBytes(bytes), 0x01000193)
        invariant(now === hash, `${this.path}: a buffer changed while its write was in flight`)
        const fault = this.disk.faultOf("write", this.path, position, position + length)
        if (fault !== undefined) {
          applyPart()
          throw new DiskError(fault, "write", this.path)
        }
        const growth = Math.max(0, position + length - this.inode.size)
        const lacking = growth - this.disk.take(growth)
        if (lacking > 0) {
          apply(Math.max(0, length - lacking))
          throw new DiskError("ENOSPC", "write", this.path)
        }
        apply(length)
      },
      { payload: hash, abandon: applyPart, fail: applyPart },
    )
  }

  sync(): Promise<void> {
    const snapshot: SyncSnapshot = this.inode.beginSync()
    const fail = () => this.inode.failSync(snapshot, this.disk.random)
    return this.#attempt(
      "sync",
      () => {
        if (this.disk.syncFails(this.path)) {
          fail()
          throw new DiskError("EIO", "sync", this.path)
        }
        this.inode.finishSync(snapshot)
      },
      { latencyNs: this.disk.latencyNs(this.disk.options.syncLatencyNs), abandon: () => {}, fail },
    )
  }

  truncate(size: number): Promise<void> {
    return this.#attempt(
      "truncate",
      () => {
        if (this.readOnly) throw new DiskError("EINVAL", "truncate", this.path)
        this.inode.modifiedMs = this.disk.clock.wallMs()
        this.inode.truncate(size)
      },
      { payload: size },
    )
  }

  size(): Promise<number> {
    return this.#attempt("stat", () => this.inode.size)
  }

  close(): Promise<void> {
    return this.#attempt(
      "close",
      () => {
        this.#closed = true
        this.disk.openFiles -= 1
      },
      { abandon: () => {} },
    )
  }
}
