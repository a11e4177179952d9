import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { Errors } from "../protocol/errors.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import { fetch } from "../protocol/messages/fetch.js"
import { type ClusterWorld, inClusterWorld } from "./testing/cluster-world.js"

const ids = [1, 2, 3]
const sessionTimeoutMs = 2000

/** A consumer that knows no leader epochs (KIP-320), at an offset that this broker does not have. */
async function beyondTheEnd(t: ClusterWorld, id: number): Promise<number> {
  const { responses } = await t.ask(
    id,
    fetch,
    {
      maxWaitMs: 0,
      minBytes: 1,
      forgottenTopicsData: [],
      topics: [
        { topic: "t", topicId: zeroUuid, partitions: [{ partition: 0, fetchOffset: 7, partitionMaxBytes: 1000 }] },
      ],
    },
    { version: 12 },
  )
  return responses[0]!.partitions[0]!.errorCode
}

test("a leader that no controller has answered for a session sends consumers beyond its end elsewhere, not back", () =>
  inClusterWorld(ids, async (t) => {
    await t.startAll({
      "controller.quorum.voters": t.voters(ids),
      "broker.session.timeout.ms": String(sessionTimeoutMs),
    })
    const topic = {
      name: "t",
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [{ partitionIndex: 0, brokerIds: ids }],
      configs: [],
    }
    await t.ask(2, createTopics, { topics: [topic], timeoutMs: 5000, validateOnly: false })
    assert.equal(await beyondTheEnd(t, 1), Errors.OFFSET_OUT_OF_RANGE)
    const [first, ...others] = ids.map((id) => t.of(id).machine.name)
    t.world.network.partition([[first!], others])
    await t.passTime(sessionTimeoutMs + 10)
    assert.equal(await beyondTheEnd(t, 1), Errors.NOT_LEADER_OR_FOLLOWER)
    t.world.network.heal()
    await t.until("it is answered again", async () =>
      (await beyondTheEnd(t, 2)) === Errors.OFFSET_OUT_OF_RANGE ||
      (await beyondTheEnd(t, 1)) === Errors.OFFSET_OUT_OF_RANGE
        ? true
        : undefined,
    )
  }))
