import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { exposition, Samples, seriesMax } from "./exposition.js"
import { Latency } from "./latency.js"
import { metrics } from "./metrics.js"

test("samples are told by metric, with help, kind and labels that cannot break the text", () => {
  const samples = new Samples({ node: 1 })
  samples.add("ottla_requests_total", 2, { api: "Produce" })
  samples.add("ottla_connections", 1)
  samples.add("ottla_requests_total", 3, { api: 'a"b\\c\nd' })
  assert.equal(
    exposition(samples.finish()),
    `# HELP ottla_requests_total Requests of Kafka's protocol that were answered.
# TYPE ottla_requests_total counter
ottla_requests_total{node="1",api="Produce"} 2
ottla_requests_total{node="1",api="a\\"b\\\\c\\nd"} 3
# HELP ottla_connections Open connections of Kafka's protocol.
# TYPE ottla_connections gauge
ottla_connections{node="1"} 1
`,
  )
})

test("a histogram's buckets are cumulative, in seconds, and end with all", () => {
  const latency = new Latency()
  for (const ms of [0.1, 0.25, 0.3, 20_000]) latency.record(ms)
  const samples = new Samples()
  samples.add("ottla_sync_duration_seconds", latency.counts(), { directory: "d" })
  const text = exposition(samples.finish())
  assert.match(text, /_bucket\{directory="d",le="0.00025"\} 2\n/)
  assert.match(text, /_bucket\{directory="d",le="0.0005"\} 3\n/)
  assert.match(text, /_bucket\{directory="d",le="10"\} 3\n/)
  assert.match(text, /_bucket\{directory="d",le="\+Inf"\} 4\n/)
  assert.match(text, /_sum\{directory="d"\} 20\.00065\n/)
  assert.match(text, /_count\{directory="d"\} 4\n/)
})

test("a metric has only so many series, and says how many were left out", () => {
  const samples = new Samples()
  for (let topic = 0; topic < seriesMax + 5; topic++)
    samples.add("ottla_topic_bytes_in_total", 1, { topic: `t${topic}` })
  const text = exposition(samples.finish())
  assert.equal(text.match(/^ottla_topic_bytes_in_total\{/gm)!.length, seriesMax)
  assert.match(text, /ottla_series_dropped\{metric="ottla_topic_bytes_in_total"\} 5/)
})

test("the dashboard shows metrics that there are, and every metric is on it", () => {
  const text = readFileSync("dashboards/ottla.json", "utf8")
  const expressions: string[] = []
  JSON.parse(text, (name, value: unknown) => {
    if (name === "expr") expressions.push(String(value))
    return value
  })
  const shown = new Set(
    expressions
      .flatMap((each) => each.match(/ottla_[a-z_]+/g) ?? [])
      .map((name) => name.replace(/_(bucket|sum|count)$/, "")),
  )
  assert.deepEqual([...shown].sort(), Object.keys(metrics).sort())
})
