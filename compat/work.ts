/**
 * The harness's own room: what is installed for it, and running other programs.
 *
 * Owns `compat/.work/` (git-ignored; everything in it can be deleted and is made again), and child processes. Invariant: no child
 * outlives the harness.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository: this file runs as build/compat/work.js. */
export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const workDirectory = join(repository, "compat/.work")

/** Thrown by a check that cannot run here; the message says what is missing. */
export class Skip extends Error {
  override name = "Skip"
}

export function expect(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: ${shorten(a)} where ${shorten(b)} was due`)
}

const shorten = (text: string | undefined): string =>
  text === undefined ? "undefined" : text.length > 300 ? `${text.slice(0, 300)}...` : text

export const onPath = (program: string): boolean =>
  spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0

const children = new Set<ChildProcess>()
const cleanups: (() => void)[] = []

/** Runs when the harness ends, in whatever way; last registered first. Returns how to run it earlier. */
export function atEnd(cleanup: () => void): () => void {
  cleanups.push(cleanup)
  return () => {
    const index = cleanups.indexOf(cleanup)
    if (index < 0) return
    cleanups.splice(index, 1)
    cleanup()
  }
}

/** Kills what is still running and undoes what is still set up. Never throws. */
export function endEverything(): void {
  for (const child of children) child.kill("SIGKILL")
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      cleanup()
    } catch (error) {
      process.stderr.write(`compat: while tidying up: ${error}\n`)
    }
  }
}

export function temporaryDirectory(prefix: string): string {
  const path = mkdtempSync(join(tmpdir(), `ottla-${prefix}-`))
  if (process.env.OTTLA_COMPAT_KEEP !== "1") atEnd(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A long-running child that dies with the harness. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, args, options)
  children.add(child)
  child.once("exit", () => children.delete(child))
  return child
}

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a child may print before it is cut off. */
const outputBytesMax = 256 * 1024 * 1024

/** Runs a program to its end. Rejects only if it cannot be started or takes longer than `timeoutMs`. */
export function run(
  command: string,
  args: readonly string[],
  options: { input?: string | Buffer; cwd?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = start(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    })
    const timeoutMs = options.timeoutMs ?? 60_000
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      reject(new Error(`${command} ${args.join(" ")}: not done after ${timeoutMs} ms\n${tail(output())}`))
    }, timeoutMs)
    const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] }
    const output = () => Buffer.concat(chunks.stdout).toString() + Buffer.concat(chunks.stderr).toString()
    let bytes = 0
    for (const name of ["stdout", "stderr"] as const) {
      child[name]!.on("data", (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= outputBytesMax) chunks[name].push(chunk)
      })
    }
    child.once("error", (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once("close", (code) => {
      clearTimeout(timer)
      resolve({
        code: code ?? 255,
        stdout: Buffer.concat(chunks.stdout).toString(),
        stderr: Buffer.concat(chunks.stderr).toString(),
      })
    })
    child.stdin!.on("error", () => {})
    child.stdin!.end(options.input ?? "")
  })
}

export const tail = (text: string, lines = 8): string => text.trimEnd().split("\n").slice(-lines).join("\n")

/** As `run`, but anything but exit code 0 is an error that shows the end of the output. Resolves with stdout. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<string> {
  const result = await run(command, args, options)
  if (result.code !== 0) {
    throw new Error(`${command} ${args.join(" ")}: exit ${result.code}\n${tail(result.stdout + result.stderr)}`)
  }
  return result.stdout
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/**
 * Installs npm packages into a folder of the work directory, without running their scripts, once.
 * Errors: `Skip` when the registry does not give them.
 */
export async function npmPackages(folder: string, packages: readonly string[]): Promise<string> {
  const directory = join(workDirectory, folder)
  const names = packages.map((one) => one.slice(0, one.lastIndexOf("@")))
  if (names.every((name) => existsSync(join(directory, "node_modules", name)))) return directory
  if (!onPath("npm")) throw new Skip("npm is missing")
  mkdirSync(directory, { recursive: true })
  if (!existsSync(join(directory, "package.json"))) writeFileSync(join(directory, "package.json"), '{"private":true}\n')
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", ...packages]
  const result = await run("npm", args, { cwd: directory, timeoutMs: 300_000 })
  if (result.code !== 0) throw new Skip(`npm could not install ${packages.join(" ")}: ${tail(result.stderr, 2)}`)
  return directory
}
