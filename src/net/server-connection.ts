/**
 * One client connection: bytes in, whole request frames out to the handler, replies back in request order.
 *
 * Owns framing, pipelining, order and the per-connection bounds. Knows nothing of what a frame says beyond its length. Invariant: replies
 * leave in the order their requests came, whatever order they were ready in.
 */
import { Bag } from "../base/bag.js"
import type { Connection, NetworkError, Payload, Receiver } from "../env/env.js"
import type { FramePool } from "./frame-pool.js"
import { type FrameConsumer, FrameReader, type SharedReceiveBuffer } from "./frame-reader.js"
import type { RequestMemory } from "./request-memory.js"

/** What answers a request: bytes for the wire, nothing (acks=0), or the end of the connection. */
export type Reply = { readonly payloads: readonly Payload[]; readonly sent?: () => void } | "none" | "close"

export interface HandledRequest {
  readonly reply: Reply | Promise<Reply>
  /**
   * True: everything that must precede the next request's start is done, only the answer is outstanding. Otherwise the next request of the
   * connection starts when this one is answered, as in Kafka.
   */
  readonly accepted?: boolean
}

export interface InboundFrame {
  /** The frame without its length. Belongs to the handler until it calls `release`. */
  readonly bytes: Buffer
  /** False: the memory is nobody else's, and `release` does nothing. Who keeps the bytes for long then has no reason to keep the rest of the request too. */
  readonly isReusable: boolean
  /**
   * Gives the memory back for reuse, and stops counting it. Call once, when nothing refers to `bytes` any more; a request that is parked for long should not wait for its answer
   * with it. Never calling it only costs reuse.
   */
  release(): void
}

export interface ConnectionLimits {
  /** `socket.request.max.bytes`: a longer frame closes the connection. */
  readonly frameBytesMax: number
  /** Requests taken from one connection and not yet answered. */
  readonly pipelinedRequestsMax: number
  /** Bytes of those requests. One request is always admitted. */
  readonly inFlightBytesMax: number
  /** Bytes of replies waiting for a slow reader, above which no further request is taken. */
  readonly queuedReplyBytesMax: number
}

export class ServerConnection implements Receiver, FrameConsumer {
  /** For the handler: what it knows about this client (software name, principal, sessions). */
  readonly state: Record<string, unknown> = {}
  /** Monotonic time of the last sign of life, and since when a frame is incomplete (0: none is). For the idle sweep. */
  lastActiveMs: number
  frameSinceMs = 0
  readonly #connection: Connection
  readonly #reader: FrameReader
  readonly #frames: { memory: Buffer; frame: Buffer; pooled: boolean }[] = []
  readonly #replies: { reply: Reply | undefined; bytes: number }[] = []
  #inFlightBytes = 0
  #busy = false
  #paused = false
  #isClosed = false
  #endWhenAnswered = false
  readonly #onClosed = new Bag<() => void>()

  constructor(
    connection: Connection,
    shared: SharedReceiveBuffer,
    private readonly pool: FramePool,
    private readonly memory: RequestMemory,
    private readonly limits: ConnectionLimits,
    private readonly nowMs: () => number,
    private readonly handle: (frame: InboundFrame, connection: ServerConnection) => HandledRequest,
    private readonly gone: (connection: ServerConnection) => void,
  ) {
    this.#connection = connection
    this.lastActiveMs = nowMs()
    this.#reader = new FrameReader(shared, pool, limits.frameBytesMax, this)
    connection.receive(this)
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress
  }

  get localPort(): number {
    return this.#connection.localPort
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get pendingRequests(): number {
    return this.#replies.length + this.#frames.length
  }

  /** Runs once when the connection is gone, at once if it is. Returns what takes it back. */
  onClosed(run: () => void): () => void {
    if (this.#isClosed) {
      run()
      return () => {}
    }
    const entry = this.#onClosed.add(run)
    return () => this.#onClosed.remove(entry)
  }

  destroy(): void {
    this.#connection.destroy()
    this.closed()
  }

  buffer(): Uint8Array {
    return this.#reader.buffer()
  }

  received(count: number): void {
    this.lastActiveMs = this.nowMs()
    this.#reader.received(count)
    if (!this.#reader.isPartial) this.frameSinceMs = 0
    else if (this.frameSinceMs === 0) this.frameSinceMs = this.lastActiveMs
    this.#regulate()
  }

  frame(memory: Buffer, frame: Buffer, pooled: boolean): void {
    this.#inFlightBytes += frame.length
    this.memory.take(frame.length)
    this.frameSinceMs = 0
    this.#frames.push({ memory, frame, pooled })
    this.#advance()
  }

  invalid(): void {
    this.destroy()
  }

  ended(): void {
    if (this.pendingRequests === 0) this.#connection.end()
    else this.#endWhenAnswered = true
  }

  closed(_error?: NetworkError): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.memory.stopWaiting(this)
    this.memory.release(this.#inFlightBytes)
    this.#inFlightBytes = 0
    this.#reader.stop()
    this.#frames.length = 0
    for (const { reply } of this.#replies.splice(0)) if (reply !== undefined) discard(reply)
    this.gone(this)
    this.#onClosed.each((run) => run())
    this.#onClosed.clear()
  }

  /** Memory has become free; asks again whether this connection may read. */
  memoryAvailable(): void {
    this.#regulate()
  }

  /** Starts waiting requests, in order, as far as their predecessors allow. */
  #advance(): void {
    while (!this.#busy && !this.#isClosed && this.#frames.length > 0) {
      const { memory, frame, pooled } = this.#frames.shift()!
      const slot: { reply: Reply | undefined; bytes: number } = { reply: undefined, bytes: frame.length }
      this.#replies.push(slot)
      let released = false
      const inbound: InboundFrame = {
        bytes: frame,
        isReusable: pooled,
        release: () => {
          if (released) return
          released = true
          this.#uncount(slot)
          if (pooled) this.pool.give(memory)
        },
      }
      const handled = this.handle(inbound, this)
      if (handled.reply instanceof Promise) {
        const serial = handled.accepted !== true
        if (serial) this.#busy = true
        handled.reply.then((reply) => {
          slot.reply = reply
          if (this.#isClosed) return discard(reply)
          if (serial) this.#busy = false
          this.#flush()
          if (serial) this.#advance()
        })
      } else {
        slot.reply = handled.reply
        this.#flush()
      }
    }
  }

  /** The request counts no more: it is answered, or nobody needs its bytes although its answer is still to come. */
  #uncount(slot: { bytes: number }): void {
    if (this.#isClosed || slot.bytes === 0) return
    const { bytes } = slot
    slot.bytes = 0
    this.#inFlightBytes -= bytes
    this.memory.release(bytes)
  }

  /** Sends every reply whose predecessors have been sent. */
  #flush(): void {
    while (this.#replies.length > 0 && this.#replies[0]!.reply !== undefined && !this.#isClosed) {
      const slot = this.#replies.shift()!
      const { reply } = slot
      this.#uncount(slot)
      if (reply === "close") {
        this.#connection.end()
        this.closed()
        return
      }
      if (reply !== "none" && reply !== undefined) this.#connection.send(reply.payloads, () => this.#sent(reply.sent))
    }
    if (this.#isClosed) return
    if (this.#endWhenAnswered && this.pendingRequests === 0) this.#connection.end()
    else this.#regulate()
  }

  #sent(sent: (() => void) | undefined): void {
    sent?.()
    if (!this.#isClosed) this.#regulate()
  }

  /** Reads only while this connection and the broker have room. */
  #regulate(): void {
    if (this.#isClosed) return
    const full =
      this.pendingRequests >= this.limits.pipelinedRequestsMax ||
      this.#inFlightBytes >= this.limits.inFlightBytesMax ||
      this.#connection.queuedBytes >= this.limits.queuedReplyBytesMax
    const stop = full || this.memory.isFull
    if (stop === this.#paused) {
      if (stop && !full) this.memory.wait(this)
      return
    }
    this.#paused = stop
    if (stop) {
      this.#connection.pause()
      if (!full) this.memory.wait(this)
    } else this.#connection.resume()
  }
}

/** An answer nobody waits for any more: what it holds is let go. */
function discard(reply: Reply): void {
  if (typeof reply === "object") reply.sent?.()
}
