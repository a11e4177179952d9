/**
 * What a controller answers before it belongs to a cluster: who it is, and nothing else.
 *
 * Owns the sockets of this time. They are closed when it ends, and the node listens there for good.
 */
import type { ServerConfig } from "../../config/server-config.js"
import type { Env } from "../../env/env.js"
import { emptyImage } from "../../metadata/image.js"
import { FramePool } from "../../net/frame-pool.js"
import { RequestMemory } from "../../net/request-memory.js"
import { Server } from "../../net/server.js"
import { introduceNode } from "../../protocol/messages/introduce-node.js"
import type { Api } from "../../protocol/message.js"
import { apiVersionsHandler } from "../api/api-versions.js"
import { ConfigView } from "../config-view.js"
import { requestDispatch } from "../request-dispatch.js"
import { type ApiHandler, nodeHandler, type NodeServices } from "../services.js"
import type { Introduction } from "./formation-decision.js"

const limits = {
  frameBytesMax: 64 * 1024,
  pipelinedRequestsMax: 4,
  inFlightBytesMax: 256 * 1024,
  queuedReplyBytesMax: 256 * 1024,
  connectionsMax: 1000,
  idleMs: 60_000,
  frameMs: 5000,
}
const requestBytesMax = 16 * 1024 * 1024

/** Listens on the controllers' listeners. Rejects with NetworkError. */
export async function serveIntroductions(
  env: Env,
  config: ServerConfig,
  introduction: () => Introduction,
): Promise<{ close(): Promise<void> }> {
  const services: NodeServices = {
    env,
    nodeId: config.nodeId,
    clusterId: "",
    limits: { fetchBytesMax: 0, describedPartitionsMax: 0, autoCreateTopicsEnable: false, deleteTopicEnable: false },
    configs: new ConfigView(config.nodeId, config.values, () => emptyImage),
    image: () => emptyImage,
    kraftVersion: () => 0,
  }
  const handlers: ApiHandler<Api, NodeServices>[] = [
    apiVersionsHandler(() => handlers.map(({ api }) => api)),
    nodeHandler(introduceNode, () => introduction()),
  ]
  const dispatch = requestDispatch(services, {
    handlers,
    listenerName: () => "",
    onInvariantBroken: (error) => {
      throw error
    },
  })
  const server = new Server(env, new FramePool(0), new RequestMemory(requestBytesMax), limits, (frame, connection) =>
    dispatch.handle(frame, connection),
  )
  try {
    for (const { name, host, port } of config.listeners.listeners)
      if (config.listeners.controllerListenerNames.includes(name)) await server.listen({ host, port })
  } catch (error) {
    await server.close()
    throw error
  }
  return { close: () => server.close() }
}
