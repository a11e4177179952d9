import assert from "node:assert/strict"
import { test } from "node:test"
import { judgePosition, truncationOffset } from "./log-view.js"
import { MemoryLog } from "./testing/memory-log.js"

const valid = { kind: "valid" }
const diverging = (epoch: number, endOffset: number) => ({ kind: "diverging", epoch, endOffset })

test("a position continues the leader's log if its last epoch reaches that far there", () => {
  const log = MemoryLog.of(1, 1, 3, 3, 5)
  assert.deepEqual(judgePosition(log, 0, 0), valid)
  assert.deepEqual(judgePosition(log, 1, 1), valid)
  assert.deepEqual(judgePosition(log, 2, 1), valid)
  assert.deepEqual(judgePosition(log, 4, 3), valid)
  assert.deepEqual(judgePosition(log, 5, 5), valid)
  assert.deepEqual(judgePosition(log, 3, 1), diverging(1, 2))
  assert.deepEqual(judgePosition(log, 4, 2), diverging(1, 2))
  assert.deepEqual(judgePosition(log, 3, 4), diverging(3, 4))
  assert.deepEqual(judgePosition(log, 9, 5), diverging(5, 5))
})

test("what is only in a snapshot is read from there, and so is everything by a new replica", () => {
  const log = MemoryLog.of(3, 3, 5)
  log.logStartOffset = 100
  log.startSnapshot = { endOffset: 100, epoch: 2 }
  log.latestSnapshot = { endOffset: 102, epoch: 3 }
  const snapshot = { kind: "snapshot", id: log.latestSnapshot }
  assert.deepEqual(judgePosition(log, 0, 0), snapshot)
  assert.deepEqual(judgePosition(log, 99, 2), snapshot)
  assert.deepEqual(judgePosition(log, 100, 2), valid, "just what the older snapshot leaves")
  assert.deepEqual(judgePosition(log, 100, 1), snapshot, "the same place, with another history")
  assert.deepEqual(judgePosition(log, 101, 1), snapshot)
  assert.deepEqual(judgePosition(log, 102, 3), valid)
  assert.deepEqual(judgePosition(log, 101, 2), diverging(2, 100))
})

test("a start of the log whose snapshot is gone is not the start of a history", () => {
  const log = MemoryLog.of(3, 3)
  log.logStartOffset = 100
  log.latestSnapshot = { endOffset: 102, epoch: 3 }
  assert.deepEqual(judgePosition(log, 50, 1), { kind: "snapshot", id: log.latestSnapshot })
})

test("a follower cuts what is known to be wrong, and no more", () => {
  const log = MemoryLog.of(1, 1, 1, 4, 4)
  assert.equal(truncationOffset(log, { epoch: 4, endOffset: 4 }), 4)
  assert.equal(truncationOffset(log, { epoch: 1, endOffset: 2 }), 2)
  assert.equal(truncationOffset(log, { epoch: 1, endOffset: 9 }), 3)
  assert.equal(truncationOffset(log, { epoch: 3, endOffset: 9 }), 3, "an epoch it does not have")
})

// KIP-279: whatever two logs hold, asking and cutting ends with one being a prefix of the other, and nothing that both have is cut.
test("asking and cutting makes every log a prefix of the leader's", () => {
  const logs = (length: number): number[][] =>
    length === 0
      ? [[]]
      : logs(length - 1).flatMap((log) => [
          log,
          ...[1, 2, 3, 4].filter((epoch) => epoch >= (log.at(-1) ?? 1)).map((epoch) => [...log, epoch]),
        ])
  const all = [...new Map(logs(4).map((log) => [log.join(), log])).values()]
  for (const ofLeader of all) {
    for (const ofFollower of all) {
      const leader = MemoryLog.of(...ofLeader, 5)
      const follower = MemoryLog.of(...ofFollower)
      let shared = 0
      while (shared < ofFollower.length && ofLeader[shared] === ofFollower[shared]) shared++
      // Raft's log matching: what differs at an offset differs in its epoch, so equal epochs after a difference cannot be.
      if (ofFollower.slice(shared).some((epoch) => ofLeader.slice(shared).includes(epoch))) continue
      for (let round = 0; ; round++) {
        assert.ok(round < 10, "it ends")
        const judgement = judgePosition(leader, follower.logEndOffset, follower.lastEpoch)
        if (judgement.kind !== "diverging") break
        const cut = truncationOffset(follower, judgement)
        assert.ok(cut < follower.logEndOffset && cut >= shared, `${ofFollower} against ${ofLeader} is cut to ${cut}`)
        follower.truncateTo(cut)
      }
      assert.equal(follower.logEndOffset, shared)
    }
  }
})
