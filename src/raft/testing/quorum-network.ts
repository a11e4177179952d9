/**
 * Connections between nodes of a simulated quorum, without bytes of a stream.
 *
 * Owns delays, losses, cuts and what a connection says when the other side dies, as TCP would show them: a lost packet comes late, a killed process closes, a dead machine is silent.
 * Every message is encoded and decoded. For tests of raft/ alone.
 */
import { Reader } from "../../base/reader.js"
import { type Peer, type PeerAddress, type PeerAnswer, PeerError } from "../../net/peer.js"
import type { Api, Message, RequestInputOf, RequestOf, ResponseInputOf, ResponseOf } from "../../protocol/message.js"
import type { SimulatedNode } from "../../sim/node.js"
import type { SeededRandom } from "../../sim/random.js"
import type { World } from "../../sim/world.js"

export type Handle = <A extends Api>(api: A, request: RequestOf<A>, version: number) => Promise<ResponseInputOf<A>>

export interface QuorumNetworkOptions {
  /** One way. */
  delayMs: { least: number; spread: number }
  /** Chance per message that it must be sent again, after `retransmitMs`, and again. */
  lossChance: number
  retransmitMs: number
  /** A machine that does not answer to a connection attempt is given up after. */
  connectTimeoutMs: number
}

interface Station {
  readonly node: SimulatedNode
  handle: Handle | undefined
  readonly connections: Set<SimulatedPeer>
}

export class QuorumNetwork {
  readonly #stations = new Map<string, Station>()
  readonly #cut = new Set<string>()
  readonly random: SeededRandom
  /** Something has just left a node: the cruellest moment to cut its power. */
  onSent: (from: string, api: Api) => void = () => {}

  constructor(
    readonly world: World,
    readonly options: QuorumNetworkOptions,
  ) {
    this.random = world.random.fork("quorum network")
  }

  add(node: SimulatedNode): void {
    this.#stations.set(node.name, { node, handle: undefined, connections: new Set() })
  }

  /** The node takes requests; undefined: nobody listens there. */
  serve(name: string, handle: Handle | undefined): void {
    this.#stations.get(name)!.handle = handle
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`)
  }

  heal(): void {
    this.#cut.clear()
  }

  connect(from: SimulatedNode, address: PeerAddress): Peer {
    return new SimulatedPeer(this, from, this.station(address.host), address)
  }

  station(name: string): Station {
    return this.#stations.get(name)!
  }

  /** The process died: its kernel closes what was open, unless the machine is dark. */
  crashed(node: SimulatedNode, how: "kill" | "power"): void {
    const station = this.station(node.name)
    station.handle = undefined
    if (how === "kill")
      for (const peer of [...station.connections]) this.send(node.name, peer.from, () => peer.broken())
    station.connections.clear()
  }

  /** Something travels; it never arrives while the way is cut. Returns when it will, or -1. */
  send(from: string, to: string, arrive: () => void, notBeforeMs = 0): number {
    if (this.#cut.has(`${from}>${to}`)) return -1
    const { delayMs, lossChance, retransmitMs } = this.options
    let delay = delayMs.least + this.random.int(delayMs.spread * 1000 + 1) / 1000
    while (this.random.chance(lossChance)) delay += retransmitMs
    const atMs = Math.max(this.world.nowMs + delay, notBeforeMs)
    this.world.scheduler.after((atMs - this.world.nowMs) * 1e6, this.world.network.wires, "message", arrive, 1)
    return atMs
  }
}

interface InFlight {
  settle(error: PeerError): void
}

class SimulatedPeer implements Peer {
  readonly #inFlight = new Set<InFlight>()
  #generation = 0
  #isOpen = false
  #lastArrivalMs = 0
  #lastAnswerMs = 0
  #closed = false
  readonly #incarnation

  constructor(
    readonly network: QuorumNetwork,
    readonly node: SimulatedNode,
    readonly station: ReturnType<QuorumNetwork["station"]>,
    readonly address: PeerAddress,
  ) {
    this.#incarnation = node.incarnation
  }

  get from(): string {
    return this.node.name
  }

  /** The other side said goodbye. */
  broken(): void {
    this.#end("closed")
  }

  #end(code: "closed" | "timed out" | "refused"): void {
    this.station.connections.delete(this)
    this.#isOpen = false
    this.#generation++
    for (const each of [...this.#inFlight]) each.settle(new PeerError(code, code))
  }

  request<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    options: { readonly timeoutMs: number },
  ): Promise<PeerAnswer<A>> {
    if (this.#closed) return Promise.reject(new PeerError("closed", "closed"))
    const { scheduler } = this.network.world
    const version = api.maxVersion
    const bytes = encode(api.request, request, version)
    return new Promise((resolve, reject) => {
      const generation = this.#generation
      const timer = scheduler.after(options.timeoutMs * 1e6, this.#incarnation, "request timeout", () =>
        this.#end("timed out"),
      )
      const flight: InFlight = {
        settle: (error) => {
          this.#inFlight.delete(flight)
          timer.cancel()
          // In the order of the process's events, not in the middle of somebody's.
          scheduler.after(0, this.#incarnation, "request failed", () => reject(error))
        },
      }
      this.#inFlight.add(flight)
      const answered = (response: ResponseInputOf<A>) => {
        const encoded = encode(api.response, response, version)
        const arrive = () => {
          if (generation !== this.#generation || !this.#inFlight.has(flight)) return
          // A paused process finds it when it runs again.
          scheduler.after(0, this.#incarnation, "answer", () => {
            if (!this.#inFlight.delete(flight)) return
            timer.cancel()
            const value = api.response.decode(new Reader(encoded), version) as ResponseOf<A>
            resolve({ response: value, version, release: () => encoded.fill(0xee) })
          })
        }
        const atMs = this.network.send(this.station.node.name, this.from, arrive, this.#lastAnswerMs)
        this.#lastAnswerMs = Math.max(this.#lastAnswerMs, atMs)
      }
      scheduler.after(0, this.#incarnation, "sent", () => this.network.onSent(this.from, api))
      const atMs = this.network.send(
        this.from,
        this.station.node.name,
        () => this.#arrived(api, bytes, version, generation, answered),
        this.#lastArrivalMs,
      )
      this.#lastArrivalMs = Math.max(this.#lastArrivalMs, atMs)
    })
  }

  #arrived<A extends Api>(
    api: A,
    bytes: Buffer,
    version: number,
    generation: number,
    answered: (response: ResponseInputOf<A>) => void,
  ): void {
    const { node } = this.station
    if (generation !== this.#generation) return
    if (!node.powered) return
    if (!node.alive || this.station.handle === undefined) {
      const code = this.#isOpen ? "closed" : "refused"
      this.network.send(node.name, this.from, () => generation === this.#generation && this.#end(code))
      return
    }
    this.#isOpen = true
    this.station.connections.add(this)
    const { handle } = this.station
    this.network.world.scheduler.after(0, node.incarnation, api.name, () => {
      const request = api.request.decode(new Reader(Buffer.from(bytes)), version) as RequestOf<A>
      void handle(api, request, version).then((response) => {
        if (!node.alive) return
        answered(response)
        this.network.onSent(node.name, api)
      })
    })
  }

  close(): void {
    this.#closed = true
    this.#end("closed")
  }
}

const encode = (message: Message, value: unknown, version: number): Buffer =>
  message.encodeToBuffer(value as never, version)
