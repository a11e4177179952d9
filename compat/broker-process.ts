/**
 * A broker as a child process: Ottla itself, on a data directory that survives it.
 *
 * Owns start, kill and stop. Invariant: when `start` resolves the broker answers; when `kill` or `stop` resolves the process is gone.
 */
import type { ChildProcess } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { repository, Skip, start, tail } from "./work.js"

export interface BrokerOptions {
  readonly port: number
  readonly dataDirectory: string
  /** Kafka's setting names. */
  readonly settings?: Readonly<Record<string, string>>
  /** Where clients reach it, 127.0.0.1 if nothing is said. */
  readonly host?: string
  /** Stands before the command, for it to run somewhere else. */
  readonly commandPrefix?: readonly string[]
  readonly readyTimeoutMs?: number
}

/** What a broker may print before the beginning is forgotten. */
const outputCharactersMax = 256 * 1024

export class BrokerProcess {
  #output = ""
  readonly #exited: Promise<void>

  private constructor(
    readonly child: ChildProcess,
    readonly options: BrokerOptions,
  ) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-outputCharactersMax)
      })
    }
    this.#exited = new Promise((resolve) => child.once("exit", () => resolve()))
  }

  /** Resolves when the broker has said that it is ready. Rejects with the end of its output when it ends first or takes too long. */
  static async start(options: BrokerOptions): Promise<BrokerProcess> {
    const program = join(repository, "dist/ottla.js")
    if (!existsSync(program)) throw new Skip("dist/ottla.js is not built")
    const settings = {
      listeners: `PLAINTEXT://127.0.0.1:${options.port}`,
      "log.dirs": options.dataDirectory,
      ...options.settings,
    }
    const args = Object.entries(settings).flatMap(([name, value]) => ["--set", `${name}=${value}`])
    const host = options.host ?? "127.0.0.1"
    const insecure = host === "127.0.0.1" ? [] : ["--insecure"]
    const line = [...(options.commandPrefix ?? []), process.execPath, program, "server", "start", ...insecure, ...args]
    const child = start(line[0]!, line.slice(1), { stdio: ["ignore", "pipe", "pipe"] })
    const broker = new BrokerProcess(child, options)
    await broker.#ready(options.readyTimeoutMs ?? 30_000)
    return broker
  }

  get bootstrap(): string {
    return `${this.options.host ?? "127.0.0.1"}:${this.options.port}`
  }

  get port(): number {
    return this.options.port
  }

  get pid(): number {
    return this.child.pid!
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The end of what it printed. */
  get output(): string {
    return tail(this.#output, 20)
  }

  /** All that is kept of it. */
  get wholeOutput(): string {
    return this.#output
  }

  #ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (why: string) => {
        finish()
        reject(new Error(`the broker ${why}:\n${this.output}`))
      }
      const onData = () => {
        if (!this.#output.includes("ottla is ready")) return
        finish()
        resolve()
      }
      const onExit = () => failed("ended before it was ready")
      const timer = setTimeout(() => {
        this.child.kill("SIGKILL")
        failed(`was not ready after ${timeoutMs} ms`)
      }, timeoutMs)
      const finish = () => {
        clearTimeout(timer)
        this.child.off("exit", onExit)
        this.child.stdout!.off("data", onData)
      }
      this.child.stdout!.on("data", onData)
      this.child.once("exit", onExit)
    })
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL")
    await this.#exited
  }

  /** SIGSTOP: it stands still, its connections stay. */
  pause(): void {
    this.child.kill("SIGSTOP")
  }

  resume(): void {
    this.child.kill("SIGCONT")
  }

  /** SIGTERM, as an operator would. Throws if the process does not end cleanly. */
  async stop(timeoutMs = 20_000): Promise<void> {
    if (!this.isAlive) throw new Error(`the broker died:\n${this.output}`)
    this.child.kill("SIGTERM")
    const timer = setTimeout(() => this.child.kill("SIGKILL"), timeoutMs)
    await this.#exited
    clearTimeout(timer)
    if (this.child.exitCode !== 0) {
      throw new Error(`the broker stopped with ${this.child.exitCode ?? this.child.signalCode}:\n${this.output}`)
    }
  }
}
