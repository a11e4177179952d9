/**
 * An unordered collection whose members come and go all the time.
 *
 * Owns why this is not a Set: a Set that shrinks makes a new table and keeps a reference from the old one to it, so that one dead table in the old
 * generation keeps alive every later one, and all that was ever in them, until the next full collection. With one member per request that was more
 * garbage in the old generation than everything else together.
 */
export interface BagEntry<T> {
  readonly value: T
  /** Where it is in the bag; -1 once it is out. The bag's own. */
  slot: number
}

export class Bag<T> {
  readonly #entries: BagEntry<T>[] = []

  get size(): number {
    return this.#entries.length
  }

  add(value: T): BagEntry<T> {
    const entry = { value, slot: this.#entries.length }
    this.#entries.push(entry)
    return entry
  }

  /** Nothing happens if it is out already. */
  remove(entry: BagEntry<T>): void {
    const { slot } = entry
    if (slot < 0) return
    entry.slot = -1
    const last = this.#entries.pop()!
    if (last === entry) return
    last.slot = slot
    this.#entries[slot] = last
  }

  /** Calls `visit` with every member that is in the bag now; a visit may take out its own member and put in new ones. */
  each(visit: (value: T) => void): void {
    for (let slot = this.#entries.length - 1; slot >= 0; slot--) visit(this.#entries[slot]!.value)
  }

  clear(): void {
    for (const entry of this.#entries.splice(0)) entry.slot = -1
  }
}
