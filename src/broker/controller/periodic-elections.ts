/**
 * Elections that come with time, while this controller is the active one.
 *
 * Owns when: leaders back to where they belong, and unclean elections where they have been allowed since. Source: Kafka's QuorumController; KIP-183.
 */
import type { ControllerView } from "../../controller/controller-view.js"
import { balanceLeaders, type ElectionPass, electUncleanLeaders } from "../../controller/elections.js"
import type { Env, Timer } from "../../env/env.js"
import { type Decisions, isRefused } from "./decisions.js"

export interface ElectionTiming {
  /** `leader.imbalance.check.interval.seconds`; undefined: not at all (`auto.leader.rebalance.enable`). */
  readonly balanceIntervalMs: number | undefined
  /** `unclean.leader.election.interval.ms` */
  readonly uncleanIntervalMs: number
}

export class PeriodicElections {
  readonly #timers = new Map<string, Timer>()
  /** Which leadership the timers belong to: a pass that comes back in another one ends there. */
  #leadership = 0

  constructor(
    private readonly env: Env,
    private readonly decisions: Decisions,
    private readonly timing: ElectionTiming,
  ) {}

  onLeadership(): void {
    this.onResigned()
    const { balanceIntervalMs, uncleanIntervalMs } = this.timing
    if (balanceIntervalMs !== undefined) this.#schedule("balance", balanceIntervalMs, balanceLeaders)
    this.#schedule("unclean", uncleanIntervalMs, electUncleanLeaders)
  }

  onResigned(): void {
    this.#leadership++
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  #schedule(name: string, intervalMs: number, pass: (view: ControllerView) => ElectionPass): void {
    const leadership = this.#leadership
    const run = async (): Promise<void> => {
      // A pass at a time, each on what the one before has made of it, and others' decisions in between.
      for (let isMore = true; isMore && leadership === this.#leadership; ) {
        const done = await this.decisions.submit((image) => {
          const { records, isMore } = pass(this.decisions.view(image))
          if (records.length > 0) this.env.log.log("info", `elections by time: ${name}`, { partitions: records.length })
          return { records, response: { isMore } }
        })
        isMore = !isRefused(done) && done.isMore
      }
      if (leadership === this.#leadership) arm()
    }
    const arm = () =>
      this.#timers.set(
        name,
        this.env.timers.after(intervalMs, () => void run()),
      )
    arm()
  }
}
