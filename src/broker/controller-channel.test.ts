import assert from "node:assert/strict"
import { test } from "node:test"
import { Reader } from "../base/reader.js"
import { FramePool } from "../net/frame-pool.js"
import { SharedReceiveBuffer } from "../net/frame-reader.js"
import { PeerConnection } from "../net/peer-connection.js"
import { RequestMemory } from "../net/request-memory.js"
import { Server } from "../net/server.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { describeCluster } from "../protocol/messages/describe-cluster.js"
import { decodeRequestHeader, encodeResponse } from "../protocol/request-header.js"
import type { SimulatedNode } from "../sim/node.js"
import { simulate } from "../sim/world.js"
import { ControllerChannel } from "./controller-channel.js"

const limits = {
  frameBytesMax: 1 << 20,
  pipelinedRequestsMax: 100,
  inFlightBytesMax: 1 << 20,
  queuedReplyBytesMax: 1 << 20,
  connectionsMax: 10,
  idleMs: 60_000,
  frameMs: 60_000,
}

/** A controller that takes DescribeCluster, and answers it or never does. */
async function control(node: SimulatedNode, answers: boolean): Promise<void> {
  const server = new Server(node.env, new FramePool(0), new RequestMemory(1 << 20), limits, ({ bytes }) => {
    const { apiKey, apiVersion, correlationId } = decodeRequestHeader(new Reader(bytes))
    if (apiKey === apiVersions.key) {
      const apiKeys = [{ apiKey: describeCluster.key, minVersion: 0, maxVersion: 0 }]
      return { reply: { payloads: encodeResponse(apiVersions, apiVersion, correlationId, { errorCode: 0, apiKeys }) } }
    }
    if (!answers) return { reply: new Promise<never>(() => {}) }
    const response = { errorCode: 0, errorMessage: null, controllerId: 1, clusterId: "one", brokers: [] }
    return { reply: { payloads: encodeResponse(describeCluster, apiVersion, correlationId, response) } }
  })
  await server.listen({ host: node.address, port: 9093 })
}

test("what a controller was asked before it lost power is asked anew when it leads again, in its next epoch", async () => {
  await simulate("a controller leads again", async (world) => {
    const [controller, broker] = [world.addNode("controller"), world.addNode("broker")]
    await control(controller, false)
    const { env } = broker
    const channel = new ControllerChannel({
      env,
      nodeId: 2,
      connect: (address) =>
        new PeerConnection(address, { env, clientId: "2", shared: new SharedReceiveBuffer(), pool: new FramePool(0) }),
      local: undefined,
    })
    const address = { host: controller.address, port: 9093 }
    channel.onLeaderChanged({ leaderId: 1, epoch: 1, address })
    const anything = { includeClusterAuthorizedOperations: false, includeFencedBrokers: false }
    const asked = channel.request(describeCluster, anything, { timeoutMs: 60_000 })
    await world.sleep(100)
    controller.crash("power")
    controller.restart()
    await control(controller, true)
    const fromMs = world.nowMs
    channel.onLeaderChanged({ leaderId: 1, epoch: 2, address })
    assert.equal((await asked).clusterId, "one")
    assert.ok(world.nowMs - fromMs < 1000, `after ${world.nowMs - fromMs} ms`)
    channel.close()
  })
})
