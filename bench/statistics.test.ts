import assert from "node:assert/strict"
import { test } from "node:test"
import { median, quantile } from "./statistics.js"

test("the median of an even number of samples lies between the two in the middle", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([10, 2, 9]), 9)
})

test("numbers are ordered as numbers", () => {
  assert.equal(quantile([100, 9, 20], 1), 100)
  assert.equal(quantile([100, 9, 20], 0), 9)
})

test("nothing has no median", () => {
  assert.equal(median([]), undefined)
})
