/**
 * The built command as processes of their own, for tests of what is printed and how it ends.
 *
 * Owns a broker that is started from dist for the tests of one file, and its end.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A program that has not ended by then is killed, which its test sees. */
const runMsMax = 60_000

/** Runs a program to its end. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { input = "", env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ran> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] })
  let [out, err] = ["", ""]
  child.stdout.on("data", (bytes: Buffer) => {
    out += bytes
  })
  child.stderr.on("data", (bytes: Buffer) => {
    err += bytes
  })
  child.stdin.on("error", () => {})
  child.stdin.end(input)
  const timer = setTimeout(() => child.kill("SIGKILL"), runMsMax)
  const [code] = await once(child, "close")
  clearTimeout(timer)
  return { code, out, err }
}

export class RunningBroker {
  readonly directory = mkdtempSync(join(tmpdir(), "ottla-command-"))
  bootstrap = ""
  #child: ChildProcess | undefined

  /** Resolves when it is ready; rejects with what it said. */
  async start(...settings: string[]): Promise<void> {
    const set = [`log.dirs=${this.directory}/data`, "listeners=PLAINTEXT://127.0.0.1:0", ...settings]
    const child = spawn(
      process.execPath,
      ["dist/ottla.js", "server", "start", ...set.flatMap((each) => ["--set", each])],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    )
    this.#child = child
    let [out, err] = ["", ""]
    child.stderr.on("data", (bytes: Buffer) => {
      err += bytes
    })
    await new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (bytes: Buffer) => {
        out += bytes
        const address = /ready: node \d+ at (127\.0\.0\.1:\d+)/.exec(out)?.[1]
        if (address === undefined) return
        this.bootstrap = address
        resolve()
      })
      child.on("close", (code) => reject(new Error(`exit ${code}: ${err}`)))
    })
  }

  /** `ottla` with arguments, which finds the broker by itself. */
  run(args: readonly string[], input = ""): Promise<Ran> {
    return runProgram(process.execPath, ["dist/ottla.js", ...args], { input, env: { OTTLA_BOOTSTRAP: this.bootstrap } })
  }

  /** A line for a shell, in which `ottla` is the command, `$NODE dist/ottla.js` the same as a process of its own, and `$DIR` a place for files. */
  shell(line: string): Promise<Ran> {
    const script = `ottla() { "${process.execPath}" dist/ottla.js "$@"; }\n${line}`
    const env = { OTTLA_BOOTSTRAP: this.bootstrap, DIR: this.directory, NODE: process.execPath }
    return runProgram("bash", ["-o", "pipefail", "-c", script], { env })
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child !== undefined && child.exitCode === null) {
      child.kill("SIGKILL")
      await once(child, "close")
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}
