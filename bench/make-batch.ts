/** Batches of records of one size, with bytes that do not compress to nothing. Owns nothing else. */
import { buildBatch } from "../src/protocol/record-batch.js"

export function makeBatch(records: number, recordBytes: number, timestamp = Date.now()): Buffer {
  const value = Buffer.from(Array.from({ length: recordBytes }, (_, index) => (index * 167 + (index >> 3)) & 0xff))
  return buildBatch({ records: Array.from({ length: records }, () => ({ value, timestamp })) })
}
