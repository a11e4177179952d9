/**
 * Clocks and timers of one machine.
 *
 * Fault model. The wall clock may start anywhere off, run fast or slow with the machine's oscillator, and jump in either direction at
 * any time. The monotonic clock runs with the same drift and never goes back; it starts anew with every boot. Timers follow the
 * monotonic clock and may be late, never early. Nothing but timestamps and retention may depend on the wall clock.
 */
import type { Clock, Timer, Timers } from "../env/env.js"
import type { Owner, Scheduler } from "./scheduler.js"

/** 2026-01-01T00:00:00Z: where virtual time starts. */
export const wallStartMs = 1_767_225_600_000

export interface ClockOptions {
  /** How far the wall clock is off at the start. */
  wallSkewMs?: number
  /** Parts per million by which the oscillator runs fast (positive) or slow. */
  driftPpm?: number
  /** Timers fire up to this much late. */
  timerLatenessMsMax?: number
}

/** Survives restarts: the machine's oscillator and its idea of the date. */
export class MachineClock {
  #offsetMs: number
  #sinceNs = 0
  #baseMs = 0
  #driftPpm: number
  readonly timerLatenessMsMax: number

  constructor(
    readonly scheduler: Scheduler,
    options: ClockOptions = {},
  ) {
    this.#offsetMs = options.wallSkewMs ?? 0
    this.#driftPpm = options.driftPpm ?? 0
    this.timerLatenessMsMax = options.timerLatenessMsMax ?? 1
  }

  /** Milliseconds by the oscillator since the world began. */
  elapsedMs(): number {
    return this.#baseMs + ((this.scheduler.nowNs - this.#sinceNs) / 1e6) * (1 + this.#driftPpm / 1e6)
  }

  wallMs(): number {
    return Math.floor(wallStartMs + this.#offsetMs + this.elapsedMs())
  }

  /** The administrator, or the time server, sets the clock. */
  jump(ms: number): void {
    this.#offsetMs += ms
    this.scheduler.note("clock", "jump", ms)
  }

  setDrift(ppm: number): void {
    this.#baseMs = this.elapsedMs()
    this.#sinceNs = this.scheduler.nowNs
    this.#driftPpm = ppm
  }

  /** Virtual nanoseconds until this oscillator has counted `ms`. */
  delayNs(ms: number): number {
    return Math.ceil((Math.max(0, ms) * 1e6) / (1 + this.#driftPpm / 1e6))
  }
}

export class SimulatedClock implements Clock {
  readonly #bootMs: number

  constructor(readonly machine: MachineClock) {
    this.#bootMs = machine.elapsedMs()
  }

  wallMs(): number {
    return this.machine.wallMs()
  }

  monotonicMs(): number {
    return this.machine.elapsedMs() - this.#bootMs
  }
}

/** One turn of a node's event loop. */
const turnNs = 2_000

export class SimulatedTimers implements Timers {
  #soon: (() => void)[] = []

  constructor(
    readonly machine: MachineClock,
    readonly owner: Owner,
  ) {}

  after(delayMs: number, run: () => void): Timer {
    const { scheduler, timerLatenessMsMax } = this.machine
    const lateNs = scheduler.random.int(Math.floor(timerLatenessMsMax * 1e6) + 1)
    return scheduler.after(this.machine.delayNs(delayMs) + lateNs, this.owner, "timer", run)
  }

  soon(run: () => void): void {
    this.#soon.push(run)
    if (this.#soon.length > 1) return
    this.machine.scheduler.after(turnNs, this.owner, "soon", () => {
      const due = this.#soon
      this.#soon = []
      for (const each of due) each()
    })
  }
}
