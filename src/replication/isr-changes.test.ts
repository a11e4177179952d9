import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { inReplicationWorld, type ReplicationTest } from "./testing/replication-test.js"

const isrOf = (t: ReplicationTest) => [...t.controller.partition("t").isr].sort()

test("a replica that falls behind leaves the in-sync set, and joins again when it has caught up", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic()
      await t.produceAll(2)
      // Idle for longer than the lag time: nobody is behind.
      await t.pass(5000)
      assert.deepEqual(isrOf(t), [0, 1, 2])
      t.cut(0, 2)
      const sent = t.produce("x", { timeoutMs: 20_000 })
      await t.pass(1500)
      assert.deepEqual(isrOf(t), [0, 1, 2])
      assert.equal((await sent).errorCode, Errors.NONE)
      assert.deepEqual(isrOf(t), [0, 1])
      t.heal()
      await t.converged("t", 0, 60_000)
      assert.deepEqual(isrOf(t), [0, 1, 2])
    },
    { cluster: { lagTimeMaxMs: 2000 } },
  )
})

test("a proposal is made again until the controller decides, and stands until the metadata comes", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(2)
    t.crash(2)
    t.controller.isReachable = false
    await t.start(2)
    await t.pass(500)
    assert.deepEqual(isrOf(t), [0, 1])
    // Proposed and not refused: it counts for the high watermark, as it may be in sync by now.
    assert.deepEqual(t.replica(0).leadership!.proposedIsr, [0, 1, 2])
    t.controller.refuseNext.push(Errors.UNKNOWN_SERVER_ERROR, Errors.INELIGIBLE_REPLICA)
    t.controller.isReachable = true
    await t.converged()
    assert.deepEqual(isrOf(t), [0, 1, 2])
  })
})

// KIP-841, KIP-903.
test("a broker that is fenced, shuts down or was restarted since does not join", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(2)
    t.controller.setShuttingDown(2)
    t.controller.leaveIsr("t", 0, 2)
    await t.pass(1000)
    await t.produceAll(1, "w")
    assert.deepEqual(isrOf(t), [0, 1])
    const { leadership } = t.replica(0)
    assert.equal(t.controller.asked, 0)
    assert.equal(leadership!.proposedIsr, undefined)
    await t.restart(2)
    await t.converged()
    assert.deepEqual(isrOf(t), [0, 1, 2])
  })
})

// KIP-392.
