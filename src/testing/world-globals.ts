/**
 * The globals of the process that tell time and chance, as a simulated world has them.
 *
 * Owns putting them in place for as long as the world's own code runs, and taking them away: timers, `Date`, `performance.now`, `Math.random`. Nothing can be done about modules that were imported
 * (`node:timers`, `node:timers/promises`, `node:crypto`), `AbortSignal.timeout`, sockets and files: they stay real.
 */
import type { Clock, Timer, Timers } from "../env/env.js"
import type { SeededRandom } from "../sim/random.js"

export interface WorldGlobals {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: SeededRandom
}

type Run = (...values: unknown[]) => void

/** What `setTimeout` and its like return. */
class WorldTimer {
  timer: Timer | undefined

  constructor(
    private readonly timers: Timers,
    private readonly run: () => void,
    private readonly delayMs: number,
    private readonly isRepeated: boolean,
  ) {
    this.refresh()
  }

  refresh(): this {
    this.timer?.cancel()
    this.timer = this.timers.after(this.delayMs, () => {
      if (this.isRepeated) this.refresh()
      this.run()
    })
    return this
  }

  cancel(): void {
    this.timer?.cancel()
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  [Symbol.dispose](): void {
    this.cancel()
  }
}

/** Runs something with the world's globals in place of the process's own. */
export function worldGlobals({ clock, timers, random }: WorldGlobals): (work: () => void) => void {
  const { Date: RealDate, clearTimeout: realClear, clearImmediate: realClearImmediate } = globalThis
  const start =
    (isRepeated: boolean) =>
    (run: Run, delayMs: unknown, ...values: unknown[]) =>
      new WorldTimer(timers, () => run(...values), Math.max(1, Number(delayMs) || 0), isRepeated)
  const stop = (real: (timer: never) => void) => (timer: unknown) => {
    if (timer instanceof WorldTimer) timer.cancel()
    else real(timer as never)
  }
  class WorldDate extends RealDate {
    constructor(...values: readonly unknown[]) {
      super(...((values.length === 0 ? [clock.wallMs()] : values) as [number]))
    }

    static override now(): number {
      return clock.wallMs()
    }
  }
  const replaced: readonly (readonly [object, string, unknown])[] = [
    [globalThis, "setTimeout", start(false)],
    [globalThis, "setInterval", start(true)],
    [globalThis, "setImmediate", (run: Run, ...values: unknown[]) => start(false)(run, 0, ...values)],
    [globalThis, "clearTimeout", stop(realClear)],
    [globalThis, "clearInterval", stop(realClear)],
    [globalThis, "clearImmediate", stop(realClearImmediate)],
    [globalThis, "Date", WorldDate],
    [performance, "now", () => clock.monotonicMs()],
    [Math, "random", () => random.next() / 2 ** 32],
  ]
  return (work) => {
    const before = replaced.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name))
    for (const [owner, name, value] of replaced)
      Object.defineProperty(owner, name, { value, configurable: true, writable: true, enumerable: true })
    try {
      work()
    } finally {
      for (const [index, [owner, name]] of replaced.entries()) {
        const descriptor = before[index]
        // `now` is inherited.
        if (descriptor === undefined) Reflect.deleteProperty(owner, name)
        else Object.defineProperty(owner, name, descriptor)
      }
    }
  }
}
