/**
 * Many deadlines over one timer, cheap to move.
 *
 * Owns what is to be done when. Moving a deadline later, which every heartbeat does, only writes it down: the queue is looked at again when the old one comes. Invariant: what
 * is scheduled runs once, not before its deadline, unless it is cancelled or scheduled anew.
 */
import type { Clock, Timer, Timers } from "../env/env.js"

interface Entry {
  readonly key: string
  deadlineMs: number
  /** Where the queue has it: at or before the deadline. */
  queuedMs: number
  /** Undefined: it has run, or never will. */
  run: (() => void) | undefined
}

/** Lateness of the timer itself from which input that is already there is taken in first: the delay was ours, and among it may be the very heartbeat that was missed. */
export const lateTimerMs = 50

export class Deadlines {
  readonly #entries = new Map<string, Entry>()
  /** A binary heap by `queuedMs`, which does not change while an entry is in it. */
  readonly #queue: Entry[] = []
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
  ) {}

  get size(): number {
    return this.#entries.size
  }

  /** Runs after `delayMs` of monotonic time. Takes the place of what has this key. */
  schedule(key: string, delayMs: number, run: () => void): void {
    const deadlineMs = this.clock.monotonicMs() + delayMs
    const known = this.#entries.get(key)
    if (known !== undefined && known.queuedMs <= deadlineMs) {
      known.deadlineMs = deadlineMs
      known.run = run
      return
    }
    if (known !== undefined) known.run = undefined
    const entry: Entry = { key, deadlineMs, queuedMs: deadlineMs, run }
    this.#entries.set(key, entry)
    this.#push(entry)
    this.#arm()
  }

  cancel(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.run = undefined
    this.#entries.delete(key)
  }

  clear(): void {
    this.#disarm()
    this.#entries.clear()
    this.#queue.length = 0
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerMs = Number.POSITIVE_INFINITY
  }

  #arm(): void {
    const first = this.#queue[0]
    if (first === undefined || first.queuedMs >= this.#timerMs) return
    this.#timer?.cancel()
    this.#timerMs = first.queuedMs
    this.#timer = this.timers.after(Math.max(0, first.queuedMs - this.clock.monotonicMs()), () => {
      const lateMs = this.clock.monotonicMs() - this.#timerMs
      if (lateMs > lateTimerMs) this.timers.soon(() => this.#expire())
      else this.#expire()
    })
  }

  #expire(): void {
    this.#disarm()
    const nowMs = this.clock.monotonicMs()
    for (let entry = this.#queue[0]; entry !== undefined && entry.queuedMs <= nowMs; entry = this.#queue[0]) {
      this.#pop()
      const { run } = entry
      if (run === undefined) continue
      if (entry.deadlineMs > nowMs) {
        entry.queuedMs = entry.deadlineMs
        this.#push(entry)
        continue
      }
      entry.run = undefined
      this.#entries.delete(entry.key)
      run()
    }
    this.#arm()
  }

  #push(entry: Entry): void {
    const queue = this.#queue
    let at = queue.length
    queue.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (queue[parent]!.queuedMs <= entry.queuedMs) break
      queue[at] = queue[parent]!
      at = parent
    }
    queue[at] = entry
  }

  #pop(): void {
    const queue = this.#queue
    const last = queue.pop()!
    if (queue.length === 0) return
    let at = 0
    for (let child = 1; child < queue.length; child = 2 * at + 1) {
      if (child + 1 < queue.length && queue[child + 1]!.queuedMs < queue[child]!.queuedMs) child++
      if (queue[child]!.queuedMs >= last.queuedMs) break
      queue[at] = queue[child]!
      at = child
    }
    queue[at] = last
  }
}
