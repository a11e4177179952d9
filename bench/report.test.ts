import assert from "node:assert/strict"
import { test } from "node:test"
import { readResults, resultsText, Samples, verdicts } from "./report.js"
import { type Figure, figures, selectRows } from "./rows.js"

const run = {
  date: "2026-01-02",
  machine: "2 cores",
  generator: "none",
  generatorSettings: "none",
  peer: "none",
  skipped: new Map([["consume-cold", "needs root"]]),
}

test("a row holds medians, and the figure of the run before", () => {
  const first = new Samples()
  for (const ms of [300, 100, 200]) first.add("start/time", "ottla", ms)
  const second = new Samples()
  second.add("start/time", "ottla", 150)
  second.add("start/time", "kafka", 1500)
  const before = first.results({}, "2026-01-01")
  assert.deepEqual(before["start/time"], { date: "2026-01-01", runs: 3, ottla: 200 })
  assert.deepEqual(second.results(before, "2026-01-02")["start/time"], {
    date: "2026-01-02",
    runs: 1,
    ottla: 150,
    kafka: 1500,
    previous: 200,
  })
})

test("what was out of the ordinary is said beside the figures of that run, until they are measured again", () => {
  const text = (results: ReturnType<Samples["results"]>) => resultsText(results, run)
  const samples = new Samples()
  samples.add("start/time", "ottla", 150)
  const noted = samples.results({}, "2026-01-01", "the machine was shared")
  assert.match(text(noted), /- the machine was shared/)
  assert.deepEqual(readResults(text(noted)), noted)
  assert.doesNotMatch(text(samples.results(noted, "2026-01-02")), /machine was shared/)
})

test("a row that was not run keeps what it had", () => {
  const samples = new Samples()
  samples.add("start/time", "ottla", 150)
  const before = { "latency/p99": { date: "2026-01-01", runs: 5, ottla: 1.5, previous: 2 } }
  assert.deepEqual(samples.results(before, "2026-01-02")["latency/p99"], before["latency/p99"])
})

test("the written report is read back by the next run", () => {
  const samples = new Samples()
  samples.addLoad("produce-1k", "ottla", 900_000, 1.2, 1e9)
  samples.addLoad("produce-1k", "kafka", 550_000, 1.6, 1e9)
  const results = samples.results({}, "2026-01-02")
  const text = resultsText(results, run)
  assert.deepEqual(readResults(text), results)
  assert.match(text, /consume-cold: needs root/)
  assert.deepEqual(readResults("# nothing yet\n"), {})
})

test("a target is met, missed, or unknown where its other side was not measured", () => {
  const more: Figure = { id: "x", work: "", unit: "records/s", better: "more", ratio: 1.5, ofLimit: 0.8 }
  assert.deepEqual(
    verdicts(more, { date: "", runs: 1, ottla: 150, kafka: 100, limit: 200 }).map(({ met }) => met),
    [true, false],
  )
  const less: Figure = { id: "y", work: "", unit: "ms", better: "less", ratio: 0.5, absolute: 2 }
  assert.deepEqual(
    verdicts(less, { date: "", runs: 1, ottla: 1.9 }).map(({ met }) => met),
    [undefined, true],
  )
})

test("every figure has an id of its own, and a name selects its row or its group", () => {
  assert.equal(new Set(figures.map(({ id }) => id)).size, figures.length)
  assert.deepEqual([...selectRows(["latency"]).rows], ["latency"])
  assert.ok(selectRows(["stream"]).rows.has("consume-cold"))
  assert.deepEqual(selectRows(["speed"]).unknown, ["speed"])
})

test("a row that is held against a limit brings the limits along", () => {
  assert.ok(selectRows(["produce-1k"]).rows.has("limits"))
  assert.ok(!selectRows(["start"]).rows.has("limits"))
})
