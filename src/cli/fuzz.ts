/**
 * `npm run fuzz -- [--seconds S] [--seed N] [--target T] [--attack A] [--bootstrap host:port]`: damaged and hostile bytes for everything that takes bytes.
 *
 * Owns time, seeds and the report. Decoders run first, for part of the time; then a broker is attacked over sockets. A finding prints the
 * command that replays it and makes the exit code 1.
 */
import { prepareCompression } from "../protocol/compression/compression.js"
import type { NextInt } from "../protocol/generate.js"
import { FuzzedBroker, serveFuzzedBroker } from "./fuzz-broker.js"
import { decoderTargets, type FuzzTarget } from "./fuzz-decoders.js"
import { fuzzSockets, idleConnections } from "./fuzz-sockets.js"

/** An execution that takes longer than this on a busy machine has found a way to make us work. */
const slowMs = 1000
const residentBytesMax = 1024 * 1024 * 1024
const memoryCheckEvery = 4096
const findingsMax = 10
/** Of the time, if nothing else is said. */
const decoderShare = 0.5
const socketsTarget = "sockets"
const idleTarget = "idle"
const idleConnectionBytesMax = 64 * 1024
/** Attackers at work at once: what one frame may cost counts, not how many share the machine. */
const attackers = 4
const stallMsMax = 100
const stallsMin = 3
const brokerResidentBytesMax = 768 * 1024 * 1024

interface Options {
  readonly seconds: number
  readonly seed: number
  readonly target: string | undefined
  readonly execution: number | undefined
  /** host:port of a running broker to attack, instead of one of our own. */
  readonly bootstrap: string | undefined
  /** Of the attacks over sockets, only this one. */
  readonly attack: string | undefined
  /** How many connections the target `idle` opens. */
  readonly connections: number
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
    bootstrap: given.get("bootstrap"),
    attack: given.get("attack"),
    connections: number("connections") ?? 10_000,
  }
}

/** A broker in a process of its own, attacked until the deadline. Resolves with the number of findings. */
async function attackBroker(options: Options, deadlineMs: number): Promise<number> {
  const broker = options.bootstrap === undefined ? await FuzzedBroker.start(process.argv[1]!) : undefined
  const colon = options.bootstrap?.lastIndexOf(":") ?? -1
  const address =
    broker === undefined
      ? { host: options.bootstrap!.slice(0, colon), port: Number(options.bootstrap!.slice(colon + 1)) }
      : { host: "127.0.0.1", port: broker.port, controllerPort: broker.controllerPort }
  let findings = 0
  const find = (what: string, execution?: number) => {
    findings += 1
    process.stdout.write(`fuzz: ${socketsTarget}: ${what}\n`)
    const one = execution === undefined ? ` --seconds ${options.seconds}` : ` --execution ${execution}`
    process.stdout.write(`  replay: npm run fuzz -- --seed ${options.seed} --target ${socketsTarget}${one}\n`)
  }
  try {
    const numbers = (execution: number) => executionNumbers(options.seed, socketsTarget, execution)
    const { execution } = options
    // Attacks overlap, so the one that ended when a stall was seen is the likely cause, not the certain one.
    let stall = { ms: 0, attack: "none", execution: 0 }
    const stallsOf = new Map<string, number>()
    let residentBytes = 0
    const afterAttack = async (attack: string, attackExecution: number) => {
      const report = await broker?.report()
      if (report === undefined) return
      residentBytes = Math.max(residentBytes, report.residentBytes)
      if (report.stallMs > stallMsMax) stallsOf.set(attack, (stallsOf.get(attack) ?? 0) + 1)
      if (report.stallMs > stall.ms) stall = { ms: report.stallMs, attack, execution: attackExecution }
    }
    const how = { deadlineMs, concurrency: attackers, execution, only: options.attack, afterAttack }
    const result = await fuzzSockets(address, numbers, how)
    for (const one of result.findings) find(`${one.attack}: ${one.what}`, one.execution)
    for (const [attack, stalls] of stallsOf) {
      // Once may be a collection of garbage on a busy machine.
      if (stalls >= stallsMin)
        find(`the event loop stood still over ${stallMsMax} ms ${stalls} times, likely by: ${attack}`)
    }
    if (residentBytes > brokerResidentBytesMax) find("the broker holds too much memory")
    process.stdout.write(
      `fuzz: ${socketsTarget}: ${result.attacks} attacks, ${findings} findings, healthy client at worst ` +
        `${result.healthyWorstMs.toFixed(0)} ms, heartbeats ${result.heartbeatWorstMs.toFixed(0)} ms, longest stall ${stall.ms.toFixed(0)} ms (${stall.attack}), at most ` +
        `${Math.round(residentBytes / 2 ** 20)} MiB resident, slowest ${result.slowest.attack} ${result.slowest.tookMs.toFixed(0)} ms, seed ${options.seed}\n`,
    )
  } catch (error) {
    find(broker?.exit === undefined ? `${(error as Error).message}` : `the broker died: ${broker.exit}`)
  } finally {
    broker?.stop()
  }
  return findings
}

/** What connections cost that never send a byte. Not part of a usual run: it needs as many descriptors as connections, twice. */
async function countIdleMemory({ connections }: Options): Promise<number> {
  const broker = await FuzzedBroker.start(process.argv[1]!)
  try {
    const before = (await broker.report()).residentBytes
    const { healthyWorstMs, close } = await idleConnections({ host: "127.0.0.1", port: broker.port }, connections)
    const { residentBytes, stallMs } = await broker.report()
    close()
    const each = (residentBytes - before) / connections
    process.stdout.write(
      `fuzz: ${idleTarget}: ${connections} connections, ${(each / 1024).toFixed(1)} KiB each (${Math.round(residentBytes / 2 ** 20)} MiB resident), ` +
        `healthy client at worst ${healthyWorstMs.toFixed(0)} ms, longest stall ${stallMs.toFixed(0)} ms\n`,
    )
    return each > idleConnectionBytesMax ? 1 : 0
  } finally {
    broker.stop()
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  await prepareCompression()
  const startMs = performance.now()
  const endMs = startMs + options.seconds * 1000
  if (options.target === idleTarget) return countIdleMemory(options)
  if (options.target === socketsTarget || options.bootstrap !== undefined) return attackBroker(options, endMs)
  if (options.target !== undefined) return fuzzDecoders(options, endMs)
  return fuzzDecoders(options, startMs + options.seconds * 1000 * decoderShare) + (await attackBroker(options, endMs))
}

if (process.argv.includes("--serve")) await serveFuzzedBroker()
else process.exit((await main()) === 0 ? 0 : 1)
