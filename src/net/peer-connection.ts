/**
 * The connection to another node: made when it is needed, and again when it broke.
 *
 * Owns versions (asked for once per connection), correlation, the order of answers and their deadlines. Large answers are read straight into recycled memory. Knows nothing of
 * what is asked. Invariant: every request ends once, with an answer or a PeerError.
 */
import { Reader } from "../base/reader.js"
import { type Connection, type Env, NetworkError, type Payload, type Receiver, type Timer } from "../env/env.js"
import type { Api, RequestInputOf } from "../protocol/message.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { Errors } from "../protocol/errors.js"
import { decodeResponseHeader, encodeRequest } from "../protocol/request-header.js"
import type { FramePool } from "./frame-pool.js"
import { type FrameConsumer, FrameReader, type SharedReceiveBuffer } from "./frame-reader.js"
import type { Peer, PeerAddress, PeerAnswer, PeerErrorCode } from "./peer.js"
import { PeerError } from "./peer.js"

/** A longer answer closes the connection: a fetch or snapshot response with room for one oversize batch. */
export const answerBytesMax = 512 * 1024 * 1024
/** Requests on their way on one connection; one more is refused. */
export const peerRequestsMax = 1000
/** ApiVersions in a version that every node since the first has. */
const versionsVersion = 3

export interface PeerConnectionOptions {
  readonly env: Env
  readonly clientId: string
  readonly shared: SharedReceiveBuffer
  readonly pool: FramePool
}

type Versions = ReadonlyMap<number, { readonly min: number; readonly max: number }>

interface Waiting {
  readonly correlationId: number
  take(frame: PeerFrame): void
  fail(error: PeerError): void
}

interface PeerFrame {
  readonly bytes: Buffer
  release(): void
}

export class PeerConnection implements Peer {
  #open: OpenConnection | undefined
  #opening: Promise<OpenConnection> | undefined
  #isClosed = false

  constructor(
    readonly address: PeerAddress,
    private readonly options: PeerConnectionOptions,
  ) {}

  async request<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<PeerAnswer<A>> {
    return this.#inTime(timeoutMs, (open, leftMs) => open.request(api, request, leftMs))
  }

  /**
   * Sends one request that has no answer (Produce with acks 0), in the order of the calls. Resolves when it has been handed to the operating system; whether the peer took it is not known. A peer that
   * did not closes the connection, which `ended` tells, unless it was closed here. Of several such requests on one connection only the last one's `ended` runs.
   * Rejects with PeerError only, as `request` does.
   */
  post<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    { timeoutMs, ended }: { readonly timeoutMs: number; readonly ended: () => void },
  ): Promise<void> {
    return this.#inTime(timeoutMs, (open, leftMs) => open.post(api, request, leftMs, ended))
  }

  async #inTime<T>(timeoutMs: number, send: (open: OpenConnection, leftMs: number) => Promise<T>): Promise<T> {
    const { timers, clock } = this.options.env
    const deadlineMs = clock.monotonicMs() + timeoutMs
    let timer: Timer | undefined
    const late = new Promise<never>((_, reject) => {
      timer = timers.after(timeoutMs, () =>
        reject(new PeerError("timed out", `${this.#name} did not accept a connection within ${timeoutMs} ms`)),
      )
    })
    let open: OpenConnection
    try {
      open = await Promise.race([this.#connection(timeoutMs), late])
    } finally {
      timer?.cancel()
      late.catch(() => {})
    }
    if (this.#isClosed) throw new PeerError("closed", `the connection to ${this.#name} was closed here`)
    return send(open, Math.max(1, deadlineMs - clock.monotonicMs()))
  }

  close(): void {
    this.#isClosed = true
    this.#open?.close()
  }

  get #name(): string {
    return `${this.address.host}:${this.address.port}`
  }

  #connection(timeoutMs: number): Promise<OpenConnection> {
    if (this.#isClosed)
      return Promise.reject(new PeerError("closed", `the connection to ${this.#name} was closed here`))
    if (this.#open !== undefined && !this.#open.isClosed) return Promise.resolve(this.#open)
    this.#opening ??= this.#connect(timeoutMs).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #connect(timeoutMs: number): Promise<OpenConnection> {
    let connection: Connection
    try {
      connection = await this.options.env.network.connect(this.address)
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
      throw new PeerError(error.code === "ECONNREFUSED" ? "refused" : "unreachable", error.message)
    }
    const open = new OpenConnection(connection, this.#name, this.options)
    if (this.#isClosed) open.close()
    await open.negotiate(timeoutMs)
    this.#open = open
    return open
  }
}

class OpenConnection implements Receiver, FrameConsumer {
  isClosed = false
  readonly #reader: FrameReader
  readonly #waiting: Waiting[] = []
  /** Requests without an answer that are not handed over yet. */
  #posting = 0
  #postsEnded: (() => void) | undefined
  #end: PeerError | undefined
  #nextCorrelationId = 0
  #versions: Versions = new Map([[apiVersions.key, { min: versionsVersion, max: versionsVersion }]])

  constructor(
    private readonly connection: Connection,
    private readonly name: string,
    private readonly options: PeerConnectionOptions,
  ) {
    this.#reader = new FrameReader(options.shared, options.pool, answerBytesMax, this)
    connection.receive(this)
  }

  async negotiate(timeoutMs: number): Promise<void> {
    const { response, release } = await this.request(
      apiVersions,
      { clientSoftwareName: "ottla", clientSoftwareVersion: "1" },
      timeoutMs,
    )
    release()
    if (response.errorCode !== Errors.NONE) {
      this.end("malformed", `answered ApiVersions with error ${response.errorCode}`)
      throw new PeerError("malformed", `${this.name} answered ApiVersions with error ${response.errorCode}`)
    }
    this.#versions = new Map(
      response.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { min: minVersion, max: maxVersion }]),
    )
  }

  request<A extends Api>(api: A, request: RequestInputOf<A>, timeoutMs: number): Promise<PeerAnswer<A>> {
    return new Promise((resolve, reject) => {
      const { version, correlationId, frame } = this.#encoded(api, request)
      const timer = this.options.env.timers.after(timeoutMs, () =>
        this.end("timed out", `did not answer ${api.name} within ${Math.round(timeoutMs)} ms`),
      )
      this.#waiting.push({
        correlationId,
        take: ({ bytes, release }) => {
          timer.cancel()
          const reader = new Reader(bytes)
          decodeResponseHeader(reader, api, version)
          resolve({ response: api.response.decode(reader, version) as PeerAnswer<A>["response"], version, release })
        },
        fail: (error) => {
          timer.cancel()
          reject(error)
        },
      })
      this.connection.send(frame)
    })
  }

  post<A extends Api>(api: A, request: RequestInputOf<A>, timeoutMs: number, ended: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const { frame } = this.#encoded(api, request)
      const { timers } = this.options.env
      const timer = timers.after(timeoutMs, () =>
        this.end("timed out", `did not take ${api.name} within ${Math.round(timeoutMs)} ms`),
      )
      this.#posting++
      this.#postsEnded = ended
      this.connection.send(frame, () => {
        timer.cancel()
        this.#posting--
        // A connection that is gone lets go of what it had first, and then says so.
        timers.soon(() => {
          if (this.#end === undefined) resolve()
          else reject(this.#end)
        })
      })
    })
  }

  /** Throws PeerError. */
  #encoded<A extends Api>(api: A, request: RequestInputOf<A>) {
    if (this.isClosed) throw new PeerError("closed", `the connection to ${this.name} is closed`)
    const offered = this.#versions.get(api.key)
    const version = Math.min(offered?.max ?? -1, api.maxVersion)
    if (offered === undefined || version < Math.max(offered.min, api.minVersion))
      throw new PeerError("unsupported", `${this.name} does not offer ${api.name}`)
    if (this.#waiting.length + this.#posting >= peerRequestsMax)
      throw new PeerError("timed out", `${peerRequestsMax} requests to ${this.name} wait for an answer`)
    const correlationId = this.#nextCorrelationId
    const frame = encodeRequest(api, version, correlationId, this.options.clientId, request as never)
    this.#nextCorrelationId = (correlationId + 1) & 0x7fffffff
    return { version, correlationId, frame: frame as readonly Payload[] }
  }

  /** It is not wanted any more. */
  close(): void {
    this.#postsEnded = undefined
    this.end("closed", "was closed here")
  }

  /** Ends the connection; whoever waits is told why. */
  end(code: PeerErrorCode, what: string): void {
    if (this.isClosed) return
    this.#gone(code, what)
    this.connection.destroy()
  }

  #gone(code: PeerErrorCode, what: string): void {
    this.isClosed = true
    this.#end = new PeerError(code, `${this.name} ${what}`)
    this.#reader.stop()
    for (const { fail } of this.#waiting.splice(0)) fail(new PeerError(code, `${this.name} ${what}`))
    this.#postsEnded?.()
  }

  buffer(): Uint8Array {
    return this.#reader.buffer()
  }

  received(count: number): void {
    this.#reader.received(count)
  }

  ended(): void {
    this.end("closed", "ended the connection")
  }

  closed(error?: NetworkError): void {
    if (!this.isClosed) this.#gone("closed", error === undefined ? "closed the connection" : error.message)
  }

  frame(memory: Buffer, frame: Buffer, pooled: boolean): void {
    const release = () => {
      if (pooled) this.options.pool.give(memory)
    }
    const waiting = this.#waiting.shift()
    const correlationId = frame.readInt32BE(0)
    if (waiting === undefined || waiting.correlationId !== correlationId) {
      release()
      waiting?.fail(new PeerError("malformed", `${this.name} answered request ${correlationId} out of turn`))
      this.end("malformed", "sent an answer that nobody waits for")
      return
    }
    try {
      waiting.take({ bytes: frame, release: once(release) })
    } catch (error) {
      release()
      waiting.fail(new PeerError("malformed", `${this.name} sent what is no answer: ${(error as Error).message}`))
      this.end("malformed", "sent what is no answer")
    }
  }

  invalid(length: number): void {
    this.end("malformed", `announced an answer of ${length} bytes`)
  }
}

/** The memory must not be given back twice: somebody else would then write into what is still read. */
function once(run: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    run()
  }
}
