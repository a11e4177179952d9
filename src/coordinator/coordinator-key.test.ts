import assert from "node:assert/strict"
import { test } from "node:test"
import { coordinatorPartition, javaStringHash } from "./coordinator-key.js"

test("the hash is Java's String.hashCode", () => {
  assert.equal(javaStringHash(""), 0)
  assert.equal(javaStringHash("hello"), 99162322)
  assert.equal(javaStringHash("polygenelubricants"), -(2 ** 31))
  assert.equal(javaStringHash("ä😀"), ((228 * 31 + 0xd83d) * 31 + 0xde00) | 0)
})

test("the smallest hash, which has no absolute value, belongs to partition 0", () => {
  assert.equal(coordinatorPartition("polygenelubricants", 50), 0)
})

test("other hashes count by their absolute value", () => {
  assert.equal(coordinatorPartition("hello", 50), 99162322 % 50)
  assert.equal(javaStringHash("billing") < 0, true)
  assert.equal(coordinatorPartition("billing", 50), -javaStringHash("billing") % 50)
})
