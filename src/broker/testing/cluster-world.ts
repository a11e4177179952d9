/**
 * Several nodes in the simulated world, for tests that read as stories: start, cut off, swap disks, ask.
 *
 * Owns the harness: a machine for each node, one for clients. Time is virtual; nothing sleeps. What a node is told beside its ports is the story's.
 */
import assert from "node:assert/strict"
import { loadServerConfig } from "../../config/server-config.js"
import { WireClient } from "../../net/wire-client.js"
import type { Api, RequestInputOf, ResponseOf } from "../../protocol/message.js"
import type { SimulatedNode } from "../../sim/node.js"
import { World, type WorldOptions } from "../../sim/world.js"
import { Node, type StartError } from "../node.js"

export const clientPort = 9092
export const controllerPort = 9093

export interface ClusterNode {
  readonly id: number
  readonly machine: SimulatedNode
  /** Defined while it runs. */
  node: Node | undefined
  /** Why it stopped by itself. */
  readonly fatal: string[]
}

export class ClusterWorld {
  readonly nodes = new Map<number, ClusterNode>()
  readonly clients: SimulatedNode
  readonly logLines: string[] = []

  constructor(
    readonly world: World,
    ids: readonly number[],
  ) {
    for (const id of ids) this.nodes.set(id, { id, machine: world.addNode(`node-${id}`), node: undefined, fatal: [] })
    this.clients = world.addNode("clients")
  }

  of(id: number): ClusterNode {
    return this.nodes.get(id)!
  }

  addressOf(id: number): string {
    return this.of(id).machine.address
  }

  controllerServer(id: number): string {
    return `${this.addressOf(id)}:${controllerPort}`
  }

  /** `controller.quorum.bootstrap.servers` or, with ids, `controller.quorum.voters` of these nodes. */
  servers(ids: readonly number[]): string {
    return ids.map((id) => this.controllerServer(id)).join(",")
  }

  voters(ids: readonly number[]): string {
    return ids.map((id) => `${id}@${this.controllerServer(id)}`).join(",")
  }

  /** Resolves when the node serves; rejects with why it does not start. */
  async start(id: number, settings: Record<string, string>): Promise<Node> {
    const member = this.of(id)
    const { machine } = member
    if (!machine.alive) machine.restart()
    const roles = settings["process.roles"] ?? "broker,controller"
    const listeners = [
      ...(roles.includes("broker") ? [`PLAINTEXT://${machine.address}:${clientPort}`] : []),
      ...(roles.includes("controller") ? [`CONTROLLER://${machine.address}:${controllerPort}`] : []),
    ]
    const { config, errors } = loadServerConfig({
      overrides: {
        "node.id": String(id),
        "process.roles": roles,
        listeners: listeners.join(","),
        "log.dirs": "/data",
        ...settings,
      },
    })
    assert.deepEqual(errors, [])
    const onFatal = (reason: string) => {
      member.fatal.push(reason)
      machine.crash("kill")
      member.node = undefined
    }
    member.node = await Node.start(machine.env, config!, { insecure: true, hostname: machine.name, onFatal })
    return member.node
  }

  startAll(settings: Record<string, string>, ids: readonly number[] = [...this.nodes.keys()]): Promise<Node[]> {
    return Promise.all(ids.map((id) => this.start(id, settings)))
  }

  /** What a start is refused with, within so long. */
  async refusal(id: number, settings: Record<string, string>, withinMs = 60_000): Promise<string> {
    const outcome = await Promise.race([
      this.start(id, settings).then(
        () => "it started",
        (error: StartError) => {
          assert.equal(error.name, "StartError", error.stack)
          return error
        },
      ),
      this.passTime(withinMs).then(() => `it did neither start nor refuse within ${withinMs} ms`),
    ])
    if (typeof outcome === "string") assert.fail(outcome)
    this.of(id).machine.crash("kill")
    return outcome.message
  }

  crash(id: number, how: "kill" | "power" = "kill"): void {
    this.of(id).machine.crash(how)
    this.of(id).node = undefined
  }

  async stop(id: number): Promise<void> {
    const member = this.of(id)
    await member.node!.stop()
    member.node = undefined
    member.machine.crash("kill")
  }

  /** One request on a connection of its own, to a broker's listener or, with the port, a controller's. */
  async ask<A extends Api>(
    id: number,
    api: A,
    request: RequestInputOf<A>,
    { port = clientPort, version = api.maxVersion }: { port?: number; version?: number } = {},
  ): Promise<ResponseOf<A>> {
    const client = await WireClient.connect(this.clients.env.network, { host: this.addressOf(id), port })
    try {
      return await client.send(api, version, request)
    } finally {
      client.close()
    }
  }

  /** Looks again and again, until something is there. */
  async until<T>(what: string, look: () => Promise<T | undefined> | T | undefined, withinMs = 30_000): Promise<T> {
    const endMs = this.world.nowMs + withinMs
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (this.world.nowMs > endMs) assert.fail(`not within ${withinMs} ms: ${what}`)
      await this.passTime(20)
    }
  }

  passTime(ms: number): Promise<void> {
    return this.world.sleep(ms)
  }

  /** Whether some node has said it in its log. */
  said(pattern: RegExp): boolean {
    return this.logLines.some((line) => pattern.test(line))
  }
}

/** Runs a story in a world of its own; its nodes are not started yet. */
export async function inClusterWorld(
  ids: readonly number[],
  story: (t: ClusterWorld) => Promise<void>,
  options: WorldOptions & { seed?: string | number } = {},
): Promise<void> {
  const lines: string[] = []
  const world = new World(options.seed ?? 1, {
    onLog: ({ timeMs, node, level, message, fields }) => {
      lines.push(`${node} ${level} ${message} ${JSON.stringify(fields ?? {})}`)
      if (process.env.STORY) console.log(timeMs.toFixed(3), node, level, message, fields ?? "")
    },
    ...options,
  })
  await world.run(
    async () => {
      const t = new ClusterWorld(world, ids)
      await story(Object.assign(t, { logLines: lines }))
    },
    { virtualMsMax: 3_600_000 },
  )
}
