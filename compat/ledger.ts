/**
 * What a writer sent to one partition, what was acknowledged, and whether the log keeps the promise.
 *
 * Owns the judgement of the kill and power-cut loops. One writer per partition, batches pipelined in sequence order. A plain writer gives
 * up on batches whose outcome it never learned; an idempotent one sends them again, so every sequence number must be there exactly once.
 */
import type { RecordView } from "../src/protocol/record-batch.js"
import { crc32c } from "../src/base/crc32c.js"
import { buildBatch } from "../src/protocol/record-batch.js"

export interface SentBatch {
  readonly firstSequence: number
  readonly count: number
  /** Where it was acknowledged, -1 while it is not. */
  baseOffset: number
}

export interface Findings {
  records: number
  /** Acknowledged records that are not at their offset. */
  lost: number
  /** Records whose sequence number does not rise, duplicates among them. */
  reordered: number
  /** Records nobody sent, or whose bytes are not what was sent. */
  foreign: number
  /** Offsets that are missing between two records. */
  gaps: number
  /** First few, in words. */
  readonly examples: string[]
}

export const noFindings = (): Findings => ({ records: 0, lost: 0, reordered: 0, foreign: 0, gaps: 0, examples: [] })
export const isClean = (findings: Findings): boolean =>
  findings.lost + findings.reordered + findings.foreign + findings.gaps === 0

const valueHeaderBytes = 14
const examplesMax = 5

/** Checksum, partition, sequence number, then filler that the checksum covers. */
function encodeValue(partition: number, sequence: number, bytes: number): Buffer {
  const value = Buffer.alloc(Math.max(bytes, valueHeaderBytes), (sequence * 31 + partition) & 0xff)
  value.writeInt32BE(partition, 4)
  value.writeUIntBE(sequence, 8, 6)
  value.writeUInt32BE(crc32c(value, 4, value.length), 0)
  return value
}

function sequenceOf(value: Buffer | null, partition: number): number | undefined {
  if (value === null || value.length < valueHeaderBytes) return undefined
  if (value.readUInt32BE(0) !== crc32c(value, 4, value.length) || value.readInt32BE(4) !== partition) return undefined
  return value.readUIntBE(8, 6)
}

export interface IdempotentProducer {
  readonly producerId: number
  readonly producerEpoch: number
}

/** How far a verification has come; a new one starts at the beginning of the log. */
export class VerifiedUpTo {
  offset = 0
  lastSequence = -1
  acknowledgedIndex = 0
}

export class PartitionLedger {
  /** In order of sequence and offset. */
  readonly acknowledged: SentBatch[] = []
  acknowledgedRecords = 0
  #nextSequence = 0
  #unresolved: SentBatch[] = []

  constructor(
    readonly partition: number,
    readonly producer: IdempotentProducer | undefined,
    readonly valueBytes: number,
  ) {}

  nextBatch(count: number): SentBatch {
    const batch = { firstSequence: this.#nextSequence, count, baseOffset: -1 }
    this.#nextSequence += count
    this.#unresolved.push(batch)
    return batch
  }

  /** What a new connection has to send first. A plain writer's open batches are forgotten: they may be in the log or not. */
  resend(): SentBatch[] {
    if (this.producer === undefined) this.#unresolved = []
    return [...this.#unresolved]
  }

  encode(batch: SentBatch): Buffer {
    const records = Array.from({ length: batch.count }, (_, i) => ({
      value: encodeValue(this.partition, batch.firstSequence + i, this.valueBytes),
    }))
    const producer = this.producer === undefined ? {} : { ...this.producer, baseSequence: batch.firstSequence }
    return buildBatch({ records, timestamp: 1_700_000_000_000 + batch.firstSequence, ...producer })
  }

  acknowledge(batch: SentBatch, baseOffset: number): void {
    batch.baseOffset = baseOffset
    this.acknowledged.push(batch)
    this.acknowledgedRecords += batch.count
    this.#resolve(batch)
  }

  /** The broker says it has had it, without saying where. Verification finds out whether that is so. */
  alreadyThere(batch: SentBatch): void {
    this.#resolve(batch)
  }

  #resolve(batch: SentBatch): void {
    this.#unresolved = this.#unresolved.filter((one) => one !== batch)
  }

  /** Checks records from `at` on and moves it. `records` ends at the high watermark. */
  async verify(records: AsyncIterable<RecordView>, at: VerifiedUpTo, findings: Findings): Promise<void> {
    const note = (kind: "lost" | "reordered" | "foreign" | "gaps", count: number, text: string) => {
      findings[kind] += count
      if (findings.examples.length < examplesMax) findings.examples.push(`partition ${this.partition}: ${text}`)
    }
    for await (const { offset, value } of records) {
      findings.records += 1
      if (offset !== at.offset) note("gaps", 1, `offset ${offset} after ${at.offset - 1}`)
      at.offset = offset + 1
      const sequence = sequenceOf(value, this.partition)
      if (sequence === undefined || sequence >= this.#nextSequence) {
        note("foreign", 1, `offset ${offset} holds what nobody sent`)
        continue
      }
      if (sequence <= at.lastSequence)
        note("reordered", 1, `sequence ${sequence} after ${at.lastSequence} at offset ${offset}`)
      if (this.producer !== undefined && sequence !== at.lastSequence + 1) {
        note("lost", 1, `idempotent sequence ${sequence} after ${at.lastSequence} at offset ${offset}`)
      }
      at.lastSequence = sequence
      let due = this.acknowledged[at.acknowledgedIndex]
      // Batches that were sent again and found to be there lie below what an earlier verification has read.
      while (due !== undefined && due.baseOffset + due.count <= offset) due = this.acknowledged[++at.acknowledgedIndex]
      if (due === undefined || offset < due.baseOffset) continue
      const expected = due.firstSequence + (offset - due.baseOffset)
      if (sequence !== expected)
        note("lost", 1, `offset ${offset} holds sequence ${sequence}, acknowledged was ${expected}`)
      if (offset === due.baseOffset + due.count - 1) at.acknowledgedIndex += 1
    }
    for (; at.acknowledgedIndex < this.acknowledged.length; at.acknowledgedIndex++) {
      const due = this.acknowledged[at.acknowledgedIndex]!
      const missing = Math.min(due.count, due.baseOffset + due.count - at.offset)
      if (missing > 0) note("lost", missing, `acknowledged offset ${due.baseOffset} is beyond the end at ${at.offset}`)
    }
  }
}
