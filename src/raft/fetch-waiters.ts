/**
 * Fetches that wait at the leader for news.
 *
 * Owns who waits, for what and how long; judges nothing. Bounded: one too many is answered at once, and asks again.
 */
import { Bag } from "../base/bag.js"
import type { Timers } from "../env/env.js"

/** Replicas of a cluster, several times over. */
export const waitingFetchesMax = 1000

interface Waiter {
  readonly hasNews: () => boolean
  readonly wake: () => void
}

export class FetchWaiters {
  readonly #waiters = new Bag<Waiter>()

  constructor(private readonly timers: Timers) {}

  /** Resolves when `hasNews`, or after `maxWaitMs`. */
  wait(maxWaitMs: number, hasNews: () => boolean): Promise<void> {
    if (maxWaitMs <= 0 || hasNews() || this.#waiters.size >= waitingFetchesMax) return Promise.resolve()
    return new Promise((resolve) => {
      const waiter: Waiter = {
        hasNews,
        wake: () => {
          timer.cancel()
          this.#waiters.remove(entry)
          resolve()
        },
      }
      const timer = this.timers.after(maxWaitMs, waiter.wake)
      const entry = this.#waiters.add(waiter)
    })
  }

  /** Something may have changed. */
  look(): void {
    this.#waiters.each((waiter) => {
      if (waiter.hasNews()) waiter.wake()
    })
  }

  wakeAll(): void {
    this.#waiters.each((waiter) => waiter.wake())
  }
}
