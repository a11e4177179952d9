/**
 * A tool of Kafka's that runs until it is stopped: a consumer, Connect, a Streams application.
 *
 * Owns its output and its end. Whoever waits for something says how long that may take.
 */
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { tail } from "./work.js"

const outputCharactersMax = 256 * 1024
const lookAgainMs = 50
const stopTimeoutMs = 20_000

export class RunningTool {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  readonly #listeners: ((line: string) => void)[] = []
  #output = ""
  #isEnding = false

  constructor(
    readonly name: string,
    child: ChildProcess,
  ) {
    this.#child = child
    this.#exited = new Promise((resolve) => child.once("close", () => resolve()))
    for (const input of [child.stdout!, child.stderr!])
      createInterface({ input }).on("line", (line) => {
        this.#output = `${this.#output}${line}\n`.slice(-outputCharactersMax)
        for (const listener of this.#listeners) listener(line)
      })
  }

  /** Its last lines, of stdout and stderr. */
  get output(): string {
    return this.#output
  }

  onLine(listener: (line: string) => void): void {
    this.#listeners.push(listener)
  }

  /** Resolves when `isMet`; throws when that takes too long or the tool ends before. */
  async until(what: string, isMet: () => boolean | Promise<boolean>, timeoutMs = 40_000): Promise<void> {
    const deadlineMs = Date.now() + timeoutMs
    while (!(await isMet())) {
      const why = !this.isAlive && !this.#isEnding ? "ended" : Date.now() > deadlineMs ? "took too long" : undefined
      if (why !== undefined) throw new Error(`${this.name} ${why} before: ${what}\n${tail(this.#output, 8)}`)
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs))
    }
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#isEnding = true
    this.#child.kill("SIGKILL")
    await this.#exited
  }

  /** SIGTERM; kill -9 if that does not help in time, which is an error. */
  async stop(): Promise<void> {
    this.#isEnding = true
    let isLate = false
    this.#child.kill("SIGTERM")
    const timer = setTimeout(() => {
      isLate = true
      this.#child.kill("SIGKILL")
    }, stopTimeoutMs)
    await this.#exited
    clearTimeout(timer)
    if (isLate) throw new Error(`${this.name} did not stop\n${tail(this.#output, 8)}`)
  }
}
