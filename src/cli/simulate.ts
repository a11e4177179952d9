/**
 * `npm run simulate`: runs seeds of the simulated world and says which fail, and how to see one again.
 *
 * Owns options and output. Everything that decides a run is in the seed and the code: the same command shows the same run.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { prepareCompression } from "../protocol/compression/compression.js"
import { mutants } from "../sim/mutants.js"
import { brokerWorkload } from "../sim/workloads/broker-workload.js"
import { clusterWorkload } from "../sim/workloads/cluster-workload.js"
import { groupWorkload } from "../sim/workloads/group-workload.js"
import { logWorkload } from "../sim/workloads/log-workload.js"
import { runSeed, type SeedResult, type Workload } from "../sim/workloads/workload.js"
import { describeMutant, runMutant } from "./simulate-mutants.js"

const workloads: readonly Workload[] = [logWorkload, brokerWorkload, groupWorkload, clusterWorkload]
/** Of the time of `--seconds`, where no workload is named: what a cluster can do wrong takes the most time to find. */
const shares: Readonly<Record<string, number>> = { log: 1, broker: 2, groups: 2, cluster: 5 }
const logLinesShown = 40
const failuresMaxDefault = 5
const batchStackFrames = 3

const usage = `usage: npm run simulate -- [options]
  --seed N          one seed, with all it says about itself
  --seeds A-B       every seed from A to B
  --seconds S       as many seeds as fit into S seconds of real time (default 10)
  --from N          first seed of --seconds (default 1)
  --cpu             counts time of the processor, not of the clock on the wall
  --double N        runs N seeds twice and compares their traces
  --workload NAME   one of: ${workloads.map(({ name }) => name).join(", ")} (default: all, in turn; with --seconds each for its share of the time)
  --mutants         proves that deliberate faults are found, each within --seconds (default 120)
  --mutant WORDS    only those whose name holds the words
  --failures N      stops after N failed seeds (default ${failuresMaxDefault})
  --trace FILE      with --seed: writes every event to a file
`

interface Totals {
  seeds: number
  events: number
  virtualMs: number
  counts: Record<string, number>
  perWorkload: Map<string, number>
  failed: SeedResult[]
}

const replay = ({ seed, workload }: SeedResult) => `npm run simulate -- --workload ${workload} --seed ${seed}`
const say = (text: string) => process.stdout.write(`${text}\n`)

function describe(result: SeedResult): void {
  const { error } = result
  say(
    `seed ${result.seed} FAILED (workload ${result.workload}, at ${result.virtualMs.toFixed(3)} ms, event ${result.eventCount})`,
  )
  say(error instanceof Error ? (error.stack ?? error.message) : String(error))
  say(`options: ${JSON.stringify(result.options)}`)
  for (const { timeMs, node, level, message, fields } of result.logLines.slice(-logLinesShown))
    say(
      `  ${timeMs.toFixed(3)} ${node} ${level} ${message} ${fields === undefined ? "" : JSON.stringify(fields, plain)}`,
    )
  say(`see it again: ${replay(result)}`)
}

const plain = (_name: string, value: unknown) => (value instanceof Error ? value.message : value)

function add(totals: Totals, result: SeedResult): void {
  totals.seeds += 1
  totals.perWorkload.set(result.workload, (totals.perWorkload.get(result.workload) ?? 0) + 1)
  totals.events += result.eventCount
  totals.virtualMs += result.virtualMs
  for (const [name, count] of Object.entries(result.counts)) totals.counts[name] = (totals.counts[name] ?? 0) + count
  if (result.error === undefined) return
  totals.failed.push(result)
  describe(result)
}

function integer(text: string, name: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) fail(`--${name}: ${text} is not a whole number`)
  return value
}

function fail(message: string): never {
  process.stderr.write(`${message}\n${usage}`)
  process.exit(2)
}

function proveMutants(words: string, seconds: number): void {
  const chosen = mutants.filter(({ name }) => name.includes(words))
  if (chosen.length === 0) fail(`no mutant ${words}`)
  let missed = 0
  for (const mutant of chosen) {
    const result = runMutant(mutant, seconds)
    if (!result.found) missed += 1
    say(describeMutant(result))
  }
  say(`${chosen.length - missed} of ${chosen.length} mutants found`)
  if (missed > 0) process.exitCode = 1
}

async function main(): Promise<void> {
  let values: Record<string, string | boolean | undefined>
  try {
    values = parseArgs({
      options: {
        seed: { type: "string" },
        seeds: { type: "string" },
        seconds: { type: "string" },
        from: { type: "string" },
        double: { type: "string" },
        workload: { type: "string" },
        trace: { type: "string" },
        failures: { type: "string" },
        cpu: { type: "boolean" },
        mutant: { type: "string" },
        mutants: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values
  } catch (error) {
    fail((error as Error).message)
  }
  const text = (name: string) => values[name] as string | undefined
  if (values.mutants || text("mutant") !== undefined) {
    proveMutants(text("mutant") ?? "", integer(text("seconds") ?? "120", "seconds"))
    return
  }
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  const chosen = workloads.filter(({ name }) => text("workload") === undefined || name === text("workload"))
  if (chosen.length === 0) fail(`no workload ${text("workload")}`)
  const workloadOf = (seed: number) => chosen[seed % chosen.length]!
  const failuresMax = integer(text("failures") ?? String(failuresMaxDefault), "failures")
  let running = ""
  // A rejection nobody handles, in a simulated node, is a finding like any other.
  process.on("uncaughtException", (error) => {
    say(`${running}: uncaught: ${error instanceof Error ? error.stack : String(error)}`)
    process.exit(1)
  })
  const run = (seed: number, trace = false, workload = workloadOf(seed)) => {
    running = `npm run simulate -- --workload ${workload.name} --seed ${seed}`
    return runSeed(workload, String(seed), trace)
  }
  // Simulated networks refuse thousands of times. One seed alone shows where everything comes from.
  if (text("seed") === undefined) Error.stackTraceLimit = batchStackFrames
  // Codecs that load lazily do it now: in the simulated world nothing waits for the real one.
  await prepareCompression()
  const totals: Totals = { seeds: 0, events: 0, virtualMs: 0, counts: {}, perWorkload: new Map(), failed: [] }
  const startedMs = performance.now()
  const elapsedMs = () => {
    if (!values.cpu) return performance.now() - startedMs
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
  let different = 0

  if (text("seed") !== undefined) {
    const result = await run(integer(text("seed")!, "seed"), text("trace") !== undefined)
    add(totals, result)
    if (text("trace") !== undefined) writeFileSync(text("trace")!, result.traceText)
    if (result.error === undefined) say(`options: ${JSON.stringify(result.options)}`)
    say(`trace ${result.traceHash}`)
  } else if (text("double") !== undefined) {
    const first = integer(text("from") ?? "1", "from")
    const count = integer(text("double")!, "double")
    for (let seed = first; seed < first + count; seed++) {
      const result = await run(seed)
      const again = await run(seed)
      add(totals, result)
      if (result.traceHash === again.traceHash) continue
      different += 1
      say(`seed ${seed}: two runs differ, ${result.traceHash} and ${again.traceHash}: ${replay(result)}`)
    }
    say(`${count} seeds run twice, ${different} with different traces`)
  } else if (text("seeds") !== undefined) {
    const range = /^(\d+)-(\d+)$/.exec(text("seeds")!)
    if (range === null) fail(`--seeds: ${text("seeds")} is not of the form A-B`)
    for (let seed = Number(range[1]); seed <= Number(range[2]) && totals.failed.length < failuresMax; seed++)
      add(totals, await run(seed))
  } else {
    const limitMs = integer(text("seconds") ?? "10", "seconds") * 1000
    const first = integer(text("from") ?? "1", "from")
    const parts = chosen.map((workload) => ({ workload, seed: first, spentMs: 0, share: shares[workload.name]! }))
    while (elapsedMs() < limitMs && totals.failed.length < failuresMax) {
      const part = parts.reduce((least, each) =>
        each.spentMs / each.share < least.spentMs / least.share ? each : least,
      )
      const beforeMs = elapsedMs()
      add(totals, await run(part.seed++, false, part.workload))
      part.spentMs += elapsedMs() - beforeMs
    }
  }

  const seconds = elapsedMs() / 1000
  const speed = totals.virtualMs / 1000 / seconds
  say(
    `${totals.seeds} seeds, ${totals.failed.length} failed; ${totals.events} events in ${seconds.toFixed(1)} s (${Math.round(
      totals.events / seconds,
    )}/s), ${(totals.virtualMs / 1000).toFixed(0)} s of virtual time (${speed.toFixed(0)} x real time)`,
  )
  say([...totals.perWorkload].map(([name, seeds]) => `${name}: ${seeds} seeds`).join(", "))
  say(
    Object.entries(totals.counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", "),
  )
  for (const failed of totals.failed) say(`failed: ${replay(failed)}`)
  if (totals.failed.length > 0 || different > 0) process.exitCode = 1
}

await main()
