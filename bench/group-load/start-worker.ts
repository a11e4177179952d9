/**
 * Starts a process of group load and hands on what it tells.
 *
 * Owns its output and its end. Events come one by one; after the last of them the worker must end without an error.
 */
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { ProcessError, type Processes, stop } from "../processes.js"
import type { GroupEvent, GroupTask } from "./tasks.js"

const workerPath = fileURLToPath(new URL("./worker.js", import.meta.url))
const errorCharactersMax = 10_000

/** Resolves when the worker has ended. Errors: ProcessError with what it printed. */
export async function runGroupLoad(
  processes: Processes,
  task: GroupTask,
  onEvent: (event: GroupEvent) => void = () => {},
): Promise<void> {
  const child = processes.start(process.execPath, ["--enable-source-maps", workerPath, JSON.stringify(task)])
  let errors = ""
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    if (errors.length < errorCharactersMax) errors += text
  })
  const ended = once(child, "close") as Promise<[number | null, string | null]>
  try {
    for await (const line of createInterface({ input: child.stdout! })) onEvent(JSON.parse(line) as GroupEvent)
    const [code, signal] = await ended
    if (code !== 0) throw new ProcessError(`the load ${task.task} ended with ${signal ?? code}: ${errors.trim()}`)
  } finally {
    await stop(child, "SIGKILL")
  }
}
