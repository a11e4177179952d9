import assert from "node:assert/strict"
import { test } from "node:test"
import { longestGapMs, percentile } from "./gaps.js"

const times = new Map([
  [0, [1000, 2000, 3000, 900_000, 901_000]],
  [1, [1500, 2500, 3500, 4500, 905_000]],
  [2, [100]],
])

test("a gap is between two acknowledgements of which the second came after the fault", () => {
  assert.equal(longestGapMs(times, [0], 2500, 1_000_000), 897)
  assert.equal(longestGapMs(times, [0], 901_000, 1_000_000), 1)
})

test("the worst partition counts, and only those that are asked for", () => {
  assert.equal(longestGapMs(times, [0, 1], 3000, 1_000_000), 900.5)
  assert.equal(longestGapMs(times, [], 3000, 1_000_000), 0)
})

test("what happens after the time that is looked at does not count", () => {
  assert.equal(longestGapMs(times, [1], 2500, 5000), 1)
})

test("a partition from which nothing came has waited until the end", () => {
  assert.equal(longestGapMs(times, [2], 5000, 1_000_100), 1000)
  assert.equal(longestGapMs(times, [3], 5000, 6000), 1)
})

test("percentiles are values that were measured", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index)
  assert.deepEqual(
    [0.5, 0.99, 1].map((share) => percentile(values, share)),
    [100, 198, 200],
  )
  assert.equal(percentile([7], 0.99), 7)
})
