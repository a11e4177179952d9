/**
 * Where producers must begin of which a log knows nothing because it could not take what they began with.
 *
 * Owns the first number of each such producer. A producer that a log does not know may go on with any number: its records may have expired. But when its
 * first batch was refused for a time (the disk is full, too few replicas are in sync) or taken back, the next of its pipeline must not pass it, or the retry
 * comes too late and out of order. Kafka keeps the same for transactions alone (VerificationStateEntry, KIP-890).
 */
import { batchBaseSequence, batchProducerEpoch, batchProducerId } from "../protocol/batch-header.js"
import { isLaterSequence } from "../protocol/sequences.js"

/** Producers remembered per log; the one that waits longest is forgotten first. */
export const awaitedProducersMax = 1024

interface Beginning {
  readonly producerEpoch: number
  readonly sequence: number
}

export class AwaitedSequences {
  readonly #beginnings = new Map<number, Beginning>()

  get size(): number {
    return this.#beginnings.size
  }

  /** A batch of a producer that the log does not know was not kept. Of several, the earliest counts. */
  awaitFrom(producerId: number, producerEpoch: number, sequence: number): void {
    const known = this.#beginnings.get(producerId)
    if (known !== undefined && known.producerEpoch > producerEpoch) return
    if (known?.producerEpoch === producerEpoch && !isLaterSequence(known.sequence, sequence)) return
    this.#beginnings.delete(producerId)
    this.#beginnings.set(producerId, { producerEpoch, sequence })
    if (this.#beginnings.size > awaitedProducersMax) this.#beginnings.delete(this.#beginnings.keys().next().value!)
  }

  /** The number that must come before this batch may, or undefined if nothing speaks against it. */
  missingBefore(bytes: Uint8Array, at: number): number | undefined {
    const known = this.#beginnings.get(batchProducerId(bytes, at))
    if (known === undefined || known.producerEpoch !== batchProducerEpoch(bytes, at)) return undefined
    return isLaterSequence(batchBaseSequence(bytes, at), known.sequence) ? known.sequence : undefined
  }

  arrived(producerId: number): void {
    this.#beginnings.delete(producerId)
  }

  clear(): void {
    this.#beginnings.clear()
  }

  /** Awaits what another awaits, too. */
  include(other: AwaitedSequences): void {
    for (const [producerId, { producerEpoch, sequence }] of other.#beginnings)
      this.awaitFrom(producerId, producerEpoch, sequence)
  }

  /** Takes over what another replica of the same log awaits. */
  replaceWith(other: AwaitedSequences): void {
    this.#beginnings.clear()
    for (const [producerId, beginning] of other.#beginnings) this.#beginnings.set(producerId, beginning)
  }
}
