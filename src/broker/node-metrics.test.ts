import assert from "node:assert/strict"
import { test } from "node:test"
import { ClientCore } from "../client/core.js"
import { exposition, type Sample } from "../observe/exposition.js"
import { offsetCommit } from "../protocol/messages/offset-commit.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { type BrokerWorld, inBrokerWorld } from "./testing/broker-world.js"

const told = (samples: readonly Sample[], name: string, labels: Record<string, unknown> = {}) =>
  samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value

test("what was produced, stored and read is counted, by topic and by API", () =>
  inBrokerWorld(async (t) => {
    await t.createTopic("t", 2)
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
    const producer = client.producer()
    await producer.sendAll(
      Array.from({ length: 10 }, (_, index) => ({ topic: "t", partition: index % 2, value: `v${index}` })),
    )
    const consumer = client.consumer({ topics: ["t"], from: "earliest" })
    for (let seen = 0; seen < 10; ) seen += (await consumer.poll()).length
    await client.close()
    const samples = await t.broker.metrics()
    assert.equal(told(samples, "ottla_topic_records_in_total", { topic: "t" }), 10)
    const bytesIn = told(samples, "ottla_topic_bytes_in_total", { topic: "t" })
    assert.ok((bytesIn as number) > 0)
    assert.equal(told(samples, "ottla_topic_bytes_out_total", { topic: "t" }), bytesIn)
    assert.equal(told(samples, "ottla_log_end_offset", { topic: "t", partition: 1 }), 5)
    assert.equal(told(samples, "ottla_partitions"), 2)
    assert.equal(told(samples, "ottla_leader_partitions"), 2)
    assert.equal(told(samples, "ottla_under_replicated_partitions"), 0)
    assert.equal(told(samples, "ottla_offline_partitions"), 0)
    assert.equal(told(samples, "ottla_active_controller"), 1)
    assert.equal(told(samples, "ottla_broker_fenced"), 0)
    assert.equal(told(samples, "ottla_log_directory_online", { directory: "/data" }), 1)
    assert.ok((told(samples, "ottla_requests_total", { api: "Produce" }) as number) >= 1)
    const text = exposition(samples)
    assert.match(text, /ottla_request_duration_seconds_count\{node="1",api="CreateTopics"\} 1/)
    assert.match(text, /ottla_sync_duration_seconds_bucket\{node="1",directory="\/data",le="\+Inf"\} [1-9]/)
  }))

async function commit(t: BrokerWorld, offset: number): Promise<void> {
  for (;;) {
    const { coordinators } = await t.client.send(findCoordinator, 4, { key: "", keyType: 0, coordinatorKeys: ["g"] })
    if (coordinators[0]!.errorCode === 0) break
    await t.passTime(100)
  }
  const answer = await t.client.send(offsetCommit, 8, {
    groupId: "g",
    memberId: "",
    topics: [
      {
        name: "t",
        topicId: "AAAAAAAAAAAAAAAAAAAAAA",
        partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: "" }],
      },
    ],
  })
  assert.equal(answer.topics[0]!.partitions[0]!.errorCode, 0)
}

test("a group's lag is told in records, and in the age of the first that is not committed", () =>
  inBrokerWorld(async (t) => {
    await t.createTopic()
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
    const producer = client.producer()
    await producer.send({ topic: "t", value: "a" })
    await producer.send({ topic: "t", value: "b" })
    await client.close()
    await commit(t, 1)
    await t.passTime(60_000)
    const behind = await t.broker.metrics()
    const labels = { group: "g", topic: "t", partition: 0 }
    assert.equal(told(behind, "ottla_group_lag_records", labels), 1)
    const seconds = told(behind, "ottla_group_lag_seconds", labels) as number
    assert.ok(seconds >= 60 && seconds < 70, `${seconds}`)
    await commit(t, 2)
    const caughtUp = await t.broker.metrics()
    assert.equal(told(caughtUp, "ottla_group_lag_records", labels), 0)
    assert.equal(told(caughtUp, "ottla_group_lag_seconds", labels), 0)
  }))

test("a node is ready when it serves, and not when a directory of its has failed or it stops", () =>
  inBrokerWorld(async (t) => {
    const wrong = () =>
      t.broker
        .readiness()
        .filter(({ isOk }) => !isOk)
        .map(({ name }) => name)
    assert.deepEqual(wrong(), [])
    assert.deepEqual(
      t.broker.readiness().map(({ name }) => name),
      ["started", "log directories", "quorum", "unfenced", "metadata caught up"],
    )
    await t.broker.stop()
    assert.ok(wrong().includes("started"))
  }))
