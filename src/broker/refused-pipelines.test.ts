import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { buildBatch } from "../protocol/record-batch.js"
import { RefusedPipelines, refusedPipelinesMax } from "./refused-pipelines.js"

const { NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS, OUT_OF_ORDER_SEQUENCE_NUMBER, MESSAGE_TOO_LARGE } = Errors

const batch = (baseSequence: number, { count = 1, producerEpoch = 0, producerId = 7 } = {}) =>
  buildBatch({
    records: Array.from({ length: count }, () => ({ value: Buffer.from("v") })),
    ...{ producerId, producerEpoch, baseSequence },
  })

test("a pipeline goes on where the refused batch ends, over the largest number too", () => {
  const pipelines = new RefusedPipelines()
  const refused = (sequence: number, error: number, count = 1) =>
    pipelines.refused("t", 0, batch(sequence, { count }), error, false)
  assert.equal(refused(0x7ffffffe, NOT_LEADER_OR_FOLLOWER, 3), NOT_LEADER_OR_FOLLOWER)
  assert.equal(refused(1, OUT_OF_ORDER_SEQUENCE_NUMBER, 2), NOT_LEADER_OR_FOLLOWER)
  assert.equal(refused(3, OUT_OF_ORDER_SEQUENCE_NUMBER), NOT_LEADER_OR_FOLLOWER)
  assert.equal(refused(3, OUT_OF_ORDER_SEQUENCE_NUMBER), OUT_OF_ORDER_SEQUENCE_NUMBER)
})

test("what comes ahead of its turn is sent back once, and only what did", () => {
  const pipelines = new RefusedPipelines()
  const refused = (sequence: number, options = {}) =>
    pipelines.refused("t", 0, batch(sequence, options), OUT_OF_ORDER_SEQUENCE_NUMBER, true)
  assert.deepEqual([refused(5), refused(6)], [NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS])
  assert.deepEqual([refused(5), refused(6)], [OUT_OF_ORDER_SEQUENCE_NUMBER, OUT_OF_ORDER_SEQUENCE_NUMBER])
  pipelines.taken("t", 0, batch(5))
  assert.equal(refused(6), NOT_ENOUGH_REPLICAS)
  assert.equal(refused(6, { producerEpoch: 1 }), NOT_ENOUGH_REPLICAS)
  assert.equal(refused(6, { producerId: 8 }), NOT_ENOUGH_REPLICAS)
})

test("an error that will not pass is told as it is, and begins nothing", () => {
  const pipelines = new RefusedPipelines()
  assert.equal(pipelines.refused("t", 0, batch(0), MESSAGE_TOO_LARGE, false), MESSAGE_TOO_LARGE)
  assert.equal(pipelines.refused("t", 0, batch(1), OUT_OF_ORDER_SEQUENCE_NUMBER, false), OUT_OF_ORDER_SEQUENCE_NUMBER)
  for (const records of [null, Buffer.alloc(3), batch(-1, { producerId: -1, producerEpoch: -1 })])
    assert.equal(pipelines.refused("t", 0, records, NOT_LEADER_OR_FOLLOWER, false), NOT_LEADER_OR_FOLLOWER)
})

test("of too many pipelines the oldest is forgotten", () => {
  const pipelines = new RefusedPipelines()
  for (let producerId = 0; producerId <= refusedPipelinesMax; producerId++)
    pipelines.refused("t", 0, batch(0, { producerId }), NOT_LEADER_OR_FOLLOWER, false)
  const next = (producerId: number) =>
    pipelines.refused("t", 0, batch(1, { producerId }), OUT_OF_ORDER_SEQUENCE_NUMBER, false)
  assert.deepEqual([next(0), next(1)], [OUT_OF_ORDER_SEQUENCE_NUMBER, NOT_LEADER_OR_FOLLOWER])
})
