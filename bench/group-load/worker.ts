/**
 * One process of load on groups.
 *
 * Owns nothing that outlives it: takes a task as JSON, prints events as lines of JSON. What goes wrong ends it.
 */
import { commits, store } from "./commits.js"
import { keepAlive } from "./heartbeats.js"
import { settle } from "./settle.js"
import type { GroupEvent, GroupTask } from "./tasks.js"

const tell = (event: GroupEvent): void => {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

const task = JSON.parse(process.argv[2]!) as GroupTask
switch (task.task) {
  case "heartbeats":
    await keepAlive(task, tell)
    break
  case "settle":
    await settle(task, tell)
    break
  case "commits":
    await commits(task, tell)
    break
  case "store":
    await store(task)
    break
}
process.exit(0)
