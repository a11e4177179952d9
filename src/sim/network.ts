/**
 * The simulated network: machines, listeners, connections.
 *
 * Fault model. Bytes of one connection arrive in order, uncorrupted, cut at random places, after random latency; TCP's losses show as
 * delay. A link may be cut in one or both directions: bytes wait and arrive after it heals, or the connection times out. A connection may
 * stall or be reset at any moment, losing what is under way. A killed process resets or ends its connections; a machine without power says
 * nothing, so peers sit on half-open connections until they send and time out, or the machine is back and refuses. What the sender
 * has handed to the kernel says nothing about what the peer has read. Buffers are bounded: a peer that does not read holds the sender
 * back. The stream of one connection is `connection.ts`'s.
 */
import { invariant } from "../base/assert.js"
import { type Connection, type Listener, type Network, NetworkError } from "../env/env.js"
import { SimulatedConnection } from "./connection.js"
import type { Incarnation, Machine } from "./machine.js"
import type { SeededRandom } from "./random.js"
import type { Owner, Scheduler } from "./scheduler.js"
import { type FrameWatcher, tapConnection } from "./wire-tap.js"

export interface NetworkOptions {
  /** One way, each packet: from `least` to the sum. */
  latencyNs: { least: number; spread: number }
  /** Packets, and what one read returns, are cut to a random size up to this. */
  chunkBytesMax: number
  /** Both kernels' buffers together, per direction. */
  windowBytes: number
  /** Chance per packet that the connection stalls for up to `stallNsMax`. */
  stallChance: number
  stallNsMax: number
  /** Chance per packet that the connection is reset. */
  resetChance: number
  /** How long unacknowledged bytes, or a connection attempt, wait for a peer that does not answer. */
  timeoutNs: number
  /** Pause between two tries to reach a peer. */
  retransmitNs: number
}

export const defaultNetworkOptions: NetworkOptions = {
  latencyNs: { least: 20_000, spread: 200_000 },
  chunkBytesMax: 65_536,
  windowBytes: 262_144,
  stallChance: 0,
  stallNsMax: 2_000_000_000,
  resetChance: 0,
  timeoutNs: 60_000_000_000,
  retransmitNs: 200_000_000,
}

interface BoundListener {
  readonly host: string
  readonly incarnation: Incarnation
  readonly accept: (connection: Connection) => void
}

const anyHosts = new Set(["0.0.0.0", "::", ""])
const loopbackHosts = new Set(["127.0.0.1", "localhost", "::1"])
const ephemeralPortFirst = 32_768
const ephemeralPortCount = 28_000

/** The wires: nobody's process, never dead. */
const wires: Owner = Object.freeze({ name: "network", alive: true, pausedUntilNs: 0 })

export class SimulatedNetwork {
  readonly options: NetworkOptions
  readonly #machines = new Map<string, Machine>()
  readonly #listeners = new Map<Machine, Map<number, BoundListener>>()
  readonly #cut = new Set<string>()
  readonly #slow = new Map<string, { least: number; spread: number }>()
  /** Sees every frame on its way, and may hold it up. */
  watcher: FrameWatcher | undefined
  readonly #connections = new Set<SimulatedConnection>()
  #nextPort = 0
  #nextConnection = 0
  readonly wires = wires

  constructor(
    readonly scheduler: Scheduler,
    readonly random: SeededRandom,
    options: Partial<NetworkOptions> = {},
  ) {
    this.options = { ...defaultNetworkOptions, ...options }
  }

  addMachine(machine: Machine): void {
    this.#machines.set(machine.name, machine)
    this.#machines.set(machine.address, machine)
    this.#listeners.set(machine, new Map())
  }

  /** What one incarnation of a node sees. */
  of(machine: Machine, incarnation: Incarnation): Network {
    return {
      listen: (address, accept) => this.#listen(machine, incarnation, address, accept),
      connect: (address) => this.#connect(machine, incarnation, address),
    }
  }

  // Faults.

  /** Nothing gets from one machine to the other; `bothWays` false: answers still flow. */
  cutLink(from: string, to: string, bothWays = true): void {
    this.#cut.add(`${from}>${to}`)
    if (bothWays) this.#cut.add(`${to}>${from}`)
  }

  healLink(from: string, to: string): void {
    this.#cut.delete(`${from}>${to}`)
    this.#cut.delete(`${to}>${from}`)
  }

  /** What gets from one machine to the other takes so much longer, until `quickLink`. */
  slowLink(from: string, to: string, latencyNs: { least: number; spread: number }): void {
    this.#slow.set(`${from}>${to}`, latencyNs)
  }

  quickLink(from: string, to: string): void {
    this.#slow.delete(`${from}>${to}`)
  }

  /** Cuts every link between machines of different groups. */
  partition(groups: readonly (readonly string[])[]): void {
    for (const [i, group] of groups.entries())
      for (const other of groups.slice(i + 1)) for (const a of group) for (const b of other) this.cutLink(a, b)
  }

  /** All links work, and no new faults happen by chance. */
  heal(): void {
    this.#cut.clear()
    this.#slow.clear()
    this.options.resetChance = 0
    this.options.stallChance = 0
  }

  passable(from: Machine, to: Machine): boolean {
    return this.#cut.size === 0 || from === to || !this.#cut.has(`${from.name}>${to.name}`)
  }

  /** Connections with both ends open, each once per end. */
  get connections(): readonly SimulatedConnection[] {
    return [...this.#connections]
  }

  /** Called when a process dies. With power its kernel says goodbye; without, nobody does. */
  crashed(machine: Machine, incarnation: Incarnation, how: "kill" | "power"): void {
    for (const [port, listener] of this.#listeners.get(machine)!)
      if (listener.incarnation === incarnation) this.#listeners.get(machine)!.delete(port)
    for (const connection of this.#connections) if (connection.incarnation === incarnation) connection.ownerDied(how)
  }

  // Machinery.

  latencyNs(from: Machine, to: Machine): number {
    const { latencyNs, stallChance, stallNsMax } = this.options
    if (from === to) return latencyNs.least / 4 + this.random.int(latencyNs.least + 1)
    const stall = this.random.chance(stallChance) ? this.random.int(stallNsMax) : 0
    const slow = this.#slow.size === 0 ? undefined : this.#slow.get(`${from.name}>${to.name}`)
    const extra = slow === undefined ? 0 : slow.least + this.random.int(slow.spread + 1)
    return latencyNs.least + this.random.int(latencyNs.spread + 1) + stall + extra
  }

  forget(connection: SimulatedConnection): void {
    this.#connections.delete(connection)
  }

  #port(): number {
    return ephemeralPortFirst + (this.#nextPort++ % ephemeralPortCount)
  }

  #resolve(machine: Machine, host: string): Machine | undefined {
    return loopbackHosts.has(host) ? machine : this.#machines.get(host)
  }

  #listen(
    machine: Machine,
    incarnation: Incarnation,
    address: { host: string; port: number },
    accept: (connection: Connection) => void,
  ): Promise<Listener> {
    if (!incarnation.alive) return new Promise(() => {})
    return new Promise((resolve, reject) => {
      this.scheduler.after(10_000, incarnation, "listen", () => {
        const { host } = address
        if (!anyHosts.has(host) && this.#resolve(machine, host) !== machine) {
          reject(new NetworkError("EADDRNOTAVAIL", `listen on ${host}: not an address of ${machine.name}`))
          return
        }
        const bound = this.#listeners.get(machine)!
        let port = address.port
        while (port === 0 || (address.port === 0 && bound.has(port))) port = this.#port()
        if (bound.has(port)) {
          reject(new NetworkError("EADDRINUSE", `listen on ${host}:${port}: address in use`))
          return
        }
        bound.set(port, { host, incarnation, accept })
        const close = () =>
          incarnation.alive
            ? new Promise<void>((closed) => {
                bound.delete(port)
                this.scheduler.after(10_000, incarnation, "listener closed", closed)
              })
            : new Promise<void>(() => {})
        resolve({ host, port, close })
      })
    })
  }

  #connect(machine: Machine, incarnation: Incarnation, address: { host: string; port: number }): Promise<Connection> {
    if (!incarnation.alive) return new Promise(() => {})
    const target = this.#resolve(machine, address.host)
    const startedNs = this.scheduler.nowNs
    return new Promise((resolve, reject) => {
      const fail = (code: string, delayNs: number) =>
        void this.scheduler.after(delayNs, incarnation, `connect ${code}`, () =>
          reject(new NetworkError(code, `connect ${address.host}:${address.port}: ${code}`)),
        )
      if (target === undefined) {
        fail("ENOTFOUND", 100_000)
        return
      }
      const knock = () => {
        if (!incarnation.alive) return
        if (!target.powered || !this.passable(machine, target) || !this.passable(target, machine)) {
          const waitedNs = this.scheduler.nowNs - startedNs
          if (waitedNs >= this.options.timeoutNs) fail("ETIMEDOUT", 0)
          else this.scheduler.after(this.options.retransmitNs, wires, "connect again", knock)
          return
        }
        const listener = this.#listeners.get(target)!.get(address.port)
        const toLoopback = listener !== undefined && loopbackHosts.has(listener.host) && target !== machine
        const backNs = this.latencyNs(target, machine)
        if (listener === undefined || toLoopback) {
          fail("ECONNREFUSED", backNs)
          return
        }
        const localPort = this.#port()
        const near = new SimulatedConnection(this, machine, incarnation, localPort)
        const far = new SimulatedConnection(this, target, listener.incarnation, address.port)
        near.join(far)
        if (this.watcher !== undefined)
          [near.tap, far.tap] = tapConnection(this.watcher, this.#nextConnection++, machine.name, target.name)
        this.#connections.add(near)
        this.#connections.add(far)
        this.scheduler.after(0, listener.incarnation, "accept", () => {
          invariant(far.incarnation.alive, "a dead listener accepts")
          listener.accept(far)
        })
        this.scheduler.after(backNs, incarnation, "connected", () => resolve(near))
      }
      this.scheduler.after(this.latencyNs(machine, target), wires, "connect", knock)
    })
  }
}
