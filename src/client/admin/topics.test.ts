import assert from "node:assert/strict"
import { test } from "node:test"
import { initProducerId } from "../../protocol/messages/init-producer-id.js"
import { errorOf, inAdminWorld, inThreeNodes, refusal } from "./testing/admin-world.js"

test("topics are made each for itself: one that cannot be says why, and the others are there", () =>
  inAdminWorld(async (_t, admin) => {
    const [a, t, bad, b, config] = await admin.createTopics([
      { name: "a", partitions: 3, configs: { "retention.ms": "1000" } },
      { name: "t" },
      { name: "no/name" },
      { name: "b", assignments: [[1], [1]] },
      { name: "c", configs: { "retention.ms": "soon" } },
    ])
    assert.equal(a!.error, undefined)
    if (a!.error === undefined) assert.deepEqual([a!.name, a!.partitions, a!.replicationFactor], ["a", 3, 1])
    assert.match(refusal(t), /^TOPIC_ALREADY_EXISTS: topic t: /)
    assert.match(refusal(bad), /^INVALID_TOPIC_EXCEPTION: /)
    assert.equal(b!.error, undefined)
    assert.match(refusal(config), /^INVALID_CONFIG: .*retention\.ms/)
    assert.deepEqual(
      (await admin.listTopics()).map(({ name, partitions, replicationFactor }) => [
        name,
        partitions,
        replicationFactor,
      ]),
      [
        ["a", 3, 1],
        ["b", 2, 1],
        ["t", 2, 1],
      ],
    )
  }))

test("what is only validated is answered, and not done", () =>
  inAdminWorld(async (_t, admin) => {
    const [made] = await admin.createTopics([{ name: "a", partitions: 3 }], { validateOnly: true })
    assert.equal(made!.error, undefined)
    const [grown] = await admin.createPartitions([{ name: "t", count: 5 }], { validateOnly: true })
    assert.equal(grown!.error, undefined)
    assert.deepEqual(
      (await admin.listTopics()).map(({ name, partitions }) => [name, partitions]),
      [["t", 2]],
    )
  }))

test("a topic is described with its partitions; one that is not there is named in the refusal", () =>
  inAdminWorld(async (_t, admin) => {
    const [t, missing] = await admin.describeTopics(["t", "missing"])
    assert.ok(t!.error === undefined)
    assert.deepEqual(
      t!.partitions.map(({ partition, leader, replicas, isr, offline }) => [partition, leader, replicas, isr, offline]),
      [0, 1].map((partition) => [partition, 1, [1], [1], []]),
    )
    assert.equal(refusal(missing), "UNKNOWN_TOPIC_OR_PARTITION: topic missing: there is no topic missing")
    assert.deepEqual(
      (await admin.describeTopics()).map(({ name }) => name),
      ["t"],
    )
  }))

test("more partitions than one answer holds are described all the same", () =>
  inAdminWorld(async (_t, admin) => {
    await admin.createTopics([{ name: "many", partitions: 2500 }])
    const [many] = await admin.describeTopics(["many"])
    assert.ok(many!.error === undefined)
    assert.deepEqual(
      many!.partitions.map(({ partition }) => partition),
      Array.from({ length: 2500 }, (_, index) => index),
    )
  }))

test("a topic grows and goes; what it cannot do is told with the reason", () =>
  inAdminWorld(async (_t, admin) => {
    const [grown, shrunk] = [
      (await admin.createPartitions([{ name: "t", count: 4 }]))[0],
      (await admin.createPartitions([{ name: "t", count: 1 }]))[0],
    ]
    assert.equal(grown!.error, undefined)
    assert.match(refusal(shrunk), /^INVALID_PARTITIONS: topic t: /)
    const [gone, missing] = await admin.deleteTopics(["t", "missing"])
    assert.equal(gone!.error, undefined)
    assert.match(refusal(missing), /^UNKNOWN_TOPIC_OR_PARTITION: topic missing: /)
    assert.deepEqual(await admin.listTopics(), [])
  }))

test("offsets are found at both ends, by time, and of the latest time, all in one call", () =>
  inAdminWorld(async (_t, admin, client) => {
    const producer = client.producer()
    for (const timestamp of [100, 300, 200]) await producer.send({ topic: "t", partition: 0, value: "x", timestamp })
    const at = ["earliest", "latest", "maxTimestamp", { timestamp: 150 }, { timestamp: 999 }] as const
    const found = await admin.listOffsets([
      ...at.map((each) => ({ topic: "t", partition: 0, at: each })),
      { topic: "t", partition: 7 },
      { topic: "missing", partition: 0 },
    ])
    assert.deepEqual(
      found.slice(0, 5).map((each) => each.error ?? [each.offset, each.timestamp]),
      [
        [0n, -1],
        [3n, -1],
        [1n, 300],
        [1n, 300],
        [-1n, -1],
      ],
    )
    assert.equal(refusal(found[5]), "UNKNOWN_TOPIC_OR_PARTITION: partition t-7: topic t has 2 partitions")
    assert.equal(refusal(found[6]), "UNKNOWN_TOPIC_OR_PARTITION: partition missing-0: there is no topic missing")
  }))

test("records before an offset are deleted, and not more than there are", () =>
  inAdminWorld(async (_t, admin, client) => {
    await client.producer().sendAll(["a", "b", "c"].map((value) => ({ topic: "t", partition: 0, value })))
    const [two] = await admin.deleteRecords([{ topic: "t", partition: 0, before: 2n }])
    assert.equal(two!.error ?? two!.logStartOffset, 2n)
    const [beyond, all] = await admin.deleteRecords([
      { topic: "t", partition: 0, before: 9n },
      { topic: "t", partition: 1, before: "latest" },
    ])
    assert.match(refusal(beyond), /^OFFSET_OUT_OF_RANGE: partition t-0: /)
    assert.equal(all!.error ?? all!.logStartOffset, 0n)
  }))

test("who writes to a partition is told", () =>
  inAdminWorld(async (t, admin, client) => {
    await client.producer().send({ topic: "t", partition: 0, value: "x" })
    const [written, missing] = await admin.describeProducers([
      { topic: "t", partition: 0 },
      { topic: "missing", partition: 0 },
    ])
    assert.ok(written!.error === undefined)
    assert.equal(written!.producers.length, 1)
    const { producerId } = await t.client.send(initProducerId, 4, {
      transactionalId: null,
      transactionTimeoutMs: 1000,
      producerId: -1,
      producerEpoch: -1,
    })
    assert.ok(written!.producers[0]!.producerId < BigInt(producerId))
    assert.equal(written!.producers[0]!.transactionStartOffset, undefined)
    assert.match(refusal(missing), /there is no topic missing/)
  }))

test("each partition's question goes to its leader, and a lost leader's is asked again until another leads", () =>
  inThreeNodes(async (t, admin, client) => {
    await admin.createTopics([
      {
        name: "t",
        assignments: [
          [1, 2, 3],
          [2, 3, 1],
          [3, 1, 2],
        ],
      },
    ])
    const partitions = [0, 1, 2].map((partition) => ({ topic: "t", partition }))
    await client.producer().sendAll(partitions.map((each) => ({ ...each, value: "x" })))
    const ends = async () =>
      (await admin.listOffsets(partitions)).map((each) => (each.error === undefined ? each.offset : each.error.message))
    assert.deepEqual(await ends(), [1n, 1n, 1n])
    t.crash(2)
    assert.deepEqual(await ends(), [1n, 1n, 1n])
  }))

test("nobody there: the call fails at once, and says which address was tried", () =>
  inAdminWorld(async (t, admin) => {
    await t.broker.stop()
    const began = t.world.nowMs
    assert.match(await errorOf(admin.listTopics()), /^CONNECTION_FAILED: no broker answers Metadata\. .*nobody listens/)
    assert.ok(t.world.nowMs - began < 1000)
  }))

test("a broker that comes back within the time is waited for, and one that does not is told", () =>
  inAdminWorld(async (t, admin) => {
    await admin.listTopics()
    await t.broker.stop()
    const list = admin.listTopics({ timeoutMs: 20_000 })
    await t.passTime(2000)
    await t.start()
    assert.equal((await list).length, 1)
    await t.broker.stop()
    assert.match(await errorOf(admin.listTopics({ timeoutMs: 2000 })), /^CONNECTION_FAILED: /)
    await admin.close()
    assert.match(await errorOf(admin.listTopics()), /^CLOSED: /)
  }))
