import assert from "node:assert/strict"
import { test } from "node:test"
import { silentGraceMs, slowForMs } from "../../controller/broker-sessions.js"
import { idOf } from "../../controller/testing/cluster-test.js"
import { Errors } from "../../protocol/errors.js"
import { alterPartition } from "../../protocol/messages/alter-partition.js"
import { recordsPerBatchMax } from "./decisions.js"
import {
  balanceIntervalMs,
  demotionMs,
  heartbeatIntervalMs,
  inControllerWorld,
  sessionTimeoutMs,
} from "./testing/controller-world.js"

test("a broker that is silent for a session is fenced, and others lead; who sends heartbeats is not", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2], [2, 1])
    await t.passTime(10 * sessionTimeoutMs)
    assert.deepEqual([t.isFenced(1), t.isFenced(2)], [false, false])
    t.silence(1)
    await t.passTime(sessionTimeoutMs - heartbeatIntervalMs - 10)
    assert.equal(t.isFenced(1), false)
    await t.passTime(heartbeatIntervalMs + 100)
    assert.equal(t.isFenced(1), true)
    assert.deepEqual([t.leader("a", 0), t.leader("a", 1)], [2, 2])
    assert.equal((await t.heartbeat(1)).isFenced, false)
    assert.equal(t.isFenced(1), false)
  }))

test("several silent brokers are fenced one after the other, each decision on what the one before has done", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2, 3)
    await t.topic("a", [1, 2, 3])
    t.silence(1)
    t.silence(2)
    await t.passTime(sessionTimeoutMs + 600)
    assert.deepEqual([t.isFenced(1), t.isFenced(2), t.leader("a")], [true, true, 3])
  }))

test("the next life on the same disk is let in as soon as the last one's connection has broken, and none while it is heard of (KIP-631)", () =>
  inControllerWorld(async (t) => {
    await t.start(1)
    await t.passTime(silentGraceMs)
    assert.equal((await t.register(1)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
    const first = t.image.brokers.get(1)!.brokerEpoch
    t.silence(1)
    t.controller.brokerDisconnected(1, first)
    await t.passTime(silentGraceMs)
    const otherDisk = { logDirs: [idOf("another disk", 1)] }
    assert.equal((await t.register(1, otherDisk)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
    assert.equal((await t.register(1)).errorCode, 0)
    // Two nodes with copies of one disk do not take turns: the first is told, and stays out while the second is heard of.
    assert.equal((await t.heartbeat(1, { brokerEpoch: first })).errorCode, Errors.STALE_BROKER_EPOCH)
    await t.heartbeat(1)
    t.beat(1)
    await t.passTime(silentGraceMs)
    assert.equal((await t.register(1)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
  }))

test("a connection that breaks and is made anew is no end: heartbeats go on", () =>
  inControllerWorld(async (t) => {
    await t.start(1)
    t.controller.brokerDisconnected(1, t.image.brokers.get(1)!.brokerEpoch)
    await t.heartbeat(1)
    await t.passTime(silentGraceMs + 50)
    assert.equal((await t.register(1)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
  }))

test("under a new controller the next life of a broker is let in when the last one does not turn up at once", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    t.silence(1)
    t.controller.onResigned()
    t.controller = t.newController()
    t.controller.onLeadership(2)
    await t.heartbeat(2)
    assert.equal((await t.register(1)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
    await t.passTime(silentGraceMs)
    assert.equal((await t.register(1)).errorCode, 0)
    assert.equal((await t.register(2)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
  }))

test("another life is refused while the last one is heard of, and let in when it is silent", () =>
  inControllerWorld(async (t) => {
    await t.start(1)
    assert.equal((await t.register(1)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
    t.silence(1)
    await t.passTime(sessionTimeoutMs + 100)
    const { errorCode, brokerEpoch } = await t.register(1)
    assert.equal(errorCode, 0)
    assert.equal(t.image.brokers.get(1)!.brokerEpoch, brokerEpoch)
    // The last life has not understood yet.
    assert.equal((await t.heartbeat(1, { brokerEpoch: 0 })).errorCode, Errors.STALE_BROKER_EPOCH)
  }))

test("an earlier life of the broker in the controller's own process is over, whatever its session says", () =>
  inControllerWorld(async (t) => {
    await t.start(100)
    t.silence(100)
    t.controller.onResigned()
    t.controller = t.newController(idOf("life", 77))
    t.controller.onLeadership(2)
    assert.equal((await t.register(100, { incarnationId: idOf("life", 77) })).errorCode, 0)
    await t.heartbeat(100)
    assert.equal((await t.register(100)).errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
  }))

test("a broken connection: two refusals fence at once, anything else waits for the session", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2, 3)
    await t.topic("a", [1, 2, 3])
    for (const [brokerId, result, fenced] of [
      [1, "refused", true],
      [2, "unreachable", false],
      [3, "accepted", false],
    ] as const) {
      t.probes.set(brokerId, result)
      t.controller.brokerDisconnected(brokerId, t.image.brokers.get(brokerId)!.brokerEpoch)
      await t.passTime(40)
      assert.equal(t.isFenced(brokerId), fenced, result)
    }
    assert.equal(t.leader("a"), 2)
  }))

test("a process that is killed listens a little longer than its connections last: who accepts is looked at again", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2])
    t.probes.set(1, "accepted")
    t.controller.brokerDisconnected(1, t.image.brokers.get(1)!.brokerEpoch)
    await t.passTime(5)
    t.probes.set(1, "refused")
    await t.passTime(60)
    assert.deepEqual([t.isFenced(1), t.leader("a")], [true, 2])
  }))

test("a hint that comes while an earlier one is looked into is not lost, and looks come to an end", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    const hint = () => t.controller.brokerDisconnected(1, t.image.brokers.get(1)!.brokerEpoch)
    t.probes.set(1, "accepted")
    hint()
    await t.passTime(300)
    hint()
    await t.passTime(100)
    t.silence(1)
    t.probes.set(1, "refused")
    await t.passTime(150)
    assert.equal(t.isFenced(1), true)
    t.controller.brokerDisconnected(2, t.image.brokers.get(2)!.brokerEpoch)
    await t.passTime(1000)
    const { probed } = t
    await t.passTime(sessionTimeoutMs)
    assert.deepEqual([t.probed, t.isFenced(2)], [probed, false])
  }))

test("who refuses once and then listens again is not fenced, and neither is who was heard of meanwhile", () =>
  inControllerWorld(async (t) => {
    await t.start(1)
    const hint = () => t.controller.brokerDisconnected(1, t.image.brokers.get(1)!.brokerEpoch)
    t.probes.set(1, "refused")
    hint()
    await t.passTime(10)
    t.probes.set(1, "accepted")
    await t.passTime(40)
    assert.equal(t.isFenced(1), false)
    t.probes.set(1, "refused")
    hint()
    await t.passTime(10)
    await t.heartbeat(1)
    await t.passTime(40)
    assert.equal(t.isFenced(1), false)
    // A hint about a life that is over says nothing.
    const { probed } = t
    t.controller.brokerDisconnected(1, 0)
    t.controller.brokerDisconnected(9, 0)
    assert.equal(t.probed, probed)
  }))

test("a new controller gives everybody a full session, and finds out at once who died with the last one", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2, 3)
    await t.passTime(300)
    for (const id of [1, 2, 3]) t.silence(id)
    t.controller.onResigned()
    await t.passTime(10 * sessionTimeoutMs)
    t.probes.set(1, "refused")
    t.controller = t.newController()
    t.controller.onLeadership(2)
    await t.passTime(100)
    assert.deepEqual([t.isFenced(1), t.isFenced(2), t.isFenced(3)], [true, false, false])
    await t.passTime(sessionTimeoutMs - 200)
    t.beat(3)
    await t.heartbeat(3)
    await t.passTime(200)
    assert.deepEqual([t.isFenced(2), t.isFenced(3)], [true, false])
  }))

test("a node that was silent as the controller before is silent as a broker, unless it is heard of at once", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    t.silence(1)
    t.controller.onResigned()
    t.controller = t.newController()
    t.controller.onLeadership(2, { id: 1, silentMs: 2100 })
    await t.passTime(silentGraceMs - 50)
    assert.equal(t.isFenced(1), false)
    await t.passTime(150)
    assert.deepEqual([t.isFenced(1), t.isFenced(2)], [true, false])
  }))

test("who is not the active controller says so, changes nothing and fences nobody", () =>
  inControllerWorld(async (t) => {
    await t.start(1)
    const { offset } = t.image
    t.controller.onResigned()
    assert.equal((await t.register(2)).errorCode, Errors.NOT_CONTROLLER)
    assert.equal((await t.heartbeat(1)).errorCode, Errors.NOT_CONTROLLER)
    assert.equal(
      (await t.controller.alterPartition(alterPartition.request.create({}))).errorCode,
      Errors.NOT_CONTROLLER,
    )
    assert.equal((await t.controller.unregisterBroker({ brokerId: 1 })).errorCode, Errors.NOT_CONTROLLER)
    assert.equal(
      (await t.controller.listPartitionReassignments({ timeoutMs: 1, topics: null })).errorCode,
      Errors.NOT_CONTROLLER,
    )
    const [created] = await t.controller.createTopics(
      [{ name: "a", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      { validateOnly: true },
    )
    assert.equal("failure" in created! && created.failure.errorCode, Errors.NOT_CONTROLLER)
    await t.passTime(10 * sessionTimeoutMs)
    assert.equal(t.machine.head.offset, offset)
  }))

test("a log that takes nothing does not stop the clock: silent brokers are fenced once it does again", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    t.silence(1)
    t.leads = false
    await t.passTime(3 * sessionTimeoutMs)
    assert.equal(t.isFenced(1), false)
    t.leads = true
    await t.passTime(sessionTimeoutMs)
    assert.equal(t.isFenced(1), true)
  }))

test("a broker that was stuck leads only what nobody else can, for a while, and then gets its leaderships back", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2])
    await t.topic("b", [1])
    await t.heartbeat(1, { stalledMs: 499 })
    assert.equal(t.leader("a"), 1)
    await t.heartbeat(1, { stalledMs: 500 })
    assert.deepEqual([t.leader("a"), t.leader("b")], [2, 1])
    assert.deepEqual(t.image.topics.get("a")!.partitions[0]!.isr, [1, 2])
    await t.passTime(demotionMs - 1000)
    assert.equal(t.leader("a"), 2)
    await t.passTime(balanceIntervalMs)
    assert.equal(t.leader("a"), 1)
  }))

test("whoever asks for the preferred leader gets it, though that was stuck lately; not while it is, and until it says so again (KIP-183)", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2])
    const elect = (topics: readonly string[] | null) =>
      t.controller.electLeaders(topics?.map((topic) => ({ topic, partitions: [0] })) ?? null, { unclean: false })
    for (const asked of [["a"], null]) {
      await t.heartbeat(1, { stalledMs: 500 })
      assert.equal(t.leader("a"), 2)
      await elect(asked)
      await t.passTime(3 * heartbeatIntervalMs)
      assert.equal(t.leader("a"), 1)
    }
    await t.heartbeat(1, { stalledMs: 500, syncMs: 500 })
    await elect(["a"])
    assert.equal(t.leader("a"), 2)
  }))

test("a broker whose disk hangs is waited for in no ISR, and joins again when it moves", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2])
    const isr = () => t.image.topics.get("a")!.partitions[0]!.isr
    await t.heartbeat(2, { stalledMs: 500, syncMs: 500 })
    assert.deepEqual([t.leader("a"), isr()], [1, [1]])
    await t.heartbeat(2, { stalledMs: 0, syncMs: 5 })
    assert.deepEqual(isr(), [1])
  }))

test("a broker whose disk is slower than those of the others for two seconds leads only what nobody else can", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2, 3)
    await t.topic("a", [1, 2])
    for (const id of [1, 2, 3]) t.silence(id)
    const told = async (syncMs: readonly number[]) => {
      for (const [index, ms] of syncMs.entries()) await t.heartbeat(index + 1, { syncMs: ms })
    }
    // All are slow: nobody is slower.
    for (let passedMs = 0; passedMs <= slowForMs; passedMs += 500, await t.passTime(500)) await told([120, 110, 100])
    assert.equal(t.leader("a"), 1)
    // One was, for a moment.
    for (const ms of [120, 120, 5, 120]) {
      await told([ms, 5, 5])
      await t.passTime(500)
    }
    assert.equal(t.leader("a"), 1)
    for (let passedMs = 0; passedMs <= slowForMs; passedMs += 500, await t.passTime(500)) await told([120, 5, 5])
    assert.equal(t.leader("a"), 2)
    assert.deepEqual(t.image.topics.get("a")!.partitions[0]!.isr, [1, 2])
  }))

test("a broker in controlled shutdown may go once the others know the new leaders (KIP-841)", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2])
    const before = t.machine.head.offset
    t.silence(2)
    const first = await t.heartbeat(1, { wantShutDown: true })
    assert.deepEqual([first.isFenced, first.shouldShutDown, t.leader("a")], [false, false, 2])
    await t.heartbeat(2, { currentMetadataOffset: before })
    assert.equal((await t.heartbeat(1, { wantShutDown: true })).shouldShutDown, false)
    await t.heartbeat(2)
    const last = await t.heartbeat(1, { wantShutDown: true })
    assert.deepEqual([last.isFenced, last.shouldShutDown, t.isFenced(1)], [true, true, true])
  }))

test("a controller that takes over during a controlled shutdown brings it to its end", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2])
    await t.heartbeat(1, { wantShutDown: true })
    t.controller.onResigned()
    t.controller = t.newController()
    t.controller.onLeadership(2)
    await t.heartbeat(1, { wantShutDown: true })
    await t.heartbeat(2)
    assert.equal((await t.heartbeat(1, { wantShutDown: true })).shouldShutDown, true)
  }))

test("a broker is fenced with one answer, in as many batches as it takes", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    for (const name of ["a", "b"]) await t.topic(name, ...Array.from({ length: 6000 }, () => [1, 2]))
    t.batches.length = 0
    t.silence(1)
    await t.heartbeat(1, { wantFence: true })
    assert.deepEqual(t.batches, [recordsPerBatchMax, 2001])
    assert.equal(t.isFenced(1), true)
    assert.equal(t.leader("b", 5999), 2)
  }))

test("a controller that stood still fences nobody for it: first it hears what came meanwhile, and what could not come then", () =>
  inControllerWorld(async (t) => {
    await t.start(1, 2)
    await t.topic("a", [1, 2])
    for (const id of [1, 2]) t.silence(id)
    const ms = 5 * sessionTimeoutMs
    t.world.nodes.get("controller")!.pause(ms)
    await t.passTime(ms + heartbeatIntervalMs)
    assert.deepEqual([t.isFenced(1), t.isFenced(2)], [false, false])
    await t.heartbeat(2)
    t.beat(2)
    await t.passTime(sessionTimeoutMs + 100)
    assert.deepEqual([t.isFenced(1), t.isFenced(2)], [true, false])
  }))
