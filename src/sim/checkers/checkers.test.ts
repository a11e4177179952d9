/** Hand-made histories: each checker must call the bad ones bad and the good ones good. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Checker, Observation } from "../history.js"
import { History, ViolationError } from "../history.js"
import { AcknowledgedReadBack } from "./acknowledged-read-back.js"
import { type BatchFact, FilesRecoverToPrefix } from "./files-recover-to-prefix.js"
import { NothingRefusedAppears } from "./nothing-refused-appears.js"
import { OffsetsNeverGoBack } from "./offsets-never-go-back.js"

const partition = "t-0"
const sent = (value: string, producer = "p"): Observation => ({ kind: "sent", producer, partition, value })
const acknowledged = (value: string, offset: number): Observation => ({
  kind: "acknowledged",
  partition,
  value,
  offset,
})
const refused = (value: string): Observation => ({ kind: "refused", partition, value })
const unknown = (value: string): Observation => ({ kind: "unknown", partition, value })
const read = (value: string, offset: number, reader = "r"): Observation => ({
  kind: "read",
  reader,
  partition,
  offset,
  value,
})
const drained = (from: number, to: number, reader = "r"): Observation => ({
  kind: "drained",
  reader,
  partition,
  from,
  to,
})
const deletable = (below: number): Observation => ({ kind: "deletable", partition, below })
const deleted = (below: number): Observation => ({ kind: "deleted", partition, below })
const lossAllowed = (from: number): Observation => ({ kind: "loss allowed", partition, from })
const crashed: Observation = { kind: "crashed", partition }
const offsets = (logStartOffset: number, highWatermark: number, logEndOffset: number, observer = "o"): Observation => ({
  kind: "offsets",
  observer,
  partition,
  logStartOffset,
  highWatermark,
  logEndOffset,
})

type Maker = (report: (what: string) => void) => Checker
const readBack: Maker = (report) => new AcknowledgedReadBack(report)
const readBackPlain: Maker = (report) => new AcknowledgedReadBack(report, false)
const nothingRefused: Maker = (report) => new NothingRefusedAppears(report)
const neverBack: Maker = (report) => new OffsetsNeverGoBack(report)

/** Name, checker, observations, and what the complaint says; no complaint where it is undefined. */
const histories: readonly [name: string, maker: Maker, observations: Observation[], complaint: RegExp | undefined][] = [
  ["all is read", readBack, [sent("a"), acknowledged("a", 0), read("a", 0), drained(0, 1)], undefined],
  [
    "a record in the middle is lost",
    readBack,
    [sent("a"), sent("b"), acknowledged("a", 0), acknowledged("b", 1), read("b", 1), drained(0, 2)],
    /lost a.*nothing there/,
  ],
  ["the end is lost", readBack, [sent("a"), acknowledged("a", 0), drained(0, 0)], /lost a.*ends at 0/],
  ["the start is lost", readBack, [sent("a"), acknowledged("a", 0), drained(1, 1)], /lost a.*starts at 1/],
  ["retention took the start", readBack, [sent("a"), acknowledged("a", 0), deletable(1), drained(1, 1)], undefined],
  [
    "the policy allows the loss",
    readBack,
    [sent("a"), sent("b"), acknowledged("a", 0), lossAllowed(0), acknowledged("b", 0), read("b", 0), drained(0, 1)],
    undefined,
  ],
  [
    "an offset changes its value between reads",
    readBack,
    [sent("a"), sent("b"), read("a", 0, "x"), read("b", 0, "y")],
    /holds b and a/,
  ],
  [
    "two records are promised one offset",
    readBack,
    [sent("a"), sent("b"), acknowledged("a", 0), acknowledged("b", 0)],
    /holds b and a/,
  ],
  [
    "a record is there twice",
    readBack,
    [sent("a"), acknowledged("a", 0), read("a", 0), read("a", 1)],
    /at offsets 0 and 1/,
  ],
  [
    "a retry is there twice",
    readBack,
    [sent("a"), unknown("a"), sent("a"), acknowledged("a", 1), read("a", 0)],
    /at offsets 1 and 0/,
  ],
  [
    "a retry without idempotence is there twice",
    readBackPlain,
    [sent("a"), unknown("a"), sent("a"), acknowledged("a", 1), read("a", 0)],
    undefined,
  ],
  ["a reader goes back", readBack, [sent("a"), sent("b"), read("b", 1), read("a", 0)], /read offset 0 after 1/],
  [
    "two readers at their own pace",
    readBack,
    [sent("a"), sent("b"), read("a", 0, "x"), read("b", 1, "x"), read("a", 0, "y")],
    undefined,
  ],
  [
    "records of one producer are out of order",
    readBack,
    [sent("a"), sent("b"), read("b", 0), read("a", 1), drained(0, 2)],
    /a of p comes after b/,
  ],
  [
    "records of two producers are in any order",
    readBack,
    [sent("a", "p"), sent("b", "q"), read("b", 0), read("a", 1), drained(0, 2)],
    undefined,
  ],
  ["an unknown record appears", readBack, [sent("a"), unknown("a"), read("a", 0), drained(0, 1)], undefined],
  ["an unknown record does not appear", readBack, [sent("a"), unknown("a"), drained(0, 0)], undefined],
  ["a refused record appears", nothingRefused, [sent("a"), refused("a"), read("a", 0)], /had been refused/],
  ["a seen record is refused", nothingRefused, [sent("a"), read("a", 0), refused("a")], /refused after/],
  [
    "a refused record is acknowledged",
    nothingRefused,
    [sent("a"), refused("a"), acknowledged("a", 0)],
    /had been refused/,
  ],
  ["a record from nowhere", nothingRefused, [read("z", 0)], /never sent/],
  ["refused and gone", nothingRefused, [sent("a"), sent("b"), refused("a"), read("b", 0)], undefined],
  ["unknown may appear", nothingRefused, [sent("a"), unknown("a"), read("a", 0)], undefined],
  ["offsets grow", neverBack, [offsets(0, 1, 2), offsets(1, 2, 2), offsets(1, 2, 5)], undefined],
  ["the high watermark falls", neverBack, [offsets(0, 5, 5), offsets(0, 4, 5)], /highWatermark go from 5 to 4/],
  ["the log start falls", neverBack, [offsets(3, 5, 5), offsets(2, 5, 5)], /logStartOffset/],
  ["the log end falls without a crash", neverBack, [offsets(0, 3, 5), offsets(0, 3, 4)], /logEndOffset/],
  ["the log end falls in a crash", neverBack, [offsets(0, 3, 5), crashed, offsets(0, 3, 4)], undefined],
  ["a crash takes the high watermark", neverBack, [offsets(0, 3, 5), crashed, offsets(0, 2, 4)], /highWatermark/],
  ["a crash that may lose takes it", neverBack, [offsets(0, 3, 5), lossAllowed(2), offsets(0, 2, 4)], undefined],
  [
    "a crash that may lose takes more",
    neverBack,
    [offsets(0, 3, 5), lossAllowed(2), offsets(0, 1, 4)],
    /highWatermark/,
  ],
  ["the log start falls in a crash", neverBack, [offsets(3, 5, 5), crashed, offsets(2, 5, 5)], undefined],
  [
    "a crash brings back what was deleted",
    neverBack,
    [offsets(2, 5, 5), deleted(3), crashed, offsets(2, 5, 5)],
    /logStartOffset/,
  ],
  ["the high watermark is beyond the end", neverBack, [offsets(0, 3, 2)], /out of order/],
  ["the start is beyond the high watermark", neverBack, [offsets(4, 3, 5)], /out of order/],
  ["two observers see different moments", neverBack, [offsets(0, 5, 5, "x"), offsets(0, 4, 5, "y")], undefined],
]

for (const [name, maker, observations, complaint] of histories) {
  test(`${complaint === undefined ? "good" : "bad"} history: ${name}`, () => {
    const history = new History([maker])
    for (const observation of observations) history.observe(observation)
    if (complaint === undefined) {
      assert.deepEqual(history.violations, [])
      history.verify()
    } else {
      assert.match(history.violations.join("\n"), complaint)
      assert.throws(() => history.verify(), ViolationError)
    }
  })
}

const batch = (baseOffset: number, nextOffset: number, hash = baseOffset): BatchFact => ({
  baseOffset,
  nextOffset,
  hash,
})

const recoveries: readonly [
  name: string,
  story: (checker: FilesRecoverToPrefix) => void,
  complaint: RegExp | undefined,
][] = [
  ["everything is there", (c) => c.recovered("l", 0, 5, [batch(0, 2), batch(2, 5)]), undefined],
  ["the unflushed tail is gone", (c) => c.recovered("l", 0, 2, [batch(0, 2)]), undefined],
  ["a flushed batch is gone", (c) => c.recovered("l", 0, 0, []), /ends at 0, but was flushed to 2/],
  ["a hole", (c) => c.recovered("l", 0, 5, [batch(2, 5)]), /gap/],
  ["other bytes", (c) => c.recovered("l", 0, 2, [batch(0, 2, 99)]), /another batch/],
  [
    "a batch nobody appended",
    (c) => c.recovered("l", 0, 7, [batch(0, 2), batch(2, 5), batch(5, 7)]),
    /nobody appended/,
  ],
  ["the end is not where the batches end", (c) => c.recovered("l", 0, 5, [batch(0, 2)]), /batches end at 2/],
  ["the start is gone", (c) => c.recovered("l", 2, 5, [batch(2, 5)]), /starts at 2, may at 0/],
  [
    "retention took the start",
    (c) => {
      c.deletable("l", 2)
      c.recovered("l", 2, 5, [batch(2, 5)])
    },
    undefined,
  ],
  [
    "the log starts inside a batch",
    (c) => {
      c.deletable("l", 1)
      c.recovered("l", 1, 5, [batch(0, 2), batch(2, 5)])
    },
    undefined,
  ],
  [
    "what was truncated is back",
    (c) => {
      c.truncated("l", 2)
      c.recovered("l", 0, 5, [batch(0, 2), batch(2, 5)])
    },
    /nobody appended/,
  ],
  [
    "what a recovery found is gone at the next",
    (c) => {
      c.recovered("l", 0, 5, [batch(0, 2), batch(2, 5)])
      c.recovered("l", 0, 2, [batch(0, 2)])
    },
    /flushed to 5/,
  ],
]

for (const [name, story, complaint] of recoveries) {
  test(`${complaint === undefined ? "good" : "bad"} recovery: ${name}`, () => {
    const found: string[] = []
    const checker = new FilesRecoverToPrefix((what) => found.push(what))
    checker.appended("l", batch(0, 2))
    checker.appended("l", batch(2, 5))
    checker.flushed("l", 2)
    story(checker)
    if (complaint === undefined) assert.deepEqual(found, [])
    else assert.match(found.join("\n"), complaint)
  })
}
