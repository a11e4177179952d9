import assert from "node:assert/strict"
import { test } from "node:test"
import { changesOf, parseResource } from "./settings.js"

test("a resource is a kind and a name; of brokers, none means all", () => {
  assert.deepEqual(parseResource("topic/a.b-c"), { type: "topic", name: "a.b-c" })
  assert.deepEqual(parseResource("broker/12"), { type: "broker", name: "12" })
  assert.deepEqual(parseResource("broker"), { type: "broker", name: "" })
  assert.deepEqual(parseResource("client/x"), { type: "client-metrics", name: "x" })
  for (const text of ["orders", "topic", "topic/", "broker/one", ""])
    assert.throws(() => parseResource(text), /topic\/<name>|broker\/1/, text)
})

test("settings are set with their units, and unset by name", () => {
  assert.deepEqual(changesOf([["retention.ms", "1s"]], ["segment.bytes"]), [
    { name: "retention.ms", value: "1000" },
    { name: "segment.bytes", operation: "delete" },
  ])
})
