/**
 * Timers that wait for time to be passed on to them.
 *
 * Owns their order: by due time, those of one instant in the order in which they were set. Who passes time on is `live-time.ts`. A timer of a dead or replaced process never runs.
 */
import type { Timer } from "../env/env.js"
import type { Owner } from "../sim/scheduler.js"

class Entry implements Timer {
  /** Undefined: it has run, or will not. */
  run: (() => void) | undefined

  constructor(
    readonly queue: TimerQueue,
    readonly dueNs: number,
    readonly sequence: number,
    readonly owner: Owner,
    run: () => void,
  ) {
    this.run = run
  }

  cancel(): void {
    if (this.run === undefined) return
    this.run = undefined
    this.queue.ended(this)
  }
}

const before = (a: Entry, b: Entry) => (a.dueNs !== b.dueNs ? a.dueNs < b.dueNs : a.sequence < b.sequence)

export class TimerQueue {
  readonly #heap: Entry[] = []
  readonly #counts = new Map<Owner, number>()
  #sequence = 0
  /** Entries in the heap that were cancelled. */
  #cancelled = 0

  add(dueNs: number, owner: Owner, run: () => void): Timer {
    const entry = new Entry(this, dueNs, this.#sequence++, owner, run)
    this.#counts.set(owner, (this.#counts.get(owner) ?? 0) + 1)
    this.#push(entry)
    return entry
  }

  ended(entry: Entry): void {
    this.#count(entry.owner)
    this.#cancelled += 1
    // Most timers are time-outs that are never reached: without this they would stay until then.
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) this.#sweep()
  }

  /** Timers of this owner that are still to run. */
  waitingOf(owner: Owner): number {
    return this.#counts.get(owner) ?? 0
  }

  /** When the next one is due; undefined: there is none. */
  get nextNs(): number | undefined {
    return this.#next()?.dueNs
  }

  /** Runs the next one, whether it is due or not. */
  runNext(): void {
    const entry = this.#next()
    if (entry === undefined) return
    this.#pop()
    const run = entry.run!
    entry.run = undefined
    this.#count(entry.owner)
    run()
  }

  clear(): void {
    this.#heap.length = 0
    this.#counts.clear()
    this.#cancelled = 0
  }

  #count(owner: Owner): void {
    const left = (this.#counts.get(owner) ?? 1) - 1
    if (left === 0) this.#counts.delete(owner)
    else this.#counts.set(owner, left)
  }

  #next(): Entry | undefined {
    for (;;) {
      const entry = this.#heap[0]
      if (entry === undefined) return undefined
      if (entry.run === undefined) this.#cancelled -= 1
      else if (entry.owner.alive) return entry
      else this.#count(entry.owner)
      this.#pop()
    }
  }

  #sweep(): void {
    const live = this.#heap.filter(({ run }) => run !== undefined)
    this.#heap.length = 0
    this.#cancelled = 0
    for (const entry of live) this.#push(entry)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
