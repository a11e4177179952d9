/**
 * Several tasks at once, and their results in the order of the tasks.
 *
 * Owns the order, and the processes that run seeds. What a seed's run depends on is in its task, so who runs it, and beside what, changes nothing that is printed but times.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { SeedReport, SeedTask } from "./simulate-seeds.js"

/** Of V8: a world makes much that is dead soon, and copying the rest of a young generation of a few megabytes again and again costs a sixth of the time. */
export const worldFlags: readonly string[] = ["--min-semi-space-size=16", "--max-semi-space-size=64"]

/** So far a quick process may run ahead of a slow one's result. */
const aheadMax = 256

/**
 * Calls `deliver` with the result of each task that `next` gives, in their order, until there is none or `deliver` says false.
 *
 * Units: as many at once as there are workers, each does one at a time. Results behind a false one are dropped, as if they had not been begun.
 * Errors: of a worker are thrown, after all have ended what they were at.
 */
export async function inOrder<T, R>(
  next: () => T | undefined,
  workers: readonly ((task: T) => Promise<R>)[],
  deliver: (result: R) => boolean,
): Promise<void> {
  const early = new Map<number, R>()
  let begun = 0
  let delivered = 0
  let isOver = false
  let waiting: (() => void)[] = []
  const deliverWhatIsReady = () => {
    for (let result = early.get(delivered); result !== undefined && !isOver; result = early.get(delivered)) {
      early.delete(delivered)
      delivered += 1
      if (!deliver(result)) isOver = true
    }
    const woken = waiting
    waiting = []
    for (const wake of woken) wake()
  }
  const work = async (worker: (task: T) => Promise<R>) => {
    try {
      while (!isOver) {
        if (begun - delivered >= aheadMax) {
          await new Promise<void>((resolve) => waiting.push(resolve))
          continue
        }
        const task = next()
        if (task === undefined) return
        const place = begun++
        early.set(place, await worker(task))
        deliverWhatIsReady()
      }
    } catch (error) {
      isOver = true
      throw error
    }
  }
  const ends = await Promise.allSettled(workers.map(work))
  for (const end of ends) if (end.status === "rejected") throw end.reason
}

/** What a process that runs seeds says of one. */
export type JobAnswer = { readonly report: SeedReport } | { readonly uncaught: string }

/** A process that runs one seed at a time. */
export class SeedProcess {
  readonly #child: ChildProcess
  #settle: ((answer: JobAnswer) => void) | undefined

  constructor() {
    this.#child = fork(fileURLToPath(new URL("./simulate-worker.js", import.meta.url)), {
      execArgv: [...process.execArgv, ...worldFlags],
    })
    this.#child.on("message", (answer) => this.#answered(answer as JobAnswer))
    this.#child.on("exit", (code, signal) => this.#answered({ uncaught: `its process ended by ${signal ?? code}` }))
  }

  run(task: SeedTask): Promise<JobAnswer> {
    return new Promise((resolve) => {
      this.#settle = resolve
      this.#child.send(task)
    })
  }

  close(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  #answered(answer: JobAnswer): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(answer)
  }
}
