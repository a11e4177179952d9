import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { test } from "node:test"
import { nodeClock } from "./clock.js"
import { createLogger } from "./logger.js"
import { nodeRandom } from "./random.js"
import { NodeTimers } from "./timers.js"

test("one message is one line, whatever is in it", () => {
  const lines: string[] = []
  const log = createLogger({ write: (line) => lines.push(line), wallMs: () => 0 })
  log.log("info", "client says\r\n2026 ERROR fake \u001b[31mred\u2028", {
    name: 'a "b"\n',
    count: 3,
    missing: undefined,
  })
  log.log("debug", "not shown")
  assert.deepEqual(lines, [
    '1970-01-01T00:00:00.000Z INFO  client says\\r\\n2026 ERROR fake \\u001b[31mred\\u2028 name="a \\"b\\"\\n" count=3\n',
  ])
})

test("JSON lines parse, and fields cannot take the place of time, level and message", () => {
  const lines: string[] = []
  const log = createLogger({ write: (line) => lines.push(line), wallMs: () => 0, json: true, level: "debug" })
  log.log("debug", "x", { level: "error", big: 5n, error: new Error("why") })
  const parsed = JSON.parse(lines[0]!) as Record<string, string>
  assert.equal(parsed.level, "debug")
  assert.equal(parsed["field.level"], "error")
  assert.equal(parsed.big, "5")
  assert.match(parsed.error!, /why/)
})

test("a field that holds itself does not break logging", () => {
  const lines: string[] = []
  const loop: Record<string, unknown> = {}
  loop.self = loop
  createLogger({ write: (line) => lines.push(line) }).log("warn", "x", { loop })
  createLogger({ write: (line) => lines.push(line), json: true }).log("warn", "x", { loop })
  assert.equal(lines.length, 2)
})

test("soon runs in order after the current turn, and what one throws does not stop the others", () => {
  const script = `
    import { NodeTimers } from ${JSON.stringify(new URL("./timers.js", import.meta.url).href)}
    const timers = new NodeTimers()
    process.once("uncaughtException", (error) => console.log(error.message))
    timers.soon(() => {
      console.log("first")
      timers.soon(() => console.log("asked for meanwhile"))
      throw new Error("thrown")
    })
    timers.soon(() => console.log("second"))
    console.log("now")`
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
  assert.deepEqual(stdout.trim().split("\n"), ["now", "first", "thrown", "second", "asked for meanwhile"])
})

test("a timer fires no earlier than asked for, and not at all when cancelled", async () => {
  const timers = new NodeTimers()
  const started = nodeClock.monotonicMs()
  let cancelled = false
  // Our timers let the process end.
  const alive = setInterval(() => {}, 1000)
  timers.after(5, () => (cancelled = true)).cancel()
  await new Promise<void>((resolve) => timers.after(10, resolve))
  clearInterval(alive)
  assert.ok(nodeClock.monotonicMs() - started >= 9)
  assert.equal(cancelled, false)
})

test("uuids are Kafka's text form and do not begin with a dash", () => {
  for (let i = 0; i < 1000; i++) assert.match(nodeRandom.uuid(), /^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
})
