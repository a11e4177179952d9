import assert from "node:assert/strict"
import { test } from "node:test"
import { parseOptions, UsageError } from "./options.js"

test("names and options may be mixed, and an option wins over the environment", () => {
  const options = parseOptions(["latency", "--runs", "7", "start", "--peer", "none"], { OTTLA_KAFKA: "/kafka" })
  assert.deepEqual(options.names, ["latency", "start"])
  assert.equal(options.runs, 7)
  assert.equal(options.peer, "none")
})

test("a median needs five runs unless it has to be quick", () => {
  assert.equal(parseOptions([], {}).runs, 5)
  assert.ok(parseOptions(["--quick"], {}).runs < 5)
  assert.equal(parseOptions(["--quick", "--runs", "9"], {}).runs, 9)
})

test("what is not understood is refused", () => {
  for (const args of [["--fast"], ["--runs"], ["--runs", "0"], ["--runs", "many"]]) {
    assert.throws(() => parseOptions(args, {}), UsageError, args.join(" "))
  }
})
