import assert from "node:assert/strict"
import { test } from "node:test"
import { define } from "./config-entry.js"
import { type ConfigScope, configEntry } from "./config-tables.js"
import { parseConfig } from "./parse.js"

const cases: [scope: ConfigScope, name: string, given: string | null, expected: string | null | RegExp][] = [
  ["topic", "retention.ms", "1000", "1000"],
  ["topic", "retention.ms", " 0010 ", "10"],
  ["topic", "retention.ms", "-1", "-1"],
  ["topic", "retention.ms", "-2", /Invalid value -2 for configuration retention.ms: Value must be at least -1/],
  ["topic", "retention.ms", "9223372036854775807", "9223372036854775807"],
  ["topic", "retention.ms", "9223372036854775808", /Not a number of type LONG/],
  ["topic", "retention.ms", "1e3", /Not a number of type LONG/],
  ["topic", "retention.ms", "", /Not a number of type LONG/],
  ["topic", "segment.bytes", "1048575", /at least 1048576/],
  ["topic", "segment.bytes", "2147483648", /Not a number of type INT/],
  ["topic", "preallocate", "TRUE", "true"],
  ["topic", "preallocate", "yes", /either true or false/],
  ["topic", "cleanup.policy", "compact, delete", "compact,delete"],
  ["topic", "cleanup.policy", "compact,compact", "compact"],
  ["topic", "cleanup.policy", "", ""],
  ["topic", "cleanup.policy", "shrink", /shrink is not one of: compact, delete/],
  ["topic", "cleanup.policy", "compact,,delete", /empty element/],
  ["topic", "compression.gzip.level", "-1", "-1"],
  ["topic", "compression.gzip.level", "0", /at least 1 \(valid: \[1,...,9\] or -1\)/],
  ["topic", "compression.gzip.level", "10", /no more than 9/],
  ["topic", "compression.zstd.level", "-131072", "-131072"],
  ["topic", "compression.type", "brotli", /String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer/],
  ["topic", "compression.type", "ZSTD", /must be one of/],
  ["topic", "min.cleanable.dirty.ratio", "0.25", "0.25"],
  ["topic", "min.cleanable.dirty.ratio", "1.5", /no more than 1/],
  ["topic", "min.cleanable.dirty.ratio", "half", /Not a number of type DOUBLE/],
  ["topic", "leader.replication.throttled.replicas", "*", "*"],
  ["topic", "leader.replication.throttled.replicas", "0:1,1:2", "0:1,1:2"],
  ["topic", "leader.replication.throttled.replicas", "0-1", /of the form/],
  ["topic", "ottla.flush.policy", "memory", "memory"],
  ["topic", "ottla.flush.policy", "never", /one of: flush, replicated, memory/],
  ["group", "share.auto.offset.reset", "by_duration:PT1H", "by_duration:PT1H"],
  ["group", "share.auto.offset.reset", "by_duration:P", /must be one of/],
  ["broker", "group.consumer.migration.policy", "Bidirectional", "Bidirectional"],
  ["broker", "log.retention.ms", null, null],
  ["broker", "num.partitions", null, /a value is needed \(valid: \[1,...\]\)/],
  ["broker", "listeners", "", /must not be empty/],
]

for (const [scope, name, given, expected] of cases) {
  test(`${name} = ${given} ${expected instanceof RegExp ? "is refused" : `is ${expected}`}`, () => {
    const parsed = parseConfig(configEntry(scope, name)!, given)
    if (expected instanceof RegExp) {
      assert.ok(!parsed.ok, JSON.stringify(parsed))
      assert.match(parsed.message, expected)
      assert.match(parsed.message, new RegExp(name))
    } else {
      assert.ok(parsed.ok, JSON.stringify(parsed))
      assert.equal(parsed.text, expected)
    }
  })
}

test("values come in the type of their setting; a password is taken as it is", () => {
  const value = (type: Parameters<typeof define>[1], text: string) => parseConfig(define("x", type, null), text)
  assert.deepEqual(value("long", "5"), { ok: true, value: 5, text: "5" })
  assert.deepEqual(value("boolean", "true"), { ok: true, value: true, text: "true" })
  assert.deepEqual(value("list", "a, b"), { ok: true, value: ["a", "b"], text: "a,b" })
  assert.deepEqual(value("password", " s "), { ok: true, value: " s ", text: " s " })
  assert.deepEqual(value("short", "40000").ok, false)
})
