import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { gunzipSync } from "node:zlib"
import { SeededRandom } from "../random.js"
import { repository } from "../work.js"
import { anomalies, plant } from "./anomalies.js"
import { judge } from "./judge.js"
import { Recorder, type RecordedEvent } from "./recorder.js"

/** What real clients of a real cluster did and saw while a leader was killed: `cluster-kill-loop --rounds 1 --faults leader --partitions 1 --seed 5 --evidence DIR --evidence-above-ms 1`. */
function recorded(): Recorder {
  const recorder = new Recorder()
  const file = join(repository, "compat/cluster/testdata/one-kill.jsonl.gz")
  for (const line of gunzipSync(readFileSync(file)).toString().trim().split("\n"))
    recorder.events.push(JSON.parse(line) as RecordedEvent)
  return recorder
}

const topic = "kills-1"
const seeds = Array.from({ length: 100 }, (_, index) => index + 1)

test("a cluster that lost its leader, and nothing else, is found without fault", () => {
  assert.deepEqual(judge(recorded(), topic, 1), [])
})

test("what is acknowledged without saying where is looked for by what it is", () => {
  const history = recorded()
  const acked = history.events.findIndex(({ event }) => event.kind === "acked")
  const { event } = history.events[acked]!
  history.events[acked] = { ...history.events[acked]!, event: { ...event, offset: -1001 } as typeof event }
  assert.deepEqual(judge(history, topic, 1), [])
})

/** What the judge has to say of each, at least. */
const verdicts: Readonly<Record<string, RegExp>> = {
  lost: /what is committed is kept/,
  "lost somewhere": /acknowledged, though not where/,
  duplicated: /one offset for a value/,
  reordered: /sends stay in order|one value at an offset/,
  diverged: /one value at an offset/,
  stale: /readers go forward/,
  "gone back": /watermarks never go back/,
  phantom: /which nobody sent/,
  damaged: /which nobody sent/,
  foretold: /nothing comes from nowhere/,
  "two leaders": /one leader in an epoch/,
}

test("every anomaly has its verdict", () => {
  assert.deepEqual(Object.keys(verdicts).sort(), [...anomalies].sort())
})

for (const [anomaly, verdict] of Object.entries(verdicts)) {
  test(`what is ${anomaly} is seen, wherever it is planted`, () => {
    const history = recorded()
    for (const seed of seeds) {
      const planted = plant(anomaly, history, new SeededRandom(seed))
      assert.ok(planted !== undefined, `seed ${seed}: no place for it`)
      const found = judge(planted, topic, 1)
      assert.ok(
        found.some((text) => verdict.test(text)),
        `seed ${seed}: ${found.join("; ") || "nothing was found"}`,
      )
    }
  })
}
