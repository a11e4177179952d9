/**
 * Who wants to know that partitions come and go.
 *
 * Owns the listeners, and how long they are waited for. Invariant: what a listener does wrong stops nobody.
 */
import type { Env } from "../../../env/env.js"
import type { TopicPartition } from "../record-reader.js"
import { within } from "./waiting.js"

export interface RebalanceEvent {
  /** `lost`: the group has taken them without asking, and another member may have them already. */
  readonly type: "assigned" | "revoked" | "lost"
  readonly partitions: readonly TopicPartition[]
}

/** "assigned" comes when they are read, "revoked" while they still are the consumer's: what the listener returns is waited for. */
export type RebalanceListener = (event: RebalanceEvent) => unknown

export class RebalanceListeners {
  readonly #listeners = new Set<RebalanceListener>()

  constructor(
    private readonly env: Env,
    private readonly groupId: string,
    private readonly waitMs: number,
  ) {}

  /** Returns what takes it off again. */
  add(listener: RebalanceListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async tell(type: RebalanceEvent["type"], partitions: readonly TopicPartition[]): Promise<void> {
    const { env, groupId } = this
    const event: RebalanceEvent = { type, partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) }
    env.log.log("debug", `partitions ${type}`, { groupId, partitions: event.partitions })
    const listening = [...this.#listeners].map(async (listener) => {
      try {
        await listener(event)
      } catch (error) {
        env.log.log("error", "a listener to rebalances has failed", { groupId, error: String(error) })
      }
    })
    await within(env, this.waitMs, Promise.all(listening))
  }
}
