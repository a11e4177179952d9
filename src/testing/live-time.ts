/**
 * Drives a simulated world by real time, and ahead of it when a test says so.
 *
 * Owns what happens next: events of disk and network (the world's scheduler), which take no time, and timers (`timer-queue.ts`), which do. In between the event loop is left to others; nothing polls. With a
 * manual clock real time does not count: only `advance` and starting a node move it. Invariant: whatever an event causes, promises included, has happened before the next event.
 */
import { ClosedError } from "../client/errors.js"
import type { Clock, Env, Timer, Timers } from "../env/env.js"
import { drain, drainWorks } from "../sim/drain.js"
import type { SimulatedNode } from "../sim/node.js"
import type { Owner, Scheduler } from "../sim/scheduler.js"
import type { RealWorld } from "./real-world.js"
import { TimerQueue } from "./timer-queue.js"

/** Events in one turn of the event loop; then others have theirs. */
const eventsPerTurn = 4096
/** What is due so soon is not waited for: disk and network of the world say "at once" with a few microseconds. */
const atOnceNs = 100_000
/** No timer is quicker: one that is set again and again, for what is left of a deadline, would otherwise stop time by the last digit of a fraction. */
const timerNsMin = 1_000
/** One turn of a node's event loop. */
const soonNs = 2_000
/** Up to here each timer runs whenever it is due. */
export const exactMsMax = 600_000
/** A longer way is gone in so many steps, and in each of them a timer that recurs runs once. */
export const stepsMax = 1_000
/** Turns of the event loop without any event, after which sockets and files are taken to have no more to say. */
const quietTurns = 3

export class LiveTime {
  readonly timers = new TimerQueue()
  readonly #startedMs: number
  /** By how much the world's time is ahead of the real one. */
  #aheadNs = 0
  #isPumping = false
  #turnIsComing = false
  #armed: Timer | undefined
  #armedNs = 0
  #armedAlive = false
  /** While an `advance` or a start runs, it alone says what is next. */
  #holds = 0
  #isClosed = false
  #drains: boolean | undefined
  #keepers: readonly Owner[] = []
  /** Calls of real files and sockets on their way. */
  #realCalls = 0
  #advancing: Promise<void> = Promise.resolve()

  constructor(
    readonly scheduler: Scheduler,
    readonly real: RealWorld,
    readonly isManual: boolean,
    /** Real sockets or files are part of it. */
    private readonly hasRealWork: boolean,
  ) {
    this.#startedMs = real.monotonicMs()
    scheduler.onAdded = () => this.#wake()
  }

  /** While one of these has a timer, the process stays alive: somebody waits. */
  keepAliveFor(owners: readonly Owner[]): void {
    this.#keepers = owners
  }

  /** The environment of a node's present life, with time as it is here. */
  envOf(node: SimulatedNode): Env {
    const { env, incarnation } = node
    return { ...env, clock: this.#clock(env.clock), timers: this.#timersOf(incarnation) }
  }

  get nowMs(): number {
    this.#touch()
    return this.scheduler.nowNs / 1e6
  }

  #clock(inner: Clock): Clock {
    return {
      wallMs: () => {
        this.#touch()
        return inner.wallMs()
      },
      monotonicMs: () => {
        this.#touch()
        return inner.monotonicMs()
      },
    }
  }

  #timersOf(owner: Owner): Timers {
    let soon: (() => void)[] = []
    return {
      after: (delayMs, run) => {
        this.#touch()
        const delayNs = Math.max(timerNsMin, Math.ceil(delayMs * 1e6))
        const timer = this.timers.add(this.scheduler.nowNs + delayNs, owner, run)
        this.#wake()
        return timer
      },
      soon: (run) => {
        soon.push(run)
        if (soon.length > 1) return
        this.scheduler.after(soonNs, owner, "soon", () => {
          const due = soon
          soon = []
          for (const each of due) each()
        })
      },
    }
  }

  /** Real time since the last look has passed here too. */
  #touch(): void {
    if (!this.isManual && this.#holds === 0 && !this.#isPumping) this.scheduler.passTo(this.#realNs())
  }

  #realNs(): number {
    return Math.floor((this.real.monotonicMs() - this.#startedMs) * 1e6) + this.#aheadNs
  }

  /** Runs the next event if it is due at `limitNs`. */
  #runNext(limitNs: number): boolean {
    const { scheduler, timers } = this
    const eventNs = scheduler.nextNs
    const timerNs = timers.nextNs
    if (eventNs !== undefined && (timerNs === undefined || eventNs <= timerNs || timerNs > limitNs)) {
      if (eventNs > Math.max(limitNs, scheduler.nowNs) + atOnceNs) return false
      scheduler.step()
      return true
    }
    if (timerNs === undefined || timerNs > limitNs) return false
    scheduler.passTo(timerNs)
    timers.runNext()
    return true
  }

  #wake(): void {
    if (this.#isPumping || this.#turnIsComing || this.#holds > 0 || this.#isClosed) return
    const dueNs = this.#nextDueNs()
    if (dueNs === undefined) return
    if (dueNs <= this.scheduler.nowNs + atOnceNs) {
      this.#turnIsComing = true
      this.real.inOwnTurn(this.#pump)
      return
    }
    if (this.isManual) return
    const keepsAlive = this.#keepers.some((owner) => this.timers.waitingOf(owner) > 0)
    if (this.#armed !== undefined && this.#armedNs <= dueNs && this.#armedAlive === keepsAlive) return
    this.#armed?.cancel()
    this.#armedNs = dueNs
    this.#armedAlive = keepsAlive
    const delayMs = Math.ceil((dueNs - this.#realNs()) / 1e6)
    this.#armed = this.real.after(delayMs, this.#pump, keepsAlive)
  }

  #nextDueNs(): number | undefined {
    const eventNs = this.scheduler.nextNs
    const timerNs = this.timers.nextNs
    if (eventNs === undefined || timerNs === undefined) return eventNs ?? timerNs
    return Math.min(eventNs, timerNs)
  }

  readonly #pump = () => {
    this.#turnIsComing = false
    this.#armed?.cancel()
    this.#armed = undefined
    if (this.#holds > 0 || this.#isClosed) return
    this.#touch()
    this.#isPumping = true
    try {
      const limitNs = this.isManual ? this.scheduler.nowNs : this.#realNs()
      this.#runSome(() => this.#runNext(limitNs), eventsPerTurn)
    } finally {
      this.#isPumping = false
      this.#wake()
    }
  }

  /** Runs events until there is none, or enough; true: there may be more. To be called in a turn of its own. */
  #runSome(runNext: () => boolean, count: number): boolean {
    this.#drains ??= drainWorks()
    for (let left = this.#drains ? count : 1; left > 0; left--) {
      if (this.#isClosed || !runNext()) return false
      if (this.#drains) drain()
    }
    return true
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.real.inOwnTurn(resolve))
  }

  /** One turn of the event loop, in which events run. */
  #turnWith(runNext: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) =>
      this.real.inOwnTurn(() => {
        this.#isPumping = true
        try {
          resolve(this.#runSome(runNext, eventsPerTurn))
        } catch (error) {
          reject(error as Error)
        } finally {
          this.#isPumping = false
        }
      }),
    )
  }

  /** Nobody else says what is next while `work` runs. */
  async #holding<T>(work: () => Promise<T>): Promise<T> {
    this.#touch()
    this.#holds += 1
    try {
      return await work()
    } finally {
      this.#holds -= 1
      if (this.#holds === 0) {
        this.#aheadNs += Math.max(0, this.scheduler.nowNs - this.#realNs())
        this.#wake()
      }
    }
  }

  /**
   * Runs events, and timers without waiting for them, until `work` settles, and settles alike. Resolves with its result and how far the world's time went for it.
   * While a real file or socket is busy, no timer overtakes it.
   */
  async hurry<T>(work: Promise<T>): Promise<{ readonly result: T; readonly tookMs: number }> {
    const startNs = this.scheduler.nowNs
    let isSettled = false
    const settled = () => {
      isSettled = true
    }
    work.then(settled, settled)
    return this.#holding(async () => {
      while (!isSettled) {
        if (this.#isClosed) throw new ClosedError("the broker")
        const mayHaveMore = await this.#turnWith(
          () => !isSettled && this.#runNext(this.#realCalls > 0 ? this.scheduler.nowNs : Number.POSITIVE_INFINITY),
        )
        if (!mayHaveMore && !isSettled) await this.#turn()
      }
      return { result: await work, tookMs: (this.scheduler.nowNs - startNs) / 1e6 }
    })
  }

  /**
   * Time passes: what is due meanwhile happens in its order, and what follows from it. Within `exactMsMax` each timer runs exactly when it is due; a longer way is gone in `stepsMax` steps, in each of
   * which what is due runs late and once, like on a machine that was busy. One after the other, if several are asked for.
   */
  advance(ms: number): Promise<void> {
    const done = this.#advancing.then(() => this.#holding(() => this.#advance(ms)))
    this.#advancing = done.catch(() => {})
    return done
  }

  async #advance(ms: number): Promise<void> {
    const { scheduler } = this
    await this.settle()
    const steps = ms <= exactMsMax ? 1 : stepsMax
    const startNs = scheduler.nowNs
    for (let step = 1; step <= steps; step++) {
      const endNs = startNs + Math.round((ms * 1e6 * step) / steps)
      if (steps === 1) while (await this.#turnWith(() => this.#runNext(endNs)));
      else {
        scheduler.passTo(endNs)
        await this.#runLate()
      }
      scheduler.passTo(endNs)
      if (this.hasRealWork) await this.#turn()
    }
    await this.settle()
    this.#aheadNs += Math.round(ms * 1e6)
  }

  /** What has become due runs in its order; what it asks for again waits for the next step, and what it says is heard first. */
  async #runLate(): Promise<void> {
    const { scheduler, timers } = this
    const limitNs = scheduler.nowNs
    const runNext = () => {
      const eventNs = scheduler.nextNs
      if (eventNs !== undefined && eventNs <= scheduler.nowNs + atOnceNs) return scheduler.step()
      const timerNs = timers.nextNs
      if (timerNs === undefined || timerNs > limitNs) return false
      timers.runNext()
      return true
    }
    while (await this.#turnWith(runNext));
  }

  /** What is on its way now, and takes no time, has happened. */
  async settle(): Promise<void> {
    const runNext = () => this.#runNext(this.scheduler.nowNs)
    let quiet = 0
    const wanted = this.hasRealWork ? quietTurns : 1
    while (quiet < wanted) {
      let count = 0
      await this.#turnWith(() => {
        const ran = runNext()
        if (ran) count += 1
        return ran
      })
      quiet = count === 0 && this.#realCalls === 0 ? quiet + 1 : 0
    }
  }

  /** A call of something real, which time waits for when it is made to pass. */
  async track<T>(call: Promise<T>): Promise<T> {
    this.#realCalls += 1
    try {
      return await call
    } finally {
      this.#realCalls -= 1
    }
  }

  close(): void {
    this.#isClosed = true
    this.#armed?.cancel()
    this.#armed = undefined
    this.timers.clear()
    this.scheduler.onAdded = undefined
  }
}
