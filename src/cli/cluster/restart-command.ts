/**
 * `ottla cluster rolling-restart`: the operator's command, run for each node.
 *
 * Owns the template and the child process. The steps and their safety are in `rolling-restart.ts`.
 */
import { spawn } from "node:child_process"
import { CommandError, UsageError } from "../errors.js"
import { readState } from "./cluster-state.js"
import { healthOf, lossOf, some } from "./health.js"
import { rollingRestart, type Step, stepsOf } from "./rolling-restart.js"
import type { Session, Told } from "./session.js"

export interface RestartFlags {
  readonly restart: string
  readonly only?: readonly number[]
  readonly timeout: number
  readonly dryRun: boolean
  readonly acceptUnavailability: boolean
}

export async function restartNodes(session: Session, flags: RestartFlags): Promise<Told> {
  if (!flags.restart.includes("{id}") && !flags.restart.includes("{host}"))
    throw new UsageError("--restart: the command needs {id} or {host}, or it would restart the same node each time")
  if (flags.dryRun) return dryRun(session, flags)
  const restarted = await rollingRestart(
    session.admin,
    {
      only: flags.only,
      restart: (step) => run(commandFor(flags.restart, step)),
      timeoutMs: flags.timeout * 1000,
      acceptUnavailability: flags.acceptUnavailability,
    },
    session,
  )
  return { data: { restarted }, text: [`${some(restarted.length, "node")} restarted: ${restarted.join(", ")}`] }
}

async function dryRun({ admin }: Session, flags: RestartFlags): Promise<Told> {
  const state = await readState(admin)
  const problems = healthOf(state).map(({ text }) => text)
  const steps = stepsOf(state, flags.only).map((step) => ({
    ids: step.ids,
    command: commandFor(flags.restart, step),
    unsafe: lossOf(state, new Set(step.ids)),
  }))
  const isSafe = problems.length === 0 && steps.every(({ unsafe }) => unsafe.length === 0)
  return {
    data: { dryRun: true, problems, steps },
    text: [
      ...problems.map((text) => `not now: ${text}`),
      ...steps.map(
        ({ ids, command, unsafe }) =>
          `node${ids.length === 1 ? "" : "s"} ${ids.join(", ")}: ${command}${unsafe.length === 0 ? "" : `  (cannot be missed: ${unsafe.join("; ")})`}`,
      ),
    ],
    exitCode: isSafe ? 0 : 1,
  }
}

/** {id} and {host} of the node; a host comes from the cluster and must not be more than a host to the shell. */
export function commandFor(template: string, { id, address }: Step): string {
  if (!/^[A-Za-z0-9._:%-]+$/.test(address.host))
    throw new CommandError(`node ${id} says its host is ${JSON.stringify(address.host)}, which is no host name`)
  return template.replaceAll("{id}", String(id)).replaceAll("{host}", address.host)
}

function run(command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ["ignore", 2, 2] })
    child.on("error", (error) => reject(new CommandError(`${command}: ${error.message}`)))
    child.on("exit", (code, signal) =>
      code === 0
        ? resolve()
        : reject(new CommandError(`${command} ended with ${signal ?? `exit code ${code}`}; nothing else is restarted`)),
    )
  })
}
