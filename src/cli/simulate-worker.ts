/**
 * A process of `npm run simulate` that runs one seed after another for the process that started it.
 *
 * Owns nothing. Ends with the process that started it.
 */
import { prepareCompression } from "../protocol/compression/compression.js"
import type { JobAnswer } from "./simulate-jobs.js"
import { runTask, type SeedTask } from "./simulate-seeds.js"

/** Simulated networks refuse thousands of times: a whole stack for each costs more than the rest. */
const batchStackFrames = 3

function answer(said: JobAnswer, then: () => void = () => {}): void {
  process.send!(said, undefined, undefined, then)
}

Error.stackTraceLimit = batchStackFrames
const ready = prepareCompression()
process.on("message", (task: SeedTask) => {
  void ready.then(() => runTask(task)).then((report) => answer({ report }))
})
process.on("uncaughtException", (error) => {
  answer({ uncaught: error instanceof Error ? (error.stack ?? error.message) : String(error) }, () => process.exit(1))
})
process.on("disconnect", () => process.exit())
