/**
 * A listening endpoint and its connections.
 *
 * Owns accepting, the connection bounds and the sweep of idle and half-sent connections. What a request means is the handler's.
 */
import type { Env, Listener, Timer } from "../env/env.js"
import type { FramePool } from "./frame-pool.js"
import { SharedReceiveBuffer } from "./frame-reader.js"
import type { RequestMemory } from "./request-memory.js"
import { type ConnectionLimits, type HandledRequest, type InboundFrame, ServerConnection } from "./server-connection.js"

export interface ServerLimits extends ConnectionLimits {
  /** `max.connections`. Above it a new connection is closed at once. */
  readonly connectionsMax: number
  /** `connections.max.idle.ms`. */
  readonly idleMs: number
  /** How long a frame may stay incomplete. */
  readonly frameMs: number
}

const sweepIntervalMs = 1000

export class Server {
  readonly #connections = new Set<ServerConnection>()
  readonly #shared = new SharedReceiveBuffer()
  readonly #listeners: Listener[] = []
  #sweep: Timer | undefined
  #closed = false

  constructor(
    private readonly env: Env,
    private readonly pool: FramePool,
    private readonly memory: RequestMemory,
    private readonly limits: ServerLimits,
    private readonly handle: (frame: InboundFrame, connection: ServerConnection) => HandledRequest,
  ) {}

  /** Open ones. */
  get connectionCount(): number {
    return this.#connections.size
  }

  /** Resolves with the bound address (a free port for port 0). Rejects with `NetworkError`. */
  async listen(address: { host: string; port: number }): Promise<{ host: string; port: number }> {
    const listener = await this.env.network.listen(address, (connection) => {
      if (this.#closed || this.#connections.size >= this.limits.connectionsMax) return connection.destroy()
      this.#connections.add(
        new ServerConnection(
          connection,
          this.#shared,
          this.pool,
          this.memory,
          this.limits,
          () => this.env.clock.monotonicMs(),
          this.handle,
          (gone) => this.#connections.delete(gone),
        ),
      )
    })
    this.#listeners.push(listener)
    this.#sweep ??= this.env.timers.after(sweepIntervalMs, () => this.#sweepIdle())
    return { host: listener.host, port: listener.port }
  }

  #sweepIdle(): void {
    const nowMs = this.env.clock.monotonicMs()
    for (const connection of this.#connections) {
      const idle = connection.pendingRequests === 0 && nowMs - connection.lastActiveMs > this.limits.idleMs
      const stuck = connection.frameSinceMs > 0 && nowMs - connection.frameSinceMs > this.limits.frameMs
      if (idle || stuck) connection.destroy()
    }
    if (!this.#closed) this.#sweep = this.env.timers.after(sweepIntervalMs, () => this.#sweepIdle())
  }

  /** Stops accepting. Open connections live on until `close`. */
  async stopAccepting(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#sweep?.cancel()
    await this.stopAccepting()
    for (const connection of [...this.#connections]) connection.destroy()
  }
}
