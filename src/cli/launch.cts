#!/usr/bin/env node
/**
 * The first file that Node runs of the command.
 *
 * Owns the size of the thread pool in which all calls to the disk are made, and how the runtime collects garbage; nothing else. The former must be said before the pool is first used,
 * and reading an ES module uses it: that is why this is the one CommonJS file.
 */
const threadsPerBroker = 4
/** Of a broker alone: as many syncs as go on at once, and as many calls that need not wait for them. */
const threadsMin = 8
const threadsMax = 128

function brokersOnThisMachine(): number {
  const at = process.argv.indexOf("--brokers")
  const count = at < 0 ? "1" : process.argv[at + 1]
  return count === "auto" ? (require("node:os") as typeof import("node:os")).availableParallelism() : Number(count) || 1
}

process.env.UV_THREADPOOL_SIZE ??= String(
  Math.min(threadsMax, Math.max(threadsMin, threadsPerBroker * brokersOnThisMachine())),
)
// An idle node would have its whole heap collected again and again, each time for a little less memory: with ten thousand partitions that costs more than everything else it does. So
// the runtime never begins to. It no longer hears `--no-memory-reducer` here.
const v8 = require("node:v8") as typeof import("node:v8")
v8.setFlagsFromString(`--gc-memory-reducer-start-delay-ms=${2 ** 31 - 1}`)
// Beside it in dist.
const command = "./main.mjs"
void import(command)
