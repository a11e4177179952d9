/**
 * Three nodes, broker and controller each, as processes of the built command: started, killed, paused, stopped.
 *
 * Owns their processes, directories and settings. What the cluster says of itself is `view.ts`'s. Invariant: a node is one process at a time, always on its own directory.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { BrokerProcess } from "../broker-process.js"
import { expect } from "../work.js"
import type { ClusterNetwork } from "./network.js"

export const nodeCount = 3

const pastCharactersMax = 2 * 1024 * 1024

/** What a cluster of three promises records by: all have them, two suffice. */
const safeSettings = {
  "default.replication.factor": "3",
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
}

export interface ClusterOptions {
  readonly network: ClusterNetwork
  /** One for each node, empty or of an earlier life. */
  readonly directories: readonly string[]
  readonly settings?: Readonly<Record<string, string>>
  /** What one has and others have not, its rack for instance. */
  readonly settingsOf?: (node: number) => Readonly<Record<string, string>>
}

export class ClusterNode {
  #process: BrokerProcess | undefined
  /** What earlier processes printed. */
  #past = ""

  constructor(
    readonly id: number,
    private readonly options: ClusterOptions,
  ) {
    mkdirSync(this.directory, { recursive: true })
  }

  /** `log.dirs`: below what was given, which may be the root of a file system. */
  get directory(): string {
    return join(this.options.directories[this.id - 1]!, "logs")
  }

  get isAlive(): boolean {
    return this.#process?.isAlive ?? false
  }

  get process(): BrokerProcess {
    expect(this.#process !== undefined, `node ${this.id} was never started`)
    return this.#process
  }

  /** Of all its lives, the end. */
  get output(): string {
    return this.#past + (this.#process?.wholeOutput ?? "")
  }

  /** Resolves when it says that it is ready: for the first of a cluster, when others are there. */
  async start(): Promise<void> {
    const { network, settings, settingsOf } = this.options
    expect(!this.isAlive, `node ${this.id} runs already`)
    this.#past = `${this.output}--- started again ---\n`.slice(-pastCharactersMax)
    const [broker, controller] = [network.brokerListener(this.id), network.controllerListener(this.id)]
    const voters = Array.from({ length: nodeCount }, (_, index) => {
      const { host, port } = network.controllerListener(index + 1).advertised
      return `${index + 1}@${host}:${port}`
    })
    this.#process = await BrokerProcess.start({
      ...broker.advertised,
      dataDirectory: this.directory,
      commandPrefix: network.commandPrefix(this.id),
      settings: {
        "node.id": String(this.id),
        listeners: `PLAINTEXT://${broker.bind.host}:${broker.bind.port},CONTROLLER://${controller.bind.host}:${controller.bind.port}`,
        "advertised.listeners": `PLAINTEXT://${broker.advertised.host}:${broker.advertised.port}`,
        "controller.quorum.voters": voters.join(","),
        ...safeSettings,
        ...settings,
        ...settingsOf?.(this.id),
      },
    })
  }

  kill(): Promise<void> {
    return this.process.kill()
  }

  stop(): Promise<void> {
    return this.process.stop()
  }
}

export class Cluster {
  readonly nodes: readonly ClusterNode[]

  constructor(readonly options: ClusterOptions) {
    this.nodes = Array.from({ length: nodeCount }, (_, index) => new ClusterNode(index + 1, options))
  }

  /** All at once: none is ready before two are there. */
  async start(nodes: readonly ClusterNode[] = this.nodes): Promise<void> {
    await Promise.all(nodes.map((node) => node.start()))
  }

  /** Cleanly, one after the other, as an operator would. */
  async stop(): Promise<void> {
    for (const node of this.nodes) if (node.isAlive) await node.stop()
  }

  node(id: number): ClusterNode {
    return this.nodes[id - 1]!
  }

  get bootstrap(): string {
    return this.nodes
      .map(({ id }) => this.options.network.brokerListener(id).advertised)
      .map(({ host, port }) => `${host}:${port}`)
      .join(",")
  }

  /** Throws when a node has ended that nobody killed. */
  expectAlive(): void {
    for (const { id, isAlive, process } of this.nodes) expect(isAlive, `node ${id} ended by itself:\n${process.output}`)
  }
}
