/**
 * Whole nodes on simulated machines, in this process.
 *
 * Owns the machines, the lives of the nodes on them, what is on their disks, and the settings they start with. How time passes is its driver's (`WorldTime`); what goes wrong on purpose is `faults.ts`'s. Invariant: a
 * dead node does nothing any more, in memory or over a port.
 */
import { Node } from "../broker/node.js"
import { loadServerConfig, type ServerConfig } from "../config/server-config.js"
import { ConfigError, TimeoutError } from "../client/errors.js"
import type { Connection, Disk, Env, Network, Timer } from "../env/env.js"
import type { Names } from "../sim/names.js"
import type { SimulatedNode } from "../sim/node.js"
import type { World } from "../sim/world.js"

/** How time passes for the nodes. */
export interface WorldTime {
  envOf(machine: SimulatedNode): Env
  /** Settles as `work` does, which may need time to pass. */
  passUntil<T>(work: Promise<T>): Promise<T>
  /** Resolves when so much time has passed. */
  sleep(ms: number): Promise<void>
  /** Makes so much time pass, and resolves when what follows has happened. */
  advance(ms: number): Promise<void>
}

/** What stands between the node's listeners and whoever connects. */
export interface Gate {
  /** The connection as the node is to see it. */
  admit(member: Member, connection: Connection): Connection
}

/** A second way to a node's listener: a port of this machine. */
export interface Port {
  readonly port: number
  open(accept: (connection: Connection) => void): Promise<void>
  /** The connection is gone. */
  forget(connection: Connection): void
  stopAccepting(): Promise<void>
  /** Nobody is let in any more, and who is in is thrown out. */
  close(): Promise<void>
}

/** A directory of this machine, with one folder for each node. */
export interface Files {
  readonly directory: string
  /** As one process sees them. */
  open(isDead: () => boolean): Disk & { abandon(): Promise<void> }
}

export interface Member {
  readonly id: number
  readonly machine: SimulatedNode
  settings: Readonly<Record<string, string>>
  /** Where clients in this process find it. */
  readonly host: string
  readonly clientPort: number
  readonly port: Port | undefined
  /** Defined while it runs. */
  node: Node | undefined
  isStarting: boolean
  /** What its last life had open. */
  files: (Disk & { abandon(): Promise<void> }) | undefined
}

export interface ClusterOptions {
  readonly count: number
  readonly settings: Readonly<Record<string, string>>
  /** One for each node, or none at all. */
  readonly ports: readonly Port[]
  /** In the place of the simulated disks. */
  readonly files: Files | undefined
  readonly gate: Gate
  /** A node has stopped by itself. */
  onFatal(id: number, reason: string): void
}

export const clientPort = 9092
const controllerPort = 9093
/** By the world's clock. */
const startMsMax = 60_000

/** What suits a test: small internal topics, no waiting for members that might still come, and nothing that happens twice a second where one node has nobody to watch. */
export const testSettings: Readonly<Record<string, string>> = {
  "offsets.topic.num.partitions": "4",
  "group.initial.rebalance.delay.ms": "0",
  "ottla.hot.cache.bytes": String(16 << 20),
  "ottla.frame.buffer.pool.bytes": String(16 << 20),
}

const aloneSettings: Readonly<Record<string, string>> = {
  "offsets.topic.replication.factor": "1",
  "broker.heartbeat.interval.ms": "60000",
  "broker.session.timeout.ms": "600000",
}

export class TestCluster {
  readonly members: readonly Member[]
  /** The machine of the test's own clients: it lives on when brokers die. */
  readonly clients: SimulatedNode
  /** The machine of the harness's own questions, which no fault touches. */
  readonly observer: SimulatedNode

  constructor(
    readonly world: World,
    readonly time: WorldTime,
    private readonly options: ClusterOptions,
  ) {
    const { count, ports } = options
    const members = Array.from({ length: count }, (_, index): Member => {
      const id = index + 1
      const machine = world.addNode(`broker-${id}`)
      return {
        id,
        machine,
        host: ports[index] === undefined ? machine.name : "127.0.0.1",
        clientPort: ports[index]?.port ?? clientPort,
        port: ports[index],
        node: undefined,
        isStarting: false,
        files: undefined,
        settings: {},
      }
    })
    const voters = members.map(({ id, machine }) => `${id}@${machine.address}:${controllerPort}`).join(",")
    for (const member of members) member.settings = this.#settingsOf(member, voters)
    this.members = members
    this.clients = world.addNode("clients")
    this.observer = world.addNode("observer")
  }

  #settingsOf(member: Member, voters: string): Record<string, string> {
    const { machine, id, host, clientPort } = member
    const isAlone = this.options.count === 1
    const listeners = [`PLAINTEXT://${machine.address}:${clientPort}`]
    if (!isAlone) listeners.push(`CONTROLLER://${machine.address}:${controllerPort}`)
    return {
      ...testSettings,
      ...(isAlone ? aloneSettings : { "controller.quorum.voters": voters, "default.replication.factor": "3" }),
      "node.id": String(id),
      listeners: listeners.join(","),
      "advertised.listeners": `PLAINTEXT://${host}:${clientPort}`,
      "log.dirs": this.options.files === undefined ? "/data" : `${this.options.files.directory}/broker-${id}`,
      ...this.options.settings,
    }
  }

  /** "host:port,...": by name in memory, or this machine's ports. */
  get bootstrap(): string {
    return this.members.map(({ host, clientPort }) => `${host}:${clientPort}`).join(",")
  }

  member(id: number): Member {
    const found = this.members.find((member) => member.id === id)
    if (found === undefined) throw new ConfigError(`there is no broker ${id}; there are 1 to ${this.members.length}`)
    return found
  }

  /** Errors: ConfigError for settings that cannot be; StartError; TimeoutError when they do not serve within `startMsMax`, and may later. */
  async start(ids: readonly number[] = this.members.map(({ id }) => id)): Promise<void> {
    const members = ids.map((id) => this.member(id))
    let timer: Timer | undefined
    const late = new Promise<never>((_, reject) => {
      timer = this.time
        .envOf(this.observer)
        .timers.after(startMsMax, () => reject(new TimeoutError(this.#whyLate(ids))))
    })
    const started = Promise.all(members.map((member) => this.#boot(member)))
    try {
      await this.time.passUntil(Promise.race([started, late]))
    } finally {
      timer?.cancel()
    }
  }

  #whyLate(ids: readonly number[]): string {
    const running = this.members.filter(({ node }) => node !== undefined).map(({ id }) => id)
    const majority = Math.floor(this.members.length / 2) + 1
    return `broker ${ids.join(", ")}: not serving after ${startMsMax} ms. A broker needs ${majority} of ${this.members.length} to run: those that do are ${running.join(", ") || "none"}`
  }

  async #boot(member: Member): Promise<void> {
    const { machine } = member
    if (member.node !== undefined) throw new ConfigError(`broker ${member.id} is running already`)
    const config = configOf(member.settings)
    // A start that came to nothing, or is still under way, ends here.
    if (member.isStarting) this.crash(member.id)
    if (!machine.alive) machine.restart()
    member.isStarting = true
    const { incarnation } = machine
    const env = this.time.envOf(machine)
    const onFatal = (reason: string) => {
      if (!incarnation.alive) return
      this.crash(member.id)
      this.options.onFatal(member.id, reason)
    }
    await member.files?.abandon()
    member.files = this.options.files?.open(() => !incarnation.alive)
    const disk = member.files ?? env.disk
    const network = this.#networkOf(member, env.network)
    const node = await Node.start({ ...env, network, disk }, config, {
      insecure: true,
      hostname: machine.name,
      onFatal,
    })
    if (!incarnation.alive) return
    member.node = node
    member.isStarting = false
  }

  #networkOf(member: Member, network: Network): Network {
    const { incarnation } = member.machine
    return {
      connect: (address) => network.connect(address),
      listen: async (address, accept) => {
        const guarded = (connection: Connection) => accept(this.options.gate.admit(member, connection))
        const isForClients = address.port === member.clientPort
        const listener = await network.listen(address, isForClients ? guarded : accept)
        const { port } = member
        if (!isForClients || port === undefined) return listener
        await port.open((connection) => {
          if (incarnation.alive) guarded(connection)
          else connection.destroy()
        })
        return {
          host: listener.host,
          port: listener.port,
          close: async () => {
            await Promise.all([listener.close(), port.stopAccepting()])
          },
        }
      },
    }
  }

  /** The process is gone at once (`kill`), or the machine with what was not synced (`power`). */
  crash(id: number, how: "kill" | "power" = "kill"): void {
    const member = this.member(id)
    member.node = undefined
    member.isStarting = false
    void member.port?.close()
    member.machine.crash(how)
  }

  async stop(id: number): Promise<void> {
    const member = this.member(id)
    const { node, machine } = member
    if (node !== undefined) await this.time.passUntil(node.stop())
    member.node = undefined
    await member.port?.close()
    machine.crash("kill")
  }

  /** What is on the disks, as the programs see it: what a crash of all processes at this moment would leave. */
  copyDisks(): Names[] {
    return this.members.map(({ machine }) => machine.disk.names.copy())
  }

  /** Only while no node runs. */
  putDisks(disks: readonly Names[]): void {
    for (const [index, { machine }] of this.members.entries()) machine.disk.replaceWith(disks[index]!.copy())
  }

  /** What connects to a broker by the address it tells its clients. */
  networkFor(network: Network): Network {
    return {
      listen: (address, accept) => network.listen(address, accept),
      connect: (address) => {
        const member = this.members.find(({ host, clientPort }) => host === address.host && clientPort === address.port)
        return network.connect(member === undefined ? address : { ...address, host: member.machine.address })
      },
    }
  }
}

function configOf(settings: Readonly<Record<string, string>>): ServerConfig {
  const { config, errors } = loadServerConfig({ overrides: settings })
  if (config === undefined) throw new ConfigError(`settings: ${errors.join("; ")}`)
  return config
}
