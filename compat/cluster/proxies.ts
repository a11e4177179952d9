/**
 * Plain processes on loopback, each behind a proxy that everybody else has to go through.
 *
 * Owns the proxies. Who connects is known by the client id of the first request: nodes call themselves `node-<id>`. Invariant: bytes keep their order, and what a cut holds back
 * arrives when it is healed, as TCP would send it again.
 */
import { connect, createServer, type Server, type Socket } from "node:net"
import { SeededRandom } from "../random.js"
import { clients, type ClusterNetwork, type Listener } from "./network.js"

const host = "127.0.0.1"
/** A request header until the end of the client id: size, api key, version, correlation id, length of the id. */
const headerBytes = 14
/** More than this on its way through one delayed direction, and the sender has to wait. */
const heldBytesMax = 16 * 1024 * 1024

/** What `from` sends to `to`, on whichever connection. */
class Link {
  isCut = false
  fromMs = 0
  toMs = 0
}

export class ProxyNetwork implements ClusterNetwork {
  readonly kind = "plain processes behind proxies"
  readonly canDelay = true
  readonly #links = new Map<string, Link>()
  readonly #servers: Server[] = []
  readonly #pairs = new Set<Pair>()
  readonly #random = new SeededRandom(1)

  private constructor(private readonly basePort: number) {}

  static async open(nodes: number, basePort: number): Promise<ProxyNetwork> {
    const network = new ProxyNetwork(basePort)
    for (let node = 1; node <= nodes; node++) {
      await network.#listen(node, network.brokerListener(node))
      await network.#listen(node, network.controllerListener(node))
    }
    return network
  }

  #listener(first: number, node: number): Listener {
    return {
      bind: { host, port: this.basePort + first + node },
      advertised: { host, port: this.basePort + first + 50 + node },
    }
  }

  brokerListener(node: number): Listener {
    return this.#listener(0, node)
  }

  controllerListener(node: number): Listener {
    return this.#listener(100, node)
  }

  commandPrefix(): readonly string[] {
    return []
  }

  #listen(node: number, { bind, advertised }: Listener): Promise<void> {
    const server = createServer({ allowHalfOpen: false, noDelay: true }, (socket) => {
      const pair = new Pair(this, socket, node, bind.port)
      this.#pairs.add(pair)
      socket.once("close", () => this.#pairs.delete(pair))
    })
    this.#servers.push(server)
    return new Promise((resolve, reject) => {
      server.once("error", reject)
      server.listen(advertised.port, host, () => resolve())
    })
  }

  link(from: number, to: number): Link {
    const key = `${from}>${to}`
    let link = this.#links.get(key)
    if (link === undefined) this.#links.set(key, (link = new Link()))
    return link
  }

  drawMs({ fromMs, toMs }: Link): number {
    return fromMs + this.#random.int(toMs - fromMs + 1)
  }

  async cut(from: number, to: number): Promise<void> {
    this.link(from, to).isCut = true
  }

  async delay(from: number, to: number, fromMs: number, toMs: number): Promise<void> {
    Object.assign(this.link(from, to), { fromMs, toMs })
  }

  async heal(): Promise<void> {
    for (const link of this.#links.values()) Object.assign(link, new Link())
    for (const pair of this.#pairs) pair.resume()
  }

  async close(): Promise<void> {
    for (const pair of [...this.#pairs]) pair.reset()
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

/** A connection of a client or a node to a node. */
class Pair {
  #head: Buffer = Buffer.alloc(0)
  #ways: readonly Way[] = []

  constructor(
    private readonly network: ProxyNetwork,
    private readonly client: Socket,
    private readonly node: number,
    private readonly port: number,
  ) {
    client.on("error", () => {})
    client.on("data", (chunk: Buffer) => this.#onHead(chunk))
  }

  reset(): void {
    this.client.resetAndDestroy()
  }

  resume(): void {
    for (const way of this.#ways) way.deliver()
  }

  #onHead(chunk: Buffer): void {
    this.#head = Buffer.concat([this.#head, chunk])
    if (this.#head.length < headerBytes) return
    const length = Math.max(0, this.#head.readInt16BE(headerBytes - 2))
    if (this.#head.length < headerBytes + length) return
    const clientId = this.#head.toString("utf8", headerBytes, headerBytes + length)
    const caller = Number(/^node-(\d+)$/.exec(clientId)?.[1] ?? clients)
    this.client.removeAllListeners("data")
    const server = connect({ host, port: this.port, noDelay: true })
    server.on("error", () => this.client.resetAndDestroy())
    server.on("close", () => this.client.destroy())
    this.client.on("close", () => server.destroy())
    const there = new Way(this.network, this.network.link(caller, this.node), this.client, server)
    this.#ways = [there, new Way(this.network, this.network.link(this.node, caller), server, this.client)]
    there.take(this.#head)
  }
}

/** One direction of a connection. */
class Way {
  readonly #held: { readonly chunk: Buffer; readonly dueMs: number }[] = []
  #heldBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(
    private readonly network: ProxyNetwork,
    private readonly link: Link,
    private readonly from: Socket,
    private readonly to: Socket,
  ) {
    from.on("data", (chunk: Buffer) => this.take(chunk))
    to.once("close", () => clearTimeout(this.#timer))
  }

  take(chunk: Buffer): void {
    const dueMs = this.link.toMs === 0 ? 0 : performance.now() + this.network.drawMs(this.link)
    this.#held.push({ chunk, dueMs: Math.max(dueMs, this.#held.at(-1)?.dueMs ?? 0) })
    this.#heldBytes += chunk.length
    if (this.#heldBytes > heldBytesMax) this.from.pause()
    this.deliver()
  }

  /** Everything that is due, unless the link is cut. */
  deliver(): void {
    clearTimeout(this.#timer)
    if (this.link.isCut || this.to.destroyed) return
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      const waitMs = first.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.deliver(), waitMs)
        return
      }
      this.#held.shift()
      this.#heldBytes -= first.chunk.length
      this.to.write(first.chunk)
    }
    this.from.resume()
  }
}
