import assert from "node:assert/strict"
import { test } from "node:test"
import { noElection, RaftCore } from "./core.js"

test("a vote is persisted before the leader change is appended, in an epoch never used before", () => {
  assert.deepEqual(new RaftCore(1, [1], noElection, 0).start(), {
    persist: { leaderId: 1, leaderEpoch: 1, votedId: 1 },
    appendLeaderChange: { epoch: 1, voters: [1] },
  })
  // The log is ahead of a quorum-state file that was lost.
  assert.equal(new RaftCore(1, [1], { leaderId: 1, leaderEpoch: 3, votedId: 1 }, 7).start().persist!.leaderEpoch, 8)
  assert.equal(new RaftCore(1, [1], { leaderId: 1, leaderEpoch: 9, votedId: 1 }, 7).start().persist!.leaderEpoch, 10)
})

// Raft §5.4.2: a leader commits only entries of its own epoch, and older ones with them.
test("nothing is committed before a record of the leader's own epoch is on the medium", () => {
  const core = new RaftCore(1, [1], noElection, 0)
  core.start()
  assert.deepEqual(core.onFlushed(40), {})
  core.onLeaderChangeAppended(40)
  assert.deepEqual(core.onFlushed(40), {})
  assert.deepEqual(core.onFlushed(41), { highWatermark: 41 })
})

test("the high watermark never goes back, and stands still without leadership", () => {
  const core = new RaftCore(1, [1], noElection, 0)
  core.start()
  core.onLeaderChangeAppended(0)
  core.onFlushed(5)
  assert.deepEqual(core.onFlushed(4), {})
  core.resign()
  assert.deepEqual(core.onFlushed(9), {})
  assert.equal(core.highWatermark, 5)
})
