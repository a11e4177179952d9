/**
 * One program of the cast: a producer or a member of the group, and the lines it exchanges with the story.
 *
 * Owns the child process and its lines. What a member says goes to the journal at once; an answer that was asked for is also waited for.
 */
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { start, tail } from "../work.js"
import { type Journal, parseEntry } from "./journal.js"

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

const outputCharactersMax = 64 * 1024
const answerTimeoutMs = 30_000

interface Waiting {
  readonly isMet: (words: string) => boolean
  readonly resolve: (words: string) => void
  readonly reject: (error: Error) => void
}

export class Member {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #errors = ""
  #hasEnded = false
  #failure: Error | undefined
  readonly #waiting = new Set<Waiting>()

  constructor(
    readonly name: string,
    launch: Launch,
    private readonly journal: Journal,
  ) {
    this.#child = start(launch.command, launch.args, {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: launch.cwd,
      env: { ...process.env, ...launch.env },
    })
    this.#child.stderr!.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-outputCharactersMax)
    })
    // A program that is gone does not read its commands; that it is gone is noticed below.
    this.#child.stdin!.on("error", () => {})
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#said(line))
    this.#exited = new Promise((resolve) => {
      this.#child.once("close", () => {
        if (!this.#hasEnded) this.#fail(`${this.name} ended by itself`)
        resolve()
      })
    })
    this.#child.once("error", (error) => this.#fail(`${this.name} did not start: ${error.message}`))
  }

  #said(line: string): void {
    // What a library prints on stdout by itself is no line of ours.
    if (!/^\d+ [a-z]+( |$)/.test(line)) {
      this.#errors = `${this.#errors}${line}\n`.slice(-outputCharactersMax)
      return
    }
    try {
      const entry = parseEntry(this.name, line)
      if (entry?.kind === "ended") this.#hasEnded = true
      if (entry !== undefined) this.journal.add(entry)
    } catch (error) {
      this.#fail((error as Error).message)
      return
    }
    const words = line.slice(line.indexOf(" ") + 1)
    for (const waiting of this.#waiting) {
      if (!waiting.isMet(words)) continue
      this.#waiting.delete(waiting)
      waiting.resolve(words)
    }
  }

  #fail(why: string): void {
    this.#failure ??= new Error(`${why}\n${tail(this.#errors, 8)}`)
    for (const waiting of this.#waiting) waiting.reject(this.#failure)
    this.#waiting.clear()
  }

  /** Throws what went wrong with the program, if anything did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  get errors(): string {
    return tail(this.#errors, 6)
  }

  /** Resolves with the first line that begins with one of `words`, said from now on. */
  says(...words: string[]): Promise<string> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#fail(`${this.name} did not say ${words.join(" or ")} in ${answerTimeoutMs} ms`),
        answerTimeoutMs,
      )
      this.#waiting.add({
        isMet: (said) => words.includes(said.split(" ")[0]!),
        resolve: (said) => {
          clearTimeout(timer)
          resolve(said)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  /** Sends a command; resolves with its answer. */
  async ask(command: string, ...answers: string[]): Promise<string> {
    const answer = this.says(...answers)
    this.#child.stdin!.write(`${command}\n`)
    return answer
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#hasEnded = true
    this.journal.add({ kind: "ended", how: "killed", atMs: Date.now(), member: this.name })
    this.#child.kill("SIGKILL")
    await this.#exited
  }

  /** As an operator would: it says that it left and ends. */
  async leave(): Promise<void> {
    await this.ask("leave", "left")
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), answerTimeoutMs)
    await this.#exited
    clearTimeout(timer)
  }
}
