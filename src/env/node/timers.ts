/**
 * Timers of the event loop.
 *
 * Owns the queue behind `soon`: one `setImmediate` for everything asked for in a turn, so that it costs an array push. A server's timers do not keep
 * the process alive, for sockets and files do; a client's do, for whoever waits on it may have nothing else.
 */
import type { Timer, Timers } from "../env.js"

/** The longest delay the runtime takes; above it, it would fire at once. */
const delayMsMax = 2 ** 31 - 1

export class NodeTimers implements Timers {
  #due: (() => void)[] = []

  constructor(private readonly keepAlive = false) {}

  after(delayMs: number, run: () => void): Timer {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), delayMsMax))
    if (!this.keepAlive) timer.unref()
    return { cancel: () => clearTimeout(timer) }
  }

  soon(run: () => void): void {
    this.#due.push(run)
    if (this.#due.length === 1) setImmediate(this.#run)
  }

  readonly #run = () => {
    const due = this.#due
    this.#due = []
    let done = 0
    try {
      for (; done < due.length; done++) due[done]!()
    } finally {
      // One threw: what came after it still runs, in order, before what was asked for meanwhile.
      const left = due.slice(done + 1)
      if (left.length > 0) {
        this.#due = [...left, ...this.#due]
        setImmediate(this.#run)
      }
    }
  }
}
