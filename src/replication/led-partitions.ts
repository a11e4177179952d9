/**
 * The partitions that this broker leads and others follow.
 *
 * Owns which they are, and the recurring look at followers that have fallen behind. A partition without other replicas is not among them, so a broker alone does nothing here.
 */
import type { Env, Timer } from "../env/env.js"
import type { Partition } from "./partition.js"

/** How often in `replica.lag.time.max.ms` leaders look for followers that are behind. */
export const lagChecksPerLagTime = 4

export class LedPartitions {
  readonly #replicated = new Set<Partition>()
  /** Of those, the ones with a replica that is not in sync. */
  readonly #underReplicated = new Set<Partition>()
  #check: Timer | undefined
  #stopped = false

  constructor(
    private readonly env: Env,
    private readonly lagTimeMaxMs: number,
  ) {}

  /** The role of the partition, or its in-sync set, may be another one now. */
  look(partition: Partition): void {
    const isReplicated = partition.isLeader && partition.state.replicas.length > 1
    if (isReplicated) this.#replicated.add(partition)
    else this.#replicated.delete(partition)
    if (isReplicated && partition.isUnderReplicated) this.#underReplicated.add(partition)
    else this.#underReplicated.delete(partition)
    if (isReplicated && this.#check === undefined) this.#checkLater()
  }

  #checkLater(): void {
    if (this.#stopped || !Number.isFinite(this.lagTimeMaxMs)) return
    this.#check = this.env.timers.after(this.lagTimeMaxMs / lagChecksPerLagTime, () => {
      this.#check = undefined
      for (const partition of this.#replicated) partition.maybeShrinkIsr()
      for (const partition of this.#underReplicated) partition.maybeExpandIsr()
      if (this.#replicated.size > 0) this.#checkLater()
    })
  }

  /** Who may be in sync now need not say anything new for that: idle followers do not. */
  brokersChanged(): void {
    for (const partition of this.#underReplicated) partition.brokersChanged()
  }

  stop(): void {
    this.#stopped = true
    this.#check?.cancel()
  }
}
