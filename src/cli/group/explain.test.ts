import assert from "node:assert/strict"
import { test } from "node:test"
import { explainGroup, notAwaited } from "../../protocol/messages/explain-group.js"
import { textOf } from "./explain.js"
import { durationText, table } from "../text.js"

test("a duration is told in two units at most", () => {
  assert.deepEqual([80, 2500, 250_000, 3_600_000, 97_200_000].map(durationText), [
    "80ms",
    "2.5s",
    "4m 10s",
    "1h",
    "1d 3h",
  ])
})

test("a table is as wide as its cells, without blanks at the ends of lines", () => {
  assert.deepEqual(table(["A", "B"], [["long", "x"]]), ["A     B", "long  x"])
})

test("an explanation says who is late, how far behind the group is, and what happened", () => {
  const nowMs = Date.UTC(2026, 0, 1)
  const member = { clientId: "c", clientHost: "/127.0.0.1", state: "stable", epoch: 3, sinceLastHeartbeatMs: 1500 }
  const text = textOf(
    "g",
    explainGroup.response.create({
      errorCode: 0,
      groupType: "classic",
      groupState: "Stable",
      protocol: "range",
      generation: 3,
      members: [
        { ...member, memberId: "late", lateByMs: 2000, topics: [{ name: "t", partitions: [0, 1, 2, 5] }] },
        { ...member, memberId: "well", lateByMs: notAwaited, topics: [] },
      ],
      events: [
        {
          timestampMs: nowMs - 3000,
          type: "member-missed-deadline",
          memberId: "gone",
          deadline: "session",
          lateByMs: 40,
        },
      ],
      topics: [
        {
          name: "t",
          partitions: [
            { partitionIndex: 0, committedOffset: 2, commitTimestampMs: 0, endOffset: 5, lag: 3, lagMs: 11_000 },
            { partitionIndex: 1, committedOffset: 2, commitTimestampMs: 0, endOffset: -1, lag: -1, lagMs: -1 },
          ],
        },
      ],
    }) as Parameters<typeof textOf>[1],
    nowMs,
  )
  assert.match(text, /^Group g: Stable, classic protocol \(range\), generation 3, 2 members\n/)
  assert.match(text, /late +c +\/127\.0\.0\.1 +stable +1\.5s ago +2\.0s late +t 0-2,5\n/)
  assert.match(text, /well .* 1\.5s ago +- +none\n/)
  assert.match(text, /t +0 +2 +5 +3 +11\.0s\n/)
  assert.match(text, /t +1 +2 +\? +\? +\?\n/)
  assert.match(text, /3\.0s ago +gone was removed: it missed its session deadline by 40ms\n/)
})
