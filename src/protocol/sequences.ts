/**
 * Sequence numbers of idempotent producers.
 *
 * Owns their arithmetic: they count records from 0 up to the largest int32, and then begin again at 0 (`DefaultRecordBatch.incrementSequence` of Kafka).
 */
import { batchBaseSequence, batchHeaderBytes, batchMagic, batchProducerId } from "./batch-header.js"

const sequenceMax = 0x7fffffff
const magicWithSequences = 2

/** `records` may be negative. */
export const sequencePlus = (sequence: number, records: number): number => (sequence + records) & sequenceMax

/** Half of the numbers lie ahead of any number, for they wrap. */
export const isLaterSequence = (sequence: number, than: number): boolean => {
  const ahead = sequencePlus(sequence, -than)
  return ahead > 0 && ahead < 2 ** 30
}

/** From `first` on, below `end`. */
export const isSequenceBetween = (sequence: number, first: number, end: number): boolean =>
  sequencePlus(sequence, -first) < sequencePlus(end, -first)

/** Whether what a client sent begins with the header of a batch of an idempotent producer. Nothing else of it is checked. */
export const hasSequence = (records: Uint8Array | null): records is Uint8Array =>
  records !== null &&
  records.length >= batchHeaderBytes &&
  batchMagic(records) === magicWithSequences &&
  batchProducerId(records) >= 0 &&
  batchBaseSequence(records) >= 0
