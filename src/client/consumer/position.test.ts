import assert from "node:assert/strict"
import { test } from "node:test"
import {
  buildBatch,
  controlRecordKey,
  controlRecordTypes,
  endTransactionMarkerValue,
} from "../../protocol/record-batch.js"
import type { AbortedTransaction } from "./aborted-transactions.js"
import { Position } from "./position.js"

const batch = (baseOffset: number, count: number, producerId: number, isTransactional = producerId >= 0): Buffer =>
  buildBatch({
    baseOffset,
    producerId,
    isTransactional,
    records: Array.from({ length: count }, (_, index) => ({ value: Buffer.from(`${baseOffset + index}`) })),
  })

const marker = (baseOffset: number, producerId: number, type: "abort" | "commit"): Buffer =>
  buildBatch({
    baseOffset,
    producerId,
    isTransactional: true,
    isControl: true,
    records: [{ key: controlRecordKey(controlRecordTypes[type]), value: endTransactionMarkerValue(0) }],
  })

const reading = (offset: number, isReadCommitted = true): Position => {
  const position = new Position("t", 0, isReadCommitted)
  position.seek(offset)
  return position
}

const take = (position: Position): string[] => {
  const values: string[] = []
  for (let record = position.next(); record !== undefined; record = position.next()) values.push(String(record.value))
  return values
}

/** Producers 1 and 2 at the same time; of each one transaction is committed and one aborted. Offset 3 and 10 belong to none. */
const mixed: readonly Buffer[] = [
  batch(0, 2, 1),
  batch(2, 1, 2),
  batch(3, 1, -1),
  marker(4, 1, "abort"),
  batch(5, 1, 1),
  marker(6, 2, "commit"),
  marker(7, 1, "commit"),
  batch(8, 1, 2),
  marker(9, 2, "abort"),
  batch(10, 1, 2, false),
]
// Not by offset: what a broker lists is in the order in which they ended.
const aborted: readonly AbortedTransaction[] = [
  { producerId: 2, firstOffset: 8 },
  { producerId: 1, firstOffset: 0 },
]

test("who reads what is committed gets nothing of aborted transactions, and everything else", () => {
  const position = reading(0)
  position.add(Buffer.concat(mixed), aborted)
  assert.deepEqual(take(position), ["2", "3", "5", "10"])
  assert.equal(position.offset, 11)
})

test("who reads all gets what was aborted too, and no markers", () => {
  const position = reading(0, false)
  position.add(Buffer.concat(mixed), aborted)
  assert.deepEqual(take(position), ["0", "1", "2", "3", "5", "8", "10"])
})

test("reading that begins inside an aborted transaction leaves the rest of it out, and not what follows its marker", () => {
  const inside = reading(1)
  // The answer begins with the whole batch.
  inside.add(Buffer.concat(mixed), aborted)
  assert.deepEqual(take(inside), ["2", "3", "5", "10"])
  const atMarker = reading(4)
  atMarker.add(Buffer.concat(mixed.slice(3)), aborted)
  assert.deepEqual(take(atMarker), ["5", "10"])
})

test("an aborted transaction that goes on in the next answer is listed there again", () => {
  const position = reading(0)
  const first = [{ producerId: 1, firstOffset: 0 }]
  position.add(batch(0, 2, 1), first)
  position.add(Buffer.concat([batch(2, 2, 1), marker(4, 1, "abort"), batch(5, 1, 1)]), first)
  assert.deepEqual(take(position), ["5"])
  assert.equal(position.offset, 6)
})

test("where nothing is left of an answer, reading stands behind it", () => {
  const position = reading(0)
  position.add(Buffer.concat([batch(0, 2, 1), marker(2, 1, "abort")]), [{ producerId: 1, firstOffset: 0 }])
  assert.deepEqual(take(position), [])
  assert.equal(position.offset, 3)
  assert.equal(position.fetchOffset, 3)
})

test("lag counts up to where records may be read", () => {
  for (const [isReadCommitted, lag] of [
    [true, 4],
    [false, 10],
  ] as const) {
    const position = reading(0, isReadCommitted)
    position.highWatermark = 10
    position.lastStableOffset = 4
    assert.equal(position.lag, lag)
  }
})
