/**
 * A client's connection as the broker sees it, with faults in between.
 *
 * Owns both streams of one connection, cut into frames: a request reaches the broker whole, held up, or never; an answer leaves, or the connection ends or falls silent in its place. Answers keep the order of their
 * requests, those that are made here too. Invariant: without a fault every byte passes unchanged.
 */
import { MalformedError, Reader } from "../base/reader.js"
import type { Connection, NetworkError, Payload, Receiver, Timers } from "../env/env.js"
import { isFileRegion } from "../env/env.js"
import { Errors } from "../protocol/errors.js"
import { produce } from "../protocol/messages/produce.js"
import { decodeRequestHeader, type RequestHeader } from "../protocol/request-header.js"
import { errorAnswer } from "./error-answer.js"
import type { FaultAction, SeenRequest } from "./faults.js"

const sizeBytes = 4
/** A size, and the correlation id at the start of an answer. */
const answerStartBytes = 8
/** What is longer is no request that a broker takes: it is passed on as it comes, for the broker to refuse. */
const frameBytesMax = 256 << 20
const receiveBytes = 65_536

export interface FaultConnectionOptions {
  readonly timers: Timers
  /** The process that accepted it is dead: it hears nothing any more. */
  isDead(): boolean
  meet(request: Omit<SeenRequest, "broker">): FaultAction | undefined
  onClosed(): void
}

interface Outstanding {
  readonly correlationId: number
  /** Made here, in the place of the broker's. */
  readonly answer?: readonly Payload[]
  readonly insteadOfAnswer?: "drop" | "close"
}

export class FaultConnection implements Connection, Receiver {
  #receiver: Receiver | undefined
  readonly #buffer = Buffer.allocUnsafe(receiveBytes)
  #parts: Buffer[] = []
  #have = 0
  /** Frames that are through, and not given to the broker yet. */
  #passed: Buffer[] = []
  #isHeld = false
  #isPaused = false
  #isTransparent = false
  #isSilent = false
  #hasEnded = false
  #endWasTold = false
  /** Requests that are to be answered, in their order. The broker bounds them: it stops reading. */
  #outstanding: Outstanding[] = []
  /** Bytes of the present answer that are still to come. */
  #answerLeft = 0

  constructor(
    private readonly inner: Connection,
    private readonly options: FaultConnectionOptions,
  ) {}

  get remoteAddress(): string {
    return this.inner.remoteAddress
  }

  get remotePort(): number {
    return this.inner.remotePort
  }

  get localPort(): number {
    return this.inner.localPort
  }

  get queuedBytes(): number {
    return this.inner.queuedBytes
  }

  // What the broker does.

  receive(receiver: Receiver): void {
    this.#receiver = receiver
    this.inner.receive(this)
  }

  pause(): void {
    this.#isPaused = true
    this.inner.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#passOn()
    if (!this.#isPaused && !this.#isHeld) this.inner.resume()
  }

  end(): void {
    if (!this.#isSilent) this.inner.end()
  }

  destroy(): void {
    this.inner.destroy()
  }

  send(payloads: readonly Payload[], sent?: () => void): void {
    if (this.#isSilent) {
      if (sent !== undefined) this.options.timers.soon(sent)
      return
    }
    const cutAt = this.#answerFault(payloads)
    if (cutAt === undefined) {
      this.inner.send(payloads, sent)
      this.#sendMade()
      return
    }
    // What comes before it still goes out.
    const { index, instead } = cutAt
    this.inner.send(payloads.slice(0, index), sent)
    if (instead === "close") this.inner.end()
    this.#fallSilent()
  }

  /** Follows the answers in what is sent; where one begins that must not leave, says so. */
  #answerFault(payloads: readonly Payload[]): { index: number; instead: "drop" | "close" } | undefined {
    for (let index = 0, at = 0; index < payloads.length; ) {
      const payload = payloads[index]!
      const left = payload.length - at
      if (this.#answerLeft > 0) {
        const step = Math.min(left, this.#answerLeft)
        this.#answerLeft -= step
        at += step
      } else if (left > 0) {
        const start = startOf(payloads, index, at)
        if (start === undefined) return undefined
        this.#answerLeft = sizeBytes + start.length
        const instead = this.#answered(start.correlationId)
        if (instead !== undefined) return { index, instead }
      }
      if (at === payload.length) {
        index += 1
        at = 0
      }
    }
    return undefined
  }

  #answered(correlationId: number): "drop" | "close" | undefined {
    const at = this.#outstanding.findIndex((each) => each.correlationId === correlationId && each.answer === undefined)
    return at < 0 ? undefined : this.#outstanding.splice(at, 1)[0]!.insteadOfAnswer
  }

  /** Answers that were made here go when everything before them has been answered. */
  #sendMade(): void {
    if (this.#answerLeft > 0) return
    while (this.#outstanding[0]?.answer !== undefined) this.inner.send(this.#outstanding.shift()!.answer!)
  }

  #fallSilent(): void {
    this.#isSilent = true
    this.#passed = []
    this.#parts = []
    this.#outstanding = []
  }

  // What the client does.

  buffer(): Uint8Array {
    if (this.#isTransparent && !this.options.isDead()) return this.#receiver!.buffer()
    return this.#buffer
  }

  received(count: number): void {
    if (this.options.isDead() || this.#isSilent) return
    if (this.#isTransparent) {
      this.#receiver!.received(count)
      return
    }
    this.#parts.push(Buffer.from(this.#buffer.subarray(0, count)))
    this.#have += count
    this.#cut()
  }

  ended(): void {
    this.#hasEnded = true
    if (this.#isSilent) this.inner.destroy()
    else this.#passOn()
  }

  closed(error?: NetworkError): void {
    this.options.onClosed()
    if (!this.options.isDead()) this.#receiver!.closed(error)
  }

  #cut(): void {
    while (!this.#isHeld && this.#have >= sizeBytes) {
      if (this.#parts[0]!.length < sizeBytes) this.#parts = [Buffer.concat(this.#parts)]
      const length = this.#parts[0]!.readInt32BE(0)
      if (length < answerStartBytes || length > frameBytesMax) {
        this.#passed.push(...this.#parts.splice(0))
        this.#isTransparent = true
        break
      }
      const end = sizeBytes + length
      if (this.#have < end) break
      const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
      this.#parts = all.length === end ? [] : [all.subarray(end)]
      this.#have -= end
      this.#request(all.subarray(0, end))
      if (this.#isSilent) return
    }
    this.#passOn()
  }

  #request(frame: Buffer): void {
    const request = requestIn(frame.subarray(sizeBytes))
    const action = request === undefined ? undefined : this.options.meet(request)
    if (request === undefined || action === undefined) {
      if (request?.hasAnswer()) this.#outstanding.push({ correlationId: request.header.correlationId })
      this.#passed.push(frame)
    } else if ("error" in action) this.#refuse(request, Errors[action.error])
    else if ("delayMs" in action) this.#hold(request, frame, action.delayMs)
    else {
      const what = "drop" in action ? "drop" : "close"
      const moment = "drop" in action ? action.drop : action.close
      if (moment === "answer") {
        this.#outstanding.push({ correlationId: request.header.correlationId, insteadOfAnswer: what })
        this.#passed.push(frame)
      } else {
        if (what === "close") this.inner.destroy()
        this.#fallSilent()
      }
    }
  }

  #refuse(request: Request, errorCode: number): void {
    const { header, body, hasAnswer } = request
    if (!hasAnswer()) return
    const { apiVersion, correlationId } = header
    const answer = errorAnswer(header.api!, apiVersion, correlationId, body(), errorCode)
    this.#outstanding.push({ correlationId, answer })
    this.#sendMade()
  }

  #hold(request: Request, frame: Buffer, delayMs: number): void {
    this.#passOn()
    this.#isHeld = true
    this.inner.pause()
    this.options.timers.after(delayMs, () => {
      this.#isHeld = false
      if (request.hasAnswer()) this.#outstanding.push({ correlationId: request.header.correlationId })
      this.#passed.push(frame)
      this.#cut()
      if (!this.#isPaused && !this.#isHeld) this.inner.resume()
    })
  }

  /** Gives the broker what is through, as far as it takes it. */
  #passOn(): void {
    const receiver = this.#receiver!
    while (this.#passed.length > 0 && !this.#isPaused && !this.options.isDead()) {
      const frame = this.#passed[0]!
      const target = receiver.buffer()
      const count = Math.min(target.length, frame.length)
      target.set(frame.subarray(0, count))
      if (count === frame.length) this.#passed.shift()
      else this.#passed[0] = frame.subarray(count)
      receiver.received(count)
    }
    if (!this.#hasEnded || this.#endWasTold || this.#passed.length > 0 || this.#isHeld || this.options.isDead()) return
    this.#endWasTold = true
    receiver.ended()
  }
}

interface Request extends Omit<SeenRequest, "broker"> {
  readonly header: RequestHeader
  readonly hasAnswer: () => boolean
}

/** Undefined: nothing that a rule could be about. */
function requestIn(bytes: Buffer): Request | undefined {
  try {
    const reader = new Reader(bytes)
    const header = decodeRequestHeader(reader)
    const { api, apiVersion, clientId } = header
    if (api === undefined || !api.supports(apiVersion)) return undefined
    let decoded: Readonly<Record<string, unknown>> | undefined
    const body = () => (decoded ??= api.request.read(reader, apiVersion))
    return { api: api.name, clientId, header, body, hasAnswer: () => api.key !== produce.key || body().acks !== 0 }
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

/** Length and correlation id of the answer that begins here. Undefined: they are not all in this send, which a broker never does. */
function startOf(
  payloads: readonly Payload[],
  index: number,
  at: number,
): { length: number; correlationId: number } | undefined {
  const parts: Uint8Array[] = []
  let have = 0
  for (let i = index, from = at; have < answerStartBytes; i++, from = 0) {
    const payload = payloads[i]
    if (payload === undefined || isFileRegion(payload)) return undefined
    const part = payload.subarray(from, from + answerStartBytes - have)
    parts.push(part)
    have += part.length
  }
  const start = Buffer.concat(parts)
  return { length: start.readInt32BE(0), correlationId: start.readInt32BE(sizeBytes) }
}
