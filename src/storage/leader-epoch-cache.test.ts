import assert from "node:assert/strict"
import { test } from "node:test"
import { LeaderEpochCache } from "./leader-epoch-cache.js"

const cacheOf = (...entries: [epoch: number, startOffset: number][]) =>
  new LeaderEpochCache(entries.map(([epoch, startOffset]) => ({ epoch, startOffset })))
const pairs = (cache: LeaderEpochCache) => cache.entries.map(({ epoch, startOffset }) => [epoch, startOffset])

test("where an epoch ended (KIP-101), and that of the one below when it was skipped (KIP-279)", () => {
  const cache = cacheOf([2, 10], [3, 20], [6, 30])
  const cases: [number, number, number][] = [
    [-1, -1, -1],
    [1, 1, 10],
    [2, 2, 20],
    [3, 3, 30],
    [5, 3, 30],
    [6, 6, 44],
    [7, -1, -1],
  ]
  for (const [epoch, leaderEpoch, endOffset] of cases)
    assert.deepEqual(cache.endOffsetFor(epoch, 44), { leaderEpoch, endOffset }, `epoch ${epoch}`)
  assert.deepEqual(new LeaderEpochCache().endOffsetFor(0, 44), { leaderEpoch: -1, endOffset: -1 })
})

test("an assignment drops what contradicts it", () => {
  const cache = cacheOf([2, 10], [3, 20])
  cache.assign(3, 25)
  assert.deepEqual(pairs(cache), [
    [2, 10],
    [3, 20],
  ])
  cache.assign(4, 20)
  assert.deepEqual(pairs(cache), [
    [2, 10],
    [4, 20],
  ])
  cache.assign(5, 5)
  assert.deepEqual(pairs(cache), [[5, 5]])
})

test("truncation from the end drops epochs without records, from the start keeps the one that holds there", () => {
  const cache = cacheOf([2, 10], [3, 20], [6, 30])
  cache.truncateFromEnd(30)
  assert.deepEqual(pairs(cache), [
    [2, 10],
    [3, 20],
  ])
  cache.truncateFromStart(15)
  assert.deepEqual(pairs(cache), [
    [2, 15],
    [3, 20],
  ])
  cache.truncateFromStart(20)
  assert.deepEqual(pairs(cache), [[3, 20]])
  cache.truncateFromStart(3)
  assert.deepEqual(pairs(cache), [[3, 20]])
  assert.equal(cache.epochAt(25), 3)
  assert.equal(cache.epochAt(19), -1)
})
