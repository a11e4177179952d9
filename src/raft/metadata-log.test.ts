import assert from "node:assert/strict"
import { test } from "node:test"
import { inQuorumWorld } from "./testing/quorum-world.js"

test("three nodes elect a leader, and what it appends is committed everywhere", async () => {
  await inQuorumWorld({ voters: 3, observers: 1 }, async (quorum) => {
    await quorum.start()
    await quorum.elected(2000)
    for (let round = 0; round < 10; round++) await quorum.replicate(1000)
    for (const { committedValues } of quorum.nodes) assert.equal(committedValues.length, 10)
    assert.equal(quorum.invariants.elections.elections, 1)
  })
})
