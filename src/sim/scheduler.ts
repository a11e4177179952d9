/**
 * Virtual time: what happens next, and when.
 *
 * Owns the queue of events and the clock that jumps from one to the next. One event is one pop and one drain of all microtasks, so
 * promises never mix between events. Events of one instant run in an order drawn from the seed. Knows nothing of nodes but `Owner`.
 */
import { drain, drainWorks, inOwnTurn } from "./drain.js"
import type { SeededRandom } from "./random.js"
import type { Trace } from "./trace.js"

/** Whose event it is. Events of the dead are dropped; those of the paused wait for the end of the pause. */
export interface Owner {
  readonly name: string
  alive: boolean
  pausedUntilNs: number
}

export interface ScheduledEvent {
  cancel(): void
}

class Entry implements ScheduledEvent {
  constructor(
    public timeNs: number,
    public tiebreak: number,
    public sequence: number,
    readonly owner: Owner,
    readonly what: string,
    readonly payload: number,
    public run: (() => void) | undefined,
  ) {}

  cancel(): void {
    this.run = undefined
  }
}

const before = (a: Entry, b: Entry) =>
  a.timeNs !== b.timeNs
    ? a.timeNs < b.timeNs
    : a.tiebreak !== b.tiebreak
      ? a.tiebreak < b.tiebreak
      : a.sequence < b.sequence

export interface RunLimits {
  /** Above it the run fails: something spins. */
  eventsMax?: number
  /** Virtual time above which the run fails. */
  virtualMsMax?: number
  /** Runs a turn of the event loop: what the run's own code, and nobody else's, finds in the process meanwhile. */
  aroundTurn?: (turn: () => void) => void
}

/** The scenario waits for something that can no longer happen, or it spins. */
export class StuckError extends Error {
  override name = "StuckError"
}

const eventsPerTurn = 8192

export class Scheduler {
  nowNs = 0
  eventCount = 0
  #sequence = 0
  readonly #heap: Entry[] = []
  #running = false
  /** Told of every event that is added, by whoever drives it from outside. */
  onAdded: (() => void) | undefined

  constructor(
    readonly random: SeededRandom,
    readonly trace: Trace,
  ) {}

  get nowMs(): number {
    return this.nowNs / 1e6
  }

  after(delayNs: number, owner: Owner, what: string, run: () => void, payload = 0): ScheduledEvent {
    const timeNs = this.nowNs + Math.max(0, Math.floor(delayNs))
    const entry = new Entry(timeNs, this.random.next(), this.#sequence++, owner, what, payload, run)
    this.#push(entry)
    this.onAdded?.()
    return entry
  }

  /** When the next event is due; undefined: nothing is left to happen. */
  get nextNs(): number | undefined {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined) return undefined
      if (next.run !== undefined && next.owner.alive) return next.timeNs
      this.#pop()
    }
  }

  /** Time passes without an event. Those that were due meanwhile are late. */
  passTo(timeNs: number): void {
    this.nowNs = Math.max(this.nowNs, timeNs)
  }

  /** Notes something in the trace that is not an event. */
  note(owner: string, what: string, payload = 0): void {
    this.trace.record(this.eventCount, this.nowNs, owner, what, payload)
  }

  /** Runs the next event; false when there is none. Promises it settled have not run yet. */
  step(): boolean {
    for (;;) {
      const entry = this.#pop()
      if (entry === undefined) return false
      if (entry.run === undefined || !entry.owner.alive) continue
      if (entry.owner.pausedUntilNs > entry.timeNs) {
        entry.timeNs = entry.owner.pausedUntilNs
        this.#push(entry)
        continue
      }
      this.nowNs = Math.max(this.nowNs, entry.timeNs)
      this.eventCount += 1
      this.trace.record(this.eventCount, this.nowNs, entry.owner.name, entry.what, entry.payload)
      const run = entry.run
      entry.run = undefined
      run()
      return true
    }
  }

  /**
   * Runs `main` and all events until its promise settles, and settles alike. Fails with `StuckError` when nothing is left to happen or a
   * limit is passed, and with whatever an event throws. One run at a time.
   */
  run<T>(main: () => Promise<T>, limits: RunLimits = {}): Promise<T> {
    const eventsMax = this.eventCount + (limits.eventsMax ?? Number.POSITIVE_INFINITY)
    const untilNs = this.nowNs + (limits.virtualMsMax ?? Number.POSITIVE_INFINITY) * 1e6
    if (this.#running) throw new Error("the scheduler already runs")
    this.#running = true
    return new Promise<T>((resolve, reject) => {
      let settled = false
      const finish = (settle: () => void) => {
        settled = true
        this.#running = false
        settle()
      }
      const around = limits.aroundTurn ?? ((turn: () => void) => turn())
      const oneTurn = (events: number) => around(() => someEvents(events))
      const someEvents = (events: number) => {
        try {
          for (let i = 0; i < events && !settled; i++) {
            if (this.eventCount >= eventsMax) throw new StuckError(`not finished after ${this.eventCount} events`)
            if (!this.step())
              throw new StuckError(`nothing is left to happen at ${this.nowMs} ms, but it is not finished`)
            if (this.nowNs > untilNs) throw new StuckError(`not finished at ${this.nowMs} ms of virtual time`)
            if (events > 1) drain()
          }
        } catch (error) {
          finish(() => reject(error))
        }
      }
      inOwnTurn(() => {
        const events = drainWorks() ? eventsPerTurn : 1
        const turn = () => {
          if (settled) return
          oneTurn(events)
          if (!settled) inOwnTurn(turn)
        }
        around(() => {
          try {
            main().then(
              (value) => finish(() => resolve(value)),
              (error) => finish(() => reject(error)),
            )
          } catch (error) {
            finish(() => reject(error))
          }
          if (events > 1) drain()
        })
        // Without a working drain the microtasks of `main` need the turn to end first.
        if (events > 1) turn()
        else inOwnTurn(turn)
      })
    })
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

  #pop(): Entry | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    const count = heap.length
    for (;;) {
      let child = 2 * at + 1
      if (child >= count) break
      if (child + 1 < count && before(heap[child + 1]!, heap[child]!)) child += 1
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top
  }
}
