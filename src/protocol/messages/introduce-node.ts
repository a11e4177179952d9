/**
 * IntroduceNode: which node is behind an address, and to which cluster it belongs. Ottla's own.
 *
 * Nodes that nobody formatted ask it of `controller.quorum.bootstrap.servers` at their first start. Answered on controllers' listeners, also by nodes that belong to no cluster yet.
 */
import { array, int32, string, uuid } from "../field.js"
import { api } from "../message.js"

export const introduceNode = api({
  name: "IntroduceNode",
  key: 20_001,
  versions: "0",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    nodeId: int32(),
  },
  response: {
    nodeId: int32(),
    // of the directory that holds the metadata log
    directoryId: uuid(),
    // of this life of the process
    processId: uuid(),
    // null: it belongs to none yet
    clusterId: string({ nullableVersions: "0+", default: null }),
    // those it was told, as host:port in order; empty where it belongs to a cluster
    bootstrapServers: array(string()),
  },
})
