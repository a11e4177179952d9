/**
 * One seed as a task and as a report: plain data, so that any process may run it and any other may print it.
 *
 * Owns which workloads there are, and the words a failed seed is described with. Everything that decides a run is in the task and the code: the same task gives the same report, but for the time it took.
 */
import { brokerWorkload } from "../sim/workloads/broker-workload.js"
import { clusterWorkload } from "../sim/workloads/cluster-workload.js"
import { groupWorkload } from "../sim/workloads/group-workload.js"
import { logWorkload } from "../sim/workloads/log-workload.js"
import { runSeed, type SeedResult, type Workload } from "../sim/workloads/workload.js"

export const workloads: readonly Workload[] = [logWorkload, brokerWorkload, groupWorkload, clusterWorkload]

const logLinesShown = 40

export interface SeedTask {
  readonly workload: string
  readonly seed: number
  /** Runs it once more, to compare the traces. */
  readonly isDouble?: boolean
  readonly wantsTrace?: boolean
}

export interface SeedReport {
  readonly workload: string
  readonly seed: number
  readonly events: number
  readonly virtualMs: number
  readonly counts: Readonly<Record<string, number>>
  readonly options: string
  readonly traceHash: string
  /** Of the second run. */
  readonly againHash: string | undefined
  readonly traceText: string
  /** What went wrong, in lines. */
  readonly failure: string | undefined
  /** Of the process that ran it, since its last report. */
  readonly cpuMs: number
  readonly wallMs: number
}

export const replay = ({ workload, seed }: SeedTask): string =>
  `npm run simulate -- --workload ${workload} --seed ${seed}`

/** Time of the processor that this process has used. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

let reportedCpuMs = 0

export async function runTask(task: SeedTask): Promise<SeedReport> {
  const workload = workloads.find(({ name }) => name === task.workload)
  if (workload === undefined) throw new Error(`no workload ${task.workload}`)
  const startedMs = performance.now()
  const result = await runSeed(workload, String(task.seed), task.wantsTrace)
  const again = task.isDouble ? await runSeed(workload, String(task.seed)) : undefined
  const cpuBeforeMs = reportedCpuMs
  reportedCpuMs = cpuMs()
  return {
    workload: task.workload,
    seed: task.seed,
    events: result.eventCount,
    virtualMs: result.virtualMs,
    counts: result.counts,
    options: JSON.stringify(result.options),
    traceHash: result.traceHash,
    againHash: again?.traceHash,
    traceText: result.traceText,
    failure: result.error === undefined ? undefined : describe(task, result),
    cpuMs: reportedCpuMs - cpuBeforeMs,
    wallMs: performance.now() - startedMs,
  }
}

const plain = (_name: string, value: unknown) => (value instanceof Error ? value.message : value)

function describe(task: SeedTask, result: SeedResult): string {
  const { error } = result
  const at = `at ${result.virtualMs.toFixed(3)} ms, event ${result.eventCount}`
  return [
    `seed ${task.seed} FAILED (workload ${task.workload}, ${at})`,
    error instanceof Error ? (error.stack ?? error.message) : String(error),
    `options: ${JSON.stringify(result.options)}`,
    ...result.logLines
      .slice(-logLinesShown)
      .map(
        ({ timeMs, node, level, message, fields }) =>
          `  ${timeMs.toFixed(3)} ${node} ${level} ${message} ${fields === undefined ? "" : JSON.stringify(fields, plain)}`,
      ),
    `see it again: ${replay(task)}`,
  ].join("\n")
}
