/**
 * Promises that are settled from outside, and waits with a limit.
 *
 * Owns both. Invariant: a wait that is over has no timer left.
 */
import type { Env } from "../../../env/env.js"

export interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
}

export function deferred(): Deferred {
  let resolve!: () => void
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** Resolves when the work is done, however it ends, or when the time is over. */
export async function within(env: Env, ms: number, work: Promise<unknown>): Promise<void> {
  const late = deferred()
  const timer = env.timers.after(ms, late.resolve)
  await Promise.race([work.catch(() => {}), late.promise])
  timer.cancel()
}
