/**
 * A client that speaks single messages: for the command line, and for tests of what a broker answers.
 *
 * Owns framing, correlation and the order of answers of one connection. Knows no semantics: whoever writes a request reads its answer.
 */
import { Reader } from "../base/reader.js"
import type { Connection, Network, Payload } from "../env/env.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"
import { decodeResponseHeader, encodeRequest } from "../protocol/request-header.js"

/** The connection ended before the answer came. */
export class ConnectionClosed extends Error {
  override name = "ConnectionClosed"
}

/** An answer larger than this is not waited for. */
export const answerBytesMax = 256 * 1024 * 1024

interface Waiting {
  readonly correlationId: number
  readonly decode: (reader: Reader) => unknown
  resolve(response: unknown): void
  reject(error: Error): void
}

export class WireClient {
  /** Answers in the order they came. */
  readonly answered: number[] = []
  isClosed = false
  /** When the connection is gone, whoever ended it. */
  readonly closed: Promise<void>
  #markClosed: () => void = () => {}
  #bytes = Buffer.alloc(0)
  #nextCorrelationId = 0
  readonly #waiting: Waiting[] = []
  readonly #buffer = Buffer.alloc(65_536)

  private constructor(readonly connection: Connection) {
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve
    })
    connection.receive({
      buffer: () => this.#buffer,
      received: (count) => this.#received(Buffer.from(this.#buffer.subarray(0, count))),
      ended: () => connection.end(),
      closed: () => {
        this.isClosed = true
        for (const { reject } of this.#waiting.splice(0)) reject(new ConnectionClosed("the connection is closed"))
        this.#markClosed()
      },
    })
  }

  static async connect(network: Network, address: { host: string; port: number }): Promise<WireClient> {
    return new WireClient(await network.connect(address))
  }

  /** Sends a request; resolves with its answer. Several may be on their way. */
  send<A extends Api>(
    api: A,
    version: number,
    request: RequestInputOf<A>,
    clientId: string | null = "test",
  ): Promise<ResponseOf<A>> {
    const correlationId = this.post(api, version, request, clientId)
    return this.expect(correlationId, (reader) => {
      const header = decodeResponseHeader(reader, api, version)
      if (header.correlationId !== correlationId)
        throw new Error(`answer ${header.correlationId} came where ${correlationId} was due`)
      return api.response.decode(reader, version)
    }) as Promise<ResponseOf<A>>
  }

  /** Sends a request and expects no answer (acks=0). */
  post<A extends Api>(api: A, version: number, request: RequestInputOf<A>, clientId: string | null = "test"): number {
    const correlationId = this.#nextCorrelationId++
    this.connection.send(encodeRequest(api, version, correlationId, clientId, request as never) as readonly Payload[])
    return correlationId
  }

  sendBytes(bytes: Buffer): void {
    this.connection.send([bytes])
  }

  /** The answer to a request that was sent as bytes. `decode` gets the whole frame, header included. */
  expect(correlationId: number, decode: (reader: Reader) => unknown): Promise<unknown> {
    if (this.isClosed) return Promise.reject(new ConnectionClosed("the connection is closed"))
    return new Promise((resolve, reject) => this.#waiting.push({ correlationId, decode, resolve, reject }))
  }

  close(): void {
    this.connection.destroy()
  }

  #received(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 4) {
      const length = this.#bytes.readInt32BE(0)
      if (length < 0 || length > answerBytesMax) {
        this.connection.destroy()
        return
      }
      const end = 4 + length
      if (this.#bytes.length < end) return
      const frame = Buffer.from(this.#bytes.subarray(4, end))
      this.#bytes = this.#bytes.subarray(end)
      const waiting = this.#waiting.shift()
      if (waiting === undefined) throw new Error("an answer came that nobody waits for")
      this.answered.push(waiting.correlationId)
      try {
        waiting.resolve(waiting.decode(new Reader(frame)))
      } catch (error) {
        waiting.reject(error as Error)
      }
    }
  }
}
