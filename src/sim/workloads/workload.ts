/**
 * One seed of one workload, from drawing options to the verdict.
 *
 * Owns the shape of a workload and of its result. What a workload does is its own file's; how results are shown is the command's.
 */
import { StuckError } from "../scheduler.js"
import { type LogLine, World, type WorldOptions } from "../world.js"

export interface Workload {
  readonly name: string
  /** Draws the options of a seed; `apply` says what they mean for the world. */
  prepare(seed: string): {
    readonly options: Readonly<Record<string, unknown>>
    readonly world: WorldOptions
    readonly run: Scenario
  }
}

/** Rejects if anything was wrong. Returns counts for the summary. */
export type Scenario = (world: World) => Promise<Readonly<Record<string, number>>>

export interface SeedResult {
  readonly seed: string
  readonly workload: string
  readonly options: Readonly<Record<string, unknown>>
  readonly error: unknown
  readonly traceHash: string
  readonly eventCount: number
  readonly virtualMs: number
  readonly counts: Readonly<Record<string, number>>
  readonly logLines: readonly LogLine[]
  readonly traceText: string
}

/** Above it a seed does not come to an end: a liveness failure. */
export const eventsPerSeedMax = 3_000_000

export async function runSeed(workload: Workload, seed: string, traceText = false): Promise<SeedResult> {
  const { options, world: worldOptions, run } = workload.prepare(seed)
  const world = new World(seed, { ...worldOptions, traceText })
  let error: unknown
  let counts: Readonly<Record<string, number>> = {}
  try {
    counts = await world.run(() => run(world), { eventsMax: eventsPerSeedMax })
  } catch (thrown) {
    error = thrown
    if (thrown instanceof StuckError) world.log("simulator", "error", "the run is stuck")
  }
  return {
    seed,
    workload: workload.name,
    options,
    error,
    traceHash: world.traceHash,
    eventCount: world.eventCount,
    virtualMs: world.nowMs,
    counts,
    logLines: world.logLines,
    traceText: world.trace.text,
  }
}
