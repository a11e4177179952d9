/**
 * Child processes of the benchmark: run to the end, or started and stopped.
 *
 * Owns that none outlives the benchmark: what is still running at exit is killed, by its id. Every wait has a limit.
 */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process"
import { once } from "node:events"

const outputCharactersMax = 1 << 20

export class ProcessError extends Error {
  override name = "ProcessError"
}

export class Processes {
  readonly #running = new Set<ChildProcess>()

  constructor() {
    process.on("exit", () => {
      for (const child of this.#running) child.kill("SIGKILL")
    })
  }

  start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options })
    this.#running.add(child)
    child.once("exit", () => this.#running.delete(child))
    child.once("error", () => this.#running.delete(child))
    return child
  }

  /** Runs to the end; resolves with stdout and stderr together. Errors: ProcessError if it fails or takes too long. */
  async run(
    command: string,
    args: readonly string[],
    options: SpawnOptions & { timeoutMs?: number; isDone?: (output: string) => boolean } = {},
  ): Promise<string> {
    const { timeoutMs, isDone, ...spawning } = options
    const child = this.start(command, args, spawning)
    const output = collect(child)
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs ?? 600_000)
    try {
      const [code, signal] = (await once(child, "close")) as [number | null, string | null]
      if (code !== 0 && isDone?.(output()) !== true)
        throw new ProcessError(`${command} ended with ${signal ?? code}: ${output().slice(-2000)}`)
      return output()
    } catch (error) {
      throw error instanceof ProcessError ? error : new ProcessError(`${command}: ${(error as Error).message}`)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Keeps the first part of what a process prints, for its result or for the message when it fails. */
export function collect(child: ChildProcess): () => string {
  let output = ""
  const keep = (data: string) => {
    if (output.length < outputCharactersMax) output += data
  }
  child.stdout?.setEncoding("utf8").on("data", keep)
  child.stderr?.setEncoding("utf8").on("data", keep)
  return () => output
}

/** Sends a signal and waits for the end; SIGKILL after `patienceMs`. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals, patienceMs = 30_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill(signal)
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs)
  await ended
  clearTimeout(timer)
}
