/**
 * A simulated world under one seed: nodes, network, time.
 *
 * Owns composition, the log of what nodes say, and `buggify`. Everything random comes from the seed, so a seed and the code decide every
 * event: `traceHash` of two runs is equal.
 */
import type { LogLevel } from "../env/env.js"
import { SimulatedNetwork, type NetworkOptions } from "./network.js"
import { type NodeOptions, SimulatedNode } from "./node.js"
import { SeededRandom } from "./random.js"
import { type RunLimits, Scheduler } from "./scheduler.js"
import { Trace } from "./trace.js"

export interface WorldOptions {
  network?: Partial<NetworkOptions>
  /** Chance that `interleave` lets other events run first, and for how long at most. */
  interleaveChance?: number
  interleaveNsMax?: number
  /** Chance that a `buggify` site is armed in this world at all. */
  buggifyArmChance?: number
  /** What nodes have that are added without options of their own. */
  nodes?: NodeOptions
  /** Keeps the trace as text too. */
  traceText?: boolean
  /** Sees every log line of every node. */
  onLog?: (line: LogLine) => void
}

export interface LogLine {
  readonly timeMs: number
  readonly node: string
  readonly level: LogLevel
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>> | undefined
}

const logLinesMax = 2_000

export class World {
  readonly random: SeededRandom
  readonly trace: Trace
  readonly scheduler: Scheduler
  readonly network: SimulatedNetwork
  readonly options: { interleaveChance: number; interleaveNsMax: number; buggifyArmChance: number }
  readonly nodes = new Map<string, SimulatedNode>()
  /** The latest log lines of all nodes. */
  readonly logLines: LogLine[] = []
  readonly #buggify: SeededRandom
  readonly #armed = new Map<string, boolean>()
  /** `buggify` sites that fired, and how often. */
  readonly fired = new Map<string, number>()
  readonly #onLog: ((line: LogLine) => void) | undefined
  readonly #nodeOptions: NodeOptions

  constructor(
    readonly seed: string | number,
    options: WorldOptions = {},
  ) {
    this.random = new SeededRandom(String(seed))
    this.trace = new Trace({ text: options.traceText ?? false })
    this.scheduler = new Scheduler(this.random.fork("scheduler"), this.trace)
    this.network = new SimulatedNetwork(this.scheduler, this.random.fork("network"), options.network)
    this.options = {
      interleaveChance: options.interleaveChance ?? 0.25,
      interleaveNsMax: options.interleaveNsMax ?? 1_000_000,
      buggifyArmChance: options.buggifyArmChance ?? 0,
    }
    this.#buggify = this.random.fork("buggify")
    this.#onLog = options.onLog
    this.#nodeOptions = options.nodes ?? {}
  }

  addNode(name: string, options: NodeOptions = this.#nodeOptions): SimulatedNode {
    const node = new SimulatedNode(this, name, `10.0.0.${this.nodes.size + 1}`, options)
    this.nodes.set(name, node)
    return node
  }

  get nowMs(): number {
    return this.scheduler.nowMs
  }

  get eventCount(): number {
    return this.scheduler.eventCount
  }

  get traceHash(): string {
    return this.trace.hash
  }

  /** Runs a scenario to its end; see `Scheduler.run` for how it fails. */
  run<T>(scenario: () => Promise<T>, limits?: RunLimits): Promise<T> {
    return this.scheduler.run(scenario, limits)
  }

  /** Virtual time passes. For scenarios; nodes have timers. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(ms, "scenario", resolve))
  }

  /** Something outside the nodes happens after `ms`: a fault, a step of a scenario. */
  at(ms: number, what: string, run: () => void): void {
    this.scheduler.after(ms * 1e6, this.network.wires, what, run)
  }

  /** Whether a rare branch should be taken here. A site is armed or not for the whole world; if it is, it fires with `chance`. */
  buggify(site: string, chance = 0.05): boolean {
    let armed = this.#armed.get(site)
    if (armed === undefined) {
      armed = this.random.fork(`armed ${site}`).chance(this.options.buggifyArmChance)
      this.#armed.set(site, armed)
    }
    if (!armed || !this.#buggify.chance(chance)) return false
    this.fired.set(site, (this.fired.get(site) ?? 0) + 1)
    return true
  }

  log(node: string, level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void {
    const line = { timeMs: this.nowMs, node, level, message, fields }
    this.logLines.push(line)
    if (this.logLines.length > 2 * logLinesMax) this.logLines.splice(0, logLinesMax)
    this.trace.say(this.scheduler.nowNs, node, `${level} ${message}`)
    this.#onLog?.(line)
  }
}

/** Runs one scenario in a new world of a seed. The common shape of a simulation test. */
export async function simulate<T>(
  seed: string | number,
  scenario: (world: World) => Promise<T>,
  options: WorldOptions & RunLimits = {},
): Promise<{ result: T; world: World }> {
  const world = new World(seed, options)
  const result = await world.run(() => scenario(world), options)
  return { result, world }
}
