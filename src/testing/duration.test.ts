import assert from "node:assert/strict"
import { test } from "node:test"
import { durationMs } from "./duration.js"

test("a duration is milliseconds, or numbers with units", () => {
  const cases: readonly [number | string, number][] = [
    [0, 0],
    [1.5, 1.5],
    ["250 ms", 250],
    ["250ms", 250],
    ["1.5 s", 1500],
    ["2 minutes", 120_000],
    ["1h 30m", 5_400_000],
    ["1 hour, 1 second", 3_601_000],
    ["8 days", 691_200_000],
    ["2 Weeks", 1_209_600_000],
  ]
  for (const [duration, ms] of cases) assert.equal(durationMs(duration), ms, String(duration))
})

test("anything else is refused with what was written", () => {
  for (const wrong of [
    "",
    " ",
    "5",
    "5 parsecs",
    "days",
    "-1 s",
    "1 s !",
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e15,
  ])
    assert.throws(() => durationMs(wrong), { code: "INVALID_CONFIG" }, String(wrong))
})
