import assert from "node:assert/strict"
import { test } from "node:test"
import { DiskError } from "../env/env.js"
import { Errors } from "../protocol/errors.js"
import { segmentName } from "../storage/segment.js"
import { inReplicationWorld, type ReplicationTest } from "./testing/replication-test.js"

const isrOf = (t: ReplicationTest) => [...t.controller.partition("t").isr].sort()

test("a partition moves to other brokers: who is added catches up, who is removed deletes", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic("t", { replicas: [0, 1] })
      await t.produceAll(5)
      t.controller.change("t", 0, { replicas: [0, 1, 2, 3], addingReplicas: [2, 3], removingReplicas: [0, 1] })
      await t.until("2 and 3 have joined", () => isrOf(t).length === 4)
      t.controller.change("t", 0, {
        replicas: [2, 3],
        isr: [2, 3],
        addingReplicas: [],
        removingReplicas: [],
        leader: 2,
      })
      await t.pass(200)
      for (const id of [0, 1]) {
        assert.equal(t.lives[id]!.replicas.partition("t", 0), undefined)
        assert.equal(t.lives[id]!.logs.get("t", 0), undefined)
      }
      await t.produceAll(2, "w")
      await t.converged()
      assert.equal(await t.truth.acknowledgedIsThere(), 7)
      assert.equal((await t.produce("x", { to: 0 })).errorCode, Errors.NOT_LEADER_OR_FOLLOWER)
    },
    { brokers: 4 },
  )
})

test("what went while a broker was down is gone after its start, and what nobody knows is left alone", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic("moved", { replicas: [0, 1] })
      const deleted = await t.createTopic("deleted", { replicas: [0, 1] })
      await t.createTopic("unknown", { replicas: [0, 1] })
      await t.createTopic("kept", { replicas: [0, 1] })
      const kept = t.controller.topic("kept").topicId
      t.crash(1)
      t.controller.change("moved", 0, { replicas: [0, 2] })
      t.controller.deleteTopic("deleted")
      t.controller.deleteTopic("unknown")
      await t.start(1)
      const { replicas, logs } = t.lives[1]!
      // A removal that was never committed says nothing.
      replicas.clearStrays(new Set([deleted, kept]))
      // Twice: who comes second finds it gone.
      replicas.clearStrays(new Set([deleted, kept]))
      await replicas.applied()
      assert.deepEqual([...logs.logs()].map(({ topic }) => topic).sort(), ["kept", "unknown"])
      await t.converged("kept")
    },
    { brokers: 3 },
  )
})

test("a topic that is deleted and made anew shows nothing of the old one on any replica", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(5, "old")
    t.controller.deleteTopic("t")
    await t.createTopic()
    await t.produceAll(2, "new")
    await t.converged()
    assert.deepEqual(await t.values(2), ["new0", "new1"])
  })
})

test("a replica whose directory fails begins anew in another one, when it is counted on no more", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic()
      await t.produceAll(5)
      await t.converged()
      const { logs, replicas } = t.lives[2]!
      const failed = logs.directoryOf(t.log(2))
      failed.fail(new DiskError("EIO", "sync", failed.path))
      await t.pass(50)
      assert.deepEqual(replicas.failedDirectoryIds(), [failed.directoryId])
      // In sync still, as far as the metadata says: an empty log must not take the place.
      assert.notEqual(t.log(2).offlineReason, undefined)
      t.controller.leaveIsr("t", 0, 2)
      await t.converged()
      assert.notEqual(logs.directoryOf(t.log(2)), failed)
      assert.equal((await t.values(2)).length, 5)
      assert.ok(t.controller.partition("t").directories.includes(logs.directoryOf(t.log(2)).directoryId))
    },
    { directories: ["/a", "/b"] },
  )
})

test("the replica that led last is not replaced by an empty one, for there may be nothing else to go on with", async () => {
  await inReplicationWorld(
    async (t) => {
      await t.createTopic("t", { replicas: [2], configs: { "min.insync.replicas": "1" } })
      await t.produceAll(5)
      const { logs } = t.lives[2]!
      const log = t.log(2)
      const failed = logs.directoryOf(log)
      failed.fail(new DiskError("EIO", "sync", failed.path))
      // Under a policy weaker than flush it may lack what it had acknowledged (KIP-966).
      t.controller.change("t", 0, { leader: -1, isr: [], elr: [], lastKnownElr: [2] })
      await t.pass(100)
      assert.equal(t.log(2), log)
    },
    { directories: ["/a", "/b"] },
  )
})

/** Of the first batch: its magic, outside what its checksum covers. */
const damage = (t: ReplicationTest, id: number) =>
  t.nodes[id]!.disk.flipBit(`${t.log(id).path}/${segmentName(0)}.log`, 16)

test("a leader that finds its log damaged gives it up, and begins anew from the next leader", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(5)
    await t.converged()
    const leader = t.controller.partition("t").leader
    const directory = t.lives[leader]!.logs.directoryOf(t.log(leader))
    // What is read from memory is not damaged.
    await t.restart(leader)
    await t.converged()
    t.controller.elect("t", 0, leader)
    await t.converged()
    damage(t, leader)
    assert.equal((await t.consume(leader, 0)).errorCode, Errors.CORRUPT_MESSAGE)
    await t.until("another leads", () => t.controller.partition("t").leader !== leader)
    await t.converged()
    assert.equal((await t.produce("more")).errorCode, Errors.NONE)
    await t.converged()
    assert.deepEqual(await t.values(leader), ["v0", "v1", "v2", "v3", "v4", "more"])
    assert.equal(t.controller.partition("t").directories[leader], directory.directoryId)
    const names = await t.nodes[leader]!.env.disk.list(directory.path)
    const kept = names.filter((name) => name.includes("-stray"))
    assert.equal(kept.length, 1, "the damaged files are kept")
  })
})

test("a replica that is found damaged when it is opened begins anew from its leader", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic()
    await t.produceAll(5)
    await t.converged()
    const leader = t.controller.partition("t").leader
    const follower = (leader + 1) % 3
    await t.lives[follower]!.logs.directoryOf(t.log(follower)).checkpoint()
    damage(t, follower)
    await t.restart(follower, "power")
    await t.converged()
    assert.deepEqual(await t.values(follower), ["v0", "v1", "v2", "v3", "v4"])
  })
})

test("a damaged replica that is the last in sync is not given up", async () => {
  await inReplicationWorld(async (t) => {
    await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
    await t.produceAll(5)
    await t.converged()
    const leader = t.controller.partition("t").leader
    for (const id of [0, 1, 2]) if (id !== leader) t.crash(id)
    await t.restart(leader)
    damage(t, leader)
    assert.deepEqual(t.controller.partition("t").isr, [leader])
    assert.equal((await t.consume(leader, 0)).errorCode, Errors.CORRUPT_MESSAGE)
    await t.pass(1000)
    assert.equal(t.log(leader).offlineReason, undefined)
    assert.equal((await t.produce("more")).errorCode, Errors.NONE)
    assert.deepEqual((await t.consume(leader, 5)).values, ["more"], "what can be read is")
  })
})

test("a follower that is cut while it moves to another directory arrives there with what it has after", async () => {
  for (let ms = 0; ms < 12; ms++) {
    await inReplicationWorld(
      async (t) => {
        await t.createTopic("t", { configs: { "min.insync.replicas": "1" } })
        await t.produceAll(20)
        await t.converged()
        t.cut(0, 1)
        t.cut(0, 2)
        for (let number = 0; number < 5; number++) await t.produce(`lost${number}`, { acks: 1, to: 0 })
        t.controller.electUncleanly("t", 0, 1)
        await t.pass(20)
        await t.produceAll(3, "kept")
        const { logs, replicas } = t.lives[0]!
        const from = logs.directoryOf(t.log(0)).path
        t.heal()
        await t.pass(ms)
        assert.equal(await replicas.moveToDirectory("t", 0, from === "/a" ? "/b" : "/a"), Errors.NONE)
        await t.converged()
        await t.until("it has moved", () => logs.directoryOf(t.log(0)).path !== from)
        await t.produceAll(1, "after")
        await t.converged()
        assert.deepEqual((await t.values(0)).slice(20), ["kept0", "kept1", "kept2", "after0"])
      },
      { directories: ["/a", "/b"], isUnclean: true, seed: ms },
    )
  }
})

test("a replica that is taken back while its log is made leaves none behind", async () => {
  for (let ms = 0; ms < 8; ms += 0.5) {
    await inReplicationWorld(async (t) => {
      await t.createTopic("t", { replicas: [0, 1] })
      t.nodes[2]!.disk.options.syncLatencyNs = { least: 1e6, spread: 4e6 }
      t.controller.change("t", 0, { replicas: [0, 1, 2], addingReplicas: [2] })
      await t.pass(ms)
      t.controller.change("t", 0, { replicas: [0, 1], addingReplicas: [] })
      await t.pass(300)
      assert.equal(t.lives[2]!.logs.get("t", 0), undefined)
    })
  }
})
