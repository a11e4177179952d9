/**
 * The records of a batch in turn, without an object for each.
 *
 * Owns the same layout as `recordsOf`, for whoever reads very many small records and decodes keys and values at once. Headers are stepped over. Invariant: key and value lie within
 * their record, whatever its bytes say.
 */
import { MalformedError, type Reader } from "../base/reader.js"
import { batchBaseOffset, batchRecordCount } from "./batch-header.js"
import { batchEnd, decompressedBytesMax, recordsPayload } from "./record-batch.js"
import { DecompressError } from "./compression/compression.js"

export class RecordCursor {
  /** Over all records of the batch. Whoever decodes moves it, and moves it anywhere. */
  readonly reader: Reader
  offset = -1
  keyAt = 0
  /** -1: there is none. */
  keyBytes = -1
  valueAt = 0
  /** -1: there is none. */
  valueBytes = -1
  readonly #baseOffset: number
  #left: number
  #nextAt = 0

  /** At the batch at `at`, before its first record. Errors: MalformedError for what is no whole batch. */
  constructor(bytes: Buffer, at: number, newReader: (payload: Buffer) => Reader) {
    const end = batchEnd(bytes, at)
    if (typeof end === "string") throw new MalformedError(`record batch at ${at}: ${end}`)
    const payload = recordsPayload(bytes, at, end, decompressedBytesMax)
    if (payload instanceof DecompressError) throw new MalformedError(payload.message)
    this.reader = newReader(payload)
    this.#baseOffset = batchBaseOffset(bytes, at)
    this.#left = batchRecordCount(bytes, at)
  }

  /** False: there is none left. Errors: MalformedError. */
  next(): boolean {
    const { reader } = this
    reader.position = this.#nextAt
    if (this.#left <= 0) {
      if (reader.remaining !== 0) throw new MalformedError(`${reader.remaining} bytes after the last record`)
      return false
    }
    this.#left--
    const length = reader.varint()
    const start = reader.take(length)
    const end = (this.#nextAt = start + length)
    reader.position = start
    reader.int8()
    reader.varlong()
    this.offset = this.#baseOffset + reader.varint()
    this.keyBytes = reader.varint()
    this.keyAt = this.#step(this.keyBytes)
    this.valueBytes = reader.varint()
    this.valueAt = this.#step(this.valueBytes)
    if (reader.position > end) throw new MalformedError(`the record at ${start} is longer than it says`)
    return true
  }

  #step(count: number): number {
    return count < 0 ? this.reader.position : this.reader.take(count)
  }
}
