import assert from "node:assert/strict"
import { test } from "node:test"
import { eventsPerGroupMax, removedGroupsMax, Timelines } from "./timelines.js"

const at = (wallMs: number) => ({ wallMs, monotonicMs: wallMs })

test("of a busy group the last events are kept, oldest first", () => {
  const timelines = new Timelines()
  for (let i = 1; i <= 5 * eventsPerGroupMax; i++) timelines.note("g", { type: "member-joined", generation: i }, at(i))
  const events = timelines.of("g")
  assert.equal(events.length, eventsPerGroupMax)
  assert.equal(events[0]!.generation, 4 * eventsPerGroupMax + 1)
  assert.equal(events.at(-1)!.timestampMs, 5 * eventsPerGroupMax)
})

test("a group that goes and comes keeps its events", () => {
  const timelines = new Timelines()
  timelines.note("g", { type: "group-created" }, at(1))
  timelines.removed("g")
  timelines.added("g")
  for (let i = 0; i < 2 * removedGroupsMax; i++) {
    timelines.note(`other${i}`, { type: "group-created" }, at(2))
    timelines.removed(`other${i}`)
  }
  assert.equal(timelines.of("g").length, 1)
})

test("of groups that are gone only the last are remembered", () => {
  const timelines = new Timelines()
  for (let i = 0; i <= removedGroupsMax; i++) {
    timelines.note(`g${i}`, { type: "group-created" }, at(1))
    timelines.removed(`g${i}`)
  }
  assert.equal(timelines.of("g0").length, 0)
  assert.equal(timelines.of("g1").length, 1)
})
