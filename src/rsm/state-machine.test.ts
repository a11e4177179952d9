import assert from "node:assert/strict"
import { test } from "node:test"
import { type ReplicatedLog, StateMachine } from "./state-machine.js"

class MemoryLog implements ReplicatedLog<string> {
  records: string[] = []
  isLeader = true
  append(records: readonly string[]) {
    if (!this.isLeader) return undefined
    const baseOffset = this.records.length
    this.records.push(...records)
    return { baseOffset, nextOffset: this.records.length, epoch: 1 }
  }
}

function machine() {
  const log = new MemoryLog()
  const committed: string[] = []
  const state = new StateMachine<string, string>(log, {
    initial: "",
    replay: (image, records) => image + records.join(""),
    onCommitted: (image) => committed.push(image),
    pendingMax: 3,
  })
  return { log, state, committed }
}

test("a decision sees what earlier ones appended, readers only what is committed", async () => {
  const { state } = machine()
  const first = state.submit(() => ({ records: ["a"], response: 1 }), 0)
  const second = state.submit((image) => ({ records: [image], response: 2 }), 0)
  assert.equal(state.head, "aa")
  assert.equal(state.committed, "")
  state.committedTo(1)
  assert.equal(await first, 1)
  assert.equal(state.committed, "a")
  state.committedTo(2)
  assert.equal(await second, 2)
})

test("a response without records waits for the records it may rest on", async () => {
  const { state } = machine()
  const order: string[] = []
  const write = state.submit(() => ({ records: ["a"], response: "write" }), 0).then((done) => order.push(String(done)))
  const look = state.submit((image) => ({ records: [], response: image }), 0).then((done) => order.push(String(done)))
  await Promise.resolve()
  assert.deepEqual(order, [])
  state.committedTo(1)
  await Promise.all([write, look])
  assert.deepEqual(order, ["write", "a"])
})

test("losing leadership refuses what is pending and forgets what it would have changed", async () => {
  const { state, log } = machine()
  const pending = state.submit(() => ({ records: ["a"], response: 1 }), 0)
  state.lostLeadership(0)
  assert.equal(await pending, "lost-leadership")
  assert.equal(state.head, "")
  log.isLeader = false
  assert.equal(await state.submit(() => ({ records: ["b"], response: 1 }), 0), "not-leader")
  assert.equal(state.head, "")
})

test("more pending decisions than the bound are refused", async () => {
  const { state } = machine()
  for (let i = 0; i < 3; i++) void state.submit(() => ({ records: ["x"], response: i }), 0)
  assert.equal(await state.submit(() => ({ records: ["x"], response: 9 }), 0), "too-many-pending")
})

test("replaying the log gives the image that the decisions made", () => {
  const { state, log } = machine()
  void state.submit(() => ({ records: ["a", "b"], response: 0 }), 0)
  void state.submit((image) => ({ records: [image.toUpperCase()], response: 0 }), 0)
  const { state: other } = machine()
  for (const [offset, record] of log.records.entries()) other.replicated([record], offset, offset + 1, 1)
  other.committedTo(log.records.length)
  assert.equal(other.committed, state.head)
})

test("what another leader appended is committed like one's own, and a new leader decides on it at once", async () => {
  const { state, log, committed } = machine()
  log.records.push("a", "b")
  state.replicated(["a"], 0, 1, 1)
  state.replicated(["b"], 1, 2, 1)
  state.committedTo(1)
  assert.deepEqual(committed, ["a"])
  const answer = state.submit((image) => ({ records: [image], response: image }), 0)
  assert.equal(state.head, "abab")
  state.committedTo(3)
  assert.equal(await answer, "ab")
  assert.deepEqual(committed, ["a", "abab"])
})

test("a former leader tells nobody of success, and its records may be committed all the same", async () => {
  const { state, committed } = machine()
  const answer = state.submit(() => ({ records: ["a"], response: 1 }), 0)
  state.resigned()
  assert.equal(await answer, "lost-leadership")
  assert.equal(state.head, "a")
  state.committedTo(1)
  assert.deepEqual(committed, ["a"])
})

test("a log that loses its end takes the head back to what is left", async () => {
  const { state, log } = machine()
  const kept = state.submit(() => ({ records: ["a"], response: 1 }), 0)
  const lost = state.submit(() => ({ records: ["b", "c"], response: 2 }), 0)
  log.records.length = 1
  state.truncatedTo(1)
  assert.equal(await lost, "lost-leadership")
  assert.equal(state.head, "a")
  state.committedTo(1)
  assert.equal(await kept, 1)
  state.replicated(["x"], 1, 2, 2)
  assert.equal(state.head, "ax")
})
