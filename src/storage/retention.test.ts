import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { planRetention, type RetentionRules } from "./retention.js"

const segments = [0, 10, 20, 30].map((baseOffset, index) => ({
  baseOffset,
  size: 100,
  maxTimestamp: 1000 * (index + 1),
  modifiedMs: 0,
}))
const rules: RetentionRules = {
  retentionMs: -1,
  retentionBytes: -1,
  logStartOffset: 0,
  logEndOffset: 40,
  highWatermark: 40,
  nowMs: 5000,
  deleteByPolicy: true,
}
const count = (changes: Partial<RetentionRules>) => planRetention(segments, { ...rules, ...changes }).count

test("segments go when their youngest record is older than retention.ms", () => {
  assert.equal(count({ retentionMs: 3000 }), 1)
  assert.equal(count({ retentionMs: 2999 }), 2)
  assert.deepEqual(planRetention(segments, { ...rules, retentionMs: 0 }), { count: 4, rollFirst: true })
  assert.equal(count({}), 0)
})

test("segments go while what stays holds at least retention.bytes", () => {
  assert.equal(count({ retentionBytes: 300 }), 1)
  assert.equal(count({ retentionBytes: 299 }), 1)
  assert.equal(count({ retentionBytes: 301 }), 0)
  assert.equal(count({ retentionBytes: 0 }), 4)
})

test("segments below the log start offset go, whatever the policy, but never the active one", () => {
  assert.equal(count({ logStartOffset: 19, deleteByPolicy: false }), 1)
  assert.equal(count({ logStartOffset: 20, deleteByPolicy: false }), 2)
  assert.equal(count({ logStartOffset: 40 }), 3)
})

test("nothing goes that reaches the high watermark, and no segment before an older one (M1)", () => {
  fc.assert(
    fc.property(
      fc.record({
        retentionMs: fc.integer({ min: -1, max: 5000 }),
        retentionBytes: fc.integer({ min: -1, max: 500 }),
        logStartOffset: fc.integer({ min: 0, max: 40 }),
        highWatermark: fc.integer({ min: 0, max: 40 }),
      }),
      (changes) => {
        const gone = count(changes)
        const end = segments[gone]?.baseOffset ?? rules.logEndOffset
        assert.ok(gone === 0 || end <= changes.highWatermark)
      },
    ),
  )
})

test("a compacted topic loses nothing to time and size", () => {
  assert.equal(count({ retentionMs: 0, retentionBytes: 0, deleteByPolicy: false }), 0)
})
