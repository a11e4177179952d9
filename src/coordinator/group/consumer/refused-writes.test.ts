import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../../protocol/errors.js"
import { ConsumerTest } from "./testing/consumer-test.js"

const full = Errors.COORDINATOR_NOT_AVAILABLE

test("a silent member whose removal could not be written is removed once it can", () => {
  const group = new ConsumerTest()
  group.join("a")
  group.join("b")
  group.settle()
  for (let i = 0; i < 8; i++) {
    group.advance(5000)
    group.beat("a")
  }
  group.harness.refuseNextWrite(full)
  group.advance(5000)
  assert.equal(group.group.members.size, 2)
  for (let i = 0; i < 10; i++) {
    group.advance(5000)
    group.beat("a")
  }
  assert.deepEqual([...group.group.members.keys()], ["a"])
  group.settle(["a"])
  assert.equal(group.holds("a"), "t-0 t-1 t-2 t-3")
})

test("new partitions that could not be written down are assigned once they can", () => {
  const group = new ConsumerTest({ t: 2 })
  group.join("a")
  group.settle()
  group.advance(5000)
  group.harness.refuseNextWrite(full)
  group.setTopics({ t: 3 })
  group.beat("a")
  assert.equal(group.holds("a"), "t-0 t-1")
  group.advance(5000)
  group.settle()
  assert.equal(group.holds("a"), "t-0 t-1 t-2")
})

test("what an expression stands for, and could not be written down, is once it can", () => {
  const group = new ConsumerTest({ t: 1 })
  group.join("a", { regex: "t.*" })
  group.advance(1000)
  group.settle()
  group.advance(30_000)
  group.beat("a")
  group.harness.refuseNextWrite(full)
  group.setTopics({ t: 1, t2: 1 })
  for (let i = 0; i < 5; i++) {
    group.advance(5000)
    group.beat("a")
  }
  group.settle()
  assert.equal(group.holds("a"), "t-0 t2-0")
})
