import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { OffsetIndex } from "./offset-index.js"

function indexOf(entries: readonly (readonly [offset: number, position: number])[], baseOffset = 100): OffsetIndex {
  const index = new OffsetIndex(baseOffset)
  for (const [offset, position] of entries) index.append(offset, position)
  return index
}

test("a lookup gives the greatest entry at or below the offset, else the start", () => {
  const index = indexOf([
    [110, 500],
    [120, 900],
  ])
  assert.deepEqual(
    [100, 109, 110, 119, 120, 500].map((offset) => index.positionFor(offset)),
    [0, 0, 500, 500, 900, 900],
  )
  assert.deepEqual(
    [0, 499, 500, 899, 900, 5000].map((position) => index.batchStartAtMost(position)),
    [0, 0, 500, 500, 900, 900],
  )
})

test("the bytes are Kafka's: four of relative offset, four of position", () => {
  assert.equal(
    indexOf([[110, 500]])
      .encoded()
      .toString("hex"),
    "0000000a000001f4",
  )
})

test("what was encoded is parsed, and zero padding behind it is not an entry", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 1e6 })), { maxLength: 50 }),
      (pairs) => {
        const offsets = [...new Set(pairs.map(([offset]) => 100 + offset))].sort((a, b) => a - b)
        const positions = [...new Set(pairs.map(([, position]) => position))].sort((a, b) => a - b)
        const entries = offsets.slice(0, positions.length).map((offset, slot) => [offset, positions[slot]!] as const)
        const index = indexOf(entries)
        const padded = Buffer.concat([index.encoded(), Buffer.alloc(16)])
        for (const bytes of [index.encoded(), padded]) {
          const parsed = OffsetIndex.parse(100, Buffer.from(bytes), 2e6)
          assert.deepEqual(parsed?.encoded(), index.encoded())
        }
        for (const [offset, position] of entries) assert.equal(index.positionFor(offset), position)
      },
    ),
  )
})

test("an index that cannot be what was written is not believed", () => {
  const good = Buffer.from(
    indexOf([
      [110, 500],
      [120, 900],
      [130, 1200],
    ]).encoded(),
  )
  assert.ok(OffsetIndex.parse(100, good, 1300))
  assert.equal(OffsetIndex.parse(100, good.subarray(0, 20), 1300), undefined)
  assert.equal(OffsetIndex.parse(100, good, 1200), undefined)
  const swapped = Buffer.concat([good.subarray(8, 16), good.subarray(0, 8)])
  assert.equal(OffsetIndex.parse(100, swapped, 1300), undefined)
  const holed = Buffer.from(good)
  holed.fill(0, 8, 16)
  assert.equal(OffsetIndex.parse(100, holed, 1300), undefined)
  assert.equal(OffsetIndex.parsePrefix(100, holed, 1300).entries, 1)
})

test("truncation drops entries that name the offset or more", () => {
  const index = indexOf([
    [110, 500],
    [120, 900],
    [130, 1200],
  ])
  index.truncateTo(120)
  assert.equal(index.lastOffset, 110)
  index.append(115, 700)
  assert.equal(index.positionFor(118), 700)
  index.truncateTo(0)
  assert.equal(index.entries, 0)
})
