import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { batchOf, produceRequest } from "../broker/testing/broker-world.js"
import { Errors } from "../protocol/errors.js"
import { deleteRecords } from "../protocol/messages/delete-records.js"
import { listOffsets } from "../protocol/messages/list-offsets.js"
import { produce } from "../protocol/messages/produce.js"
import { catchUpPace, readAheadBytesMin } from "./replica-fetcher.js"
import { inReplicationWorld, type ReplicationTest } from "./testing/replication-test.js"

const epochOf = (t: ReplicationTest) => t.controller.partition("t").leaderEpoch
const isrOf = (t: ReplicationTest) => [...t.controller.partition("t").isr].sort()

test("what is acknowledged by all is on every replica, and every replica knows that it is committed", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(10)
    for (const id of [1, 2]) assert.ok(t.log(id).flushedOffset >= 9)
    await t.converged()
    assert.equal(await t.truth.acknowledgedIsThere(), 10)
    assert.equal((await t.produce("x", { acks: 1 })).errorCode, Errors.NONE)
  })
})

test("under flush nothing is acknowledged before every in-sync replica has it on its medium", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(1)
    t.nodes[2]!.disk.options.syncLatencyNs = { least: 200e6, spread: 0 }
    const startMs = t.world.nowMs
    assert.equal((await t.produce("slow")).errorCode, Errors.NONE)
    assert.ok(t.world.nowMs - startMs >= 200)
    assert.ok(t.log(2).flushedOffset >= 2)
    // One that only asks the leader does not wait for it.
    const againMs = t.world.nowMs
    assert.equal((await t.produce("quick", { acks: 1 })).errorCode, Errors.NONE)
    assert.ok(t.world.nowMs - againMs < 50)
  })
})

test("what a follower has read ahead of its disk is not acknowledged by it", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic()
      await t.produceAll(1)
      for (const id of [1, 2]) t.nodes[id]!.disk.options.syncLatencyNs = { least: 300e6, spread: 0 }
      const startMs = t.world.nowMs
      const sent = t.produce("x".repeat(readAheadBytesMin)).then(() => t.world.nowMs)
      await t.pass(30)
      const behind = t.produce("y".repeat(readAheadBytesMin))
      await t.pass(100)
      // The second came while the first was on its way to the medium.
      for (const id of [1, 2]) assert.deepEqual([t.log(id).logEndOffset, t.log(id).flushedOffset], [3, 1])
      assert.equal(t.replica(0).highWatermark, 1)
      assert.ok((await sent) - startMs >= 300)
      assert.equal((await behind).errorCode, Errors.NONE)
    },
    { config: { segmentBytes: 10 << 20 } },
  )
})

test("a follower keeps records in memory only where somebody reads them", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    t.replica(2).addAdvanceListener({ advanced() {}, noted() {} }, "consumer")
    await t.produceAll(3)
    const isInMemory = async (id: number) => {
      const read = await t.log(id).read(0, { maxBytes: 1000 })
      assert.ok(read.ok && read.bytes > 0)
      read.release()
      return read.fromMemory
    }
    assert.deepEqual([await isInMemory(0), await isInMemory(1), await isInMemory(2)], [true, false, true])
  })
})

test("under replicated and memory a follower's file, or its memory, is enough", async () => {
  for (const policy of ["replicated", "memory"]) {
    await inReplicationWorld(async (t) => {
      await t.createTopic("t", { configs: { "ottla.flush.policy": policy } })
      for (const node of t.nodes) node.disk.options.syncLatencyNs = { least: 500e6, spread: 0 }
      const startMs = t.world.nowMs
      for (let number = 0; number < 5; number++) assert.equal((await t.produce(`v${number}`)).errorCode, Errors.NONE)
      assert.ok(t.world.nowMs - startMs < 100, policy)
    })
  }
})

test("a follower that keeps up asks once for each sync, and an idle one twice a second", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { partitions: 20 })
    await t.produceAll(3)
    await t.pass(1000)
    const before = t.world.eventCount
    await t.pass(10_000)
    // Requests, their answers and timers of 12 leader-follower pairs at 2 per second, whatever number of partitions there is.
    const perSecond = (t.world.eventCount - before) / 10
    assert.ok(perSecond < 1000, `${perSecond} events in a second without anything to do`)
  })
})

// Reliability rule 3.
test("the high watermark waits for followers to acknowledge this leader and this epoch", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
    await t.produceAll(3)
    await t.converged()
    t.cut(1, 2)
    t.controller.elect("t", 0, 1)
    await t.pass(10)
    const sent = t.produce("new", { timeoutMs: 2000 })
    await t.pass(500)
    // Broker 2 is in sync and told the leader before that it has 3 records; that was another leader.
    assert.equal(t.replica(1).leadership!.follower(2)!.safeOffset, -1)
    assert.equal(t.replica(1).highWatermark, 3)
    t.heal()
    assert.equal((await sent).errorCode, Errors.NONE)
  })
})

// Reliability rule 4, KIP-966: Kafka's rule without the second half let a follower in that lacks committed records.
test("a follower joins when it has reached the start of the leader's epoch, not merely the high watermark", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
    await t.produceAll(2)
    await t.converged()
    t.crash(2)
    await t.produceAll(3, "w")
    await t.until("0 and 1 agree", () => t.replica(1).highWatermark === 5)
    // The new leader has everything but, after its restart, knows of a lower high watermark only.
    t.crash(0)
    await t.restart(1)
    const leader = t.replica(1)
    assert.ok(leader.isLeader)
    const { leadership } = leader
    const follower = { replicaId: 2, brokerEpoch: -1, logStartOffset: 0, directoryId: zeroUuid }
    leadership!.onFetch(leadership!.follower(2)!, { ...follower, safeOffset: 4 }, 5, t.world.nowMs)
    await t.start(2)
    await t.converged()
    assert.deepEqual(isrOf(t), [1, 2])
    assert.equal(await t.truth.acknowledgedIsThere(), 5)
  })
})

// KIP-101; reliability H01.
test("H01: a follower that restarts is not cut to its high watermark, so leading at once it loses nothing", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { replicas: [0, 1] })
    await t.produceAll(5)
    // The last record is on both, but the follower does not know yet that it is committed.
    assert.equal(t.log(1).logEndOffset, 5)
    assert.ok(t.replica(1).highWatermark < 5)
    t.crash(1)
    await t.start(1)
    await t.until("it is followed again", () => t.lives[1]!.replicas.partition("t", 0) !== undefined)
    t.crash(0)
    t.controller.elect("t", 0, 1)
    await t.pass(50)
    assert.deepEqual(await t.values(1), ["v0", "v1", "v2", "v3", "v4"])
    await t.start(0)
    await t.converged()
    assert.equal(await t.truth.acknowledgedIsThere(), 5)
  })
})

// KAFKA-6361, KIP-279; reliability H02.
test("H02: two fast fail-overs with unreplicated tails on both sides leave one log", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
      await t.produceAll(2)
      await t.converged()
      t.cut(0, 1)
      t.cut(0, 2)
      for (let number = 0; number < 3; number++) await t.produce(`lost0-${number}`, { acks: 1, to: 0 })
      // 1 leads and takes records that nobody else gets, then 2 does, then 0 again, that knows nothing of both epochs.
      t.cut(1, 2)
      t.controller.electUncleanly("t", 0, 1)
      await t.pass(20)
      for (let number = 0; number < 2; number++) await t.produce(`lost1-${number}`, { acks: 1, to: 1 })
      t.controller.electUncleanly("t", 0, 2)
      await t.pass(20)
      await t.produce("kept", { acks: 1, to: 2 })
      t.heal()
      await t.converged()
      assert.deepEqual(await t.values(0), ["v0", "v1", "kept"])
      t.controller.elect("t", 0, 0)
      await t.pass(100)
      await t.produceAll(1, "after")
      await t.converged()
    },
    { isUnclean: true },
  )
})

// KIP-320, reliability rule 2; H03.
test("H03: what a former leader says is not heard, and a log is not cut on its word", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(3)
    await t.converged()
    const replica = t.replica(1)
    const oldEpoch = epochOf(t)
    t.controller.elect("t", 0, 2)
    await t.pass(100)
    assert.equal(await replica.truncate(oldEpoch, (log) => log.truncateTo(0)), false)
    assert.equal(replica.log.logEndOffset, 3)
    const stale = replica.appendAsFollower(Buffer.alloc(100), { currentLeaderEpoch: oldEpoch, nowMs: 0 })
    assert.equal(stale.ok, false)
    assert.equal((await t.produce("x", { to: 0 })).errorCode, Errors.NOT_LEADER_OR_FOLLOWER)
    await t.converged()
  })
})

// KIP-966; reliability rule 5, H04.
test("H04: below min ISR nothing is committed, so the last replica standing may be lost without loss of what was acknowledged", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(5)
    await t.converged()
    t.crash(1)
    t.crash(2)
    await t.pass(20)
    const { highWatermark } = t.replica(0)
    assert.equal((await t.produce("refused")).errorCode, Errors.NOT_ENOUGH_REPLICAS)
    assert.equal((await t.produce("only here", { acks: 1 })).errorCode, Errors.NONE)
    await t.pass(100)
    assert.equal(t.replica(0).highWatermark, highWatermark)
    assert.equal(t.controller.partition("t").elr.length > 0, true)
    // The last one burns down. Who was removed last leads, with everything that was ever acknowledged.
    t.crash(0, "power")
    await t.start(2)
    await t.start(1)
    await t.pass(50)
    assert.ok(t.controller.partition("t").leader >= 1)
    await t.produceAll(2, "w")
    await t.start(0)
    await t.converged()
    assert.equal(await t.truth.acknowledgedIsThere(), 7)
    assert.ok(!(await t.values(0)).includes("only here"))
  })
})

test("records that wait when the in-sync set becomes too small are refused after all", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(1)
    t.cut(0, 1)
    t.cut(0, 2)
    const waiting = t.produce("x", { timeoutMs: 10_000 })
    await t.pass(100)
    for (const id of [1, 2]) t.controller.fence(id)
    assert.equal((await waiting).errorCode, Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
  })
})

// KAFKA-7897, KAFKA-7959; reliability H05.
test("a leader below min ISR says beforehand that it takes nothing for all replicas", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.converged()
    const { leader } = t.controller.partition("t")
    assert.equal(t.replica(leader).takesAppends, true)
    for (const id of [0, 1, 2]) if (id !== leader) t.crash(id)
    await t.pass(20)
    assert.equal((await t.produce("v")).errorCode, Errors.NOT_ENOUGH_REPLICAS)
    assert.equal(t.replica(leader).takesAppends, false)
  })
})

test("H05: a follower of which only old epochs are known is cut where the logs part, not to its start", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
    for (let epoch = 0; epoch < 6; epoch++) {
      await t.produceAll(2, `e${epoch}-`)
      await t.converged()
      t.controller.elect("t", 0, (epoch + 1) % 3)
      await t.pass(50)
    }
    const { leader } = t.controller.partition("t")
    const other = (leader + 1) % 3
    t.crash(other)
    await t.produceAll(3, "more")
    await t.start(other)
    let lowest = Number.POSITIVE_INFINITY
    await t.until("it is in sync again", () => {
      const replica = t.lives[other]!.replicas.partition("t", 0)
      if (replica !== undefined) lowest = Math.min(lowest, replica.log.logEndOffset)
      return isrOf(t).length === 3
    })
    assert.ok(lowest >= 12, `it was cut to ${lowest}`)
    await t.converged()
  })
})

// KAFKA-10706; reliability H06.
test("H06: a follower whose last leadership left no record does not truncate for ever", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(3)
    await t.converged()
    // Epochs without records, in the memory of whoever led, and in the file of an epoch cache.
    for (const leader of [1, 2, 0, 1]) {
      t.log(leader).assignEpochStartOffset(epochOf(t) + 1, 3)
      t.controller.elect("t", 0, leader)
      await t.pass(20)
    }
    t.controller.elect("t", 0, 2)
    await t.pass(20)
    await t.produceAll(1, "w")
    await t.converged("t", 0, 3000)
  })
})

test("a leader that dies with a tail that it has not flushed comes back as a follower, and its tail is gone", async () => {
  for (const how of ["kill", "power"] as const) {
    await inReplicationWorld(async (t) => {
      await t.createTopic()
      await t.produceAll(4)
      t.cut(0, 1)
      t.cut(0, 2)
      void t.produce("tail", { acks: 1, to: 0 }).catch(() => {})
      await t.pass(20)
      t.crash(0, how)
      t.heal()
      await t.pass(50)
      await t.produceAll(3, "w")
      await t.start(0)
      await t.converged()
      assert.deepEqual(await t.values(0), ["v0", "v1", "v2", "v3", "w0", "w1", "w2"])
    })
  }
})

test("a follower that was away catches up from files and joins again", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic()
      await t.produceAll(2)
      t.crash(2)
      await t.produceAll(60, "w")
      assert.deepEqual(isrOf(t), [0, 1])
      await t.start(2)
      await t.converged()
      assert.deepEqual(isrOf(t), [0, 1, 2])
      assert.ok(t.log(2).segmentCount > 3)
    },
    { cluster: { responseMaxBytes: 3000, fetchMaxBytes: 1000 } },
  )
})

test("a follower that catches up takes in little at a time, so that what somebody waits for is not held up", async () => {
  const batchBytes = 128 << 10
  await inReplicationWorld(
    async (t) => {
      await t.createTopic("t", { partitions: 8 })
      await t.converged()
      t.crash(2)
      for (let sent = 0; sent < 8; sent++)
        for (let partition = 0; partition < 8; partition++)
          assert.equal((await t.produce("x".repeat(batchBytes), { partition })).errorCode, Errors.NONE)
      await t.start(2)
      t.nodes[2]!.disk.options.syncLatencyNs = { least: 2e9, spread: 0 }
      await t.pass(1000)
      let records = 0
      for (let partition = 0; partition < 8; partition++) records += t.log(2, "t", partition).logEndOffset
      const bytes = records * batchBytes
      assert.ok(
        bytes > 0 && bytes <= catchUpPace.readAheadBytesMax + catchUpPace.answerBytesMax,
        `${bytes} bytes of 8 MiB before the first sync`,
      )
      await t.converged()
    },
    { config: { segmentBytes: 10 << 20 } },
  )
})

test("a follower whose log ends before the leader's begins starts anew there", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(2)
    await t.converged()
    t.crash(2)
    await t.produce(["a", "b", "c", "d"])
    await t.produceAll(4, "w")
    await t.pass(600)
    // In the middle of a batch.
    await deleteBefore(t, 4)
    await t.start(2)
    await t.converged()
    assert.equal(t.log(2).logStartOffset, 4)
    assert.ok(t.log(2).baseOffsets[0]! >= 2)
  })
})

const deleteBefore = async (t: ReplicationTest, offset: number, timeoutMs = 5000) => {
  const { leader } = t.controller.partition("t")
  const answer = await (await t.client(leader)).send(deleteRecords, 2, {
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset }] }],
    timeoutMs,
  })
  const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!
  return { errorCode, lowWatermark }
}

// KIP-107.
test("records are deleted when every live replica has deleted them", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(6)
    await t.pass(600)
    assert.deepEqual(await deleteBefore(t, 3), { errorCode: Errors.NONE, lowWatermark: 3 })
    for (const id of [0, 1, 2]) assert.equal(t.log(id).logStartOffset, 3)
    t.cut(0, 2)
    assert.equal((await deleteBefore(t, 4, 300)).errorCode, Errors.REQUEST_TIMED_OUT)
    // Who is fenced is not waited for.
    const waiting = deleteBefore(t, 5, 10_000)
    await t.pass(300)
    t.controller.fence(2)
    assert.deepEqual(await waiting, { errorCode: Errors.NONE, lowWatermark: 5 })
  })
})

test("what is deleted stays deleted, whichever replica comes back from a power cut", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(6)
    await t.converged()
    assert.deepEqual(await deleteBefore(t, 3), { errorCode: Errors.NONE, lowWatermark: 3 })
    // By itself: the leader cannot tell it again.
    t.cut(0, 1)
    await t.restart(1, "power")
    assert.equal(t.log(1).logStartOffset, 3)
  })
})

test("a producer begins with the batch that came too early, whoever did not lead yet when it came", async () => {
  await inReplicationWorld(async (t) => {
    const send = async (to: number, topic: string, baseSequence: number) => {
      const batch = batchOf(["v"], { producerId: 7, producerEpoch: 0, baseSequence })
      const answer = await (await t.client(to)).send(produce, 12, produceRequest(batch, { topic }))
      return answer.responses[0]!.partitionResponses[0]!.errorCode
    }
    const { NONE, NOT_LEADER_OR_FOLLOWER, OUT_OF_ORDER_SEQUENCE_NUMBER, UNKNOWN_TOPIC_OR_PARTITION } = Errors
    await t.createTopic()
    assert.equal(await send(1, "t", 0), NOT_LEADER_OR_FOLLOWER)
    // Nobody knows it, or its log is not there yet.
    assert.equal(await send(1, "u", 0), UNKNOWN_TOPIC_OR_PARTITION)
    t.controller.elect("t", 0, 1)
    await t.createTopic("u", { replicas: [1, 2] })
    for (const topic of ["t", "u"]) {
      await send(1, topic, 2)
      assert.equal(await send(1, topic, 2), OUT_OF_ORDER_SEQUENCE_NUMBER, topic)
      assert.deepEqual([await send(1, topic, 0), await send(1, topic, 1)], [NONE, NONE], topic)
    }
  })
})

test("a new leader sends back once what comes before its turn: what precedes it may be on its way from the leader before", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    const send = async (to: number, baseSequence: number) => {
      const batch = batchOf(["v"], { producerId: 7, producerEpoch: 0, baseSequence })
      const answer = await (await t.client(to)).send(produce, 12, produceRequest(batch))
      return answer.responses[0]!.partitionResponses[0]!.errorCode
    }
    const { NONE, NOT_ENOUGH_REPLICAS, OUT_OF_ORDER_SEQUENCE_NUMBER } = Errors
    assert.equal(await send(0, 0), NONE)
    assert.equal(await send(0, 2), OUT_OF_ORDER_SEQUENCE_NUMBER, "nobody led before it")
    t.controller.elect("t", 0, 1)
    await t.pass(50)
    assert.deepEqual([await send(1, 3), await send(1, 4)], [NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS])
    assert.deepEqual([await send(1, 1), await send(1, 2), await send(1, 3), await send(1, 4)], [NONE, NONE, NONE, NONE])
    assert.equal(await send(1, 6), NOT_ENOUGH_REPLICAS)
    assert.equal(await send(1, 6), OUT_OF_ORDER_SEQUENCE_NUMBER, "it does not come, though it had been asked for")
    await t.pass(30_000)
    assert.equal(await send(1, 8), OUT_OF_ORDER_SEQUENCE_NUMBER)
  })
})

test("logs that parted over several epochs agree again at the end of the largest epoch they share", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
      await t.produceAll(3)
      await t.converged()
      t.cut(0, 1)
      t.cut(0, 2)
      t.cut(1, 2)
      // Each in turn leads alone for two epochs, and writes in both.
      for (let round = 0; round < 2; round++) {
        for (const id of [0, 1, 2]) {
          t.controller.electUncleanly("t", 0, id)
          await t.pass(20)
          await t.produce(`round${round}-${id}`, { acks: 1, to: id })
        }
      }
      t.heal()
      await t.converged()
      assert.deepEqual(await t.values(0), ["v0", "v1", "v2", "round0-2", "round1-2"])
      await t.produceAll(1, "after")
    },
    { isUnclean: true },
  )
})

test("power cuts of all three at once lose nothing that was acknowledged", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    await inReplicationWorld(
      async (t) => {
        await t.createTopic()
        await t.produceAll(5)
        for (let number = 0; number < 10; number++) void t.produce(`tail${number}`).catch(() => {})
        await t.pass(seed)
        for (const id of [0, 1, 2]) t.crash(id, "power", false)
        for (const id of [2, 1, 0]) t.controller.fence(id)
        for (const id of [0, 1, 2]) await t.start(id)
        await t.converged()
        await t.produceAll(2, "w")
        assert.ok((await t.truth.acknowledgedIsThere()) >= 7)
      },
      { seed },
    )
  }
})

test("a partition that has no leader for a moment is followed again where it was", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic()
      await t.createTopic("u")
      await t.produceAll(2)
      await t.converged()
      // Both while a fetch waits at the leader, so that the next one says both.
      await t.pass(100)
      t.controller.elect("t", 0, -1)
      await t.world.sleep(0.01)
      t.controller.elect("t", 0, 0)
      await t.pass(10)
      await t.produceAll(2, "w")
      await t.converged("t", 0, 2000)
    },
    { metadataDelayMs: () => 0 },
  )
})

test("a partition that goes to another leader with records on their way to the medium holds up none that stays", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { partitions: 2 })
    await t.produceAll(1)
    await t.converged()
    t.nodes[2]!.disk.options.syncLatencyNs = { least: 300e6, spread: 0 }
    assert.equal((await t.produce("slow", { partition: 1, acks: 1 })).errorCode, Errors.NONE)
    await t.until("its record is on the way to the medium", () => t.log(2, "t", 1).logEndOffset === 1)
    assert.equal(t.log(2, "t", 1).flushedOffset, 0)
    t.controller.elect("t", 1, 1)
    await t.until("it has gone to the other leader", () => t.replica(2, "t", 1).leaderEpoch === 1)
    t.nodes[2]!.disk.options.syncLatencyNs = { least: 1e6, spread: 0 }
    const startMs = t.world.nowMs
    assert.equal((await t.produce("stays")).errorCode, Errors.NONE)
    assert.ok(t.world.nowMs - startMs < 1000)
  })
})

test("a consumer is sent to a replica in its rack, which serves it up to its own high watermark", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic()
      await t.produceAll(3)
      await t.converged()
      const sent = await t.consume(0, 0, { rackId: "b" })
      assert.deepEqual([sent.errorCode, sent.preferredReadReplica, sent.values], [Errors.NONE, 1, []])
      assert.deepEqual((await t.consume(1, 0, { rackId: "b" })).values, ["v0", "v1", "v2"])
      // In the leader's rack, in none, or in one without a replica it stays.
      for (const rackId of ["a", "", "z"]) {
        const stays = await t.consume(0, 0, { rackId })
        assert.deepEqual([stays.preferredReadReplica, stays.values.length], [-1, 3])
      }
      // Who is not in sync, or does not have the offset, is not named.
      t.controller.leaveIsr("t", 0, 1)
      t.controller.fence(1)
      await t.pass(20)
      assert.equal((await t.consume(0, 0, { rackId: "b" })).preferredReadReplica, -1)
      // A waiting consumer of a follower is told when that knows of more.
      const waiting = t.consume(2, 3, { maxWaitMs: 5000 })
      await t.pass(10)
      await t.produceAll(1, "w")
      assert.deepEqual((await waiting).values, ["w0"])
    },
    { racks: ["a", "b", "c"], cluster: { isRackAware: true } },
  )
})

// KIP-951.
test("who asks the wrong broker is told the leader and where it is", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(1)
    await t.converged()
    t.controller.elect("t", 0, 1)
    await t.pass(50)
    const client = await t.client(0)
    const { topicId } = t.controller.topic("t")
    const { fetch } = await import("../protocol/messages/fetch.js")
    const stale = await client.send(fetch, 16, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [
        {
          topic: "",
          topicId,
          partitions: [{ partition: 0, currentLeaderEpoch: 0, fetchOffset: 0, partitionMaxBytes: 1000 }],
        },
      ],
      forgottenTopicsData: [],
    })
    const { errorCode, currentLeader } = stale.responses[0]!.partitions[0]!
    assert.deepEqual([errorCode, currentLeader.leaderId], [Errors.FENCED_LEADER_EPOCH, 1])
    assert.deepEqual(stale.nodeEndpoints, [{ nodeId: 1, host: "10.0.0.2", port: 9092, rack: null }])
  })
})

// KIP-207.
test("a new leader does not tell an end that its predecessor was beyond", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(3)
    assert.ok(t.replica(1).highWatermark < 3)
    t.cut(1, 2)
    t.cut(1, 0)
    t.controller.elect("t", 0, 1)
    await t.pass(20)
    const end = async (version: number) => {
      const answer = await (await t.client(1)).send(listOffsets, version, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
        timeoutMs: 0,
      })
      const { errorCode, offset } = answer.topics[0]!.partitions[0]!
      return [errorCode, offset]
    }
    assert.deepEqual(await end(7), [Errors.OFFSET_NOT_AVAILABLE, -1])
    assert.deepEqual(await end(4), [Errors.LEADER_NOT_AVAILABLE, -1])
    t.heal()
    await t.converged()
    assert.deepEqual(await end(7), [Errors.NONE, 3])
  })
})

test("a full disk at the leader takes back only what no follower can have", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { configs: { "ottla.flush.policy": "replicated" } })
    await t.produceAll(3)
    const { disk } = t.nodes[0]!
    disk.intercept = ({ kind, path }) => (kind === "write" && path.endsWith(".log") ? { error: "ENOSPC" } : undefined)
    assert.equal((await t.produce("taken back")).errorCode, Errors.KAFKA_STORAGE_ERROR)
    disk.intercept = undefined
    await t.pass(3000)
    await t.produceAll(2, "w")
    await t.converged()
    assert.deepEqual(await t.values(2), ["v0", "v1", "v2", "w0", "w1"])
  })
})

test("a follower whose disk is full goes on when there is room", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
    await t.produceAll(3)
    const { disk } = t.nodes[2]!
    disk.intercept = ({ kind, path }) => (kind === "write" && path.endsWith(".log") ? { error: "ENOSPC" } : undefined)
    await t.produce("v3", { acks: 1 })
    await t.pass(3000)
    disk.intercept = undefined
    await t.converged()
    assert.equal((await t.values(2)).length, 4)
  })
})

test("whoever stops leading while it writes down what it deleted does not say that it is deleted everywhere", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(6)
    await t.pass(600)
    for (const id of [1, 2]) t.cut(0, id)
    t.nodes[0]!.disk.options.syncLatencyNs = { least: 300e6, spread: 0 }
    const waiting = deleteBefore(t, 3, 10_000)
    await t.pass(100)
    t.controller.elect("t", 0, 1)
    assert.equal((await waiting).errorCode, Errors.NOT_LEADER_OR_FOLLOWER)
  })
})
