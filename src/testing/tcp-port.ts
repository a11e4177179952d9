/**
 * A port of this machine as a second way to a node.
 *
 * Owns the listener and the connections that came through it, over all lives of the node: the number stays the same, as whoever was told of it expects. Only on the loopback interface.
 */
import type { Connection, Listener, Network } from "../env/env.js"
import type { Port } from "./cluster.js"

/** Tells that a call of the real world is on its way. */
export type Track = <T>(call: Promise<T>) => Promise<T>

const host = "127.0.0.1"

export class TcpPort implements Port {
  #listener: Listener | undefined
  #accept: ((connection: Connection) => void) | undefined
  readonly #connections = new Set<Connection>()
  #closing: Promise<void> = Promise.resolve()

  private constructor(
    private readonly network: Network,
    readonly port: number,
    private readonly track: Track,
  ) {}

  /** `wanted` 0 takes a free one. Errors: NetworkError. */
  static async take(network: Network, wanted: number, track: Track): Promise<TcpPort> {
    let taken: TcpPort | undefined
    const listener = await network.listen({ host, port: wanted }, (connection) => taken!.#admit(connection))
    taken = new TcpPort(network, listener.port, track)
    taken.#listener = listener
    return taken
  }

  #admit(connection: Connection): void {
    if (this.#accept === undefined) {
      connection.destroy()
      return
    }
    this.#connections.add(connection)
    this.#accept(connection)
  }

  /** It is gone, by either side. */
  forget(connection: Connection): void {
    this.#connections.delete(connection)
  }

  async open(accept: (connection: Connection) => void): Promise<void> {
    this.#accept = accept
    if (this.#listener !== undefined) return
    await this.track(this.#closing)
    this.#listener = await this.track(
      this.network.listen({ host, port: this.port }, (connection) => this.#admit(connection)),
    )
  }

  stopAccepting(): Promise<void> {
    this.#accept = undefined
    const listener = this.#listener
    this.#listener = undefined
    if (listener !== undefined) this.#closing = listener.close()
    return this.#closing
  }

  close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    this.#connections.clear()
    return this.stopAccepting()
  }
}
