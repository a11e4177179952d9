/**
 * A client of the load as a child process.
 *
 * Owns its life and the reading of its lines. Invariant: when `stop` resolves, everything it said is in the recorder.
 */
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { start, tail } from "../work.js"
import { parseClientLine } from "./client-lines.js"
import { nowUs, type Recorder } from "./recorder.js"

const readyTimeoutMs = 30_000
const errorsKeptMax = 200
const stderrCharactersMax = 16 * 1024

export interface ClientCommand {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  /** It sends nothing, and reads everything. */
  readonly isReader?: boolean
  /** Of programs that are not ours: notes what a line says. */
  readonly take?: (line: string, recorder: Recorder) => void
}

export class ClientProcess {
  /** What it says went wrong and was dealt with. */
  readonly errors: string[] = []
  #stderr = ""
  #failure: Error | undefined
  #isEnding = false
  readonly #closed: Promise<void>
  readonly #child: ChildProcess

  private constructor(
    private readonly client: ClientCommand,
    recorder: Recorder,
    onReady: () => void,
  ) {
    const child = start(client.command, client.args, { cwd: client.cwd, stdio: ["ignore", "pipe", "pipe"] })
    this.#child = child
    child.stderr!.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-stderrCharactersMax)
    })
    const lines = createInterface({ input: child.stdout! })
    lines.on("line", (line) => {
      try {
        if (client.take !== undefined) client.take(line, recorder)
        else {
          const said = parseClientLine(line)
          if ("event" in said) recorder.note(client.name, said.event, said.atUs)
          else if (said.remark === "ready") onReady()
          else {
            this.errors.push(`${said.atUs} ${said.text}`)
            if (this.errors.length > errorsKeptMax) this.errors.shift()
          }
        }
      } catch (error) {
        this.#failure ??= error as Error
      }
    })
    this.#closed = new Promise((resolve) => {
      let open = 2
      const one = () => {
        open -= 1
        if (open === 0) resolve()
      }
      child.once("close", one)
      lines.once("close", one)
    })
  }

  static async start(client: ClientCommand, recorder: Recorder): Promise<ClientProcess> {
    const startedUs = nowUs()
    let isReady = client.take !== undefined
    const started = new ClientProcess(client, recorder, () => {
      isReady = true
    })
    while (!isReady) {
      started.expectFine()
      if (nowUs() - startedUs > readyTimeoutMs * 1000) throw new Error(`${client.name} was not ready in time`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return started
  }

  get name(): string {
    return this.client.name
  }

  get isReader(): boolean {
    return this.client.isReader ?? false
  }

  /** Throws when it ended by itself or said what makes no sense. */
  expectFine(): void {
    if (this.#failure !== undefined) throw this.#failure
    const { exitCode, signalCode } = this.#child
    if (!this.#isEnding && (exitCode !== null || signalCode !== null))
      throw new Error(`${this.name} ended by itself (${exitCode ?? signalCode}): ${tail(this.#stderr)}`)
  }

  /** SIGTERM: it sends nothing more and waits for what is outstanding. Throws if that takes longer than `timeoutMs`. */
  async stop(timeoutMs = 60_000): Promise<void> {
    this.expectFine()
    this.#isEnding = true
    let isLate = false
    this.#child.kill("SIGTERM")
    const timer = setTimeout(() => {
      isLate = true
      this.#child.kill("SIGKILL")
    }, timeoutMs)
    await this.#closed
    clearTimeout(timer)
    this.expectFine()
    if (isLate)
      throw new Error(
        `${this.name} had not had all its answers after ${timeoutMs} ms:\n${this.errors.slice(-30).join("\n")}`,
      )
  }
}
