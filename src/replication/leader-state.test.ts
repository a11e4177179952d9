import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import type { PartitionImage } from "../metadata/image.js"
import { LeaderState, refusedPauseMs, type ReplicaBrokers } from "./leader-state.js"

const image: PartitionImage = {
  replicas: [0, 1, 2],
  isr: [0, 1, 2],
  removingReplicas: [],
  addingReplicas: [],
  leader: 0,
  leaderRecoveryState: 0,
  leaderEpoch: 5,
  partitionEpoch: 9,
  directories: [zeroUuid, zeroUuid, zeroUuid],
  elr: [],
  lastKnownElr: [],
}

class LeaderTest implements ReplicaBrokers {
  nowMsNow = 1000
  readonly lagTimeMaxMs = 100
  readonly epochs = new Map([
    [0, 10],
    [1, 11],
    [2, 12],
  ])
  readonly leader: LeaderState
  logEndOffset = 50

  constructor(state: Partial<PartitionImage> = {}, epochStartOffset = 20) {
    this.leader = new LeaderState(0, { ...image, ...state }, epochStartOffset, this.nowMsNow)
  }

  nowMs(): number {
    return this.nowMsNow
  }

  eligibleEpoch(brokerId: number): number | undefined {
    return this.epochs.get(brokerId)
  }

  isAlive(brokerId: number): boolean {
    return this.epochs.has(brokerId)
  }

  fetch(
    replicaId: number,
    safeOffset: number,
    brokerEpoch = 10 + replicaId,
    logStartOffset = 0,
    directoryId = zeroUuid,
  ): void {
    const told = { replicaId, brokerEpoch, safeOffset, logStartOffset, directoryId }
    this.leader.onFetch(this.leader.follower(replicaId)!, told, this.logEndOffset, this.nowMsNow)
  }

  committable(own = 50): number {
    return this.leader.committableOffset(own, this.logEndOffset, this)
  }
}

// Reliability rule 3.
test("only positions of this leadership count: until every in-sync follower has told its own, nothing is committable", () => {
  const t = new LeaderTest()
  assert.equal(t.committable(), -1)
  t.fetch(1, 40)
  assert.equal(t.committable(), -1)
  t.fetch(2, 30)
  assert.equal(t.committable(), 30)
  t.fetch(2, 50)
  assert.equal(t.committable(), 40)
  assert.equal(t.committable(35), 35)
  const next = new LeaderState(0, { ...image, leaderEpoch: 6 }, 50, 1000)
  assert.equal(next.committableOffset(50, 50, t), -1)
})

test("a follower that lost what it had is counted for what it has", () => {
  const t = new LeaderTest()
  t.fetch(1, 50)
  t.fetch(2, 50)
  t.fetch(2, 0)
  assert.equal(t.committable(), 0)
})

// KIP-858: a directory fails while its broker lives. What the replica there had, the one that is made anew elsewhere has not.
test("what a follower told of a replica in another directory than it has now does not let it join", () => {
  const failed = "AAAAAAAAAAAAAAAAAAAAEQ"
  const other = "AAAAAAAAAAAAAAAAAAAAEg"
  const t = new LeaderTest({ directories: [zeroUuid, zeroUuid, failed] })
  t.fetch(2, 50, 12, 0, failed)
  const fallenOut = { ...image, isr: [0, 1], directories: [zeroUuid, zeroUuid, other], partitionEpoch: 10 }
  t.leader.update(fallenOut, t.nowMsNow)
  assert.equal(t.leader.proposeExpansion(20, 0, t), undefined)
  t.fetch(2, 50, 12, 0, other)
  assert.deepEqual(t.leader.proposeExpansion(20, 0, t), [0, 1, 2])
})

// Reliability rule 4.
test("who joins has reached the high watermark and the start of the leader's epoch", () => {
  const t = new LeaderTest({ isr: [0, 1] }, 20)
  t.fetch(2, 19)
  assert.equal(t.leader.proposeExpansion(10, 0, t), undefined)
  t.fetch(2, 20)
  assert.equal(t.leader.proposeExpansion(21, 0, t), undefined)
  assert.deepEqual(t.leader.proposeExpansion(20, 0, t), [0, 1, 2])
  // One proposal at a time.
  assert.equal(t.leader.proposeExpansion(20, 0, t), undefined)
})

// M1: whoever was not there when records were deleted may lead as soon as it is in sync.
test("who joins has deleted what the leader has", () => {
  const t = new LeaderTest({ isr: [0, 1] })
  t.fetch(2, 50, 12, 29)
  assert.equal(t.leader.proposeExpansion(50, 30, t), undefined)
  t.fetch(2, 50, 12, 30)
  assert.deepEqual(t.leader.proposeExpansion(50, 30, t), [0, 1, 2])
})

// KIP-841, KIP-903.
test("who joins is unfenced and is still the process that told its position", () => {
  const t = new LeaderTest({ isr: [0] })
  t.fetch(1, 50, 7)
  t.fetch(2, 50)
  t.epochs.delete(2)
  assert.equal(t.leader.proposeExpansion(20, 0, t), undefined)
  t.fetch(1, 50, 11)
  assert.deepEqual(t.leader.proposeExpansion(20, 0, t), [0, 1])
  assert.deepEqual(t.leader.isrWithEpochs([0, 1], 10), [
    { brokerId: 0, brokerEpoch: 10 },
    { brokerId: 1, brokerEpoch: 11 },
  ])
})

// KIP-497.
test("who is proposed counts before the controller has decided, and whoever is to leave counts until then", () => {
  const t = new LeaderTest({ isr: [0, 1] })
  t.fetch(1, 50)
  t.fetch(2, 30)
  t.leader.proposeExpansion(25, 0, t)
  t.nowMsNow += 1000
  t.logEndOffset = 60
  t.fetch(1, 60)
  assert.equal(t.committable(60), 30)
  t.leader.update({ ...image, isr: [0, 1], partitionEpoch: 10 }, t.nowMsNow)
  assert.equal(t.leader.proposedIsr, undefined)
  assert.equal(t.committable(60), 60)
})

test("a follower that has just caught up holds the high watermark until it has joined", () => {
  const t = new LeaderTest({ isr: [0, 1] })
  t.fetch(1, 50)
  t.fetch(2, 50)
  t.logEndOffset = 70
  t.fetch(1, 70)
  assert.equal(t.committable(70), 50)
  t.nowMsNow += 101
  assert.equal(t.committable(70), 70)
})

test("a follower that was away holds nothing up while it is behind", () => {
  const t = new LeaderTest()
  t.fetch(1, 50)
  t.fetch(2, 50)
  t.leader.update({ ...image, isr: [0, 1], partitionEpoch: 10 }, t.nowMsNow)
  t.logEndOffset = 90
  t.fetch(1, 90)
  t.fetch(2, 50)
  assert.equal(t.committable(90), 90)
  t.fetch(2, 80)
  assert.equal(t.committable(90), 90)
  // It has reached the end its log had at the last fetch, so it is about to join.
  t.fetch(2, 90)
  t.logEndOffset = 95
  t.fetch(1, 95)
  assert.equal(t.committable(95), 90)
})

test("who has not had everything for longer than the lag time leaves; nobody falls behind of nothing new", () => {
  const t = new LeaderTest()
  t.fetch(1, 50)
  t.fetch(2, 50)
  t.nowMsNow += 10_000
  assert.equal(t.leader.proposeShrink(50, t), undefined)
  t.logEndOffset = 60
  assert.equal(t.leader.proposeShrink(60, t), undefined)
  t.nowMsNow += 90
  t.fetch(1, 60)
  t.nowMsNow += 20
  assert.deepEqual(t.leader.proposeShrink(60, t), [0, 1])
  // Still what a record needs.
  t.fetch(1, 60)
  assert.equal(t.committable(60), 50)
  t.leader.proposalRefused(t.nowMsNow)
  assert.deepEqual(t.leader.proposeShrink(60, t), [0, 1])
})

test("a follower that reaches the end its log had at the last fetch was caught up then", () => {
  const t = new LeaderTest()
  t.fetch(1, 50)
  t.fetch(2, 50)
  // Always one step behind a log that grows.
  for (let step = 0; step < 10; step++) {
    t.nowMsNow += 60
    const before = t.logEndOffset
    t.logEndOffset += 10
    t.fetch(1, before)
    t.fetch(2, before)
    assert.equal(t.leader.proposeShrink(t.logEndOffset, t), undefined)
  }
})

// Reliability rule 5, KIP-966.
test("a topic cannot need more in-sync replicas than it has", () => {
  assert.equal(new LeaderTest({ isr: [0] }).leader.isUnderMinIsr(2), true)
  assert.equal(new LeaderTest({ isr: [0, 1] }).leader.isUnderMinIsr(2), false)
  assert.equal(new LeaderTest({ isr: [0], replicas: [0] }).leader.isUnderMinIsr(2), false)
})

// KIP-107.
test("the low watermark is that of the live replica that starts first, and unknown until each has told", () => {
  const t = new LeaderTest()
  t.fetch(1, 50, 11, 30)
  assert.equal(t.leader.lowWatermark(40, t), -1)
  t.epochs.delete(2)
  assert.equal(t.leader.lowWatermark(40, t), 30)
  t.fetch(1, 50, 11, 45)
  assert.equal(t.leader.lowWatermark(40, t), 40)
})

test("who was refused is not proposed with every fetch", () => {
  const t = new LeaderTest({ isr: [0, 1] })
  t.fetch(2, 50)
  assert.deepEqual(t.leader.proposeExpansion(50, 0, t), [0, 1, 2])
  t.leader.proposalRefused(t.nowMsNow)
  t.fetch(2, 50)
  assert.equal(t.leader.proposeExpansion(50, 0, t), undefined)
  t.nowMsNow += refusedPauseMs
  assert.deepEqual(t.leader.proposeExpansion(50, 0, t), [0, 1, 2])
})
