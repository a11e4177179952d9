/**
 * How long producers wait for an acknowledgement when a leader, a controller or a whole node goes: the harness of `npm run compat -- cluster-kill-loop`, one kind of fault after the other.
 *
 * Owns how many rounds there are. Whatever the rounds find wrong is an error here. Ottla alone: its targets are absolute.
 */
import { percentile } from "../../compat/cluster/gaps.js"
import { faults } from "../../compat/cluster/faults.js"
import { playRounds } from "../../compat/cluster/rounds.js"
import { endEverything, Skip } from "../../compat/work.js"
import type { Context } from "../context.js"

/** Rounds: of a whole run, and of a quick one. */
const plans = [
  { fault: "leader", rounds: 100, quickRounds: 30 },
  { fault: "silent", rounds: 40, quickRounds: 10 },
  { fault: "controller", rounds: 60, quickRounds: 20 },
  { fault: "planned", rounds: 60, quickRounds: 20 },
] as const

export async function failOver(context: Context): Promise<void> {
  const [own] = context.clusters
  try {
    for (const { fault, rounds, quickRounds } of plans) {
      const { isClean, reports } = await playRounds(
        { name: `fail-over, ${fault}`, rounds: context.quick ? quickRounds : rounds, faults, usual: [fault] },
        {},
      )
      if (!isClean) throw new Error(`fail-over, ${fault}: what was acknowledged or read is not as it must be`)
      const gapsMs = reports.map(({ gapMs }) => gapMs)
      const add = (figure: string, value: number) =>
        context.samples.add(`fail-over/${fault}/${figure}`, own!.name, value)
      add("p50", percentile(gapsMs, 0.5))
      add("p99", percentile(gapsMs, 0.99))
      add("max", percentile(gapsMs, 1))
      add(
        "failed",
        reports.reduce((sum, { failed }) => sum + failed, 0),
      )
    }
  } catch (error) {
    if (!(error instanceof Skip)) throw error
    context.samples.skipped.set("fail-over", error.message)
  } finally {
    endEverything()
  }
}
