/**
 * Replicas on their way: handed to the controller a few at a time, and watched until they are there.
 *
 * Owns the pace and the progress. What was handed over goes on by itself: a command that is stopped leaves no partition halfway, and may be run again.
 */
import type { Env } from "../../env/env.js"
import { type Admin, BrokerError, type Reassignment } from "../../client/index.js"
import { Errors } from "../../protocol/errors.js"
import { CommandError } from "../errors.js"
import { nameOf } from "./cluster-state.js"
import { some } from "./health.js"
import type { Move } from "./plan.js"

export interface Progress {
  readonly env: Env
  /** One line for whoever watches. */
  say(line: string): void
}

/** Between two looks at what is on its way. */
const lookIntervalMs = 500
/** How often whoever watches hears of it. */
const sayIntervalMs = 5000

export interface MoveOptions {
  /** Partitions on their way at once. */
  readonly concurrency: number
  /** Without any progress for so long it is given up, and what is on its way goes on. */
  readonly stuckMs: number
}

/** Resolves when all replicas are where they are to be. Rejects with CommandError. */
export async function move(
  admin: Admin,
  moves: readonly Move[],
  { concurrency, stuckMs }: MoveOptions,
  { env, say }: Progress,
): Promise<void> {
  const waiting = [...moves]
  const moving = new Map<string, Move>()
  let done = 0
  let lastChangeMs = env.clock.monotonicMs()
  let lastSaidMs = lastChangeMs
  while (waiting.length > 0 || moving.size > 0) {
    const next = waiting.splice(0, concurrency - moving.size)
    if (next.length > 0) {
      await reassignAll(admin, next)
      for (const each of next) moving.set(nameOf(each), each)
    }
    await pause(env, lookIntervalMs)
    const underWay = new Set((await admin.listPartitionReassignments()).map(nameOf))
    const nowMs = env.clock.monotonicMs()
    for (const name of [...moving.keys()]) {
      if (underWay.has(name)) continue
      moving.delete(name)
      done += 1
      lastChangeMs = nowMs
    }
    if (nowMs - lastSaidMs >= sayIntervalMs && moving.size > 0) {
      lastSaidMs = nowMs
      say(
        `${done} of ${some(moves.length, "partition")} moved; on their way: ${[...moving.keys()].slice(0, 3).join(", ")}${moving.size > 3 ? ", ..." : ""}`,
      )
    }
    if (nowMs - lastChangeMs > stuckMs)
      throw new CommandError(
        `nothing has arrived for ${Math.round(stuckMs / 1000)} s; on their way: ${[...moving.keys()].slice(0, 5).join(", ")}. They go on; look with \`ottla cluster reassign --list\`, take them back with \`ottla cluster reassign --cancel\``,
      )
  }
  if (moves.length > 0) say(`${some(moves.length, "partition")} moved`)
}

/** Resolves when the controller has taken them all; rejects with the first that it refused, after which the others may have begun. */
export async function reassignAll(admin: Admin, wanted: readonly Reassignment[]): Promise<void> {
  for (const { error } of await admin.alterPartitionReassignments(wanted)) {
    // It arrived meanwhile.
    const isOver = error instanceof BrokerError && error.errorCode === Errors.NO_REASSIGNMENT_IN_PROGRESS
    if (error !== undefined && !isOver) throw error
  }
}

export const pause = (env: Env, ms: number): Promise<void> => new Promise((resolve) => env.timers.after(ms, resolve))
