/**
 * Producers whose first batches came before the partition was here: a client knows a new leader as soon as anybody tells it, which may be sooner than the leader does.
 *
 * Owns which batch each of them must begin with, until the partition is here and its log knows. Without it the next batch of a pipeline would be taken as a new beginning, and the retry of the first come
 * out of order. Nothing in it is checked: it came from clients, and says only what must not be taken yet.
 */
import { batchBaseSequence, batchProducerEpoch, batchProducerId } from "../protocol/batch-header.js"
import { hasSequence } from "../protocol/sequences.js"
import { AwaitedSequences } from "../storage/awaited-sequences.js"

/** Partitions remembered; the one that waits longest is forgotten first. */
export const earlyPartitionsMax = 256

export class EarlyProducers {
  readonly #awaited = new Map<string, AwaitedSequences>()

  /** A batch for a partition that is not here was sent away. `topic`: its name or its id, whichever the client said. */
  refused(topic: string, partition: number, records: Buffer | null): void {
    if (!hasSequence(records)) return
    const key = keyOf(topic, partition)
    let awaited = this.#awaited.get(key)
    if (awaited === undefined) {
      this.#awaited.set(key, (awaited = new AwaitedSequences()))
      if (this.#awaited.size > earlyPartitionsMax) this.#awaited.delete(this.#awaited.keys().next().value!)
    }
    awaited.awaitFrom(batchProducerId(records), batchProducerEpoch(records), batchBaseSequence(records))
  }

  /** The partition is here: its log awaits them from now on. */
  take(topic: string, partition: number): AwaitedSequences | undefined {
    const key = keyOf(topic, partition)
    const awaited = this.#awaited.get(key)
    this.#awaited.delete(key)
    return awaited
  }
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`
