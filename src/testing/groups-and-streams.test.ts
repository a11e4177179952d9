import assert from "node:assert/strict"
import { test } from "node:test"
import { Writer } from "../base/writer.js"
import { GroupMember } from "../broker/testing/group-member.js"
import { batchOf, produceRequest } from "../broker/testing/broker-world.js"
import { createNodeEnv } from "../env/node/index.js"
import { WireClient } from "../net/wire-client.js"
import { Errors } from "../protocol/errors.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { consumerProtocolAssignment } from "../protocol/messages/consumer-protocol.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { metadata } from "../protocol/messages/metadata.js"
import { produce } from "../protocol/messages/produce.js"
import { type Broker, createBroker, simulate } from "./index.js"

async function overTcp(broker: Broker): Promise<WireClient> {
  const [host, port] = broker.bootstrap.split(":")
  return WireClient.connect(createNodeEnv({ native: false }).network, { host: host!, port: Number(port) })
}

/** Resolves when the group has a coordinator: the first time the topic of offsets is made for it. */
const coordinated = (broker: Broker, wire: WireClient): Promise<unknown> =>
  broker.until.is("the group has a coordinator", async () => {
    const answer = await wire.send(findCoordinator, 6, { key: "", keyType: 0, coordinatorKeys: ["g"] })
    return answer.coordinators[0]!.errorCode === Errors.NONE
  })

const assignment = (partitions: readonly number[]): string => {
  const writer = new Writer(64)
  writer.int16(0)
  consumerProtocolAssignment.encode(writer, { assignedPartitions: [{ topic: "t", partitions }], userData: null }, 0)
  return writer.finishBuffer().toString("latin1")
}

test("waiting for a group tells its lag, its members' assignments and the ends of logs when it does not come", async () => {
  await using broker = await createBroker({ port: 0, topics: { t: 2 } })
  const wire = await overTcp(broker)
  await coordinated(broker, wire)
  const member = new GroupMember(wire, "g")
  await member.join()
  await member.sync({ [member.memberId]: assignment([0, 1]) })
  const group = await broker.until.groupStable("g", 1)
  assert.deepEqual(group.members[0]!.assignment, [{ topic: "t", partitions: [0, 1] }])
  await broker.produce("t", { partition: 0, value: "a" }, { partition: 0, value: "b" }, { partition: 1, value: "c" })
  assert.equal(await member.commit(1, { partition: 0 }), Errors.NONE)
  assert.equal(await member.commit(1, { partition: 1 }), Errors.NONE)
  await assert.rejects(broker.until.groupLag("g", 0, { timeoutMs: 100 }), (error: Error) => {
    assert.match(
      error.message,
      /^not within 100 ms: group g has a lag of 0 at most\. Group g is Stable, its lag is 1\n/,
    )
    assert.match(error.message, /\n {2}member test-\S+ \(client test\): t \[0, 1\]\n/)
    assert.match(error.message, /\n {2}t-0: committed 1, end 2, lag 1\n {2}t-1: committed 1, end 1, lag 0$/)
    return true
  })
  const waiting = broker.until.groupLag("g", 0)
  await member.commit(2, { partition: 0 })
  assert.deepEqual(
    (await waiting).offsets.map(({ lag }) => lag),
    [0, 0],
  )
  wire.close()
})

test("a member that says nothing while time passes is put out of its group", async () => {
  await using broker = await createBroker({ port: 0, topics: { t: 1 } })
  const wire = await overTcp(broker)
  await coordinated(broker, wire)
  const member = new GroupMember(wire, "g", { sessionTimeoutMs: 45_000 })
  await member.join()
  await member.sync({ [member.memberId]: assignment([0]) })
  await broker.clock.advance("30 s")
  assert.equal(await member.heartbeat(), Errors.NONE)
  await broker.clock.advance("30 s")
  assert.equal(await member.heartbeat(), Errors.NONE)
  await broker.clock.advance("46 s")
  assert.equal(await member.heartbeat(), Errors.UNKNOWN_MEMBER_ID)
  wire.close()
})

test("answers keep the order of their requests, those of faults too, and requests without an answer have none", async () => {
  await using broker = await createBroker({ port: 0, topics: { t: 1 } })
  const wire = await overTcp(broker)
  broker.faults.on({ api: "Produce", where: ({ acks }) => acks === 0 }, { error: "NOT_LEADER_OR_FOLLOWER" })
  broker.faults.on({ api: "Produce", nth: 2 }, { error: "NOT_ENOUGH_REPLICAS" })
  const send = (value: string) => wire.send(produce, 9, produceRequest(batchOf([value])))
  const answers = [send("first")]
  wire.post(produce, 9, produceRequest(batchOf(["unanswered"]), { acks: 0 }))
  answers.push(send("second"), send("third"))
  const versions = wire.send(apiVersions, 4, { clientSoftwareName: "raw", clientSoftwareVersion: "1" })
  const codes = (await Promise.all(answers)).map(({ responses }) => responses[0]!.partitionResponses[0]!.errorCode)
  assert.deepEqual(codes, [0, Errors.NOT_ENOUGH_REPLICAS, 0])
  assert.equal((await versions).errorCode, 0)
  assert.deepEqual(
    (await broker.records("t")).map(({ value }) => String(value)),
    ["first", "third"],
  )
  wire.close()
})

test("what is no request goes through to the broker, which closes the connection", async () => {
  await using broker = await createBroker({ port: 0 })
  for (const bytes of [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.from([0, 0, 0, 8, 0x7f, 0xff, 0, 0, 0, 0, 0, 0]),
  ]) {
    const wire = await overTcp(broker)
    wire.sendBytes(bytes)
    await wire.closed
  }
})

test("a crash breaks the connections that came through the port, and the port serves again after the restart", async () => {
  await using broker = await createBroker({ port: 0, topics: { t: 1 } })
  const wire = await overTcp(broker)
  await broker.crash()
  await wire.closed
  await broker.restart()
  const again = await overTcp(broker)
  const { topics } = await again.send(metadata, 12, {
    topics: [{ name: "t", topicId: "AAAAAAAAAAAAAAAAAAAAAA" }],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
    includeClusterAuthorizedOperations: false,
  })
  assert.equal(topics[0]!.errorCode, 0)
  again.close()
})

test("large records go through unchanged, in memory and over the port", async () => {
  await using broker = await createBroker({ port: 0, topics: { t: { configs: { "max.message.bytes": 8 << 20 } } } })
  const value = Buffer.from(Array.from({ length: 3 << 20 }, (_, index) => (index * 31 + (index >> 8)) & 0xff))
  const wire = await overTcp(broker)
  const answer = await wire.send(produce, 9, produceRequest(batchOf([value.toString("latin1")])))
  assert.equal(answer.responses[0]!.partitionResponses[0]!.errorCode, 0)
  await broker
    .client()
    .producer({ maxRequestBytes: 4 << 20 })
    .send({ topic: "t", value })
  const [, second] = await broker.records("t")
  assert.ok(second!.value!.equals(value))
  wire.close()
})

test("where acknowledged does not mean on disk, a simulation finds the record that a power cut lost", async () => {
  const settings = { "ottla.flush.policy": "memory" }
  const losing = simulate(
    { seeds: 50, settings, topics: { t: 1 } },
    async ({ client, faults, broker, sleep, random }) => {
      const producer = client().producer()
      faults.begin({ kills: false, partitions: false, delays: false, resets: false })
      const acknowledged: string[] = []
      for (let index = 0; index < 20; index++) {
        await producer.send({ topic: "t", value: `${index}` })
        acknowledged.push(`${index}`)
        await sleep(random.int(300))
      }
      await faults.end()
      const read = new Set((await broker.records("t")).map(({ value }) => String(value)))
      for (const value of acknowledged) assert.ok(read.has(value), `${value} is lost`)
    },
  )
  await assert.rejects(losing, /^SimulationError: seed \d+: \d+ is lost\n(.*\n)*.*power cut/)
})
