import assert from "node:assert/strict"
import { test } from "node:test"
import { offsetOf, parsePlace } from "./place.js"

const bounds = { start: 10n, end: 100n }

test("a place is an end, an offset, or so many records from an end, and never outside of the partition", () => {
  const offset = (text: string) => offsetOf(parsePlace(text, 0), bounds)
  assert.deepEqual(["earliest", "start", "latest", "end"].map(offset), [10n, 10n, 100n, 100n])
  assert.deepEqual(["47", "5", "500"].map(offset), [47n, 10n, 100n])
  assert.deepEqual(["-5", "-500", "+5", "+500", "-0"].map(offset), [95n, 10n, 15n, 100n, 100n])
})

test("a time is for the cluster to find", () => {
  assert.deepEqual(parsePlace("@10m", 1_000_000), { kind: "time", timestamp: 400_000 })
  assert.equal(offsetOf(parsePlace("@10m", 1_000_000), bounds), undefined)
})

test("what is no place is told with all there are", () => {
  for (const text of ["", "middle", "4.5", "@noon", "--5"])
    assert.throws(() => parsePlace(text, 0), /write .*earliest|write it as/)
})
