import assert from "node:assert/strict"
import { test } from "node:test"
import { Reader } from "../base/reader.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { describeCluster } from "../protocol/messages/describe-cluster.js"
import { fetch } from "../protocol/messages/fetch.js"
import { produce } from "../protocol/messages/produce.js"
import { decodeRequestHeader, encodeResponse } from "../protocol/request-header.js"
import type { SimulatedNode } from "../sim/node.js"
import { simulate, type World } from "../sim/world.js"
import { FramePool } from "./frame-pool.js"
import { SharedReceiveBuffer } from "./frame-reader.js"
import { PeerConnection } from "./peer-connection.js"
import type { PeerError } from "./peer.js"
import { RequestMemory } from "./request-memory.js"
import { Server } from "./server.js"
import type { InboundFrame } from "./server-connection.js"

const timeoutMs = 1000
const anything = { includeClusterAuthorizedOperations: false, includeFencedBrokers: false }

interface Scene {
  readonly server: SimulatedNode
  readonly peer: PeerConnection
  /** Requests that reached the server, with the version they came in. */
  readonly seen: string[]
  /** What DescribeCluster is answered with; never, where it is undefined. */
  answer: { clusterId: string } | undefined
}

/** A server that answers ApiVersions (DescribeCluster up to version 0) and DescribeCluster, and takes Produce without an answer. */
async function scene(world: World): Promise<Scene> {
  const [server, asker] = [world.addNode("server"), world.addNode("asker")]
  const seen: string[] = []
  const set: Scene = {
    server,
    seen,
    answer: { clusterId: "one" },
    peer: new PeerConnection(
      { host: server.address, port: 9093 },
      { env: asker.env, clientId: "asker", shared: new SharedReceiveBuffer(), pool: new FramePool(0) },
    ),
  }
  const handle = (frame: InboundFrame) => {
    const reader = new Reader(frame.bytes)
    const { apiKey, apiVersion, correlationId } = decodeRequestHeader(reader)
    seen.push(`${apiKey} v${apiVersion}`)
    if (apiKey === apiVersions.key) {
      const apiKeys = [
        { apiKey: produce.key, minVersion: 3, maxVersion: 3 },
        { apiKey: describeCluster.key, minVersion: 0, maxVersion: 0 },
      ]
      return { reply: { payloads: encodeResponse(apiVersions, apiVersion, correlationId, { errorCode: 0, apiKeys }) } }
    }
    if (apiKey === produce.key) return { reply: "none" as const }
    if (set.answer === undefined) return { reply: new Promise<never>(() => {}) }
    const response = { errorCode: 0, errorMessage: null, controllerId: 1, brokers: [], ...set.answer }
    return { reply: { payloads: encodeResponse(describeCluster, apiVersion, correlationId, response) } }
  }
  await listen(server, handle)
  return set
}

async function listen(node: SimulatedNode, handle: ConstructorParameters<typeof Server>[4]): Promise<void> {
  const limits = {
    frameBytesMax: 1 << 20,
    pipelinedRequestsMax: 100,
    inFlightBytesMax: 1 << 20,
    queuedReplyBytesMax: 1 << 20,
    connectionsMax: 10,
    idleMs: 60_000,
    frameMs: 60_000,
  }
  const server = new Server(node.env, new FramePool(0), new RequestMemory(1 << 20), limits, handle)
  await server.listen({ host: node.address, port: 9093 })
}

const codeOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => "answered",
    (error: PeerError) => error.code,
  )

test("a request goes out in the highest version both sides have, and versions are asked for once", async () => {
  await simulate("versions", async (world) => {
    const { peer, seen } = await scene(world)
    const answers = await Promise.all([1, 2].map(() => peer.request(describeCluster, anything, { timeoutMs })))
    assert.deepEqual(
      answers.map(({ response, version }) => [response.clusterId, version]),
      [
        ["one", 0],
        ["one", 0],
      ],
    )
    assert.deepEqual(seen, ["18 v3", "60 v0", "60 v0"])
    assert.equal(
      await codeOf(
        peer.request(fetch, { maxWaitMs: 0, minBytes: 0, topics: [], forgottenTopicsData: [] }, { timeoutMs }),
      ),
      "unsupported",
    )
  })
})

test("a process that is gone is told from a machine that is silent, and a new one is found by asking again", async () => {
  await simulate("gone", async (world) => {
    const set = await scene(world)
    await set.peer.request(describeCluster, anything, { timeoutMs })
    set.answer = undefined
    const onItsWay = codeOf(set.peer.request(describeCluster, anything, { timeoutMs }))
    await world.sleep(50)
    set.server.crash("kill")
    assert.equal(await onItsWay, "closed")
    assert.equal(await codeOf(set.peer.request(describeCluster, anything, { timeoutMs })), "refused")
    set.server.restart()
    await listen(set.server, (frame) => {
      const { apiKey, apiVersion, correlationId } = decodeRequestHeader(new Reader(frame.bytes))
      assert.equal(apiKey, apiVersions.key)
      return {
        reply: { payloads: encodeResponse(apiVersions, apiVersion, correlationId, { errorCode: 0, apiKeys: [] }) },
      }
    })
    assert.equal(await codeOf(set.peer.request(describeCluster, anything, { timeoutMs })), "unsupported")
  })
})

test("a silent peer costs its deadline, and everything on that connection with it", async () => {
  await simulate("silent", async (world) => {
    const set = await scene(world)
    set.answer = undefined
    const began = world.nowMs
    const [first, second] = [10_000, timeoutMs].map((each) =>
      codeOf(set.peer.request(describeCluster, anything, { timeoutMs: each })),
    )
    assert.equal(await second, "timed out")
    assert.equal(await first, "timed out")
    assert.ok(world.nowMs - began < timeoutMs + 100)
    set.answer = { clusterId: "two" }
    assert.equal((await set.peer.request(describeCluster, anything, { timeoutMs })).response.clusterId, "two")
  })
})

test("whoever closes it is told so at once, now and later", async () => {
  await simulate("closing", async (world) => {
    const set = await scene(world)
    set.answer = undefined
    const asked = codeOf(set.peer.request(describeCluster, anything, { timeoutMs }))
    await world.sleep(100)
    set.peer.close()
    assert.equal(await asked, "closed")
    assert.equal(await codeOf(set.peer.request(describeCluster, anything, { timeoutMs })), "closed")
  })
})

test("a request that has no answer is over when it is sent, answers to others come in turn, and the end of the connection is told", async () => {
  await simulate("posting", async (world) => {
    const set = await scene(world)
    let ends = 0
    const options = { timeoutMs, ended: () => void ends++ }
    const produced = { transactionalId: null, acks: 0, timeoutMs, topicData: [] }
    assert.equal(await codeOf(set.peer.post(produce, produced, options)), "answered")
    const [, asked] = await Promise.all([
      set.peer.post(produce, produced, options),
      set.peer.request(describeCluster, anything, { timeoutMs }),
      set.peer.post(produce, produced, options),
    ])
    assert.equal(asked.response.clusterId, "one")
    assert.deepEqual(set.seen, ["18 v3", "0 v3", "0 v3", "60 v0", "0 v3"])
    assert.equal(ends, 0)
    set.server.crash("kill")
    await world.sleep(50)
    assert.equal(ends, 1)
    assert.equal(await codeOf(set.peer.post(produce, produced, options)), "refused")
    set.peer.close()
    assert.equal(await codeOf(set.peer.post(produce, produced, options)), "closed")
    assert.equal(ends, 1)
  })
})
