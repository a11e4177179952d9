/**
 * Runs mutants: a copy of the built program with one fault in it, simulated until that is found.
 *
 * Owns copying, patching and the child process. A mutant is found when its simulation fails; one that is not found in time is a failure of the simulator.
 */
import { spawn } from "node:child_process"
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Mutant } from "../sim/mutants.js"
import { worldFlags } from "./simulate-jobs.js"

/** `build/src`, from where this runs. */
const builtRoot = dirname(dirname(fileURLToPath(import.meta.url)))

export interface MutantResult {
  readonly name: string
  readonly found: boolean
  readonly seconds: number
  /** What it was found by, as the first violation says. */
  readonly by: string
  readonly seed: string
}

/** The built file with the mutant's edits. Throws where an edit does not fit. */
export function mutated(mutant: Mutant, file: string, text: string): string {
  let result = text
  for (const edit of mutant.edits) {
    if (edit.file !== file) continue
    const places = result.split(edit.find).length - 1
    if (places !== 1)
      throw new Error(`mutant "${mutant.name}": its place in ${file} is there ${places} times: ${edit.find}`)
    result = result.replace(edit.find, () => edit.replace)
  }
  return result
}

export async function runMutant(mutant: Mutant, seconds: number): Promise<MutantResult> {
  const folder = join(dirname(builtRoot), "mutants", mutant.name.replaceAll(/[^a-z]+/g, "-"))
  rmSync(folder, { recursive: true, force: true })
  cpSync(builtRoot, join(folder, "src"), { recursive: true, filter: (path) => !/\.(test|map)/.test(path) })
  for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
    const path = join(folder, "src", file)
    writeFileSync(path, mutated(mutant, file, readFileSync(path, "utf8")))
  }
  const { status, output } = await outputOf(join(folder, "src/cli/simulate.js"), [
    // Processor time, so that a busy machine misses no mutant.
    ...["--workload", mutant.workload ?? "broker", "--seconds", String(seconds), "--cpu", "--failures", "1"],
    ...["--jobs", "1"],
  ])
  const elapsed = Number(/ s, ([0-9.]+) s of the processor/.exec(output)?.[1] ?? 0)
  rmSync(folder, { recursive: true, force: true })
  const failure = /seed (\d+) FAILED.*\n(.*)/.exec(output) ?? /--seed (\d+): uncaught: (.*)/.exec(output)
  const by = (failure?.[2] ?? "").replace(/^ViolationError: /, "")
  return {
    name: mutant.name,
    found: status === 1 && failure !== null,
    seconds: elapsed,
    by,
    seed: failure?.[1] ?? "",
  }
}

function outputOf(program: string, args: readonly string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...worldFlags, program, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    const parts: Buffer[] = []
    child.stdout.on("data", (part: Buffer) => parts.push(part))
    child.on("error", reject)
    child.on("close", (status) => resolve({ status, output: Buffer.concat(parts).toString("utf8") }))
  })
}

/** One line for each, as it is found. */
export function describeMutant({ name, found, seconds, by, seed }: MutantResult): string {
  const verdict = found ? `seed ${seed}, ${seconds.toFixed(1)} s` : `NOT FOUND in ${seconds.toFixed(0)} s`
  return `${found ? "found    " : "NOT FOUND"} ${name.padEnd(68)} ${verdict.padEnd(20)} ${by.slice(0, 140)}`
}
