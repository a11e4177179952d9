import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { type FetchedPartition, type FetchPartition, FetchSessions } from "./fetch-sessions.js"

const named = (partition: number): FetchPartition => ({
  topic: "t",
  topicId: zeroUuid,
  partition,
  fetchOffset: 0,
  partitionMaxBytes: 1000,
  currentLeaderEpoch: 0,
  lastFetchedEpoch: -1,
  logStartOffset: 0,
  safeOffset: 0,
  replicaDirectoryId: zeroUuid,
})

const committed = (highWatermark: number): FetchedPartition => ({
  errorCode: 0,
  highWatermark,
  logStartOffset: 0,
  readableOffset: 0,
  recordBytes: 0,
  isSentElsewhere: false,
})

test("a partition that comes in while a request waits is told in the answer to the request that names it", () => {
  const sessions = new FetchSessions(10, () => 7)
  const owner = { kind: "follower", replicaId: 2 } as const
  const open = (sessionId: number, sessionEpoch: number, partitions: readonly FetchPartition[]) =>
    sessions.open({ sessionId, sessionEpoch, usesTopicIds: true, partitions, forgotten: [], owner }, 0)
  const id = open(0, 0, [named(0)]).begin([committed(0)])
  const waiting = open(id, 1, [])
  const next = open(id, 2, [named(1)])
  const session = next.session!
  const partitionsFor = (request: number) => session.look(request).map(({ request: { partition } }) => partition)
  assert.ok(!partitionsFor(waiting.number).includes(1))
  session.conclude(session.look(waiting.number), [committed(0)])
  const looked = session.look(next.number)
  assert.deepEqual(
    looked.map(({ request }) => request.partition),
    [1],
  )
  for (const each of looked) each.isNamed = false
  assert.deepEqual(session.conclude(looked, [committed(5)]), [true])
  session.stir(looked[0]!)
  assert.deepEqual(session.conclude(session.look(next.number), [committed(5)]), [false])
})
