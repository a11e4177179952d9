/**
 * `npm run fuzz -- [--seconds S] [--seed N]`: damaged and hostile bytes for everything that takes bytes.
 *
 * Owns time, seeds and the report. Decoders run first, for part of the time; then a broker is attacked over sockets. A finding prints the
 * command that replays it and makes the exit code 1.
 */
import { prepareCompression } from "../protocol/compression/compression.js"
import type { NextInt } from "../protocol/generate.js"
import { decoderTargets, type FuzzTarget } from "./fuzz-decoders.js"

/** An execution that takes longer than this on a busy machine has found a way to make us work. */
const slowMs = 1000
const residentBytesMax = 1024 * 1024 * 1024
const memoryCheckEvery = 4096
const findingsMax = 10

interface Options {
  readonly seconds: number
  readonly seed: number
  readonly target: string | undefined
  readonly execution: number | undefined
}

/** mulberry32 over a seed mixed from all three, so that neighbouring executions have nothing in common. */
function executionNumbers(seed: number, target: string, execution: number): NextInt {
  let state = seed | 0
  for (const char of target) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193)
  state = Math.imul(state ^ execution, 0x9e3779b1)
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** What went wrong in one execution, if anything. */
function execute(target: FuzzTarget, options: Options, execution: number): string | undefined {
  const startedMs = performance.now()
  try {
    target.run(executionNumbers(options.seed, target.name, execution))
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const tookMs = performance.now() - startedMs
  return tookMs > slowMs ? `took ${tookMs.toFixed(0)} ms` : undefined
}

function report(target: FuzzTarget, options: Options, execution: number, what: string): void {
  const replay = `npm run fuzz -- --seed ${options.seed} --target "${target.name}" --execution ${execution}`
  process.stdout.write(`fuzz: ${target.name}: ${what}\n  replay: ${replay}\n`)
}

/** Round robin over all targets until the time is up. Resolves with the number of findings. */
function fuzzDecoders(options: Options, deadlineMs: number): number {
  const targets = decoderTargets.filter(({ name }) => options.target === undefined || name === options.target)
  if (targets.length === 0) throw new Error(`no target is called ${options.target}`)
  if (options.execution !== undefined) {
    const what = execute(targets[0]!, options, options.execution)
    process.stdout.write(`fuzz: ${targets[0]!.name}, execution ${options.execution}: ${what ?? "nothing found"}\n`)
    return what === undefined ? 0 : 1
  }
  let executions = 0
  let residentMax = 0
  const broken = new Set<FuzzTarget>()
  for (let round = 0; performance.now() < deadlineMs && broken.size < findingsMax; round++) {
    for (const target of targets) {
      if (broken.has(target)) continue
      const what = execute(target, options, round)
      if (++executions % memoryCheckEvery === 0) residentMax = Math.max(residentMax, process.memoryUsage.rss())
      if (what === undefined) continue
      broken.add(target)
      report(target, options, round, what)
    }
  }
  process.stdout.write(
    `fuzz: decoders: ${executions} executions of ${targets.length} targets, ${broken.size} findings, ` +
      `at most ${Math.round(residentMax / 2 ** 20)} MiB resident, seed ${options.seed}\n`,
  )
  if (residentMax > residentBytesMax) process.stdout.write("fuzz: that is too much memory\n")
  return broken.size + (residentMax > residentBytesMax ? 1 : 0)
}

function parseOptions(args: readonly string[]): Options {
  const given = new Map<string, string>()
  for (let i = 0; i + 1 < args.length; i += 2) given.set(args[i]!.replace(/^--/, ""), args[i + 1]!)
  const number = (name: string): number | undefined => {
    const text = given.get(name)
    if (text === undefined) return undefined
    if (!/^\d+$/.test(text)) throw new Error(`--${name} ${text} is not a number`)
    return Number(text)
  }
  return {
    seconds: number("seconds") ?? 60,
    seed: number("seed") ?? Date.now() % 1_000_000_007,
    target: given.get("target"),
    execution: number("execution"),
  }
}

const options = parseOptions(process.argv.slice(2))
await prepareCompression()
const findings = fuzzDecoders(options, performance.now() + options.seconds * 1000)
process.exitCode = findings === 0 ? 0 : 1
