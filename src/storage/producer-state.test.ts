import assert from "node:assert/strict"
import { test } from "node:test"
import { crc32c } from "../base/crc32c.js"
import {
  buildBatch,
  controlRecordKey,
  controlRecordTypes,
  endTransactionMarkerValue,
} from "../protocol/record-batch.js"
import { Errors } from "../protocol/errors.js"
import { AwaitedSequences, awaitedProducersMax } from "./awaited-sequences.js"
import { ProducerState } from "./producer-state.js"
import { records, startMs } from "./testing/log-world.js"

interface Sent {
  count?: number
  baseOffset?: number
  epoch?: number
  sequence: number
  transactional?: boolean
}

const batch = ({ count = 1, baseOffset = 0, epoch = 0, sequence, transactional = false }: Sent) =>
  records(count, {
    baseOffset,
    producerId: 9,
    producerEpoch: epoch,
    baseSequence: sequence,
    isTransactional: transactional,
    timestamp: startMs,
  })

function stateAfter(...sent: Sent[]): ProducerState {
  const state = new ProducerState()
  for (const one of sent) {
    assert.equal(state.check(batch(one)).kind, "append")
    state.record(batch(one))
  }
  return state
}

function verdict(state: ProducerState, sent: Sent): string | number {
  const check = state.check(batch(sent))
  return check.kind === "error" ? check.error : check.kind
}

test("sequences follow each other", () => {
  const state = stateAfter({ sequence: 0, count: 3 })
  assert.equal(verdict(state, { sequence: 3 }), "append")
  assert.equal(verdict(state, { sequence: 4 }), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
  assert.equal(verdict(state, { sequence: 1 }), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
})

test("the sequence after 2^31 - 1 is 0, also inside a batch", () => {
  const state = stateAfter({ sequence: 0x7fffffff })
  assert.equal(verdict(state, { sequence: 0 }), "append")
  const across = stateAfter({ sequence: 0x7ffffffe, count: 3 })
  assert.equal(verdict(across, { sequence: 1 }), "append")
  assert.equal(verdict(across, { sequence: 0x7ffffffe, count: 3 }), "duplicate")
})

test("the last five batches are recognised with their offsets, older ones are out of order", () => {
  const state = stateAfter(
    ...Array.from({ length: 7 }, (_, i) => ({ sequence: 2 * i, count: 2, baseOffset: 100 + 2 * i })),
  )
  assert.deepEqual(state.check(batch({ sequence: 4, count: 2 })), {
    kind: "duplicate",
    baseOffset: 104,
    lastOffset: 105,
    timestamp: startMs,
  })
  assert.equal(verdict(state, { sequence: 2, count: 2 }), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
  assert.equal(verdict(state, { sequence: 4, count: 1 }), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
})

test("an older epoch is refused, a newer one starts at zero", () => {
  const state = stateAfter({ sequence: 0, epoch: 3 })
  assert.equal(verdict(state, { sequence: 1, epoch: 2 }), Errors.INVALID_PRODUCER_EPOCH)
  assert.equal(verdict(state, { sequence: 1, epoch: 4 }), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
  assert.equal(verdict(state, { sequence: 0, epoch: 4 }), "append")
})

test("an unknown producer may start with any sequence", () => {
  assert.equal(verdict(new ProducerState(), { sequence: 77 }), "append")
})

test("an append is undone by putting the old entry back", () => {
  const state = stateAfter({ sequence: 0 })
  const previous = state.record(batch({ sequence: 1 }))
  assert.equal(verdict(state, { sequence: 2 }), "append")
  state.restore(9, previous)
  assert.equal(verdict(state, { sequence: 1 }), "append")
})

test("a producer is forgotten when it was idle long enough, but not within a transaction", () => {
  const idle = stateAfter({ sequence: 0 })
  assert.equal(idle.expire(startMs + 999, 1000), 0)
  assert.equal(idle.expire(startMs + 1000, 1000), 1)
  const open = stateAfter({ sequence: 0, transactional: true })
  assert.equal(open.expire(startMs + 1000, 1000), 0)
})

test("a transaction is open from its first batch to its marker", () => {
  const state = stateAfter(
    { sequence: 0, baseOffset: 40, transactional: true },
    { sequence: 1, baseOffset: 41, transactional: true },
  )
  assert.equal(state.firstUnstableOffset(), 40)
  state.record(
    buildBatch({
      records: [{ key: controlRecordKey(controlRecordTypes.commit), value: endTransactionMarkerValue(12) }],
      baseOffset: 42,
      producerId: 9,
      producerEpoch: 0,
      isTransactional: true,
      isControl: true,
      timestamp: startMs,
    }),
  )
  assert.equal(state.firstUnstableOffset(), -1)
  assert.equal(state.get(9)?.coordinatorEpoch, 12)
  assert.equal(verdict(state, { sequence: 2 }), "append")
})

test("a snapshot brings back every remembered batch, and is refused when a bit is wrong", () => {
  const state = stateAfter({ sequence: 0, count: 2, baseOffset: 10 }, { sequence: 2, count: 2, baseOffset: 12 })
  const bytes = state.encodeSnapshot()
  assert.equal(bytes.length, 10 + 2 * 46)
  const restored = ProducerState.decodeSnapshot(bytes)!
  assert.deepEqual(restored.get(9), state.get(9))
  assert.equal(verdict(restored, { sequence: 0, count: 2 }), "duplicate")
  assert.equal(verdict(restored, { sequence: 2, count: 2 }), "duplicate")
  assert.equal(verdict(restored, { sequence: 4 }), "append")
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = Buffer.from(bytes)
    bad[bit >> 3]! ^= 1 << (bit & 7)
    assert.equal(ProducerState.decodeSnapshot(bad), undefined, `bit ${bit}`)
  }
  assert.equal(ProducerState.decodeSnapshot(bytes.subarray(0, 9)), undefined)
})

test("a snapshot of Kafka's has one entry for each producer, and one of a newer epoch replaces that of an older", () => {
  const older = stateAfter({ sequence: 0 }).encodeSnapshot().subarray(10)
  const newer = stateAfter({ sequence: 0, epoch: 1, baseOffset: 1 }).encodeSnapshot().subarray(10)
  const bytes = Buffer.concat([Buffer.alloc(10), older, newer])
  bytes.writeInt16BE(1, 0)
  bytes.writeInt32BE(2, 6)
  bytes.writeUInt32BE(crc32c(bytes, 6), 2)
  const restored = ProducerState.decodeSnapshot(bytes)!
  assert.equal(restored.get(9)?.producerEpoch, 1)
  assert.equal(restored.get(9)?.batches.length, 1)
})

test("what follows a refused first batch waits until that comes again", () => {
  const state = new ProducerState()
  state.refuse(batch({ sequence: 0, count: 8 }))
  state.refuse(batch({ sequence: 8, count: 7 }))
  assert.equal(verdict(state, { sequence: 8, count: 7 }), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
  assert.equal(verdict(state, { sequence: 0, count: 8 }), "append")
  state.record(batch({ sequence: 0, count: 8 }))
  assert.equal(verdict(state, { sequence: 8, count: 7 }), "append")
})

test("what follows a first batch that was taken back waits too", () => {
  const state = new ProducerState()
  state.restore(9, state.record(batch({ sequence: 0x7fffffff, count: 1 })))
  assert.equal(verdict(state, { sequence: 0 }), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
  assert.equal(verdict(state, { sequence: 0x7fffffff }), "append")
})

test("a producer that begins anew with another epoch is not held to what an earlier one left", () => {
  const state = new ProducerState()
  state.refuse(batch({ sequence: 0, epoch: 1 }))
  assert.equal(verdict(state, { sequence: 5, epoch: 2 }), "append")
})

test("of the producers that never came back a bounded number is remembered", () => {
  const awaited = new AwaitedSequences()
  for (let producerId = 0; producerId < 3 * awaitedProducersMax; producerId++) awaited.awaitFrom(producerId, 0, 0)
  assert.equal(awaited.size, awaitedProducersMax)
})
