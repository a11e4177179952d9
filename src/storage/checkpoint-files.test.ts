import assert from "node:assert/strict"
import { test } from "node:test"
import {
  decodeCleanShutdown,
  decodeLeaderEpochs,
  decodeMetaProperties,
  decodeOffsetCheckpoint,
  decodePartitionMetadata,
  encodeCleanShutdown,
  encodeLeaderEpochs,
  encodeMetaProperties,
  encodeOffsetCheckpoint,
  encodePartitionMetadata,
  readDurableFile,
} from "./checkpoint-files.js"
import { World } from "../sim/world.js"

test("offset checkpoints are Kafka's text", () => {
  const bytes = encodeOffsetCheckpoint([
    { topic: "a.b", partition: 0, offset: 12 },
    { topic: "c-d", partition: 11, offset: 0 },
  ])
  assert.equal(bytes.toString(), "0\n2\na.b 0 12\nc-d 11 0\n")
  assert.equal(decodeOffsetCheckpoint(bytes)?.get("c-d-11")?.offset, 0)
  assert.equal(decodeOffsetCheckpoint(encodeOffsetCheckpoint([]))?.size, 0)
})

test("a checkpoint that is cut, counts wrongly or is of another version is not used", () => {
  for (const text of ["", "0\n", "0\n2\na 0 1\n", "1\n0\n", "0\n1\na 0\n", "0\n1\na 0 x\n", "0\n1\na 0 1", "0\n-1\n"])
    assert.equal(decodeOffsetCheckpoint(Buffer.from(text)), undefined, JSON.stringify(text))
})

test("leader epochs, partition metadata, meta.properties and the clean shutdown file come back as written", () => {
  const epochs = [
    { epoch: 0, startOffset: 0 },
    { epoch: 4, startOffset: 77 },
  ]
  assert.equal(encodeLeaderEpochs(epochs).toString(), "0\n2\n0 0\n4 77\n")
  assert.deepEqual(decodeLeaderEpochs(encodeLeaderEpochs(epochs)), epochs)
  assert.equal(
    encodePartitionMetadata("AAAAAAAAAAAAAAAAAAAAAQ").toString(),
    "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ",
  )
  assert.equal(decodePartitionMetadata(encodePartitionMetadata("AAAAAAAAAAAAAAAAAAAAAQ")), "AAAAAAAAAAAAAAAAAAAAAQ")
  const properties = { clusterId: "c", nodeId: 3, directoryId: "d" }
  assert.deepEqual(decodeMetaProperties(encodeMetaProperties(properties)), properties)
  assert.deepEqual(
    decodeMetaProperties(Buffer.from("#\n#Mon Nov 23\nnode.id=3\nversion=1\ndirectory.id=d\ncluster.id=c\n")),
    properties,
  )
  assert.equal(decodeMetaProperties(Buffer.from("broker.id=3\nversion=0\ncluster.id=c\n")), undefined)
  assert.equal(encodeCleanShutdown(12).toString(), '{"version":0,"brokerEpoch":12}')
  assert.equal(decodeCleanShutdown(encodeCleanShutdown(12)), 12)
  assert.equal(decodeCleanShutdown(Buffer.alloc(0)), -1)
})

test("what was read from a file that an earlier process was killed over is there after a power cut, too", async () => {
  const world = new World(1)
  await world.run(async () => {
    const node = world.addNode("node")
    const { disk } = node.env
    await disk.makeDirectory("/data")
    await disk.syncDirectory("/")
    const file = await disk.open("/data/vote.tmp", { create: true })
    await file.write([Buffer.from("for 2")], 0)
    await file.sync()
    await disk.rename("/data/vote.tmp", "/data/vote")
    node.crash("kill")
    node.restart()
    assert.equal((await readDurableFile(node.env.disk, "/data", "vote"))?.toString(), "for 2")
    node.crash("power", { keepNames: 0 })
    node.restart()
    assert.equal((await readDurableFile(node.env.disk, "/data", "vote"))?.toString(), "for 2")
  })
})
