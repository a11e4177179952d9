/**
 * One node after another is restarted, each only while the cluster can do without it.
 *
 * Owns the order, and what must hold before and after each step. Invariant: nothing is restarted while anything is wrong, nor what the cluster could not miss. How a node is restarted is the
 * operator's command; that it went is seen by its connection, which is there before and must break.
 */
import type { BrokerId } from "../../base/ids.js"
import { NetworkError } from "../../env/env.js"
import type { PeerAddress } from "../../net/peer.js"
import { WireClient } from "../../net/wire-client.js"
import { type Admin, ClientError } from "../../client/index.js"
import { CommandError } from "../errors.js"
import { type ClusterState, readState } from "./cluster-state.js"
import { healthOf, lossOf } from "./health.js"
import { pause, type Progress } from "./moves.js"

/** Nodes that stop and start together. */
export interface Step {
  /** The node the command is for. */
  readonly id: BrokerId
  readonly ids: readonly BrokerId[]
  readonly address: PeerAddress
}

export interface RestartOptions {
  /** Only these; undefined: all. */
  readonly only: readonly BrokerId[] | undefined
  /** Runs what restarts a node; rejects with CommandError where it fails. */
  readonly restart: (step: Step) => Promise<void>
  /** How long a node may take to go, and to come back with all its replicas in sync. */
  readonly timeoutMs: number
  /** Also where partitions or the quorum stop meanwhile. */
  readonly acceptUnavailability: boolean
}

const lookIntervalMs = 500

export async function rollingRestart(
  admin: Admin,
  options: RestartOptions,
  progress: Progress,
): Promise<readonly BrokerId[]> {
  const { env, say } = progress
  const first = await readState(admin)
  const steps = stepsOf(first, options.only)
  await untilHealthy(admin, options, progress, "before anything is restarted")
  for (const [index, step] of steps.entries()) {
    const state = await readState(admin)
    const unsafe = lossOf(state, new Set(step.ids))
    if (unsafe.length > 0 && !options.acceptUnavailability)
      throw new CommandError(
        `${nodes(step.ids)} cannot be missed: ${unsafe.join("; ")}. Raise the replication factor, or insist with --accept-unavailability`,
      )
    say(`restarting ${nodes(step.ids)} (${index + 1} of ${steps.length})`)
    const began = env.clock.monotonicMs()
    const connection = await connect(progress, step.address)
    let gone = false
    void connection.closed.then(() => {
      gone = true
    })
    try {
      await options.restart(step)
      await until(
        progress,
        options.timeoutMs,
        () => gone,
        `${nodes(step.ids)} did not stop: does --restart restart it?`,
      )
    } finally {
      connection.close()
    }
    await untilListening(progress, step.address, options.timeoutMs, nodes(step.ids))
    await untilHealthy(admin, options, progress, `after ${nodes(step.ids)} came back`, first)
    say(`${nodes(step.ids)} is back and in sync after ${((env.clock.monotonicMs() - began) / 1000).toFixed(1)} s`)
  }
  if (steps.length > 0) await admin.electLeaders()
  return steps.flatMap(({ ids }) => ids)
}

/** Brokers of one machine are one process. The leader of the quorum comes last, so that it moves once. */
export function stepsOf(state: ClusterState, only: readonly BrokerId[] | undefined): Step[] {
  const machines = new Map<string, Step & { ids: BrokerId[] }>()
  for (const { id, host, port, machine } of state.brokers) {
    const step = machines.get(machine) ?? { id, ids: [], address: { host, port } }
    step.ids.push(id)
    machines.set(machine, step)
  }
  const steps: Step[] = [...machines.values()]
  const { quorum } = state
  if (typeof quorum !== "string")
    for (const { id, endpoint } of quorum.voters)
      if (endpoint !== undefined && !steps.some(({ ids }) => ids.includes(id)))
        steps.push({ id, ids: [id], address: endpoint })
  const unknown = (only ?? []).filter((id) => !steps.some(({ ids }) => ids.includes(id)))
  if (unknown.length > 0) throw new CommandError(`there is no node ${unknown.join(", ")} in the cluster`)
  const leads = ({ ids }: Step) => Number(typeof quorum !== "string" && ids.includes(quorum.leaderId))
  return steps
    .filter(({ ids }) => only === undefined || ids.some((id) => only.includes(id)))
    .sort((a, b) => leads(a) - leads(b) || a.id - b.id)
}

const nodes = (ids: readonly BrokerId[]): string => `node${ids.length === 1 ? "" : "s"} ${ids.join(", ")}`

async function untilHealthy(
  admin: Admin,
  { timeoutMs }: RestartOptions,
  { env, say }: Progress,
  when: string,
  before?: ClusterState,
): Promise<void> {
  const endMs = env.clock.monotonicMs() + timeoutMs
  let told = ""
  for (;;) {
    let problems: string[]
    try {
      const state = await readState(admin)
      problems = healthOf(state).map(({ text }) => text)
      const missing = (before?.brokers ?? []).filter(({ id }) => !state.brokers.some((broker) => broker.id === id))
      if (missing.length > 0) problems.push(`${nodes(missing.map(({ id }) => id))} not there`)
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      problems = [error.message]
    }
    if (problems.length === 0) return
    if (env.clock.monotonicMs() >= endMs)
      throw new CommandError(`${when} the cluster is not healthy: ${problems.join("; ")}`)
    const text = problems.join("; ")
    if (text !== told) say(`waiting: ${text}`)
    told = text
    await pause(env, lookIntervalMs)
  }
}

async function connect({ env }: Progress, address: PeerAddress): Promise<WireClient> {
  try {
    return await WireClient.connect(env.network, address)
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error
    throw new CommandError(`${address.host}:${address.port} cannot be reached from here: ${error.message}`)
  }
}

async function untilListening(progress: Progress, address: PeerAddress, timeoutMs: number, who: string): Promise<void> {
  await until(
    progress,
    timeoutMs,
    async () => {
      try {
        const client = await WireClient.connect(progress.env.network, address)
        client.close()
        return true
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error
        return false
      }
    },
    `${who} did not come back; the others are as they were, and nothing else is restarted`,
  )
}

async function until(
  { env }: Progress,
  timeoutMs: number,
  condition: () => boolean | Promise<boolean>,
  otherwise: string,
): Promise<void> {
  const endMs = env.clock.monotonicMs() + timeoutMs
  while (!(await condition())) {
    if (env.clock.monotonicMs() >= endMs) throw new CommandError(otherwise)
    await pause(env, lookIntervalMs)
  }
}
