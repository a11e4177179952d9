/**
 * An attacker that keeps its connection: it joins groups by the rules and then breaks them.
 *
 * Owns one connection and its answers in order. Judges nothing.
 */
import { connect, type Socket } from "node:net"
import { MalformedError, Reader } from "../base/reader.js"
import type { Fields, InputOf, ValueOf } from "../protocol/field.js"
import type { Api } from "../protocol/message.js"
import { decodeResponseHeader, encodeRequest } from "../protocol/request-header.js"
import { type Address, frameOf } from "./fuzz-exchange.js"

export const callMs = 10_000

/** What became of a request; an answer has the form of its API. */
export type Called<S extends Fields> =
  | { readonly outcome: "answered"; readonly answer: ValueOf<S>; readonly tookMs: number }
  | { readonly outcome: "malformed"; readonly what: string }
  | { readonly outcome: "closed" | "silent" }

export class Caller {
  readonly #waiting: ((frame: Buffer | undefined) => void)[] = []
  #chunks: Buffer[] = []
  #bytes = 0
  #isClosed = false

  private constructor(
    private readonly socket: Socket,
    private readonly clientId: string,
  ) {
    socket.on("error", () => {})
    socket.on("close", () => {
      this.#isClosed = true
      for (const answered of this.#waiting.splice(0)) answered(undefined)
    })
    socket.on("data", (chunk: Buffer) => this.#received(chunk))
  }

  static open(address: Address, clientId = "fuzz"): Promise<Caller> {
    return new Promise((resolve, reject) => {
      const socket = connect({ ...address })
      socket.once("error", reject)
      socket.once("connect", () => {
        socket.off("error", reject)
        resolve(new Caller(socket, clientId))
      })
    })
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    for (;;) {
      if (this.#bytes < 4) return
      if (this.#chunks[0]!.length < 4) this.#chunks = [Buffer.concat(this.#chunks)]
      const end = 4 + this.#chunks[0]!.readInt32BE(0)
      if (this.#bytes < end) return
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      this.#waiting.shift()?.(all.subarray(4, end))
      this.#chunks = all.length === end ? [] : [all.subarray(end)]
      this.#bytes = all.length - end
    }
  }

  /** Sends a frame with its length. Undefined: the connection is closed. */
  exchange(frame: Buffer, waitMs = callMs): Promise<Buffer | "silent" | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve("silent"), waitMs)
      this.#waiting.push((answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      this.socket.write(frame)
    })
  }

  async call<Q extends Fields, S extends Fields>(
    api: Api<Q, S>,
    version: number,
    body: InputOf<Q>,
    waitMs = callMs,
  ): Promise<Called<S>> {
    return this.send(api, version, frameOf(encodeRequest(api, version, 1, this.clientId, body)), waitMs)
  }

  /** A request of this API that is encoded already. */
  async send<Q extends Fields, S extends Fields>(
    api: Api<Q, S>,
    version: number,
    frame: Buffer,
    waitMs = callMs,
  ): Promise<Called<S>> {
    const startedMs = performance.now()
    const before = performance.eventLoopUtilization()
    const answer = await this.exchange(frame, waitMs)
    if (answer === undefined) return { outcome: "closed" }
    if (answer === "silent") return { outcome: "silent" }
    // What the attackers of this process compute meanwhile is not the broker's doing.
    const { active } = performance.eventLoopUtilization(before)
    const tookMs = Math.max(0, performance.now() - startedMs - active)
    try {
      const reader = new Reader(answer)
      reader.elementsLeft = Number.MAX_SAFE_INTEGER
      decodeResponseHeader(reader, api, version)
      return { outcome: "answered", answer: api.response.decode(reader, version), tookMs }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      return { outcome: "malformed", what: `the answer to ${api.name} v${version}: ${error.message}` }
    }
  }

  close(): void {
    this.socket.destroy()
  }
}
