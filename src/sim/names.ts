/**
 * Names of simulated files: what programs see, and what the medium holds.
 *
 * Owns folders and the order of changes to them that are not on the medium yet. A rename is one change: both of its halves survive or
 * neither does. File contents are `inode.ts`'s. Invariant: committing a change commits every earlier one it depends on.
 */
import { Inode } from "./inode.js"
import type { SeededRandom } from "./random.js"

export type Named = Inode | Folder

export class Folder {
  readonly cached = new Map<string, Named>()
  readonly durable = new Map<string, Named>()
  modifiedMs = 0
  /** Counts changes of what is seen in it. */
  changes = 0
  constructor(readonly id: number) {}
}

export interface Place {
  readonly folder: Folder
  readonly name: string
}

/** One change of names: a removal, an addition, or both at once. */
interface NameChange {
  readonly id: number
  readonly remove: Place | undefined
  readonly add: Place | undefined
  readonly named: Named
}

const key = (place: Place) => `${place.folder.id}/${place.name}`
const placesOf = (change: NameChange) => [change.remove, change.add].filter((place) => place !== undefined)

export class Names {
  readonly root: Folder
  #pending: NameChange[] = []
  #nextId = 1
  #nextChangeId = 1

  constructor() {
    this.root = new Folder(0)
  }

  newFolder(): Folder {
    return new Folder(this.#nextId++)
  }

  newInode(): Inode {
    return new Inode(this.#nextId++)
  }

  get pendingChanges(): number {
    return this.#pending.length
  }

  /** The thing at a path, or undefined. Paths are split at slashes; `.` means nothing, `..` goes up. */
  find(path: string): Named | undefined {
    let at: Named = this.root
    for (const part of parts(path)) {
      if (!(at instanceof Folder)) return undefined
      const next: Named | undefined = at.cached.get(part)
      if (next === undefined) return undefined
      at = next
    }
    return at
  }

  /** The folder a path would be in, and its last name; undefined if that folder is missing. */
  place(path: string): Place | undefined {
    const all = parts(path)
    const name = all.pop()
    if (name === undefined) return undefined
    const folder = this.find(all.join("/"))
    return folder instanceof Folder ? { folder, name } : undefined
  }

  add(place: Place, named: Named): void {
    place.folder.cached.set(place.name, named)
    place.folder.changes += 1
    this.#pending.push({ id: this.#nextChangeId++, remove: undefined, add: place, named })
  }

  remove(place: Place): void {
    const named = place.folder.cached.get(place.name)!
    place.folder.cached.delete(place.name)
    place.folder.changes += 1
    this.#pending.push({ id: this.#nextChangeId++, remove: place, add: undefined, named })
  }

  rename(from: Place, to: Place): void {
    const named = from.folder.cached.get(from.name)!
    from.folder.cached.delete(from.name)
    to.folder.cached.set(to.name, named)
    from.folder.changes += 1
    to.folder.changes += 1
    this.#pending.push({ id: this.#nextChangeId++, remove: from, add: to, named })
  }

  /** Stands for all changes up to now: those that a sync which starts now promises. */
  mark(): number {
    return this.#nextChangeId
  }

  /** Puts the folder's changes up to the mark on the medium. */
  syncFolder(folder: Folder, mark: number): void {
    const needed = new Set<string>()
    const commit = new Set<NameChange>()
    for (const change of this.#pending.filter((each) => each.id < mark).reverse()) {
      const places = placesOf(change)
      if (!places.some((place) => place.folder === folder || needed.has(key(place)))) continue
      commit.add(change)
      for (const place of places) needed.add(key(place))
    }
    this.#commit((change) => commit.has(change))
    this.#pending = this.#pending.filter((change) => !commit.has(change))
  }

  /** As `syncFolder`, of every folder. */
  syncAll(mark: number): void {
    this.#commit((change) => change.id < mark)
    this.#pending = this.#pending.filter((change) => change.id >= mark)
  }

  #commit(chosen: (change: NameChange, index: number) => boolean): void {
    for (const [index, change] of this.#pending.entries()) {
      if (!chosen(change, index)) continue
      change.remove?.folder.durable.delete(change.remove.name)
      change.add?.folder.durable.set(change.add.name, change.named)
    }
  }

  /** Keeps some changes, either the first few (a journal in order) or any of them; the medium's names become the visible ones. */
  powerCut(random: SeededRandom, keep: number): void {
    if (random.chance(0.5)) {
      let kept = 0
      while (kept < this.#pending.length && random.chance(keep)) kept += 1
      this.#commit((_change, index) => index < kept)
    } else this.#commit(() => random.chance(keep))
    this.#pending = []
    for (const folder of this.folders("durable")) {
      folder.cached.clear()
      folder.changes += 1
      for (const [name, named] of folder.durable) folder.cached.set(name, named)
    }
  }

  /** The same names and contents as programs see them, all of it on the medium. */
  copy(): Names {
    const copied = new Names()
    const copyFolder = (from: Folder, to: Folder) => {
      to.modifiedMs = from.modifiedMs
      for (const [name, named] of from.cached) {
        let twin: Named
        if (named instanceof Inode) twin = named.copy(copied.#nextId++)
        else copyFolder(named, (twin = copied.newFolder()))
        to.cached.set(name, twin)
        to.durable.set(name, twin)
      }
    }
    copyFolder(this.root, copied.root)
    return copied
  }

  *folders(image: "cached" | "durable" = "cached", from: Folder = this.root): Generator<Folder> {
    yield from
    for (const named of from[image].values()) if (named instanceof Folder) yield* this.folders(image, named)
  }

  *inodes(): Generator<Inode> {
    for (const folder of this.folders())
      for (const named of folder.cached.values()) if (named instanceof Inode) yield named
  }
}

export function parts(path: string): string[] {
  const result: string[] = []
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue
    if (part === "..") result.pop()
    else result.push(part)
  }
  return result
}
