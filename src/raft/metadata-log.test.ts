import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { fetch } from "../protocol/messages/fetch.js"
import { metadataTopicId } from "./raft-log.js"
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

test("a leader whose log cannot be read says so to its followers, and is done with the disk", async () => {
  await inQuorumWorld({ voters: 3 }, async (quorum) => {
    await quorum.start()
    await quorum.elected()
    for (let round = 0; round < 10; round++) await quorum.replicate()
    for (const node of quorum.nodes) node.crash("kill")
    // What is read now is in no memory.
    await quorum.start()
    const leader = await quorum.elected()
    // Where the records lie is found, the records are not read.
    let reads = 0
    leader.node.disk.intercept = ({ kind, path }) =>
      kind === "read" && path.endsWith("__cluster_metadata-0/00000000000000000000.log") && ++reads > 2
        ? { error: "EIO" }
        : undefined
    const follower = quorum.nodes.find((node) => node !== leader)!
    const partition = {
      partition: 0,
      currentLeaderEpoch: leader.log!.epoch,
      fetchOffset: 3,
      lastFetchedEpoch: 1,
      partitionMaxBytes: 1000,
      highWatermark: -1,
      replicaDirectoryId: follower.directoryId,
    }
    const request = {
      clusterId: null,
      replicaState: { replicaId: follower.id },
      maxWaitMs: 0,
      maxBytes: 1000,
      topics: [{ topicId: metadataTopicId, partitions: [partition] }],
    }
    const { responses } = await leader.log!.handle(fetch, request as never, fetch.maxVersion)
    assert.equal(responses[0]?.partitions[0]?.errorCode, Errors.BROKER_NOT_AVAILABLE)
    assert.match(leader.failed ?? "", /EIO/)
  })
})
