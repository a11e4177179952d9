/**
 * The machine under the benchmark, as the kernel tells it.
 *
 * Owns /proc and the state of memory and page cache before a run. Linux only: elsewhere CPU and memory figures are absent, never guessed.
 */
import { closeSync, openSync, readFileSync, statfsSync, unlinkSync, writeFileSync, writeSync } from "node:fs"
import { spawnSync } from "node:child_process"
import { availableParallelism, cpus, release, totalmem } from "node:os"
import { join } from "node:path"

/** What the kernel counts CPU time in, on every architecture Node runs on. */
const ticksPerSecond = 100
const gib = 2 ** 30

/** CPU seconds, user and system, of all threads of a process since it started. Undefined where there is no /proc or no such process. */
export function cpuSeconds(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    // The command's name may hold spaces: count from behind its closing parenthesis.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  } catch {
    return undefined
  }
}

export function residentBytes(pid: number): number | undefined {
  try {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))
    return match === null ? undefined : Number(match[1]) * 1024
  } catch {
    return undefined
  }
}

/**
 * Writes and deletes a file of this size, so that the pages the run will use belong to this machine already: a hypervisor that took
 * free memory back makes the first touch of a page cost more than everything that is measured.
 */
export function warmMemory(directory: string, bytes: number): void {
  const path = join(directory, ".warm")
  const chunk = Buffer.alloc(8 << 20, 1)
  const file = openSync(path, "w")
  try {
    for (let written = 0; written < bytes; written += chunk.length) writeSync(file, chunk)
  } finally {
    closeSync(file)
    unlinkSync(path)
  }
}

/** Waits until everything written is on disk, so that the write-back of one step does not run during the next. */
export function settleDisk(): void {
  spawnSync("sync")
}

/** Empties the page cache. Returns why it cannot, or undefined when done. */
export function dropCaches(): string | undefined {
  settleDisk()
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "1")
    return undefined
  } catch {
    return "dropping the page cache needs root on Linux"
  }
}

export function freeDiskBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** One line that says what was measured on, without names of hosts or paths. */
export function machineLine(directory: string): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor"
  const type = spawnSync("stat", ["-f", "-c", "%T", directory], { encoding: "utf8" }).stdout?.trim() || "unknown"
  const memory = Math.round(totalmem() / gib)
  return `${availableParallelism()} cores (${model}), ${memory} GiB, ${process.platform} ${release().split("-")[0]}, file system ${type}, Node ${process.version}`
}
