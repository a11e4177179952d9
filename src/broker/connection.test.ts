import assert from "node:assert/strict"
import { test } from "node:test"
import { SeededRandom } from "../sim/random.js"
import { Errors } from "../protocol/errors.js"
import { decodeResponseHeader, encodeRequest } from "../protocol/request-header.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { metadata } from "../protocol/messages/metadata.js"
import { apis } from "../protocol/messages/index.js"
import { produce } from "../protocol/messages/produce.js"
import { offeredApis } from "./api/index.js"
import { type BrokerWorld, batchOf, inBrokerWorld, produceRequest } from "./testing/broker-world.js"

/** A request frame by hand: size, key, version, correlation id, no client id, then whatever. */
function frame(apiKey: number, apiVersion: number, correlationId: number, body = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(14)
  header.writeInt32BE(10 + body.length, 0)
  header.writeInt16BE(apiKey, 4)
  header.writeInt16BE(apiVersion, 6)
  header.writeInt32BE(correlationId, 8)
  header.writeInt16BE(-1, 12)
  return Buffer.concat([header, body])
}

const nobody = { clientSoftwareName: "", clientSoftwareVersion: "" }

async function isAlive(t: BrokerWorld): Promise<void> {
  assert.deepEqual(t.fatal, [])
  const client = await t.connect()
  const { errorCode } = await client.send(apiVersions, 0, nobody)
  assert.equal(errorCode, Errors.NONE)
  client.close()
}

// KIP-511
test("an ApiVersions request of an unknown version is answered in version 0, with error 35 and the range", async () => {
  await inBrokerWorld(async (t) => {
    for (const version of [5, 99, 32767]) {
      t.client.sendBytes(frame(18, version, 42, Buffer.from([0, 0])))
      const answer = (await t.client.expect(42, (reader) => {
        assert.equal(decodeResponseHeader(reader, apiVersions, 0).correlationId, 42)
        return apiVersions.response.decode(reader, 0)
      })) as { errorCode: number; apiKeys: unknown[] }
      assert.equal(answer.errorCode, Errors.UNSUPPORTED_VERSION)
      assert.deepEqual(answer.apiKeys, [{ apiKey: 18, minVersion: 0, maxVersion: 4 }])
    }
  })
})

test("ApiVersions lists what there is of Kafka's APIs, and refuses a software name that is none", async () => {
  await inBrokerWorld(async (t) => {
    const offered = offeredApis().filter((api) => apis.includes(api))
    for (const version of [0, 1, 2, 3, 4]) {
      const { apiKeys } = await t.client.send(apiVersions, version, {
        clientSoftwareName: "a",
        clientSoftwareVersion: "1",
      })
      assert.deepEqual(new Set(apiKeys.map(({ apiKey }) => apiKey)), new Set(offered.map((api) => api.key)))
      // librdkafka looks for version 0 (KAFKA-18659).
      assert.equal(apiKeys.find(({ apiKey }) => apiKey === produce.key)!.minVersion, 0)
    }
    const refused = await t.client.send(apiVersions, 3, { clientSoftwareName: "-", clientSoftwareVersion: "" })
    assert.equal(refused.errorCode, Errors.INVALID_REQUEST)
  })
})

const hostile: readonly { rule: string; bytes: Buffer }[] = [
  { rule: "an unknown api key", bytes: frame(999, 0, 1) },
  { rule: "a negative api key", bytes: frame(-1, 0, 1) },
  { rule: "a version that is advertised and not accepted", bytes: frame(0, 0, 1, Buffer.alloc(20)) },
  { rule: "a version of the future", bytes: frame(3, 99, 1, Buffer.alloc(20)) },
  { rule: "a negative version", bytes: frame(18, -1, 1) },
  { rule: "a frame of negative size", bytes: Buffer.from([0xff, 0xff, 0xff, 0xff]) },
  { rule: "a frame of size zero", bytes: Buffer.from([0, 0, 0, 0]) },
  { rule: "a frame larger than socket.request.max.bytes", bytes: Buffer.from([0x7f, 0xff, 0xff, 0xff]) },
  { rule: "another protocol", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
  { rule: "a body that is cut", bytes: frame(3, 1, 1, Buffer.from([0, 0, 0, 5])) },
  { rule: "a count beyond all bytes", bytes: frame(3, 1, 1, Buffer.from([0x7f, 0xff, 0xff, 0xff])) },
]
for (const { rule, bytes } of hostile) {
  test(`${rule} closes the connection, and no other`, async () => {
    await inBrokerWorld(async (t) => {
      const bystander = await t.connect()
      t.client.sendBytes(bytes)
      await Promise.race([t.client.closed, t.passTime(1000)])
      assert.ok(t.client.isClosed)
      assert.equal((await bystander.send(apiVersions, 0, nobody)).errorCode, Errors.NONE)
      await isAlive(t)
    })
  })
}

// librdkafka 2.15 sends three bytes too many in its Metadata request for all topics, and Apache Kafka answers it.
test("bytes after the last field of a request are ignored", async () => {
  await inBrokerWorld(async (t) => {
    t.client.sendBytes(frame(3, 1, 43, Buffer.from([0, 0, 0, 0, 9, 9])))
    const answer = (await t.client.expect(43, (reader) => {
      assert.equal(decodeResponseHeader(reader, metadata, 1).correlationId, 43)
      return metadata.response.decode(reader, 1)
    })) as { brokers: unknown[] }
    assert.equal(answer.brokers.length, 1)
  })
})

test("requests with any byte changed are answered or closed, and the broker lives", async () => {
  await inBrokerWorld(async (t) => {
    const random = new SeededRandom("mutations")
    const topicId = await t.createTopic()
    for (let round = 0; round < 300; round++) {
      const api = offeredApis()[round % offeredApis().length]!
      const version = api.minVersion + random.int(api.maxVersion - api.minVersion + 1)
      const request =
        api === produce ? produceRequest("a", { topicId, ...(version >= 13 && { topic: "" }) }) : api.request.create({})
      const bytes = Buffer.concat(encodeRequest(api, version, 1, "test", request as never) as Buffer[])
      for (let change = 0; change <= random.int(3); change++) bytes[4 + random.int(bytes.length - 4)] = random.int(256)
      const client = await t.connect()
      client.sendBytes(bytes)
      await Promise.race([client.expect(1, () => undefined).catch(() => {}), t.passTime(50)])
      client.close()
    }
    await isAlive(t)
  })
})

test("an idle connection is closed, one that waits for its answer is not", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic()
      const waiting = await t.connect()
      const answer = t.fetch(0, { client: waiting, maxWaitMs: 20_000 })
      await t.passTime(10_000)
      assert.ok(t.client.isClosed)
      assert.ok(!waiting.isClosed)
      await answer
    },
    { settings: { "connections.max.idle.ms": "5000" } },
  )
})

test("a frame that never ends is given up, and so is one that trickles", async () => {
  await inBrokerWorld(async (t) => {
    const trickling = await t.connect()
    t.client.sendBytes(Buffer.from([0, 0, 1]))
    trickling.sendBytes(Buffer.from([0, 0, 1, 0]))
    for (let second = 0; second < 40 && !trickling.isClosed; second++) {
      trickling.sendBytes(Buffer.from([0]))
      await t.passTime(1000)
    }
    assert.ok(t.client.isClosed)
    assert.ok(trickling.isClosed)
    await isAlive(t)
  })
})

test("connections beyond max.connections are closed at once", async () => {
  await inBrokerWorld(
    async (t) => {
      const second = await t.connect()
      const third = await t.connect()
      await Promise.race([third.closed, t.passTime(1000)])
      assert.ok(third.isClosed)
      second.close()
      await t.passTime(10)
      await isAlive(t)
    },
    { settings: { "max.connections": "2" } },
  )
})

test("a reader that does not read its answers is not read from, and others are served", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    for (let number = 0; number < 20; number++) await t.produce(batchOf(["x".repeat(500_000)]))
    const slow = await t.connect()
    slow.connection.pause()
    const answers = Array.from({ length: 20 }, () =>
      t.fetch(0, { client: slow, maxBytes: 2 << 20, partitionMaxBytes: 2 << 20 }),
    )
    await t.passTime(1000)
    assert.equal((await t.produce("a")).errorCode, Errors.NONE)
    slow.connection.resume()
    for (const answer of await Promise.all(answers)) assert.ok(answer.offsets.length > 0)
  })
})

const everything = {
  topics: null,
  allowAutoTopicCreation: true,
  includeClusterAuthorizedOperations: false,
  includeTopicAuthorizedOperations: false,
}

test("clients that die with requests under way free everything they held", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const random = new SeededRandom("deaths")
    for (let round = 0; round < 60; round++) {
      const client = await t.connect()
      for (let request = 0; request < 5; request++) {
        t.produce("x".repeat(100_000), { client }).catch(() => {})
        client.send(metadata, 1, everything).catch(() => {})
      }
      await t.passTime(random.int(40) / 10)
      client.close()
    }
    // More than the bound on requests of all connections has passed: a leak would stop all reading.
    for (let round = 0; round < 30; round++) {
      const client = await t.connect()
      for (let request = 0; request < 10; request++) t.produce("x".repeat(1_000_000), { client }).catch(() => {})
      await t.passTime(random.int(10))
      client.close()
    }
    await t.passTime(1000)
    assert.equal((await t.produce("alive")).errorCode, Errors.NONE)
    await isAlive(t)
  })
})
