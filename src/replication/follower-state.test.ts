import assert from "node:assert/strict"
import { test } from "node:test"
import { LeaderEpochCache } from "../storage/leader-epoch-cache.js"
import { truncationOffset } from "./follower-state.js"

/** The epochs of a log as `epoch@start`, and its end. */
function log(epochs: string, logEndOffset: number) {
  const cache = new LeaderEpochCache(
    epochs.split(" ").flatMap((each) => {
      const [epoch, startOffset] = each.split("@").map(Number)
      return each === "" ? [] : [{ epoch: epoch!, startOffset: startOffset! }]
    }),
  )
  return { logEndOffset, endOffsetForEpoch: (epoch: number) => cache.endOffsetFor(epoch, logEndOffset) }
}

// KIP-101, KIP-279.
for (const [what, own, end, leaders, expected] of [
  ["the leader's end of the same epoch, where that is lower", "0@0 1@10", 30, [1, 20], 20],
  ["our end of that epoch, where ours is lower", "0@0 1@10 3@15", 30, [1, 20], 15],
  ["our end of the largest epoch below one we do not know", "0@0 1@10 3@15", 30, [2, 25], 15],
  ["that end also where the leader's lies below it: then we ask again", "0@0 3@15", 30, [2, 5], 15],
  ["the leader's end, where we know no epoch as old", "4@10", 30, [2, 5], 5],
  ["never beyond our end", "1@0", 10, [1, 20], 10],
  ["nothing left where the leader has nothing", "1@0", 10, [0, 0], 0],
] as const) {
  test(`a log is cut to ${what}`, () => {
    const [leaderEpoch, endOffset] = leaders
    assert.equal(truncationOffset(log(own, end), { leaderEpoch, endOffset }), expected)
  })
}
