import assert from "node:assert/strict"
import { test } from "node:test"
import { TimeIndex } from "./time-index.js"

test("only a greater timestamp makes an entry", () => {
  const index = new TimeIndex(100)
  index.maybeAppend(1000, 105)
  index.maybeAppend(1000, 107)
  index.maybeAppend(900, 109)
  index.maybeAppend(1001, 111)
  assert.equal(index.entries, 2)
  assert.deepEqual(index.last, { timestamp: 1001, offset: 111 })
  assert.equal(index.encoded().toString("hex"), "00000000000003e800000005" + "00000000000003e90000000b")
})

test("a search begins where nothing before is late enough", () => {
  const index = new TimeIndex(100)
  index.maybeAppend(1000, 105)
  index.maybeAppend(2000, 111)
  assert.deepEqual(
    [1, 1000, 1001, 2000, 2001].map((timestamp) => index.offsetBefore(timestamp)),
    [100, 100, 105, 105, 111],
  )
})

test("a time index that cannot be what was written is not believed", () => {
  const index = new TimeIndex(100)
  index.maybeAppend(1000, 105)
  index.maybeAppend(2000, 111)
  const bytes = Buffer.from(index.encoded())
  assert.equal(TimeIndex.parse(100, bytes, 112)?.entries, 2)
  assert.equal(TimeIndex.parse(100, bytes, 111), undefined)
  assert.equal(TimeIndex.parse(100, bytes.subarray(1), 112), undefined)
  assert.equal(TimeIndex.parse(100, Buffer.concat([bytes.subarray(12), bytes.subarray(0, 12)]), 112), undefined)
  assert.equal(TimeIndex.parse(100, Buffer.concat([bytes, Buffer.alloc(24)]), 112)?.entries, 2)
})

test("truncation drops entries that name the offset or more", () => {
  const index = new TimeIndex(100)
  index.maybeAppend(1000, 105)
  index.maybeAppend(2000, 111)
  index.truncateTo(111)
  assert.deepEqual(index.last, { timestamp: 1000, offset: 105 })
})

test("one entry is kept free for the end of the segment", () => {
  const index = new TimeIndex(0)
  assert.equal(index.isFull(24), false)
  index.maybeAppend(1, 1)
  assert.equal(index.isFull(24), true)
})
