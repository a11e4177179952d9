import assert from "node:assert/strict"
import { test } from "node:test"
import { Reader } from "../base/reader.js"
import { Errors } from "../protocol/errors.js"
import { randomMessage } from "../protocol/generate.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"
import { fetch } from "../protocol/messages/fetch.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { apis } from "../protocol/messages/index.js"
import { joinGroup } from "../protocol/messages/join-group.js"
import { offsetCommit } from "../protocol/messages/offset-commit.js"
import { offsetFetch } from "../protocol/messages/offset-fetch.js"
import { produce } from "../protocol/messages/produce.js"
import { decodeResponseHeader } from "../protocol/request-header.js"
import { seededInt } from "../protocol/testdata/random.js"
import { errorAnswer } from "./error-answer.js"

const zeroId = "AAAAAAAAAAAAAAAAAAAAAA"
const code = Errors.NOT_LEADER_OR_FOLLOWER

function answerTo<A extends Api>(api: A, version: number, request: RequestInputOf<A>): ResponseOf<A> {
  const full = api.request.create(request as never) as Record<string, unknown>
  const frame = Buffer.concat(errorAnswer(api, version, 7, full, code) as Uint8Array[])
  const reader = new Reader(frame.subarray(4))
  assert.equal(frame.readInt32BE(0), frame.length - 4)
  assert.equal(decodeResponseHeader(reader, api, version).correlationId, 7)
  return api.response.decode(reader, version) as ResponseOf<A>
}

test("each partition of a produce request is refused by its number, with no offset", () => {
  for (const version of [7, produce.maxVersion]) {
    const partitionData = [0, 4].map((index) => ({ index, records: Buffer.alloc(0) }))
    const { responses } = answerTo(produce, version, {
      acks: -1,
      timeoutMs: 1,
      topicData: [{ name: "t", topicId: zeroId, partitionData }],
    })
    assert.deepEqual(
      responses[0]!.partitionResponses.map(({ index, errorCode, baseOffset }) => [index, errorCode, baseOffset]),
      [
        [0, code, -1],
        [4, code, -1],
      ],
    )
    assert.equal(responses[0]!.name, version < 13 ? "t" : "")
  }
})

test("partitions of a fetch are refused one by one, its session only when it names none", () => {
  const partitions = [{ partition: 2, fetchOffset: 0, partitionMaxBytes: 1 }]
  const request = { maxWaitMs: 0, minBytes: 0, forgottenTopicsData: [] }
  const named = answerTo(fetch, 12, { ...request, topics: [{ topic: "t", topicId: zeroId, partitions }] })
  assert.equal(named.errorCode, 0)
  assert.equal(named.responses[0]!.topic, "t")
  assert.deepEqual(
    [named.responses[0]!.partitions[0]!.partitionIndex, named.responses[0]!.partitions[0]!.errorCode],
    [2, code],
  )
  assert.equal(answerTo(fetch, 12, { ...request, topics: [] }).errorCode, code)
})

test("groups, keys and topics are named as they were asked for", () => {
  const found = answerTo(findCoordinator, 6, { key: "", keyType: 0, coordinatorKeys: ["a", "b"] })
  assert.deepEqual(
    found.coordinators.map(({ key, errorCode }) => [key, errorCode]),
    [
      ["a", code],
      ["b", code],
    ],
  )
  assert.equal(answerTo(findCoordinator, 3, { key: "a", keyType: 0, coordinatorKeys: [] }).errorCode, code)
  const committed = answerTo(offsetCommit, 8, {
    groupId: "g",
    generationIdOrMemberEpoch: -1,
    memberId: "",
    topics: [
      { name: "t", topicId: zeroId, partitions: [{ partitionIndex: 3, committedOffset: 1, committedMetadata: "" }] },
    ],
  })
  assert.deepEqual(committed.topics[0], {
    name: "t",
    topicId: zeroId,
    partitions: [{ partitionIndex: 3, errorCode: code }],
  })
  const offsets = answerTo(offsetFetch, 8, {
    groupId: "",
    topics: [],
    groups: [{ groupId: "g", topics: [{ name: "t", topicId: zeroId, partitionIndexes: [5] }] }],
  })
  assert.equal(offsets.groups[0]!.errorCode, code)
  assert.deepEqual(offsets.groups[0]!.topics[0]!.partitions[0]!.partitionIndex, 5)
  assert.deepEqual(offsets.groups[0]!.topics[0]!.partitions[0]!.committedOffset, -1)
})

test("a member keeps its id", () => {
  const answer = answerTo(joinGroup, 9, {
    groupId: "g",
    sessionTimeoutMs: 1,
    memberId: "m",
    protocolType: "consumer",
    protocols: [],
    groupInstanceId: null,
    rebalanceTimeoutMs: 1,
  })
  assert.deepEqual([answer.memberId, answer.errorCode], ["m", code])
})

test("every API has an error answer in every version", () => {
  for (const api of apis)
    for (let version = api.minVersion; version <= api.maxVersion; version++)
      for (let seed = 0; seed < 10; seed++)
        answerTo(api, version, randomMessage(api.request, version, seededInt(seed)) as never)
})
