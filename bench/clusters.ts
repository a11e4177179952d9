/**
 * Clusters of three nodes, of which each is broker and controller, on this machine.
 *
 * Owns their layout, the same settings file for both systems, and their processes. Ports are drawn when a cluster is prepared and stay the same over restarts.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ProcessError, type Processes } from "./processes.js"
import { freePort, host, javaOptions, kafkaVersion, type Server, type System, watchStart } from "./systems.js"

export const nodeIds = [1, 2, 3] as const
export type NodeId = (typeof nodeIds)[number]

export interface ClusterSystem {
  readonly name: System["name"]
  readonly title: string
  /** Makes the folder of each node ready for its first start. */
  prepare(directory: string): Promise<void>
  /** Errors: as `System.start`. */
  startNode(directory: string, nodeId: NodeId): Promise<Server>
}

const propertiesOf = (directory: string, nodeId: NodeId) => join(directory, `node-${nodeId}`, "server.properties")

const portOf = (directory: string, nodeId: NodeId): number =>
  Number(/^listeners=PLAINTEXT:\/\/[^:]+:(\d+)/m.exec(readFileSync(propertiesOf(directory, nodeId), "utf8"))![1])

async function writeProperties(directory: string): Promise<void> {
  const nodes: { readonly nodeId: NodeId; readonly port: number; readonly controllerPort: number }[] = []
  for (const nodeId of nodeIds) nodes.push({ nodeId, port: await freePort(), controllerPort: await freePort() })
  const voters = nodes.map(({ nodeId, controllerPort }) => `${nodeId}@${host}:${controllerPort}`).join(",")
  for (const { nodeId, port, controllerPort } of nodes) {
    const folder = join(directory, `node-${nodeId}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      propertiesOf(directory, nodeId),
      [
        "process.roles=broker,controller",
        `node.id=${nodeId}`,
        `controller.quorum.voters=${voters}`,
        `listeners=PLAINTEXT://${host}:${port},CONTROLLER://${host}:${controllerPort}`,
        `advertised.listeners=PLAINTEXT://${host}:${port}`,
        "controller.listener.names=CONTROLLER",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        `log.dirs=${join(folder, "data")}`,
        "default.replication.factor=3",
        "min.insync.replicas=2",
        "offsets.topic.replication.factor=3",
        "",
      ].join("\n"),
    )
  }
}

export function ottlaCluster(processes: Processes, root: string): ClusterSystem {
  return {
    name: "ottla",
    title: "Ottla",
    prepare: writeProperties,
    startNode: (directory, nodeId) => {
      const args = [join(root, "dist", "ottla.js"), "server", "start", "--config", propertiesOf(directory, nodeId)]
      const folder = join(directory, `node-${nodeId}`)
      // Options of Node.js for a look at one run, as `--cpu-prof`.
      const options = (process.env.OTTLA_BENCH_NODE_OPTIONS ?? "").split(" ").filter((option) => option !== "")
      return watchStart(processes, folder, portOf(directory, nodeId), process.execPath, [...options, ...args])
    },
  }
}

/** `jars`: folder with Kafka's jars. */
export function kafkaCluster(processes: Processes, jars: string): ClusterSystem {
  const classPath = ["-cp", join(jars, "*")]
  return {
    name: "kafka",
    title: `Apache Kafka ${kafkaVersion}`,
    prepare: async (directory) => {
      await writeProperties(directory)
      const clusterId = Buffer.from("ottla benchmarks").toString("base64url")
      for (const nodeId of nodeIds) {
        const format = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", propertiesOf(directory, nodeId)]
        await processes.run("java", [...classPath, ...format])
      }
    },
    startNode: (directory, nodeId) => {
      const args = [...javaOptions, ...classPath, "kafka.Kafka", propertiesOf(directory, nodeId)]
      return watchStart(processes, join(directory, `node-${nodeId}`), portOf(directory, nodeId), "java", args)
    },
  }
}

export class Cluster {
  readonly #nodes = new Map<NodeId, Server>()

  constructor(
    readonly system: ClusterSystem,
    readonly directory: string,
  ) {}

  /** Those that run. */
  get servers(): readonly Server[] {
    return [...this.#nodes.values()]
  }

  /** Of all nodes, whether or not they run. */
  get ports(): readonly number[] {
    return nodeIds.map((nodeId) => portOf(this.directory, nodeId))
  }

  server(nodeId: NodeId): Server {
    const server = this.#nodes.get(nodeId)
    if (server === undefined) throw new ProcessError(`node ${nodeId} does not run`)
    return server
  }

  /** Starts those that do not run; resolves when each has answered a client. */
  async start(wanted: readonly NodeId[] = nodeIds): Promise<void> {
    const starts = wanted.map(async (nodeId) => {
      if (!this.#nodes.has(nodeId)) this.#nodes.set(nodeId, await this.system.startNode(this.directory, nodeId))
    })
    // A node that fails must not leave others behind that come up later.
    const results = await Promise.allSettled(starts)
    for (const result of results) if (result.status === "rejected") throw result.reason
  }

  /** Clean stop of some, all at once. */
  async stop(wanted: readonly NodeId[] = nodeIds): Promise<void> {
    await Promise.all(wanted.map((nodeId) => this.#end(nodeId, (server) => server.stop())))
  }

  async kill(wanted: readonly NodeId[] = nodeIds): Promise<void> {
    await Promise.all(wanted.map((nodeId) => this.#end(nodeId, (server) => server.kill())))
  }

  async #end(nodeId: NodeId, end: (server: Server) => Promise<void>): Promise<void> {
    const server = this.#nodes.get(nodeId)
    this.#nodes.delete(nodeId)
    if (server !== undefined) await end(server)
  }

  /** What a node printed; for a look when something went wrong. */
  printed(nodeId: NodeId): string {
    const path = join(this.directory, `node-${nodeId}`, "server.log")
    return existsSync(path) ? readFileSync(path, "utf8") : ""
  }
}
