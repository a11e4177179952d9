/**
 * A record batch in the making, record by record.
 *
 * Owns the layout of its records, which are written once, where they will lie; the header is `record-batch.ts`'s. Knows no headers of records, no compression, and one timestamp for all:
 * what a coordinator writes. Invariant: what it builds is what `buildBatch` builds of the same records.
 */
import { varintBytes, Writer } from "../base/writer.js"
import type { FileRegion } from "../env/env.js"
import { batchHeaderBytes } from "./batch-header.js"
import { sealPlainBatch } from "./record-batch.js"

const attributes = 0
const timestampDelta = 0
const headerCount = 0
/** Attributes, timestamp delta, number of headers. */
const plainBytes = 3
const initialBytes = 1024
/** What was needed for a larger batch is not kept for the next. */
const keptBytesMax = 64 << 10

export class BatchBuilder {
  #writer = new Writer<FileRegion>(initialBytes)
  #count = 0

  constructor() {
    this.clear()
  }

  clear(): void {
    if (this.#writer.length > keptBytesMax) this.#writer = new Writer<FileRegion>(initialBytes)
    this.#writer.clear()
    this.#writer.skip(batchHeaderBytes)
    this.#count = 0
  }

  get count(): number {
    return this.#count
  }

  /** Size of the batch if it ended here. */
  get bytes(): number {
    return this.#writer.length
  }

  /** Takes the next record from `source`: its key at `at`, its value right behind. `valueBytes` -1: none, which is a tombstone. */
  add(source: Writer<FileRegion>, at: number, keyBytes: number, valueBytes: number): void {
    const offsetDelta = this.#count++
    const writer = this.#writer
    writer.varint(recordBodyBytes(offsetDelta, keyBytes, valueBytes))
    writer.int8(attributes)
    writer.varint(timestampDelta)
    writer.varint(offsetDelta)
    writer.varint(keyBytes)
    writer.copy(source, at, keyBytes)
    writer.varint(valueBytes)
    if (valueBytes > 0) writer.copy(source, at + keyBytes, valueBytes)
    writer.varint(headerCount)
  }

  /** The batch, checksummed, in memory of its own; the builder is empty again. */
  build(timestamp: number): Buffer {
    const batch = Buffer.from(this.#writer.finishBuffer())
    sealPlainBatch(batch, this.#count, timestamp)
    this.clear()
    return batch
  }
}

function recordBodyBytes(offsetDelta: number, keyBytes: number, valueBytes: number): number {
  return (
    plainBytes +
    varintBytes(offsetDelta) +
    varintBytes(keyBytes) +
    keyBytes +
    varintBytes(valueBytes) +
    Math.max(0, valueBytes)
  )
}

/** What a record takes at most in a batch of which nothing is known. */
export function recordBytesMax(keyBytes: number, valueBytes: number): number {
  const bodyBytes = recordBodyBytes(0x3fffffff, keyBytes, valueBytes)
  return varintBytes(bodyBytes) + bodyBytes
}
