/**
 * IntroduceNode: which node this is, and its cluster. Ottla's own.
 *
 * Behaviour: asked by nodes that look for their cluster at their first start. A node without one answers by itself (`formation/introductions.ts`). Controllers only.
 */
import { zeroUuid } from "../../base/ids.js"
import { introduceNode } from "../../protocol/messages/introduce-node.js"
import { controllerHandler } from "../services.js"

export const introduceNodeHandler = controllerHandler(introduceNode, ({ nodeId, clusterId }) => ({
  nodeId,
  directoryId: zeroUuid,
  processId: zeroUuid,
  clusterId,
  bootstrapServers: [],
}))
