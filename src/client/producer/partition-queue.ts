/**
 * What waits for one partition, in order: the batch that still takes records, batches that are full, and those that are on their way.
 *
 * Owns order and numbers. A batch gets its number when it is sent first and keeps it until it is known what became of it, so that the broker can tell a repetition. Invariant: batches leave in the
 * order in which they were filled; while one must be sent again, none behind it leaves before.
 */
import { sequencePlus } from "../../protocol/sequences.js"
import type { ProducerBatch } from "./producer-batch.js"

export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

export class PartitionQueue {
  /** Takes records. */
  open: ProducerBatch | undefined
  /** Full, or to be sent again, in order. */
  readonly ready: ProducerBatch[] = []
  /** In order. */
  readonly inFlight: ProducerBatch[] = []
  /** Not before, in monotonic time. */
  blockedUntilMs = 0
  #identity: ProducerIdentity | undefined
  #nextSequence = 0

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  get isEmpty(): boolean {
    return this.open === undefined && this.ready.length === 0 && this.inFlight.length === 0
  }

  get isRetrying(): boolean {
    return this.ready.length > 0 && this.ready[0]!.attempts > 0
  }

  /** The batch that goes next, of those that may. */
  get next(): ProducerBatch | undefined {
    return this.ready[0] ?? this.open
  }

  /** Takes it out. `identity` undefined: not idempotent. False: it must wait until numbers given by a former identity are settled. */
  take(identity: ProducerIdentity | undefined): ProducerBatch | undefined {
    const batch = this.next!
    if (identity !== undefined && batch.baseSequence < 0) {
      if (this.#identity !== identity) {
        if (this.inFlight.length > 0) return undefined
        this.#identity = identity
        this.#nextSequence = 0
      }
      batch.number(identity.producerId, identity.producerEpoch, this.#nextSequence)
      this.#nextSequence = sequencePlus(this.#nextSequence, batch.count)
    }
    if (this.ready.length > 0) this.ready.shift()
    else this.open = undefined
    batch.attempts++
    this.inFlight.push(batch)
    return batch
  }

  /** An answer has come, or never will. False: it has been given up meanwhile. */
  landed(batch: ProducerBatch): boolean {
    const at = this.inFlight.indexOf(batch)
    if (at < 0) return false
    this.inFlight.splice(at, 1)
    return true
  }

  /** Whether nothing before it is undecided. */
  isFirst(batch: ProducerBatch): boolean {
    const isBefore = (other: ProducerBatch): boolean => other.order < batch.order
    return !this.inFlight.some(isBefore) && !this.ready.some(isBefore)
  }

  /** Back to its place among those that wait. */
  putBack(batch: ProducerBatch): void {
    let at = 0
    while (at < this.ready.length && this.ready[at]!.order < batch.order) at++
    this.ready.splice(at, 0, batch)
    batch.moveUp()
  }

  /** It was not stored and never will be: what came behind it moves up. */
  closeGap(gone: ProducerBatch): void {
    if (gone.baseSequence < 0) return
    const isBehind = (batch: ProducerBatch): boolean =>
      batch.baseSequence >= 0 && batch.producerEpoch === gone.producerEpoch && batch.order > gone.order
    // What is on its way does not change; it will be refused, and comes back.
    for (const batch of [...this.inFlight, ...this.ready]) if (isBehind(batch)) batch.gapBefore += gone.count
    for (const batch of this.ready) batch.moveUp()
    this.#nextSequence = sequencePlus(this.#nextSequence, -gone.count)
  }

  /** Nothing that was numbered so far and waits has been stored: all of it is numbered anew, by another identity. */
  renumber(): void {
    for (const batch of this.ready) batch.baseSequence = -1
    this.#identity = undefined
  }

  /** Nothing of it goes on. */
  takeAll(): ProducerBatch[] {
    const taken = [...this.inFlight, ...this.ready, ...(this.open === undefined ? [] : [this.open])]
    this.inFlight.length = this.ready.length = 0
    this.open = undefined
    return taken
  }
}
