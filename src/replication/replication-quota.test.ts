import assert from "node:assert/strict"
import { test } from "node:test"
import { inReplicationWorld } from "./testing/replication-test.js"
import { ByteBudget, ReplicationQuota } from "./replication-quota.js"

test("a budget is spent at its rate, and what is over is taken off what comes", () => {
  let nowMs = 0
  const budget = new ByteBudget(
    () => nowMs,
    () => 1000,
  )
  assert.equal(budget.isSpent, false)
  budget.spend(2500)
  assert.equal(budget.isSpent, true)
  nowMs = 1400
  assert.equal(budget.isSpent, true)
  nowMs = 1600
  assert.equal(budget.isSpent, false)
  nowMs = 100_000
  budget.spend(1000)
  assert.equal(budget.isSpent, true)
})

test("a throttle holds for the replicas that its setting names", () => {
  const settings = new Map([
    ["all", "*"],
    ["some", "0:7,3:1"],
    ["none", ""],
  ])
  const quota = new ReplicationQuota(
    7,
    () => 0,
    () => 1,
    (topic) => settings.get(topic)!,
  )
  for (const topic of settings.keys()) quota.refresh(topic)
  assert.deepEqual(
    [quota.holdsFor("all", 5), quota.holdsFor("some", 0), quota.holdsFor("some", 3), quota.holdsFor("none", 0)],
    [true, true, false, false],
  )
})

// KIP-73, Q1-Q3 of reliability.md.
for (const side of ["leader", "follower"] as const) {
  test(`a follower that catches up is held to the rate of the ${side}, and those in sync are not`, async () => {
    await inReplicationWorld(
      async (t) => {
        await t.createTopic("t", { configs: { [`${side}.replication.throttled.replicas`]: "*" } })
        t.crash(2)
        const value = "x".repeat(900)
        for (let number = 0; number < 20; number++) await t.produce(value)
        const startMs = t.world.nowMs
        await t.start(2)
        await t.pass(1000)
        assert.ok(t.log(2).logEndOffset < 14, `${t.log(2).logEndOffset} records in a second`)
        const sentMs = t.world.nowMs
        for (let number = 0; number < 5; number++) assert.equal((await t.produce(value)).errorCode, 0)
        assert.ok(t.world.nowMs - sentMs < 100)
        await t.converged("t", 0, 60_000)
        assert.ok(t.world.nowMs - startMs > 3000)
      },
      { throttledRate: 5000, cluster: { fetchMaxBytes: 2000, responseMaxBytes: 2000 } },
    )
  })
}
