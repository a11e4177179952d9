/**
 * What a log knows of each idempotent producer: its epoch and its last batches.
 *
 * Owns the rules by which a client's batch is a duplicate, in order, or refused, and the snapshot format; reads and writes no file. A
 * producer's entry is immutable: an append replaces it, so undoing an append is putting the old one back.
 *
 * A producer numbers its records per partition. A batch whose numbers were seen (among the last five) is answered with the offsets it
 * got then; one that follows the last is appended; any other is refused. A higher epoch starts at zero. Only what clients send is checked:
 * what came from a leader or from the log itself is the truth. Source: KIP-98, KIP-360; Kafka's ProducerStateManager.
 */
import { crc32c } from "../base/crc32c.js"
import { Reader } from "../base/reader.js"
import { Writer } from "../base/writer.js"
import {
  batchBaseOffset,
  batchBaseSequence,
  batchHeaderBytes,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLastSequence,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  isControlBatch,
  isTransactionalBatch,
} from "../protocol/batch-header.js"
import { Errors } from "../protocol/errors.js"
import { isLaterSequence, sequencePlus } from "../protocol/sequences.js"
import { AwaitedSequences } from "./awaited-sequences.js"

/** Batches remembered per producer: as many as a client may have in flight with idempotence. */
export const rememberedBatchesMax = 5

export interface ProducerBatch {
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
}

export interface ProducerEntry {
  readonly producerId: number
  readonly producerEpoch: number
  /** Of the coordinator that last wrote a marker for this producer; -1 before the first. */
  readonly coordinatorEpoch: number
  /** Of the last batch or marker, by its own timestamp. */
  readonly lastTimestamp: number
  /** Start of the open transaction, -1 outside of one. */
  readonly currentTxnFirstOffset: number
  /** Oldest first, at most `rememberedBatchesMax`, all of the current epoch. */
  readonly batches: readonly ProducerBatch[]
}

export type SequenceCheck =
  | { readonly kind: "append" }
  | { readonly kind: "duplicate"; readonly baseOffset: number; readonly lastOffset: number; readonly timestamp: number }
  | { readonly kind: "error"; readonly error: number; readonly message: string }

const fineToAppend: SequenceCheck = { kind: "append" }

export const firstSequence = (batch: ProducerBatch): number =>
  batch.lastSequence < 0 ? batch.lastSequence : sequencePlus(batch.lastSequence, -batch.offsetDelta)

const follows = (sequence: number, last: number): boolean => sequence === sequencePlus(last, 1)

export const producerSnapshotVersion = 1
const snapshotHeaderBytes = 10
const snapshotEntryBytes = 46

export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>()
  readonly #awaited = new AwaitedSequences()

  get size(): number {
    return this.#producers.size
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#producers.get(producerId)
  }

  entries(): IterableIterator<ProducerEntry> {
    return this.#producers.values()
  }

  /** Start of the oldest open transaction, -1 without one: the last stable offset cannot pass it. */
  firstUnstableOffset(): number {
    let first = -1
    for (const { currentTxnFirstOffset: offset } of this.#producers.values())
      if (offset >= 0 && (first < 0 || offset < first)) first = offset
    return first
  }

  /** Decides about a data batch that a client sent. `at` is where its header starts; its base offset does not matter. */
  check(bytes: Uint8Array, at = 0): SequenceCheck {
    const producerId = batchProducerId(bytes, at)
    const entry = producerId < 0 ? undefined : this.#producers.get(producerId)
    // A producer that is not known (expired, or its records are gone) may go on with any number, unless its first was here and could not be kept.
    if (entry === undefined) {
      const missing = producerId < 0 ? undefined : this.#awaited.missingBefore(bytes, at)
      if (missing === undefined) return fineToAppend
      return {
        kind: "error",
        error: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
        message: `Out of order sequence number for producer ${producerId}: ${batchBaseSequence(bytes, at)} (incoming seq. number), ${missing} was refused and must come first`,
      }
    }
    const epoch = batchProducerEpoch(bytes, at)
    const first = batchBaseSequence(bytes, at)
    if (epoch < entry.producerEpoch)
      return {
        kind: "error",
        error: Errors.INVALID_PRODUCER_EPOCH,
        message: `Epoch of producer ${producerId} is ${epoch}, smaller than the last seen epoch ${entry.producerEpoch}`,
      }
    if (epoch > entry.producerEpoch) {
      if (first === 0 || entry.producerEpoch < 0) return fineToAppend
      return {
        kind: "error",
        error: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
        message: `Invalid sequence number for new epoch of producer ${producerId}: ${epoch} (request epoch), ${first} (sequence number), ${entry.producerEpoch} (current producer epoch)`,
      }
    }
    const last = batchLastSequence(bytes, at)
    for (const batch of entry.batches)
      if (batch.lastSequence === last && firstSequence(batch) === first)
        return {
          kind: "duplicate",
          baseOffset: batch.lastOffset - batch.offsetDelta,
          lastOffset: batch.lastOffset,
          timestamp: batch.timestamp,
        }
    const lastSequence = entry.batches.at(-1)?.lastSequence ?? -1
    if (follows(first, lastSequence)) return fineToAppend
    return {
      kind: "error",
      error: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
      message: `Out of order sequence number for producer ${producerId}: ${first} (incoming seq. number), ${lastSequence} (current end sequence number)`,
    }
  }

  /** Whether a batch that is out of order comes too early, not too late. */
  isAhead(bytes: Uint8Array): boolean {
    const last = this.#producers.get(batchProducerId(bytes))?.batches.at(-1)?.lastSequence
    return last === undefined || isLaterSequence(batchBaseSequence(bytes), last)
  }

  /** A client's batch could not be taken for now, though nothing is wrong with it: what follows it must wait until it comes again. */
  refuse(bytes: Uint8Array, at = 0): void {
    const producerId = batchProducerId(bytes, at)
    if (producerId < 0 || this.#producers.has(producerId)) return
    this.#awaited.awaitFrom(producerId, batchProducerEpoch(bytes, at), batchBaseSequence(bytes, at))
  }

  /** As `refuse`, for batches that came before there was a log. Who is known has begun. */
  refusedBefore(awaited: AwaitedSequences): void {
    this.#awaited.include(awaited)
    for (const producerId of this.#producers.keys()) this.#awaited.arrived(producerId)
  }

  /** Takes in a batch that is in the log. Returns the entry it replaced, for `restore`. */
  record(bytes: Uint8Array, at = 0): ProducerEntry | undefined {
    const producerId = batchProducerId(bytes, at)
    const previous = this.#producers.get(producerId)
    if (previous === undefined) this.#awaited.arrived(producerId)
    const producerEpoch = batchProducerEpoch(bytes, at)
    const timestamp = batchMaxTimestamp(bytes, at)
    const sameEpoch = previous !== undefined && previous.producerEpoch === producerEpoch
    if (isControlBatch(bytes, at)) {
      this.#producers.set(producerId, {
        producerId,
        producerEpoch: Math.max(producerEpoch, previous?.producerEpoch ?? -1),
        coordinatorEpoch: Math.max(markerCoordinatorEpoch(bytes, at), previous?.coordinatorEpoch ?? -1),
        lastTimestamp: timestamp,
        currentTxnFirstOffset: -1,
        batches: sameEpoch ? previous.batches : [],
      })
      return previous
    }
    const batch: ProducerBatch = {
      lastSequence: batchLastSequence(bytes, at),
      lastOffset: batchLastOffset(bytes, at),
      offsetDelta: batchLastOffsetDelta(bytes, at),
      timestamp,
    }
    const kept = sameEpoch ? previous.batches : []
    const open = previous?.currentTxnFirstOffset ?? -1
    this.#producers.set(producerId, {
      producerId,
      producerEpoch,
      coordinatorEpoch: previous?.coordinatorEpoch ?? -1,
      lastTimestamp: timestamp,
      currentTxnFirstOffset: open < 0 && isTransactionalBatch(bytes, at) ? batchBaseOffset(bytes, at) : open,
      batches: kept.length < rememberedBatchesMax ? [...kept, batch] : [...kept.slice(1), batch],
    })
    return previous
  }

  /** Undoes `record`. */
  restore(producerId: number, previous: ProducerEntry | undefined): void {
    if (previous !== undefined) {
      this.#producers.set(producerId, previous)
      return
    }
    const undone = this.#producers.get(producerId)
    this.#producers.delete(producerId)
    const first = undone?.batches[0]
    if (first !== undefined) this.#awaited.awaitFrom(producerId, undone!.producerEpoch, firstSequence(first))
  }

  /** Forgets producers that wrote nothing for `expirationMs` and have no transaction open. Returns how many. */
  expire(nowMs: number, expirationMs: number): number {
    let expired = 0
    for (const entry of this.#producers.values()) {
      if (entry.currentTxnFirstOffset >= 0 || nowMs - entry.lastTimestamp < expirationMs) continue
      this.#producers.delete(entry.producerId)
      expired++
    }
    return expired
  }

  clear(): void {
    this.#producers.clear()
    this.#awaited.clear()
  }

  /** Awaits what another replica of the same log awaits: this one takes its place. */
  awaitLike(other: ProducerState): void {
    this.#awaited.replaceWith(other.#awaited)
  }

  /** Becomes what `other` is. */
  replaceWith(other: ProducerState): void {
    this.#producers.clear()
    for (const entry of other.entries()) this.#producers.set(entry.producerId, entry)
  }

  /**
   * Kafka's snapshot file. Kafka writes the last batch of each producer; here every remembered one has an entry, the oldest first, so that a retry of any
   * of them is recognised after a restart too. A reader for which a later entry of a producer replaces an earlier one, as in Kafka, sees what it always saw.
   */
  encodeSnapshot(): Buffer {
    let count = 0
    for (const { batches } of this.#producers.values()) count += Math.max(1, batches.length)
    const writer = new Writer(snapshotHeaderBytes + count * snapshotEntryBytes)
    writer.int16(producerSnapshotVersion)
    writer.int32(0)
    writer.int32(count)
    for (const entry of this.#producers.values()) {
      const batches = entry.batches.length === 0 ? [undefined] : entry.batches
      for (const [slot, batch] of batches.entries()) {
        writer.int64(entry.producerId)
        writer.int16(entry.producerEpoch)
        writer.int32(batch?.lastSequence ?? -1)
        writer.int64(batch?.lastOffset ?? -1)
        writer.int32(batch?.offsetDelta ?? 0)
        writer.int64(slot === batches.length - 1 ? entry.lastTimestamp : (batch?.timestamp ?? -1))
        writer.int32(entry.coordinatorEpoch)
        writer.int64(entry.currentTxnFirstOffset)
      }
    }
    const bytes = writer.finishBuffer()
    bytes.writeUInt32BE(crc32c(bytes, 6), 2)
    return bytes
  }

  /** The state in a snapshot file, or undefined when its checksum, version or size is wrong. */
  static decodeSnapshot(bytes: Buffer): ProducerState | undefined {
    if (bytes.length < snapshotHeaderBytes) return undefined
    const reader = new Reader(bytes)
    const version = reader.int16()
    const checksum = reader.uint32()
    const count = reader.int32()
    if (version !== producerSnapshotVersion || checksum !== crc32c(bytes, 6)) return undefined
    if (count < 0 || reader.remaining !== count * snapshotEntryBytes) return undefined
    const state = new ProducerState()
    for (let index = 0; index < count; index++) {
      const producerId = reader.int64()
      const producerEpoch = reader.int16()
      const lastSequence = reader.int32()
      const lastOffset = reader.int64()
      const offsetDelta = reader.int32()
      const timestamp = reader.int64()
      const coordinatorEpoch = reader.int32()
      const currentTxnFirstOffset = reader.int64()
      const earlier = state.#producers.get(producerId)
      const kept = earlier?.producerEpoch === producerEpoch ? earlier.batches.slice(1 - rememberedBatchesMax) : []
      state.#producers.set(producerId, {
        producerId,
        producerEpoch,
        coordinatorEpoch,
        lastTimestamp: timestamp,
        currentTxnFirstOffset,
        batches: lastOffset < 0 ? [] : [...kept, { lastSequence, lastOffset, offsetDelta, timestamp }],
      })
    }
    return state
  }
}

/** The coordinator epoch in an end-transaction marker, -1 when the batch is another control batch or carries no record here. */
function markerCoordinatorEpoch(bytes: Uint8Array, at: number): number {
  // Markers are written by brokers, uncompressed, one record: length, attributes, two deltas, key (version, type), value (version, epoch).
  try {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const reader = new Reader(buffer, at + batchHeaderBytes)
    reader.varint()
    reader.int8()
    reader.varlong()
    reader.varint()
    const keyBytes = reader.varint()
    if (keyBytes < 4) return -1
    reader.int16()
    const type = reader.int16()
    reader.take(keyBytes - 4)
    if (type !== 0 && type !== 1) return -1
    if (reader.varint() < 6) return -1
    reader.int16()
    return reader.int32()
  } catch {
    return -1
  }
}
