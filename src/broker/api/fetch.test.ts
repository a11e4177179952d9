import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../../base/ids.js"
import { Errors } from "../../protocol/errors.js"
import { deleteRecords } from "../../protocol/messages/delete-records.js"
import { fetch } from "../../protocol/messages/fetch.js"
import { offsetForLeaderEpoch } from "../../protocol/messages/offset-for-leader-epoch.js"
import { type BrokerWorld, batchOf, inBrokerWorld, recordsIn } from "../testing/broker-world.js"

test("a fetch inside a batch returns the whole batch", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce(batchOf(["a", "b", "c"]))
    await t.produce(batchOf(["d", "e"]))
    assert.deepEqual((await t.fetch(1)).offsets, [0, 1, 2, 3, 4])
    assert.deepEqual((await t.fetch(4)).offsets, [3, 4])
  })
})

test("the first batch is returned however large, and what follows only whole", async () => {
  for (const hotBytes of ["0", "1000000"]) {
    await inBrokerWorld(
      async (t) => {
        await t.createTopic("t", 2)
        await t.produce("x".repeat(5000))
        await t.produce("y".repeat(100))
        await t.produce("z", { partition: 1 })
        assert.deepEqual((await t.fetch(0, { maxBytes: 1 })).offsets, [0])
        assert.deepEqual((await t.fetch(0, { partitionMaxBytes: 1 })).offsets, [0])
        assert.deepEqual((await t.fetch(0, { maxBytes: 5200 })).offsets, [0])
        assert.deepEqual((await t.fetch(0, { maxBytes: 5300 })).offsets, [0, 1])
        // Only the first partition that has something goes beyond the limit.
        const answer = await t.client.send(fetch, 12, {
          maxWaitMs: 0,
          minBytes: 1,
          maxBytes: 10,
          topics: [
            {
              topic: "t",
              topicId: zeroUuid,
              partitions: [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 10 })),
            },
          ],
          forgottenTopicsData: [],
        })
        assert.deepEqual(
          answer.responses[0]!.partitions.map(({ records }) => recordsIn(records).offsets),
          [[0], []],
        )
      },
      { settings: { "ottla.hot.cache.bytes": hotBytes } },
    )
  }
})

test("a fetch with too little to return waits until there is enough", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const consumer = await t.connect()
    const startMs = t.world.nowMs
    const waiting = t.fetch(0, { client: consumer, maxWaitMs: 10_000, minBytes: 1 })
    await t.passTime(500)
    await t.produce("a")
    assert.deepEqual((await waiting).values, ["a"])
    assert.ok(t.world.nowMs - startMs < 600)
  })
})

test("a wait for bytes ends when they are there, not before", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const consumer = await t.connect()
    let answered = false
    const waiting = t.fetch(0, { client: consumer, maxWaitMs: 10_000, minBytes: 250 }).then((answer) => {
      answered = true
      return answer
    })
    for (let number = 0; number < 3; number++) {
      await t.produce(`v${number}`)
      await t.passTime(100)
      assert.equal(answered, false)
    }
    await t.produce("v3")
    assert.equal((await waiting).values.length, 4)
  })
})

test("a wait is over after maxWaitMs, with what there is", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce("a")
    const startMs = t.world.nowMs
    assert.deepEqual((await t.fetch(0, { maxWaitMs: 700, minBytes: 1000 })).values, ["a"])
    const waitedMs = t.world.nowMs - startMs
    assert.ok(waitedMs >= 700 && waitedMs < 750, `${waitedMs}`)
    assert.deepEqual((await t.fetch(1, { maxWaitMs: 100 })).values, [])
  })
})

test("a wait ends at once with what is wrong", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const startMs = t.world.nowMs
    assert.equal((await t.fetch(5, { maxWaitMs: 60_000 })).errorCode, Errors.OFFSET_OUT_OF_RANGE)
    assert.equal((await t.fetch(0, { maxWaitMs: 60_000, topic: "nope" })).errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION)
    const consumer = await t.connect()
    const waiting = t.fetch(0, { client: consumer, maxWaitMs: 60_000 })
    await t.passTime(10)
    await t.deleteTopic("t")
    assert.equal((await waiting).errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION)
    assert.ok(t.world.nowMs - startMs < 1000)
  })
})

test("a consumer that leaves while it waits, or while files are read, leaves nothing behind", async () => {
  for (let ms = 0; ms < 2; ms += 0.2) {
    await inBrokerWorld(
      async (t) => {
        await t.createTopic()
        for (let number = 0; number < 5; number++) await t.produce("x".repeat(2000))
        for (const offset of [0, 5]) {
          const consumer = await t.connect()
          t.fetch(offset, { client: consumer, maxWaitMs: 60_000, minBytes: 100_000 }).catch(() => {})
          await t.passTime(ms)
          consumer.close()
        }
        await t.passTime(1000)
        // A file held by a read that was never released would outlive its topic.
        await t.deleteTopic("t")
        await t.passTime(120_000)
        assert.deepEqual(
          t.disk.paths().filter((path) => path.startsWith("/data/t-0")),
          [],
        )
        assert.deepEqual(t.fatal, [])
        await t.createTopic("u")
        assert.equal((await t.produce("a", { topic: "u" })).errorCode, Errors.NONE)
      },
      { seed: ms, settings: { "ottla.hot.cache.bytes": "0" } },
    )
  }
})

test("offsets outside the log are out of range, its end is not", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    for (const value of ["a", "b", "c"]) await t.produce(value)
    await t.client.send(deleteRecords, 2, {
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 1 }] }],
      timeoutMs: 1000,
    })
    for (const offset of [-1, 0, 4]) assert.equal((await t.fetch(offset)).errorCode, Errors.OFFSET_OUT_OF_RANGE)
    const { errorCode, highWatermark, logStartOffset, offsets } = await t.fetch(3)
    assert.deepEqual([errorCode, highWatermark, logStartOffset, offsets], [Errors.NONE, 3, 1, []])
  })
})

// KIP-320, KIP-595.
test("leader epochs fence readers with old or too new metadata, and tell where logs part", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce("a")
    const firstEpoch = (await t.metadata(["t"])).topics[0]!.partitions[0]!.leaderEpoch
    await t.restart()
    await t.restart()
    const epoch = (await t.metadata(["t"])).topics[0]!.partitions[0]!.leaderEpoch
    assert.ok(epoch >= firstEpoch + 2)
    const read = async (currentLeaderEpoch: number) => (await t.fetch(0, { currentLeaderEpoch })).errorCode
    assert.equal(await read(epoch - 1), Errors.FENCED_LEADER_EPOCH)
    assert.equal(await read(epoch + 1), Errors.UNKNOWN_LEADER_EPOCH)
    assert.equal(await read(epoch), Errors.NONE)
    const endOf = async (leaderEpoch: number) => {
      const answer = await t.client.send(offsetForLeaderEpoch, 4, {
        replicaId: -1,
        topics: [{ topic: "t", partitions: [{ partition: 0, leaderEpoch }] }],
      })
      const { leaderEpoch: found, endOffset } = answer.topics[0]!.partitions[0]!
      return [found, endOffset]
    }
    // No record of the present epoch is there, and none of the one before.
    assert.deepEqual(await endOf(firstEpoch), [firstEpoch, 1])
    assert.deepEqual(await endOf(epoch - 1), [firstEpoch, 1])
    assert.deepEqual(await endOf(epoch), [epoch, 1])
    assert.deepEqual(await endOf(epoch + 1), [-1, -1])
    await t.produce("b")
    assert.deepEqual(await endOf(firstEpoch), [firstEpoch, 1])
    assert.deepEqual(await endOf(epoch), [epoch, 2])
    const diverged = await t.fetch(2, { lastFetchedEpoch: firstEpoch })
    assert.deepEqual([diverged.divergingEpoch.epoch, diverged.divergingEpoch.endOffset], [firstEpoch, 1])
    assert.deepEqual(diverged.offsets, [])
    assert.deepEqual((await t.fetch(1, { lastFetchedEpoch: firstEpoch })).offsets, [1])
  })
})

// KIP-227.
async function sessionFetch(
  t: BrokerWorld,
  sessionId: number,
  sessionEpoch: number,
  partitions: Record<number, number>,
  forgotten: number[] = [],
  options: { version?: number; topicId?: string } = {},
) {
  const { version = 12, topicId = zeroUuid } = options
  const answer = await t.client.send(fetch, version, {
    maxWaitMs: 0,
    minBytes: 1,
    sessionId,
    sessionEpoch,
    topics:
      Object.keys(partitions).length === 0
        ? []
        : [
            {
              topic: "t",
              topicId,
              partitions: Object.entries(partitions).map(([partition, fetchOffset]) => ({
                partition: Number(partition),
                fetchOffset,
                partitionMaxBytes: 1 << 20,
              })),
            },
          ],
    forgottenTopicsData: forgotten.length === 0 ? [] : [{ topic: "t", topicId, partitions: forgotten }],
  })
  const found = Object.fromEntries(
    answer.responses.flatMap((topic) =>
      topic.partitions.map(({ partitionIndex, records, errorCode }) => [
        partitionIndex,
        errorCode === Errors.NONE ? recordsIn(records).values.join() : `error ${errorCode}`,
      ]),
    ),
  )
  return { errorCode: answer.errorCode, sessionId: answer.sessionId, found }
}

test("a session answers with everything once, then with what is new", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic("t", 3)
    await t.produce("a", { partition: 0 })
    const { sessionId, found } = await sessionFetch(t, 0, 0, { 0: 0, 1: 0, 2: 0 })
    assert.ok(sessionId > 0)
    assert.deepEqual(found, { 0: "a", 1: "", 2: "" })
    assert.deepEqual((await sessionFetch(t, sessionId, 1, { 0: 1 })).found, {})
    await t.produce("b", { partition: 1 })
    assert.deepEqual((await sessionFetch(t, sessionId, 2, {})).found, { 1: "b" })
    // Not asked further, it comes again; forgotten, it does not.
    assert.deepEqual((await sessionFetch(t, sessionId, 3, {})).found, { 1: "b" })
    assert.deepEqual((await sessionFetch(t, sessionId, 4, {}, [1])).found, {})
    await t.produce("c", { partition: 1 })
    assert.deepEqual((await sessionFetch(t, sessionId, 5, {})).found, {})
    // An error is told until it is gone.
    assert.deepEqual((await sessionFetch(t, sessionId, 6, { 2: 9 })).found, { 2: "error 1" })
    assert.deepEqual((await sessionFetch(t, sessionId, 7, {})).found, { 2: "error 1" })
    assert.deepEqual((await sessionFetch(t, sessionId, 8, { 2: 0 })).found, { 2: "" })
    assert.deepEqual((await sessionFetch(t, sessionId, 9, {})).found, {})
  })
})

test("a session is left by a wrong epoch, an unknown id, another way to name topics, and its close", async () => {
  await inBrokerWorld(async (t) => {
    const topicId = await t.createTopic("t", 2)
    const { sessionId } = await sessionFetch(t, 0, 0, { 0: 0 })
    assert.equal((await sessionFetch(t, sessionId, 2, {})).errorCode, Errors.INVALID_FETCH_SESSION_EPOCH)
    assert.equal((await sessionFetch(t, sessionId + 1, 1, {})).errorCode, Errors.FETCH_SESSION_ID_NOT_FOUND)
    assert.equal(
      (await sessionFetch(t, sessionId, 1, {}, [], { version: 13, topicId })).errorCode,
      Errors.FETCH_SESSION_TOPIC_ID_ERROR,
    )
    assert.equal((await sessionFetch(t, sessionId, 1, {})).errorCode, Errors.NONE)
    assert.equal((await sessionFetch(t, sessionId, -1, { 0: 0 })).sessionId, 0)
    assert.equal((await sessionFetch(t, sessionId, 2, {})).errorCode, Errors.FETCH_SESSION_ID_NOT_FOUND)
    // A new full fetch replaces the session it names.
    const again = await sessionFetch(t, 0, 0, { 0: 0 })
    const replaced = await sessionFetch(t, again.sessionId, 0, { 0: 0, 1: 0 })
    assert.equal((await sessionFetch(t, again.sessionId, 1, {})).errorCode, Errors.FETCH_SESSION_ID_NOT_FOUND)
    assert.equal((await sessionFetch(t, replaced.sessionId, 1, {})).errorCode, Errors.NONE)
  })
})

test("without a free place there is no session, until one has been idle for long", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic("t", 2)
      const sessions = [await sessionFetch(t, 0, 0, { 0: 0 }), await sessionFetch(t, 0, 0, { 0: 0 })]
      assert.ok(sessions.every(({ sessionId }) => sessionId > 0))
      const without = await sessionFetch(t, 0, 0, { 0: 0 })
      assert.deepEqual([without.errorCode, without.sessionId, without.found], [Errors.NONE, 0, { 0: "" }])
      await t.passTime(121_000)
      assert.equal((await sessionFetch(t, sessions[0]!.sessionId, 1, {})).errorCode, Errors.NONE)
      assert.ok((await sessionFetch(t, 0, 0, { 0: 0 })).sessionId > 0)
      assert.equal((await sessionFetch(t, sessions[0]!.sessionId, 2, {})).errorCode, Errors.NONE)
      assert.equal((await sessionFetch(t, sessions[1]!.sessionId, 1, {})).errorCode, Errors.FETCH_SESSION_ID_NOT_FOUND)
    },
    { settings: { "max.incremental.fetch.session.cache.slots": "2" } },
  )
})

test("a session by id notices that its topic is another one now", async () => {
  await inBrokerWorld(async (t) => {
    const topicId = await t.createTopic("t", 1)
    await t.produce("old")
    const byId = { version: 13, topicId }
    const { sessionId } = await sessionFetch(t, 0, 0, { 0: 0 }, [], byId)
    const byName = await sessionFetch(t, 0, 0, { 0: 0 })
    await t.deleteTopic("t")
    await t.createTopic("t", 1)
    await t.produce("new")
    assert.deepEqual((await sessionFetch(t, sessionId, 1, {}, [], byId)).found, {
      0: `error ${Errors.UNKNOWN_TOPIC_ID}`,
    })
    assert.deepEqual((await sessionFetch(t, byName.sessionId, 1, {})).found, {
      0: `error ${Errors.INCONSISTENT_TOPIC_ID}`,
    })
  })
})
