/**
 * The little of the real world that tests in this process need: its clock, its event loop, its ports, one variable of its environment.
 *
 * Owns the touch of it: nothing else in this folder does. The originals are taken when this file is loaded, so that fake timers, which a test installs later, fake the test's time and not the broker's.
 */
import { createNodeEnv } from "../env/node/index.js"
import type { Disk, Network, Timer } from "../env/env.js"

export interface RealWorld {
  wallMs(): number
  monotonicMs(): number
  /** `keepsAlive`: the process does not end before it has run. */
  after(delayMs: number, run: () => void, keepsAlive: boolean): Timer
  /** Runs in a turn of the event loop of its own. */
  inOwnTurn(run: () => void): void
  readonly network: Network
  readonly disk: Disk
}

const dateNow = Date.now
const monotonicNow = performance.now.bind(performance)
const startTimer = setTimeout
const stopTimer = clearTimeout
const startTurn = setImmediate

const timerMsMax = 2 ** 31 - 1

/** Each call a world of its own; nothing is open in it until it is used. */
export function createRealWorld(): RealWorld {
  const env = createNodeEnv({ native: false, level: "error" })
  return {
    wallMs: () => dateNow(),
    monotonicMs: () => monotonicNow(),
    after(delayMs, run, keepsAlive) {
      const timer = startTimer(run, Math.min(timerMsMax, Math.max(0, delayMs)))
      if (!keepsAlive) timer.unref()
      return { cancel: () => stopTimer(timer) }
    },
    inOwnTurn: (run) => void startTurn(run),
    network: env.network,
    disk: env.disk,
  }
}

/** The seed that `OTTLA_SEED` asks for. */
export const wantedSeed = (): string | undefined => process.env.OTTLA_SEED || undefined
