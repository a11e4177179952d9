/**
 * Which batches of an answer belong to transactions that were aborted, for a reader that wants committed records only.
 *
 * Owns the pairing of what the broker lists with the batches. A transaction that was aborted is listed by its producer and its first offset; it ends at that producer's next abort marker, and a later
 * one of the same producer is another transaction. Source: KIP-98; Kafka's CompletedFetch.
 */
import { batchLastOffset, batchProducerId, isControlBatch, isTransactionalBatch } from "../../protocol/batch-header.js"
import { controlRecordType, controlRecordTypes, recordsOf } from "../../protocol/record-batch.js"

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export class AbortedTransactions {
  /** Not begun yet, the last first. */
  readonly #coming: AbortedTransaction[]
  /** Producers with an aborted transaction that has begun and not ended. */
  readonly #open = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#coming = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Told every batch of the answer, in order. True: its records are to be left out. */
  passes(bytes: Buffer, start: number, end: number): boolean {
    const lastOffset = batchLastOffset(bytes, start)
    for (
      let next = this.#coming.at(-1);
      next !== undefined && next.firstOffset <= lastOffset;
      next = this.#coming.at(-1)
    ) {
      this.#open.add(next.producerId)
      this.#coming.pop()
    }
    const producerId = batchProducerId(bytes, start)
    if (!isTransactionalBatch(bytes, start) || !this.#open.has(producerId)) return false
    if (isControlBatch(bytes, start) && isAbortMarker(bytes.subarray(start, end))) this.#open.delete(producerId)
    return true
  }
}

function isAbortMarker(batch: Buffer): boolean {
  const first = recordsOf(batch).next()
  return first.done !== true && controlRecordType(first.value.key) === controlRecordTypes.abort
}
