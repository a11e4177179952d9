/**
 * `npm run simulate`: runs seeds of the simulated world and says which fail, and how to see one again.
 *
 * Owns options and output. Everything that decides a run is in the seed and the code: the same command shows the same run, on however many cores.
 */
import { writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { prepareCompression } from "../protocol/compression/compression.js"
import { mutants } from "../sim/mutants.js"
import { inOrder, type JobAnswer, SeedProcess } from "./simulate-jobs.js"
import { describeMutant, runMutant } from "./simulate-mutants.js"
import { cpuMs, replay, runTask, type SeedReport, type SeedTask, workloads } from "./simulate-seeds.js"

/** Of the time of `--seconds`, where no workload is named: what a cluster can do wrong takes the most time to find. */
const shares: Readonly<Record<string, number>> = { log: 1, broker: 2, groups: 2, cluster: 5 }
const failuresMaxDefault = 5
const batchStackFrames = 3
const jobsMax = 256

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
  --jobs N          seeds (or mutants) at once, each in a process of its own (default: as many as there are cores)
  --trace FILE      with --seed: writes every event to a file
`

interface Totals {
  seeds: number
  events: number
  virtualMs: number
  /** Of the processes that ran the seeds. */
  cpuMs: number
  different: number
  readonly counts: Record<string, number>
  readonly perWorkload: Map<string, number>
  readonly failed: SeedReport[]
}

const say = (text: string) => process.stdout.write(`${text}\n`)

function add(totals: Totals, report: SeedReport): void {
  totals.seeds += 1
  totals.perWorkload.set(report.workload, (totals.perWorkload.get(report.workload) ?? 0) + 1)
  totals.events += report.events
  totals.virtualMs += report.virtualMs
  totals.cpuMs += report.cpuMs
  for (const [name, count] of Object.entries(report.counts)) totals.counts[name] = (totals.counts[name] ?? 0) + count
  if (report.failure !== undefined) {
    totals.failed.push(report)
    say(report.failure)
  }
  if (report.againHash === undefined || report.againHash === report.traceHash) return
  totals.different += 1
  say(`seed ${report.seed}: two runs differ, ${report.traceHash} and ${report.againHash}: ${replay(report)}`)
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

/** A rejection nobody handles, in a simulated node, is a finding like any other. */
function uncaught(task: SeedTask, text: string): never {
  say(`${replay(task)}: uncaught: ${text}`)
  process.exit(1)
}

async function proveMutants(words: string, seconds: number, jobs: number): Promise<void> {
  const chosen = mutants.filter(({ name }) => name.includes(words))
  if (chosen.length === 0) fail(`no mutant ${words}`)
  let missed = 0
  const left = [...chosen]
  await inOrder(
    () => left.shift(),
    Array.from({ length: jobs }, () => (mutant: (typeof mutants)[number]) => runMutant(mutant, seconds)),
    (result) => {
      if (!result.found) missed += 1
      say(describeMutant(result))
      return true
    },
  )
  say(`${chosen.length - missed} of ${chosen.length} mutants found`)
  if (missed > 0) process.exitCode = 1
}

async function runsHere(): Promise<(task: SeedTask) => Promise<JobAnswer>> {
  let running: SeedTask | undefined
  process.on("uncaughtException", (error) => uncaught(running!, error.stack ?? String(error)))
  // Codecs that load lazily do it now: in the simulated world nothing waits for the real one.
  await prepareCompression()
  return async (task) => {
    running = task
    return { report: await runTask(task) }
  }
}

/** Runs all tasks, here or in as many processes as there are jobs. */
async function runAll(
  next: () => SeedTask | undefined,
  jobs: number,
  take: (report: SeedReport) => boolean,
): Promise<void> {
  const processes = jobs === 1 ? [] : Array.from({ length: jobs }, () => new SeedProcess())
  const workers = jobs === 1 ? [await runsHere()] : processes.map((each) => (task: SeedTask) => each.run(task))
  await inOrder(
    next,
    workers.map((worker) => async (task: SeedTask) => ({ task, answer: await worker(task) })),
    ({ task, answer }) => ("uncaught" in answer ? uncaught(task, answer.uncaught) : take(answer.report)),
  )
  for (const each of processes) each.close()
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
        jobs: { type: "string" },
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
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  const jobsWanted = Math.min(jobsMax, Math.max(1, integer(text("jobs") ?? String(availableParallelism()), "jobs")))
  if (values.mutants || text("mutant") !== undefined) {
    await proveMutants(text("mutant") ?? "", integer(text("seconds") ?? "120", "seconds"), jobsWanted)
    return
  }
  const chosen = workloads.filter(({ name }) => text("workload") === undefined || name === text("workload"))
  if (chosen.length === 0) fail(`no workload ${text("workload")}`)
  const workloadOf = (seed: number) => chosen[seed % chosen.length]!.name
  const failuresMax = integer(text("failures") ?? String(failuresMaxDefault), "failures")
  const isSingle = text("seed") !== undefined
  const jobs = isSingle ? 1 : jobsWanted
  // Simulated networks refuse thousands of times. One seed alone shows where everything comes from.
  if (!isSingle) Error.stackTraceLimit = batchStackFrames
  const totals: Totals = {
    seeds: 0,
    events: 0,
    virtualMs: 0,
    cpuMs: 0,
    different: 0,
    counts: {},
    perWorkload: new Map(),
    failed: [],
  }
  const startedMs = performance.now()
  const wallMs = () => performance.now() - startedMs
  // Of processes of its own, it does not know what they use.
  const usedCpuMs = () => cpuMs() + (jobs === 1 ? 0 : totals.cpuMs)
  const take = (report: SeedReport): boolean => {
    add(totals, report)
    return totals.failed.length < failuresMax
  }

  if (isSingle) {
    const seed = integer(text("seed")!, "seed")
    const wantsTrace = text("trace") !== undefined
    const tasks: SeedTask[] = [{ workload: workloadOf(seed), seed, wantsTrace }]
    await runAll(
      () => tasks.shift(),
      jobs,
      (report) => {
        if (wantsTrace) writeFileSync(text("trace")!, report.traceText)
        take(report)
        if (report.failure === undefined) say(`options: ${report.options}`)
        say(`trace ${report.traceHash}`)
        return true
      },
    )
  } else if (text("double") !== undefined || text("seeds") !== undefined) {
    const isDouble = text("double") !== undefined
    const range = /^(\d+)-(\d+)$/.exec(text("seeds") ?? "")
    if (!isDouble && range === null) fail(`--seeds: ${text("seeds")} is not of the form A-B`)
    const first = isDouble ? integer(text("from") ?? "1", "from") : Number(range![1])
    const last = isDouble ? first + integer(text("double")!, "double") - 1 : Number(range![2])
    let seed = first
    const next = () => (seed > last ? undefined : { workload: workloadOf(seed), seed: seed++, isDouble })
    await runAll(next, jobs, take)
    if (isDouble) say(`${totals.seeds} seeds run twice, ${totals.different} with different traces`)
  } else {
    const limitMs = integer(text("seconds") ?? "10", "seconds") * 1000
    const first = integer(text("from") ?? "1", "from")
    const parts = chosen.map(({ name }) => ({ workload: name, seed: first, spentMs: 0, share: shares[name]! }))
    const next = () => {
      if ((values.cpu ? usedCpuMs() : wallMs()) >= limitMs) return undefined
      const part = parts.reduce((least, each) =>
        each.spentMs / each.share < least.spentMs / least.share ? each : least,
      )
      return { workload: part.workload, seed: part.seed++ }
    }
    await runAll(next, jobs, (report) => {
      parts.find(({ workload }) => workload === report.workload)!.spentMs += report.cpuMs
      return take(report)
    })
  }

  const seconds = wallMs() / 1000
  const cpuSeconds = usedCpuMs() / 1000
  const virtualSeconds = totals.virtualMs / 1000
  say(
    `${totals.seeds} seeds, ${totals.failed.length} failed; ${totals.events} events in ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of the processor; ${virtualSeconds.toFixed(
      0,
    )} s of virtual time (${(virtualSeconds / seconds).toFixed(0)} x real time, ${(virtualSeconds / cpuSeconds).toFixed(0)} x on each core)`,
  )
  say([...totals.perWorkload].map(([name, seeds]) => `${name}: ${seeds} seeds`).join(", "))
  say(
    Object.entries(totals.counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", "),
  )
  for (const failed of totals.failed) say(`failed: ${replay(failed)}`)
  if (totals.failed.length > 0 || totals.different > 0) process.exitCode = 1
}

await main()
