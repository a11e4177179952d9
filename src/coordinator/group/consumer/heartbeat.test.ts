import assert from "node:assert/strict"
import { test } from "node:test"
import { ConsumerTest } from "./testing/consumer-test.js"

test("the first member is given everything at once", () => {
  const group = new ConsumerTest({ t: 3 })
  assert.equal(group.join("a"), "NONE")
  assert.equal(group.holds("a"), "t-0 t-1 t-2")
  assert.equal(group.client("a").epoch, 1)
  assert.equal(group.state, "Stable")
})

test("a partition is given to another only after its owner said that it let go", () => {
  const group = new ConsumerTest({ t: 4 }, { settings: { consumerAssignmentIntervalMs: () => 0 } })
  group.join("a")
  group.join("b")
  assert.equal(group.holds("b"), "")
  assert.equal(group.beat("a"), "NONE")
  assert.equal(group.client("a").assigned.length, 2)
  assert.equal(group.client("a").epoch, 1)
  group.beat("b")
  assert.equal(group.holds("b"), "", "a has been told, but has not said that it let go")
  group.lag("a")
  group.beat("b")
  assert.equal(group.holds("b"), "")
  group.beat("a")
  assert.equal(group.client("a").epoch, 2)
  group.beat("b")
  assert.equal(group.client("b").holds.size, 2)
  group.settle()
})
