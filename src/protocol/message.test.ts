import assert from "node:assert/strict"
import { test } from "node:test"
import { arrayElementsMax, MalformedError, Reader } from "../base/reader.js"
import { Writer } from "../base/writer.js"
import type { File, FileRegion } from "../env/env.js"
import { EncodeError } from "./codec.js"
import { apiVersions } from "./messages/api-versions.js"
import { fetch } from "./messages/fetch.js"
import { listOffsets } from "./messages/list-offsets.js"
import { metadata } from "./messages/metadata.js"
import { produce } from "./messages/produce.js"

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ""), "hex")
const reader = (hex: string): Reader => new Reader(bytes(hex))

// Golden bytes below are put together by hand from the text of the protocol guide.

test("an ApiVersions request of version 0 has no body, one of version 3 says what the client is", () => {
  assert.equal(apiVersions.request.encodeToBuffer({ clientSoftwareName: "", clientSoftwareVersion: "" }, 0).length, 0)
  const request = { clientSoftwareName: "kcat", clientSoftwareVersion: "1.7" }
  const golden = bytes("05 6b636174 04 312e37 00")
  assert.deepEqual(apiVersions.request.encodeToBuffer(request, 3), golden)
  assert.deepEqual(apiVersions.request.decode(new Reader(golden), 3), request)
})

test("an ApiVersions response of version 0 is an error and ranges", () => {
  const response = apiVersions.response.create({
    errorCode: 35,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
  })
  assert.deepEqual(apiVersions.response.encodeToBuffer(response, 0), bytes("0023 00000001 0012 0000 0004"))
})

test("an ApiVersions response of version 3 carries features as tagged fields", () => {
  const response = {
    errorCode: 0,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
    finalizedFeaturesEpoch: 5,
    finalizedFeatures: [{ name: "f", maxVersionLevel: 1, minVersionLevel: 1 }],
  }
  const golden = bytes(
    `
    0000                           errorCode
    02 0012 0000 0004 00           apiKeys, one
    00000000                       throttleTimeMs
    02                             two tagged fields
    01 08 0000000000000005         finalizedFeaturesEpoch
    02 08 02 0266 0001 0001 00     finalizedFeatures, one
  `.replaceAll(/ {3,}[a-zA-Z, ]+$/gm, ""),
  )
  assert.deepEqual(apiVersions.response.encodeToBuffer(response, 3), golden)
  assert.deepEqual(apiVersions.response.decode(new Reader(golden), 3), apiVersions.response.create(response))
})

test("a Metadata request of version 12 names a topic by name", () => {
  const golden = bytes(`02 ${"00".repeat(16)} 0274 00  01  00  00`)
  const request = metadata.request.decode(new Reader(golden), 12)
  assert.deepEqual(request, {
    topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAA", name: "t" }],
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  })
  assert.deepEqual(metadata.request.encodeToBuffer(request, 12), golden)
})

test("a Metadata request for all topics is null, except in version 0", () => {
  assert.equal(metadata.request.decode(reader("ffffffff"), 1).topics, null)
  assert.throws(() => metadata.request.decode(reader("ffffffff"), 0), MalformedError)
  assert.throws(() => metadata.request.encodeToBuffer(metadata.request.create({ topics: null }), 0), EncodeError)
})

test("fields that a version lacks decode to their defaults", () => {
  const request = metadata.request.decode(reader("00000000"), 0)
  assert.deepEqual(request, {
    topics: [],
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  })
})

test("a value that the version lacks is refused, unless the field is ignorable or holds its default", () => {
  const plain = listOffsets.request.create({ replicaId: -1, isolationLevel: 1, topics: [] })
  assert.throws(
    () => metadata.request.encodeToBuffer(metadata.request.create({ topics: [], allowAutoTopicCreation: false }), 3),
    EncodeError,
  )
  assert.equal(plain.timeoutMs, 0)
  assert.doesNotThrow(() => listOffsets.request.encodeToBuffer({ ...plain, timeoutMs: 5 }, 9))
  const ignorable = metadata.response.create({ brokers: [], topics: [], clusterId: "c" })
  assert.equal(metadata.response.decode(new Reader(metadata.response.encodeToBuffer(ignorable, 1)), 1).clusterId, null)
})

test("unknown tagged fields are stepped over, known ones beside them are read", () => {
  const fields = "056b636174 04312e37"
  assert.equal(apiVersions.request.decode(reader(`${fields} 02 07 01 aa 09 02 bbcc`), 3).clientSoftwareName, "kcat")
  const response = apiVersions.response.decode(reader("0000 01 00000000 03 01 08 0000000000000007 03 01 01 64 00"), 3)
  assert.deepEqual([response.finalizedFeaturesEpoch, response.zkMigrationReady], [7, true])
})

test("tags ascend, and a tagged field has the size it says", () => {
  const fields = "056b636174 04312e37"
  const cases = {
    twice: `${fields} 02 07 00 07 00`,
    descending: `${fields} 02 07 00 06 00`,
    "longer than the message": `${fields} 01 07 05 00`,
    "more than there are": `${fields} ffffffff0f 07 00`,
  }
  for (const [name, hex] of Object.entries(cases)) {
    assert.throws(() => apiVersions.request.decode(reader(hex), 3), MalformedError, name)
  }
  for (const size of ["07", "09"]) {
    const hex = `0000 01 00000000 01 01 ${size} 0000000000000007 00`
    assert.throws(() => apiVersions.response.decode(reader(hex), 3), MalformedError, size)
  }
})

test("an array claims no more elements than the bytes behind it can hold", () => {
  assert.throws(() => metadata.request.decode(reader("7fffffff"), 1), MalformedError)
  assert.throws(() => metadata.request.decode(reader("00000002 0000"), 1), /2 elements/)
  assert.throws(() => metadata.request.decode(reader(`ffffffff0f${"00".repeat(40)}`), 12), MalformedError)
})

test("the elements of one message are bounded in all", () => {
  const topics = Buffer.alloc(4 + 2 * (arrayElementsMax + 1))
  topics.writeInt32BE(arrayElementsMax + 1)
  assert.throws(() => metadata.request.decode(new Reader(topics), 0), /too many/)
  const strict = reader("00000003 0000 0000 0000")
  strict.elementsLeft = 2
  assert.throws(() => metadata.request.decode(strict, 0), /too many/)
})

test("a string has at most 32767 bytes, in flexible versions too", () => {
  const long = "x".repeat(32768)
  assert.throws(
    () => apiVersions.request.encodeToBuffer({ clientSoftwareName: long, clientSoftwareVersion: "" }, 3),
    EncodeError,
  )
  const hostile = Buffer.concat([bytes("818002"), Buffer.from(long), bytes("01 00")])
  assert.throws(() => apiVersions.request.decode(new Reader(hostile), 3), /string of 32768/)
})

test("records of a request are a view of its memory", () => {
  const message = produce.request.encodeToBuffer(
    {
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        { name: "t", topicId: "AAAAAAAAAAAAAAAAAAAAAA", partitionData: [{ index: 0, records: Buffer.from("batch") }] },
      ],
    },
    9,
  )
  const { records } = produce.request.decode(new Reader(message), 9).topicData[0]!.partitionData[0]!
  assert.equal(records!.toString(), "batch")
  assert.equal(records!.buffer, message.buffer)
})

test("records of a response pass through by reference, bytes and regions of files alike", () => {
  for (const version of [4, 12, 18]) {
    const region: FileRegion = { file: {} as File, position: 0, length: 5 }
    const memory = Buffer.from("memory")
    const writer = new Writer<FileRegion>()
    fetch.response.encode(writer, fetchResponse([memory, region]), version)
    const total = writer.length
    const parts = writer.finish()
    assert.ok(parts.includes(memory) && parts.includes(region))
    assert.equal(
      parts.reduce((sum, part) => sum + part.length, 0),
      total,
    )
    const received = Buffer.concat(parts.map((part) => ("file" in part ? Buffer.from("fives") : part)))
    const { responses } = fetch.response.decode(new Reader(received), version)
    assert.equal(responses[0]!.partitions[0]!.records!.toString(), "memoryfives")
  }
})

const fetchResponse = (records: (Buffer | FileRegion)[]) => ({
  errorCode: 0,
  responses: [
    {
      topic: "t",
      topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
      partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 9, abortedTransactions: null, records }],
    },
  ],
})

test("a struct in a tagged field travels only if it says something", () => {
  const response = fetchResponse([])
  const plain = fetch.response.encodeToBuffer(response, 12)
  const partition = { ...response.responses[0]!.partitions[0]!, currentLeader: { leaderId: 3, leaderEpoch: 7 } }
  const told = { ...response, responses: [{ ...response.responses[0]!, partitions: [partition] }] }
  const encoded = fetch.response.encodeToBuffer(told, 12)
  // Tag, size, two int32 and the tags of the struct itself.
  assert.equal(encoded.length, plain.length + 1 + 1 + 4 + 4 + 1)
  assert.deepEqual(fetch.response.decode(new Reader(encoded), 12).responses[0]!.partitions[0]!.currentLeader, {
    leaderId: 3,
    leaderEpoch: 7,
  })
  // Version 11 has no such field, and it is not ignorable.
  assert.throws(() => fetch.response.encodeToBuffer(told, 11), EncodeError)
})

test("all versions decode to objects with the same keys in the same order", () => {
  const keys = [4, 12, 18].map((version) => {
    const encoded = fetch.response.encodeToBuffer(fetchResponse([]), version)
    const response = fetch.response.decode(new Reader(encoded), version)
    return [Object.keys(response), Object.keys(response.responses[0]!.partitions[0]!)]
  })
  assert.deepEqual(keys[0], keys[1])
  assert.deepEqual(keys[1], keys[2])
})
