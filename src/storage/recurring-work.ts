/**
 * Work that comes again and again, and work that is only begun: until the owner closes.
 *
 * Owns the timers. Work of one kind never overlaps itself.
 */
import type { Env, Timer } from "../env/env.js"

export class RecurringWork {
  readonly #timers = new Set<Timer>()
  readonly #running = new Set<Promise<void>>()
  #closed = false

  constructor(private readonly env: Env) {}

  get isClosed(): boolean {
    return this.#closed
  }

  /** Runs `task` again and again, each time `intervalMs` after it ended. */
  every(intervalMs: number, task: () => Promise<unknown>): void {
    this.after(intervalMs, () =>
      task().then(
        () => this.every(intervalMs, task),
        (error: unknown) => {
          this.env.log.log("error", "recurring work on the logs failed", { error: String(error) })
          this.every(intervalMs, task)
        },
      ),
    )
  }

  /** Runs `task` once; not at all when it is closed before. */
  after(delayMs: number, task: () => Promise<void>): void {
    if (this.#closed) return
    const timer = this.env.timers.after(delayMs, () => {
      this.#timers.delete(timer)
      if (this.#closed) return
      const work = task()
      this.#running.add(work)
      void work.finally(() => this.#running.delete(work))
    })
    this.#timers.add(timer)
  }

  /** When it resolves nothing runs any more, and nothing will. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    await Promise.all(this.#running)
  }
}
