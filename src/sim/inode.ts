/**
 * One simulated file: what programs see (page cache) and what the medium holds.
 *
 * Owns which pages are not on the medium yet, and what becomes of them in a sync, a failed sync and a power cut (fault model: `disk.ts`).
 * Knows no names, no time and no errors. Invariant: a page that is neither dirty nor lost is equal in both images.
 */
import type { SeededRandom } from "./random.js"

/** What the page cache handles at once, and what the medium writes at once. */
export const pageBytes = 4096
export const sectorBytes = 512

/** How a power cut treats what was not synced. Probabilities. */
export interface PowerCut {
  /** A dirty page reaches the medium whole. */
  keep: number
  /** A dirty page that is not kept reaches the medium in part, each sector by itself. */
  tear: number
  /** A sector that is not kept beyond the old end of the file holds garbage instead of zeros. */
  garbage: number
}

/** What one sync has promised to write: pages as they were when it was called. */
export interface SyncSnapshot {
  readonly pages: { page: number; version: number; bytes: Buffer }[]
  readonly size: number
  readonly truncations: number
}

export class Inode {
  modifiedMs = 0
  /** Counts what changed other than by appending: whoever has read the file must read it again. */
  rewrites = 0
  #size = 0
  #durableSize = 0
  #cached: Buffer = Buffer.alloc(0)
  #durable: Buffer = Buffer.alloc(0)
  /** Page to version of its last change. */
  readonly #dirty = new Map<number, number>()
  /** Pages that a failed sync left clean though the medium never got them. */
  readonly #lost = new Set<number>()
  #version = 0
  #truncations = 0
  /** What the medium still holds of a part that was cut off and not synced. */
  #cutOff: { from: number; bytes: Buffer } | undefined

  constructor(readonly id: number) {}

  get size(): number {
    return this.#size
  }

  get dirtyPages(): number {
    return this.#dirty.size
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.#size - position))
    if (count > 0) target.set(this.#cached.subarray(position, position + count), offset)
    return count
  }

  /** A copy of what programs see. */
  contents(): Buffer {
    return Buffer.from(this.#cached.subarray(0, this.#size))
  }

  /** Another file with what programs see in this one, all of it on the medium. */
  copy(id: number): Inode {
    const twin = new Inode(id)
    twin.modifiedMs = this.modifiedMs
    twin.#cached = this.contents()
    twin.#durable = this.contents()
    twin.#size = twin.#durableSize = this.#size
    return twin
  }

  /** What programs see from one position to another, without a copy: not to be kept. */
  view(from: number, to: number): Buffer {
    return this.#cached.subarray(from, Math.min(to, this.#size))
  }

  /** Whether the medium holds what programs see between two positions. */
  isDurable(from: number, to: number): boolean {
    return to <= this.#durableSize && this.#cached.compare(this.#durable, from, to, from, to) === 0
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return
    const end = position + bytes.length
    if (position < this.#size) this.rewrites += 1
    if (end > this.#cached.length) this.#cached = grown(this.#cached, end)
    this.#cached.set(bytes, position)
    this.#touch(Math.min(position, this.#size), end)
    this.#size = Math.max(this.#size, end)
  }

  truncate(size: number): void {
    this.rewrites += 1
    if (size >= this.#size) {
      if (size > this.#cached.length) this.#cached = grown(this.#cached, size)
      this.#touch(this.#size, size)
      this.#size = size
      return
    }
    this.#cached.fill(0, size, this.#size)
    this.#size = size
    this.#truncations += 1
    const firstGone = Math.ceil(size / pageBytes)
    for (const page of this.#dirty.keys()) if (page >= firstGone) this.#dirty.delete(page)
    for (const page of this.#lost) if (page >= firstGone) this.#lost.delete(page)
    if (size >= this.#durableSize) return
    const earlier = this.#cutOff
    const newlyCut = Buffer.from(this.#durable.subarray(size, Math.max(size, earlier?.from ?? this.#durableSize)))
    if (earlier === undefined) this.#cutOff = { from: size, bytes: newlyCut }
    else if (size < earlier.from) this.#cutOff = { from: size, bytes: Buffer.concat([newlyCut, earlier.bytes]) }
    this.#durable.fill(0, size, this.#durableSize)
    this.#durableSize = size
  }

  #touch(from: number, to: number): void {
    this.#version += 1
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page++) {
      this.#dirty.set(page, this.#version)
      this.#lost.delete(page)
    }
  }

  #page(page: number): Buffer {
    const bytes = Buffer.alloc(pageBytes)
    this.#cached.copy(bytes, 0, page * pageBytes, Math.min(this.#size, (page + 1) * pageBytes))
    return bytes
  }

  /** The kernel writes one dirty page back on its own; the page may change and be dirty again later. */
  writeBackOne(random: SeededRandom): void {
    if (this.#dirty.size === 0) return
    const page = random.pick([...this.#dirty.keys()])
    // Only what lies below the durable end is reachable on the medium; the size itself follows with a sync or by luck in a power cut.
    this.#store(page, this.#page(page))
  }

  #store(page: number, bytes: Uint8Array): void {
    const at = page * pageBytes
    if (at + bytes.length > this.#durable.length) this.#durable = grown(this.#durable, at + bytes.length)
    this.#durable.set(bytes, at)
  }

  beginSync(): SyncSnapshot {
    const pages = [...this.#dirty].map(([page, version]) => ({ page, version, bytes: this.#page(page) }))
    return { pages, size: this.#size, truncations: this.#truncations }
  }

  finishSync(snapshot: SyncSnapshot): void {
    for (const { page, version, bytes } of snapshot.pages) {
      this.#store(page, bytes)
      if (this.#dirty.get(page) === version) this.#dirty.delete(page)
    }
    // A truncation that overtook the sync: what it cut off is zero in the medium's image, whatever the snapshot held.
    const truncated = snapshot.truncations !== this.#truncations
    this.#durableSize = truncated
      ? Math.min(this.#size, Math.max(this.#durableSize, Math.min(snapshot.size, this.#size)))
      : Math.max(this.#durableSize, snapshot.size)
    if (truncated) this.#durable.fill(0, this.#durableSize)
    this.#cutOff = undefined
  }

  /** Some pages of the sync reached the medium, the others did not, and all of them count as clean. */
  failSync(snapshot: SyncSnapshot, random: SeededRandom): void {
    let anyLost = false
    for (const [index, { page, version, bytes }] of snapshot.pages.entries()) {
      if (this.#dirty.get(page) !== version) continue
      this.#dirty.delete(page)
      const last = index === snapshot.pages.length - 1
      if (random.chance(0.5) && (anyLost || !last)) this.#store(page, bytes)
      else {
        this.#lost.add(page)
        anyLost = true
      }
    }
  }

  /** The page cache drops pages: those of a failed sync come back as the medium has them. */
  evict(): void {
    this.rewrites += 1
    for (const page of this.#lost) {
      const at = page * pageBytes
      const end = Math.min(this.#size, at + pageBytes)
      this.#cached.fill(0, at, end)
      this.#durable.copy(this.#cached, at, at, Math.min(end, this.#durable.length))
    }
    this.#lost.clear()
  }

  get lostPages(): number {
    return this.#lost.size
  }

  powerCut(random: SeededRandom, how: PowerCut): void {
    this.rewrites += 1
    let size = this.#durableSize
    const cut = this.#cutOff
    const dirty = [...this.#dirty.keys()].sort((a, b) => a - b)
    if (cut !== undefined && random.chance(0.5)) {
      // The truncation never happened, so nothing written behind it afterwards is reachable.
      for (const page of dirty) if ((page + 1) * pageBytes <= cut.from) this.#cutPage(page, random, how, size)
      size = cut.from + cut.bytes.length
      if (size > this.#durable.length) this.#durable = grown(this.#durable, size)
      this.#durable.set(cut.bytes, cut.from)
    } else {
      if (this.#size > size) size = random.pick([size, this.#size, random.between(size, this.#size)])
      for (const page of dirty) this.#cutPage(page, random, how, this.#durableSize)
    }
    if (size > this.#durable.length) this.#durable = grown(this.#durable, size)
    this.#durable.fill(0, size)
    this.#durableSize = size
    this.#size = size
    this.#cached = Buffer.from(this.#durable)
    this.#dirty.clear()
    this.#lost.clear()
    this.#cutOff = undefined
  }

  #cutPage(page: number, random: SeededRandom, how: PowerCut, durableSize: number): void {
    const now = this.#page(page)
    if (random.chance(how.keep)) {
      this.#store(page, now)
      return
    }
    const torn = random.chance(how.tear)
    for (let at = 0; at < pageBytes; at += sectorBytes) {
      const position = page * pageBytes + at
      if (torn && random.chance(0.5)) this.#storeSector(position, now.subarray(at, at + sectorBytes))
      else if (position >= durableSize && random.chance(how.garbage))
        this.#storeSector(position, random.bytes(sectorBytes))
    }
  }

  #storeSector(position: number, bytes: Uint8Array): void {
    if (position + bytes.length > this.#durable.length) this.#durable = grown(this.#durable, position + bytes.length)
    this.#durable.set(bytes, position)
  }

  /** The medium decays: both images change, without any error. */
  corrupt(position: number, change: (byte: number) => number): void {
    if (position >= this.#size) return
    this.rewrites += 1
    this.#cached[position] = change(this.#cached[position]!)
    if (position < this.#durable.length) this.#durable[position] = this.#cached[position]!
  }
}

function grown(bytes: Buffer, least: number): Buffer {
  const larger = Buffer.alloc(Math.ceil(Math.max(least, bytes.length * 2, pageBytes) / pageBytes) * pageBytes)
  bytes.copy(larger)
  return larger
}
