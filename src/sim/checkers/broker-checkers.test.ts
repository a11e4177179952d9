/** Hand-made histories for the checkers of what clients of a broker see. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { type Checker, History, type Observation } from "../history.js"
import { BytesNeverChange } from "./bytes-never-change.js"
import { MetadataSurvives } from "./metadata-survives.js"
import { ProducerIdsNeverRepeat } from "./producer-ids-never-repeat.js"
import { ReadsBelowHighWatermark } from "./reads-below-high-watermark.js"
import { type RetentionFacts, RetentionKeepsEnough } from "./retention-keeps-enough.js"
import { offsetForTime, offsetOfMaxTimestamp, TimestampsAreExact } from "./timestamps-are-exact.js"

const partition = "t-0"
const batch = (baseOffset: number, hash: number, nextOffset = baseOffset + 2, highWatermark = 100): Observation => ({
  kind: "batch",
  partition,
  baseOffset,
  nextOffset,
  hash,
  highWatermark,
})
const written = (value: string): Observation => ({ kind: "fact written", fact: "f", value })
const acknowledged = (value: string): Observation => ({ kind: "fact acknowledged", fact: "f", value })
const read = (value: string): Observation => ({ kind: "fact read", fact: "f", value })
const given = (producerId: number): Observation => ({ kind: "producer id", producerId })
const restarted: Observation = { kind: "restarted" }

type Maker = (report: (what: string) => void) => Checker
const bytes: Maker = (report) => new BytesNeverChange(report)
const below: Maker = (report) => new ReadsBelowHighWatermark(report)
const metadata: Maker = (report) => new MetadataSurvives(report)
const producerIds: Maker = (report) => new ProducerIdsNeverRepeat(report)

/** Name, checker, observations, and what the complaint says; no complaint where it is undefined. */
const histories: readonly [name: string, maker: Maker, observations: Observation[], complaint: RegExp | undefined][] = [
  ["the same bytes again", bytes, [batch(0, 1), batch(2, 2), batch(0, 1)], undefined],
  ["other bytes", bytes, [batch(0, 1), batch(0, 2)], /batch at 0 was fetched with other bytes/],
  ["another length", bytes, [batch(0, 1), batch(0, 1, 3)], /batch at 0/],
  [
    "other bytes after a loss that is allowed",
    bytes,
    [batch(0, 1), batch(2, 2), { kind: "loss allowed", partition, from: 3 }, batch(2, 3)],
    undefined,
  ],
  [
    "other bytes below a loss that is allowed",
    bytes,
    [batch(0, 1), { kind: "loss allowed", partition, from: 2 }, batch(0, 3)],
    /batch at 0/,
  ],
  ["a batch that ends at the high watermark", below, [batch(0, 1, 5, 5)], undefined],
  ["a batch beyond the high watermark", below, [batch(0, 1, 6, 5)], /the high watermark is 5/],
  ["ids of their own", producerIds, [given(1), given(2)], undefined],
  ["an id given twice", producerIds, [given(1), given(2), given(1)], /1 was given twice/],
  ["what was acknowledged is told", metadata, [acknowledged("a"), read("a")], undefined],
  ["something else is told", metadata, [acknowledged("a"), read("b")], /f is b, it was said to be a/],
  ["nothing is known before the first acknowledgement", metadata, [read("x"), written("a"), read("x")], undefined],
  ["a write without an answer may have happened", metadata, [acknowledged("a"), written("b"), read("b")], undefined],
  ["or not", metadata, [acknowledged("a"), written("b"), read("a")], undefined],
  [
    "it may still happen after a later one was acknowledged",
    metadata,
    [acknowledged("a"), written("b"), acknowledged("c"), read("b")],
    undefined,
  ],
  [
    "but not in another process",
    metadata,
    [acknowledged("a"), written("b"), restarted, acknowledged("c"), read("b")],
    /f is b/,
  ],
  ["what was replaced is gone", metadata, [acknowledged("a"), written("b"), acknowledged("b"), read("a")], /f is a/],
]

for (const [name, maker, observations, complaint] of histories) {
  test(`${complaint === undefined ? "good" : "bad"}: ${name}`, () => {
    const history = new History([maker])
    for (const observation of observations) history.observe(observation)
    if (complaint === undefined) assert.deepEqual(history.violations, [])
    else assert.match(history.violations.join("\n"), complaint)
  })
}

test("the offset for a time is that of the first record at or after it, the largest time that of the first that has it", () => {
  const records = [5, 9, 7, 9].map((timestamp, offset) => ({ offset, timestamp }))
  assert.equal(offsetForTime(records, 6).offset, 1)
  assert.equal(offsetForTime(records, 9).offset, 1)
  assert.equal(offsetForTime(records, 10).offset, -1)
  assert.equal(offsetOfMaxTimestamp(records).offset, 1)
  assert.equal(offsetOfMaxTimestamp([]).offset, -1)
  const reports: string[] = []
  const checker = new TimestampsAreExact((what) => reports.push(what))
  checker.answered(partition, "time 6", offsetForTime(records, 6), { offset: 1, timestamp: 9 })
  assert.deepEqual(reports, [])
  checker.answered(partition, "time 6", offsetForTime(records, 6), { offset: 2, timestamp: 7 })
  assert.match(reports.join(), /time 6 is at 2/)
})

test("retention may remove what expired, what is beyond the size, and what was deleted", () => {
  const facts: RetentionFacts = {
    partition,
    logStartOffset: 2,
    deletedBelow: 0,
    retentionMs: 100,
    retentionBytes: -1,
    wallMsMax: 1000,
    remainingBytes: 50,
  }
  const times = new Map([
    [0, 800],
    [1, 950],
    [2, 990],
  ])
  const complaints = (change: Partial<RetentionFacts>) => {
    const reports: string[] = []
    new RetentionKeepsEnough((what) => reports.push(what)).judge({ ...facts, ...change }, times)
    return reports.length
  }
  assert.equal(complaints({}), 1)
  assert.equal(complaints({ logStartOffset: 1 }), 0)
  assert.equal(complaints({ deletedBelow: 2 }), 0)
  assert.equal(complaints({ wallMsMax: 1051 }), 0)
  assert.equal(complaints({ retentionMs: -1 }), 1)
  assert.equal(complaints({ retentionMs: -1, retentionBytes: 50 }), 0)
  assert.equal(complaints({ retentionMs: -1, retentionBytes: 51 }), 1)
})
