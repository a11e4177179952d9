import assert from "node:assert/strict"
import { test } from "node:test"
import { UsageError } from "./errors.js"
import {
  parseDuration,
  parsePartitions,
  parseRate,
  parseSetting,
  parseSize,
  parseTime,
  settingValue,
  wholeNumber,
} from "./units.js"

const refused = (parse: (text: string) => unknown, ...texts: string[]) => {
  for (const text of texts)
    assert.throws(
      () => parse(text),
      (error: Error) => error instanceof UsageError && error.message.includes(text),
      text,
    )
}

test("a size has a unit of a thousand or of 1024, or none", () => {
  assert.deepEqual(
    ["100", "64KiB", "2GiB", "10MB", "1.5k", "3 b"].map(parseSize),
    [100, 65_536, 2_147_483_648, 10_000_000, 1536, 3],
  )
  refused(parseSize, "many", "10 parsecs", "-1KiB", "")
})

test("a duration has units, of which several may follow each other", () => {
  assert.deepEqual(
    ["500ms", "10s", "5m", "1h30m", "7d", "0.5s"].map(parseDuration),
    [500, 10_000, 300_000, 5_400_000, 604_800_000, 500],
  )
  refused(parseDuration, "10", "ten seconds", "5m and more", "")
})

test("a rate is per second unless it says per minute", () => {
  assert.deepEqual(["100", "100/s", "5k/s", "1.5m/s", "120/m"].map(parseRate), [100, 100, 5000, 1_500_000, 2])
  refused(parseRate, "0", "fast", "5/h")
})

test("a time is a date, milliseconds, or how long ago", () => {
  const nowMs = Date.UTC(2026, 0, 31, 12)
  assert.equal(parseTime("2026-01-31T10:00:00Z", nowMs), Date.UTC(2026, 0, 31, 10))
  assert.equal(parseTime("1767225600000", nowMs), 1_767_225_600_000)
  assert.equal(parseTime("2h", nowMs), nowMs - 7_200_000)
  assert.equal(parseTime("-2h", nowMs), nowMs - 7_200_000)
  refused((text) => parseTime(text, nowMs), "yesterday", "12", "2026-13-01")
})

test("a setting is parted at its first sign, and its value may have a unit where it is a size or a duration", () => {
  assert.deepEqual(parseSetting("a.b=c=d"), ["a.b", "c=d"])
  refused(parseSetting, "nothing", "=value")
  assert.equal(settingValue("retention.ms", "7d"), "604800000")
  assert.equal(settingValue("segment.bytes", "64MiB"), "67108864")
  assert.equal(settingValue("retention.ms", "-1"), "-1")
  assert.equal(settingValue("cleanup.policy", "10m"), "10m")
})

test("partitions are numbers and ranges, each once", () => {
  assert.deepEqual(["0", "0,3", "2-4,3", "7-7"].map(parsePartitions), [[0], [0, 3], [2, 3, 4], [7]])
  refused(parsePartitions, "all", "4-2", "1,,2", "-1")
})

test("a number out of bounds is told with the bounds", () => {
  assert.equal(wholeNumber("--count", 1, 5)("5"), 5)
  assert.throws(() => wholeNumber("--count", 1, 5)("6"), /--count 6: give a whole number from 1 to 5/)
  refused(wholeNumber("--count", 1, 5), "0", "1.5", "one")
})
