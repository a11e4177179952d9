import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../protocol/errors.js"
import { metadata } from "../../protocol/messages/metadata.js"
import { produce } from "../../protocol/messages/produce.js"
import { batchOf, inBrokerWorld, produceRequest } from "../testing/broker-world.js"

const hourMs = 3_600_000

test("an acknowledged record survives a power cut, whatever acks said", async () => {
  for (const acks of [1, -1]) {
    await inBrokerWorld(
      async (t) => {
        await t.createTopic()
        assert.equal((await t.produce("a", { acks })).errorCode, Errors.NONE)
        await t.crash("power")
        assert.deepEqual(await t.readAll(), ["a"])
      },
      { seed: acks },
    )
  }
})

test("acks=0 is appended and not answered", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    t.client.post(produce, 9, produceRequest("a", { acks: 0 }))
    // The answer of what follows is the first that comes.
    assert.equal((await t.produce("b")).baseOffset, 1)
    assert.deepEqual(await t.readAll(), ["a", "b"])
  })
})

test("an error under acks=0 closes the connection, which is all its producer can notice", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    t.client.post(produce, 9, produceRequest("a", { acks: 0, topic: "nope" }))
    await t.client.closed
  })
})

test("pipelined produces keep their order, and their answers too", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic("t", 3)
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, number) =>
          t.produce(`v${number}`, { partition: number % 3, acks: number % 2 === 0 ? -1 : 1 }),
        ),
      )
      assert.deepEqual(
        t.client.answered.slice(-60),
        Array.from({ length: 60 }, (_, index) => index + 1),
      )
      for (const [number, answer] of answers.entries()) assert.equal(answer.baseOffset, Math.floor(number / 3))
      for (let partition = 0; partition < 3; partition++) {
        assert.deepEqual(
          await t.readAll("t", partition),
          Array.from({ length: 20 }, (_, index) => `v${index * 3 + partition}`),
        )
      }
    },
    { network: { chunkBytesMax: 100 } },
  )
})

test("a produce behind a slow request is answered after it", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const order: string[] = []
    const first = t.client
      .send(metadata, 12, {
        topics: [{ name: "made", topicId: "AAAAAAAAAAAAAAAAAAAAAA" }],
        allowAutoTopicCreation: true,
        includeTopicAuthorizedOperations: false,
        includeClusterAuthorizedOperations: false,
      })
      .then(() => order.push("metadata"))
    const second = t.produce("a").then(() => order.push("produce"))
    await Promise.all([first, second])
    assert.deepEqual(order, ["metadata", "produce"])
  })
})

const refusals: readonly {
  rule: string
  batch: () => Buffer | string
  options?: Parameters<typeof produceRequest>[1] & { version?: number }
  error: number
}[] = [
  { rule: "an unknown topic", batch: () => "a", options: { topic: "nope" }, error: Errors.UNKNOWN_TOPIC_OR_PARTITION },
  {
    rule: "an unknown partition",
    batch: () => "a",
    options: { partition: 9 },
    error: Errors.UNKNOWN_TOPIC_OR_PARTITION,
  },
  {
    rule: "a negative partition",
    batch: () => "a",
    options: { partition: -1 },
    error: Errors.UNKNOWN_TOPIC_OR_PARTITION,
  },
  { rule: "acks that are none", batch: () => "a", options: { acks: 2 }, error: Errors.INVALID_REQUIRED_ACKS },
  {
    rule: "an unknown topic whatever acks say",
    batch: () => "a",
    options: { acks: 2, topic: "nope" },
    error: Errors.UNKNOWN_TOPIC_OR_PARTITION,
  },
  { rule: "a batch larger than max.message.bytes", batch: () => "x".repeat(3000), error: Errors.MESSAGE_TOO_LARGE },
  {
    rule: "a damaged batch",
    batch: () => {
      const batch = batchOf(["a"])
      batch[65]! ^= 1
      return batch
    },
    error: Errors.CORRUPT_MESSAGE,
  },
  { rule: "a control batch", batch: () => batchOf(["a"], { isControl: true }), error: Errors.INVALID_RECORD },
  {
    rule: "two batches",
    batch: () => Buffer.concat([batchOf(["a"]), batchOf(["b"])]),
    error: Errors.INVALID_RECORD,
  },
  { rule: "nothing", batch: () => Buffer.alloc(0), error: Errors.INVALID_RECORD },
  {
    rule: "a transactional batch",
    batch: () => batchOf(["a"], { isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
    error: Errors.INVALID_TXN_STATE,
  },
]
test("what is refused leaves nothing in the log", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic("t", 1, { "max.message.bytes": "2000" })
    for (const { rule, batch, options, error } of refusals) {
      for (const version of [3, 7, 12]) {
        assert.equal(
          (await t.produce(batch(), { ...options, version })).errorCode,
          error,
          `${rule}, version ${version}`,
        )
      }
    }
    assert.equal((await t.offsetAt(-1)).offset, 0)
    assert.equal((await t.produce("a")).baseOffset, 0)
  })
})

test("an internal topic takes no records from clients", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic("__consumer_offsets")
    assert.equal((await t.produce("a", { topic: "__consumer_offsets" })).errorCode, Errors.INVALID_TOPIC_EXCEPTION)
  })
})

test("a topic is named by its id from version 13, and a dead id is unknown", async () => {
  await inBrokerWorld(async (t) => {
    const topicId = await t.createTopic()
    const send = async (id: string) =>
      (await t.client.send(produce, 13, produceRequest("a", { topicId: id }))).responses[0]!.partitionResponses[0]!
    assert.equal((await send(topicId)).errorCode, Errors.NONE)
    await t.deleteTopic("t")
    await t.createTopic()
    assert.equal((await send(topicId)).errorCode, Errors.UNKNOWN_TOPIC_ID)
    assert.equal((await t.offsetAt(-1)).offset, 0)
  })
})

test("with LogAppendTime the broker's clock counts and is told", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic("t", 1, { "message.timestamp.type": "LogAppendTime" })
    const nowMs = t.node.env.clock.wallMs()
    const { logAppendTimeMs } = await t.produce(batchOf(["a"], { timestamp: 5 }))
    assert.ok(logAppendTimeMs >= nowMs && logAppendTimeMs < nowMs + 1000)
    assert.equal((await t.offsetAt(-3)).timestamp, logAppendTimeMs)
  })
})

test("a timestamp too far ahead is refused, and the answer names the record", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const timestamp = t.node.env.clock.wallMs() + 2 * hourMs
    const answer = await t.produce(batchOf(["a", "b"], { timestamp }))
    assert.equal(answer.errorCode, Errors.INVALID_TIMESTAMP)
    assert.deepEqual(
      answer.recordErrors.map(({ batchIndex }) => batchIndex),
      [0, 1],
    )
    await t.alterTopic("t", { "message.timestamp.after.max.ms": String(3 * hourMs) })
    assert.equal((await t.produce(batchOf(["a"], { timestamp }))).errorCode, Errors.NONE)
  })
})

test("a topic cannot need more replicas in sync than it has (KIP-966)", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic("t", 1, { "min.insync.replicas": "2" })
    assert.equal((await t.produce("a", { acks: -1 })).errorCode, Errors.NONE)
  })
})

test("a full disk refuses appends, reads go on, and writing resumes by itself", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    await t.produce("a")
    t.disk.intercept = ({ kind, path }) =>
      kind === "write" && path.includes("/t-0/") ? { error: "ENOSPC" } : undefined
    assert.equal((await t.produce("b")).errorCode, Errors.KAFKA_STORAGE_ERROR)
    assert.deepEqual(await t.readAll(), ["a"])
    t.disk.intercept = undefined
    await t.passTime(30_000)
    assert.equal((await t.produce("c")).baseOffset, 1)
    assert.deepEqual(await t.readAll(), ["a", "c"])
  })
})

test("a topic made while there was no room is served once there is", async () => {
  await inBrokerWorld(async (t) => {
    t.disk.intercept = ({ path }) => (path.includes("/t-0") ? { error: "ENOSPC" } : undefined)
    await t.createTopic()
    assert.equal((await t.produce("a")).errorCode, Errors.NOT_LEADER_OR_FOLLOWER)
    t.disk.intercept = undefined
    await t.passTime(5000)
    assert.equal((await t.produce("a")).errorCode, Errors.NONE)
    assert.deepEqual(t.fatal, [])
  })
})

// KIP-98: producer id, epoch and sequence.
const idempotent = (baseSequence: number, values = ["x"], producerEpoch = 0, producerId = 7) =>
  batchOf(values, { producerId, producerEpoch, baseSequence })

test("a batch sent again is acknowledged with the offset it got, for the last five, over a crash as well", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    for (let sequence = 0; sequence < 7; sequence++)
      assert.equal((await t.produce(idempotent(sequence))).baseOffset, sequence)
    for (const how of [undefined, "kill", "power"] as const) {
      if (how !== undefined) await t.crash(how)
      for (let sequence = 2; sequence < 7; sequence++) {
        const answer = await t.produce(idempotent(sequence))
        assert.deepEqual([answer.errorCode, answer.baseOffset], [Errors.NONE, sequence])
      }
      assert.equal((await t.produce(idempotent(1))).errorCode, Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
    }
    assert.equal((await t.offsetAt(-1)).offset, 7)
  })
})

test("what was sent behind a batch that is refused for now is refused like it, once, so that its producer sends both again", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const error = async (sequence: number) => (await t.produce(idempotent(sequence))).errorCode
    const { NONE, KAFKA_STORAGE_ERROR, OUT_OF_ORDER_SEQUENCE_NUMBER } = Errors
    assert.equal(await error(0), NONE)
    t.disk.intercept = ({ kind, path }) =>
      kind === "write" && path.includes("/t-0/") ? { error: "ENOSPC" } : undefined
    await t.produce("finds that the disk is full")
    assert.equal(await error(1), KAFKA_STORAGE_ERROR)
    t.disk.intercept = undefined
    await t.passTime(30_000)
    assert.deepEqual([await error(2), await error(3)], [KAFKA_STORAGE_ERROR, KAFKA_STORAGE_ERROR])
    assert.equal(await error(2), OUT_OF_ORDER_SEQUENCE_NUMBER, "not behind it: sent again without it")
    assert.deepEqual([await error(1), await error(2), await error(3)], [NONE, NONE, NONE])
    assert.equal(await error(5), OUT_OF_ORDER_SEQUENCE_NUMBER, "it has passed what nobody refused")
    assert.equal(await error(6), OUT_OF_ORDER_SEQUENCE_NUMBER)
  })
})

test("sequences have no gaps, a higher epoch starts at zero, a lower one is fenced", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const error = async (batch: Buffer) => (await t.produce(batch)).errorCode
    assert.equal(await error(idempotent(0, ["a", "b"])), Errors.NONE)
    assert.equal(await error(idempotent(3)), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(await error(idempotent(2)), Errors.NONE)
    assert.equal(await error(idempotent(3, ["a"], 1)), Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(await error(idempotent(0, ["a"], 1)), Errors.NONE)
    assert.equal(await error(idempotent(3)), Errors.INVALID_PRODUCER_EPOCH)
    // Whoever is not known may start anywhere: its state may have expired.
    assert.equal(await error(idempotent(40, ["a"], 0, 8)), Errors.NONE)
    await t.crash("power")
    assert.equal(await error(idempotent(3)), Errors.INVALID_PRODUCER_EPOCH)
    assert.equal(await error(idempotent(1, ["a"], 1)), Errors.NONE)
  })
})

test("sequences wrap to zero after the largest", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    assert.equal((await t.produce(idempotent(0x7ffffffe, ["a", "b"]))).errorCode, Errors.NONE)
    assert.equal((await t.produce(idempotent(1))).errorCode, Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal((await t.produce(idempotent(0))).errorCode, Errors.NONE)
    assert.equal((await t.produce(idempotent(0x7ffffffe, ["a", "b"]))).baseOffset, 0)
  })
})

test("a retry of a batch whose connection died before the answer appends nothing", async () => {
  for (let ms = 0; ms < 3; ms += 0.3) {
    await inBrokerWorld(
      async (t) => {
        await t.createTopic()
        void t.produce(idempotent(0, ["a"])).catch(() => {})
        await t.passTime(ms)
        t.client.close()
        t.client = await t.connect()
        assert.equal((await t.produce(idempotent(0, ["a"]))).baseOffset, 0)
        assert.equal((await t.produce(idempotent(1, ["b"]))).baseOffset, 1)
        assert.deepEqual(await t.readAll(), ["a", "b"])
      },
      { seed: ms },
    )
  }
})
