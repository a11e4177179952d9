import assert from "node:assert/strict"
import { test } from "node:test"
import { records } from "../storage/testing/log-world.js"
import { checkFetchedRecords } from "./fetched-records.js"

const rules = { fetchOffset: 10, lastEpoch: 2, currentLeaderEpoch: 4 }
const batch = (baseOffset: number, leaderEpoch = 3, count = 2) => records(count, { baseOffset, leaderEpoch })
const problemOf = (bytes: Buffer, with_ = rules): string => {
  const checked = checkFetchedRecords(bytes, with_)
  return checked.ok ? "none" : checked.problem
}

test("whole batches that continue the log are taken, and a cut one at the end is left", () => {
  const whole = Buffer.concat([batch(10), batch(12), batch(20, 4)])
  const checked = checkFetchedRecords(Buffer.concat([whole, batch(22).subarray(0, 70)]), rules)
  assert.ok(checked.ok)
  assert.equal(checked.baseOffset, 10)
  assert.deepEqual(checked.bytes, whole)
  for (const cut of [0, 20, 61, 100]) {
    const nothing = checkFetchedRecords(batch(10).subarray(0, cut), rules)
    assert.deepEqual(nothing.ok && nothing.bytes.length, 0)
  }
})

test("a batch that holds the position may begin before it", () => {
  const checked = checkFetchedRecords(batch(8, 3, 5), rules)
  assert.deepEqual(checked.ok && checked.baseOffset, 8)
})

test("every damaged byte is found", () => {
  const good = batch(10)
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good)
    bad[at]! ^= 0x40
    const checked = checkFetchedRecords(bad, rules)
    // Base offset, length and epoch are outside the checksum: what is left is another place, more than there is, or an epoch that cannot be.
    const harmless = checked.ok && (checked.bytes.length === 0 || at < 8)
    assert.ok(!checked.ok || harmless, `byte ${at}`)
  }
})

test("what cannot follow in a log is refused", () => {
  assert.match(problemOf(Buffer.concat([batch(10), batch(11)])), /base offset 11 after 12/)
  assert.match(problemOf(batch(5)), /ends before 10/)
  assert.match(problemOf(batch(10, 1)), /leader epoch 1 after 2/)
  assert.match(problemOf(batch(10, 5)), /leader epoch 5 after 2, in epoch 4/)
  assert.match(problemOf(Buffer.concat([batch(10, 4), batch(12, 3)])), /leader epoch 3 after 4/)
  const short = batch(10)
  short.writeInt32BE(10, 8)
  assert.match(problemOf(short), /too small/)
  const oldMagic = batch(10)
  oldMagic[16] = 1
  assert.match(problemOf(oldMagic), /magic 1/)
})
