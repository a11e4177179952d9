import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import { describeQuorum } from "../protocol/messages/describe-quorum.js"
import { metadata } from "../protocol/messages/metadata.js"
import { doubtMs } from "./doubtful-leaders.js"
import { type ClusterWorld, inClusterWorld } from "./testing/cluster-world.js"

const ids = [1, 2, 3]

async function leaderAsToldBy(t: ClusterWorld, id: number): Promise<{ leader: number; tookMs: number }> {
  const fromMs = t.world.nowMs
  const { topics } = await t.ask(id, metadata, {
    topics: [{ topicId: zeroUuid, name: "t" }],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
    includeClusterAuthorizedOperations: false,
  })
  return { leader: topics[0]!.partitions[0]!.leaderId, tookMs: t.world.nowMs - fromMs }
}

/** Three nodes, and a topic that one leads which is not the active controller; `other` is the third. */
async function inLedWorld(story: (t: ClusterWorld, leader: number, other: number) => Promise<void>): Promise<void> {
  await inClusterWorld(ids, async (t) => {
    await t.startAll({ "controller.quorum.voters": t.voters(ids), "replica.socket.timeout.ms": "1000" })
    const quorum = await t.ask(1, describeQuorum, {
      topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }],
    })
    const controller = quorum.topics[0]!.partitions[0]!.leaderId
    const [leader, other] = ids.filter((id) => id !== controller) as [number, number]
    const topic = {
      name: "t",
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [{ partitionIndex: 0, brokerIds: [leader, other, controller] }],
      configs: [],
    }
    await t.ask(1, createTopics, { topics: [topic], timeoutMs: 5000, validateOnly: false })
    // Followers have begun to fetch.
    await t.passTime(1000)
    await story(t, leader, other)
  })
}

test("a client that asks for a leader which has just died is told the next one, not to come back", () =>
  inLedWorld(async (t, leader, other) => {
    const before = await leaderAsToldBy(t, other)
    assert.equal(before.leader, leader)
    t.crash(leader)
    await t.until("its follower has noticed", () => t.said(/a leader cannot be fetched from/) || undefined)
    const after = await leaderAsToldBy(t, other)
    assert.equal(after.leader, other)
    assert.ok(after.tookMs < doubtMs, `${after.tookMs}`)
  }))

test("a leader that only this broker cannot reach is named again when the doubt has lasted long enough", () =>
  inLedWorld(async (t, leader, other) => {
    const { world } = t
    world.network.cutLink(t.of(other).machine.name, t.of(leader).machine.name)
    await t.until("its follower has noticed", () => t.said(/a leader cannot be fetched from/) || undefined)
    const { leader: told, tookMs } = await leaderAsToldBy(t, other)
    assert.deepEqual([told, tookMs < doubtMs + 100], [leader, true])
    const again = await leaderAsToldBy(t, other)
    assert.ok(again.tookMs < 50, `${again.tookMs}`)
  }))
