import assert from "node:assert/strict"
import { test } from "node:test"
import { ReadPositions, readPositionsMax } from "./read-positions.js"
import { Segment } from "./segment.js"

const segment = new Segment(100, 0, 0)

test("a position is found in the segment it was found in, and the start of a segment always", () => {
  const positions = new ReadPositions()
  assert.equal(positions.find(segment, 100), 0)
  assert.equal(positions.find(segment, 150), undefined)
  positions.remember(positions.generation, segment, 150, 4321)
  assert.equal(positions.find(segment, 150), 4321)
  assert.equal(positions.find(new Segment(140, 0, 0), 150), undefined)
})

test("what a read found before the log was cut is not remembered after it", () => {
  const positions = new ReadPositions()
  const { generation } = positions
  positions.remember(generation, segment, 150, 4321)
  positions.clear()
  assert.equal(positions.find(segment, 150), undefined)
  positions.remember(generation, segment, 150, 4321)
  assert.equal(positions.find(segment, 150), undefined)
})

test("the least recently remembered position goes when there are too many", () => {
  const positions = new ReadPositions()
  for (let offset = 101; offset <= 100 + readPositionsMax; offset++)
    positions.remember(positions.generation, segment, offset, offset)
  positions.remember(positions.generation, segment, 101, 101)
  positions.remember(positions.generation, segment, 999, 999)
  assert.equal(positions.size, readPositionsMax)
  assert.equal(positions.find(segment, 101), 101)
  assert.equal(positions.find(segment, 102), undefined)
})
