/**
 * A client of the wire in the simulated world: pipelined requests on one connection, each with a deadline.
 *
 * Owns framing, correlation and time-outs. What requests mean is its users' business. A connection that missed a deadline is closed, as real
 * clients do, so an answer is never taken for that of another request.
 */
import { Reader } from "../base/reader.js"
import type { Connection, Env, NetworkError, Receiver } from "../env/env.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"
import { decodeResponseHeader, encodeRequest } from "../protocol/request-header.js"
import { ViolationError } from "./history.js"

/** Why there is no answer. What was asked may have happened or not. */
export type NoAnswer = "closed" | "timeout"

export type Answer<A extends Api> = { readonly ok: true; readonly value: ResponseOf<A> } | NoAnswerResult
export type NoAnswerResult = { readonly ok: false; readonly why: NoAnswer }

interface Expected {
  readonly api: Api
  readonly version: number
  readonly correlationId: number
  settle(answer: Answer<Api>): void
}

const receiveBytes = 65_536
/** An answer above it is a violation, not something to keep in memory. */
const frameBytesMax = 64 * 1024 * 1024

export class SimulatedClient implements Receiver {
  #connection: Connection | undefined
  readonly #buffer = Buffer.allocUnsafe(receiveBytes)
  #partial: Buffer = Buffer.alloc(0)
  #have = 0
  readonly #expected: Expected[] = []
  #nextCorrelationId = 1

  private constructor(
    readonly env: Env,
    readonly name: string,
    readonly violated: (what: string) => void,
    readonly timedOut: (what: string, sentMs: number) => void,
  ) {}

  /** Undefined: nobody there. `violated` is told of answers that cannot be, `timedOut` of requests without one. */
  static async connect(
    env: Env,
    address: { host: string; port: number },
    options: {
      name: string
      violated: (what: string) => void
      timedOut: (what: string, sentMs: number) => void
    },
  ): Promise<SimulatedClient | undefined> {
    const client = new SimulatedClient(env, options.name, options.violated, options.timedOut)
    try {
      client.#connection = await env.network.connect(address)
    } catch {
      return undefined
    }
    client.#connection.receive(client)
    return client
  }

  get isOpen(): boolean {
    return this.#connection !== undefined
  }

  get outstanding(): number {
    return this.#expected.length
  }

  send<A extends Api>(api: A, version: number, request: RequestInputOf<A>, timeoutMs: number): Promise<Answer<A>> {
    const connection = this.#connection
    if (connection === undefined) return Promise.resolve({ ok: false, why: "closed" })
    const correlationId = this.#nextCorrelationId++
    const sentMs = this.env.clock.monotonicMs()
    return new Promise((resolve) => {
      const deadline = this.env.timers.after(timeoutMs, () => {
        this.timedOut(`${api.name} v${version} of ${this.name}`, sentMs)
        this.#failAll("timeout")
        this.close()
      })
      this.#expected.push({
        api,
        version,
        correlationId,
        settle: (answer) => {
          deadline.cancel()
          resolve(answer as Answer<A>)
        },
      })
      connection.send(encodeRequest(api, version, correlationId, this.name, request))
    })
  }

  /** Sends what has no answer. */
  sendOneWay<A extends Api>(api: A, version: number, request: RequestInputOf<A>): void {
    this.#connection?.send(encodeRequest(api, version, this.#nextCorrelationId++, this.name, request))
  }

  close(): void {
    const connection = this.#connection
    this.#connection = undefined
    connection?.destroy()
    this.#failAll("closed")
  }

  buffer(): Uint8Array {
    return this.#buffer
  }

  received(count: number): void {
    if (this.#connection === undefined) return
    if (this.#have + count > this.#partial.length) {
      const grown = Buffer.allocUnsafe(Math.max(2 * this.#partial.length, this.#have + count))
      this.#partial.copy(grown, 0, 0, this.#have)
      this.#partial = grown
    }
    this.#buffer.copy(this.#partial, this.#have, 0, count)
    this.#have += count
    let at = 0
    while (this.#have - at >= 4 && this.#connection !== undefined) {
      const length = this.#partial.readInt32BE(at)
      if (length < 4 || length > frameBytesMax) return this.#refuse(`an answer of ${length} bytes`)
      if (this.#have - at < 4 + length) break
      // A copy: records in it are kept by readers while the buffer goes on.
      this.#frame(Buffer.from(this.#partial.subarray(at + 4, at + 4 + length)))
      at += 4 + length
    }
    this.#partial.copyWithin(0, at, this.#have)
    this.#have -= at
  }

  #frame(frame: Buffer): void {
    const expected = this.#expected.shift()
    if (expected === undefined) return this.#refuse("an answer nobody asked for")
    const { api, version, correlationId } = expected
    let value: ResponseOf<Api>
    try {
      const reader = new Reader(frame)
      const header = decodeResponseHeader(reader, api, version)
      if (header.correlationId !== correlationId) {
        expected.settle({ ok: false, why: "closed" })
        return this.#refuse(`answers out of order: ${header.correlationId} where ${correlationId} was to come`)
      }
      value = api.response.decode(reader, version)
    } catch (error) {
      expected.settle({ ok: false, why: "closed" })
      return this.#refuse(`an answer to ${api.name} v${version} that cannot be read: ${String(error)}`)
    }
    expected.settle({ ok: true, value })
  }

  #refuse(what: string): void {
    this.violated(`${this.name} got ${what}`)
    this.close()
  }

  ended(): void {
    this.close()
  }

  closed(_error?: NetworkError): void {
    this.#connection = undefined
    this.#failAll("closed")
  }

  #failAll(why: NoAnswer): void {
    for (const { settle } of this.#expected.splice(0)) settle({ ok: false, why })
  }
}

/** Throws where an answer was promised by the world's state. */
export function answered<A extends Api>(answer: Answer<A>, what: string): ResponseOf<A> {
  if (!answer.ok) throw new ViolationError(`liveness: ${what} has no answer (${answer.why}) though nothing is broken`)
  return answer.value
}
