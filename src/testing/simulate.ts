/**
 * `simulate`: a test's own code against brokers under faults, once for each seed, in virtual time.
 *
 * Owns the seeds, the world of each, and what a failure says. Everything random in a world comes from its seed, so a seed that fails fails again. Invariant: nothing of one seed's world is seen by the next.
 */
import { ConfigError } from "../client/errors.js"
import type { ClientCore } from "../client/core.js"
import type { ClientOptions } from "../client/options.js"
import { drainWorks } from "../sim/drain.js"
import type { SeededRandom } from "../sim/random.js"
import { StuckError } from "../sim/scheduler.js"
import { World } from "../sim/world.js"
import { defaultDiskOptions } from "../sim/disk.js"
import { Broker, healDisks } from "./broker.js"
import { TestCluster, type WorldTime } from "./cluster.js"
import { type Duration, durationMs } from "./duration.js"
import { exemptFrom, faultGate } from "./fault-gate.js"
import { Faults } from "./faults.js"
import type { TopicSpec } from "./observer.js"
import type { RealWorld } from "./real-world.js"
import { type Misfortune, WorldFaults } from "./world-faults.js"
import { worldGlobals } from "./world-globals.js"

export interface SimulateOptions {
  /** How many, from 1 or from `seed` on. Default: 100; with `minutes` as many as there is time for. */
  readonly seeds?: number
  /** The first of them; alone without `seeds` and `minutes`. */
  readonly seed?: number
  /** No new seed is begun after so many minutes of real time. */
  readonly minutes?: number
  readonly brokers?: 1 | 3
  readonly topics?: Readonly<Record<string, number | TopicSpec>>
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** How long one seed may take by the world's clock. Default: 1 hour. */
  readonly virtualTimeMax?: Duration
}

/** What the code of a test has to do with. */
export interface SimulatedWorld {
  readonly seed: number
  readonly broker: Broker
  /** Chance from the seed. Not `node:crypto`. */
  readonly random: SeededRandom
  /** What goes wrong, from `begin` to `end`. */
  readonly faults: WorldFaults
  /** A client of `broker`. */
  client(options?: Omit<ClientOptions, "bootstrap">): ClientCore
  /** Virtual time passes. */
  sleep(duration: Duration): Promise<void>
}

/** A seed failed. `cause` is what was thrown. */
export class SimulationError extends Error {
  override name = "SimulationError"
  constructor(
    readonly seed: number,
    message: string,
    cause: unknown,
  ) {
    super(message, { cause })
  }
}

const defaultSeeds = 100
const defaultVirtualMsMax = 3_600_000
/** Something spins, long before virtual time is over. */
const eventsMax = 50_000_000
const shownMisfortunesMax = 40

/**
 * Runs `scenario` in a world of its own for each seed, one after the other; resolves with how many there were.
 *
 * Inside, only the world's time passes: `setTimeout`, `setInterval`, `setImmediate`, `Date`, `performance.now` and `Math.random` are the world's. What is imported from `node:timers` or
 * `node:timers/promises`, `AbortSignal.timeout`, `node:crypto`, sockets, files, threads and other processes are real: with them a seed is not repeatable, and waiting for them fails. Not to be
 * run while other tests run in this process.
 *
 * Errors: SimulationError, with the seed and how to run it alone; ConfigError.
 */
export async function simulate(
  options: SimulateOptions,
  scenario: (world: SimulatedWorld) => Promise<void>,
  real: RealWorld,
  wantedSeed?: string,
): Promise<{ readonly seeds: number }> {
  const { first, count } = seedsOf(options, wantedSeed)
  const endMs = real.monotonicMs() + (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000
  // A run ends within the world, where the globals are the world's.
  const leaveWorld = () => new Promise<void>((resolve) => real.inOwnTurn(resolve))
  if (!(await new Promise<boolean>((resolve) => real.inOwnTurn(() => resolve(drainWorks())))))
    throw new ConfigError(
      "simulate: this runtime is not Node.js, or one that is not known: its promises cannot be run in turns",
    )
  let done = 0
  for (; done < count && (done === 0 || real.monotonicMs() < endMs); done++) {
    const outcome = await runSeed(first + done, options, scenario)
    await leaveWorld()
    if (outcome.failure === undefined) continue
    const again = await runSeed(first + done, options, scenario)
    await leaveWorld()
    const isSame = again.failure !== undefined && again.traceHash === outcome.traceHash
    throw new SimulationError(first + done, failureText(outcome, isSame), outcome.failure.error)
  }
  return { seeds: done }
}

function seedsOf(options: SimulateOptions, wantedSeed: string | undefined): { first: number; count: number } {
  const { seed, seeds, minutes } = options
  if (wantedSeed !== undefined) {
    if (/^\d+$/.test(wantedSeed)) return { first: Number(wantedSeed), count: 1 }
    throw new ConfigError(`OTTLA_SEED=${wantedSeed} is no seed: write a whole number`)
  }
  for (const [name, value] of Object.entries({ seed, seeds }))
    if (value !== undefined && !(Number.isInteger(value) && value >= 0))
      throw new ConfigError(`simulate: ${name}: ${value} is not a whole number from 0`)
  if (minutes !== undefined && !(minutes > 0)) throw new ConfigError(`simulate: minutes: ${minutes} is not above 0`)
  const most = minutes === undefined ? (seed === undefined ? defaultSeeds : 1) : Number.POSITIVE_INFINITY
  return { first: seed ?? 1, count: seeds ?? most }
}

interface Outcome {
  readonly seed: number
  readonly failure: { readonly error: unknown } | undefined
  readonly traceHash: string
  readonly happened: readonly Misfortune[]
}

async function runSeed(
  seed: number,
  options: SimulateOptions,
  scenario: (world: SimulatedWorld) => Promise<void>,
): Promise<Outcome> {
  const world = new World(seed)
  const time: WorldTime = {
    envOf: (machine) => machine.env,
    passUntil: (work) => work,
    sleep: (ms) => world.sleep(ms),
    advance: (ms) => world.sleep(ms),
  }
  const failures: string[] = []
  const faults = new Faults(
    (chance) => world.random.chance(chance),
    () => healDisks(cluster, defaultDiskOptions),
  )
  const cluster: TestCluster = new TestCluster(world, time, {
    count: options.brokers ?? 1,
    settings: Object.fromEntries(Object.entries(options.settings ?? {}).map(([name, value]) => [name, String(value)])),
    ports: [],
    files: undefined,
    gate: faultGate(faults, time, () => exempt),
    onFatal: (id, reason) => void failures.push(`broker ${id}: ${reason}`),
  })
  const exempt = exemptFrom(cluster)
  const worldFaults = new WorldFaults(world, cluster, world.random.fork("faults"))
  const broker = new Broker({
    world,
    cluster,
    time,
    faults,
    failures,
    isInMemory: true,
    fork: () => Promise.reject(new ConfigError("fork: a world has one broker; take a snapshot and restore it")),
    onClosed: async () => {
      for (const { id } of cluster.members) cluster.crash(id)
    },
  })
  const { clock, timers } = cluster.clients.env
  const aroundTurn = worldGlobals({ clock, timers, random: world.random.fork("chance") })
  const run = async () => {
    await cluster.start()
    await broker.createTopics(options.topics ?? {})
    await scenario({
      seed,
      broker,
      random: world.random.fork("scenario"),
      faults: worldFaults,
      client: (clientOptions) => broker.client(clientOptions),
      sleep: (duration) => world.sleep(durationMs(duration)),
    })
    if (failures.length > 0) throw new Error(failures.join("; "))
  }
  const virtualMsMax = durationMs(options.virtualTimeMax ?? defaultVirtualMsMax)
  let failure: { error: unknown } | undefined
  try {
    await world.run(run, { virtualMsMax, eventsMax, aroundTurn })
  } catch (error) {
    failure = { error }
  }
  return { seed, failure, traceHash: world.traceHash, happened: worldFaults.happened }
}

function failureText({ seed, failure, happened }: Outcome, isRepeatable: boolean): string {
  const { error } = failure!
  const lines = [`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`]
  if (error instanceof StuckError)
    lines.push(
      "The scenario waits for what does not come. In a simulated world sockets, files, node:timers/promises and AbortSignal.timeout never do: use the world's client and sleep, or timers that are globals.",
    )
  lines.push(
    isRepeatable
      ? `Run it alone: OTTLA_SEED=${seed} before the command that ran this test, or simulate({ seed: ${seed} }, ...).`
      : "It did not go the same way when it was run again: the scenario uses time, chance or input that is not the world's (see the documentation of simulate).",
  )
  if (happened.length > 0) lines.push("What had gone wrong in it:")
  const left = happened.length - shownMisfortunesMax
  if (left > 0) lines.push(`  (${left} more before)`)
  for (const { atMs, what } of happened.slice(-shownMisfortunesMax))
    lines.push(`  ${(atMs / 1000).toFixed(3)} s  ${what}`)
  return lines.join("\n")
}
