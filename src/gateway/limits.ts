/**
 * How much the gateway takes on at once.
 *
 * Owns the bounds, and the counts against those that all requests share. What is above a bound is refused with when to try again, never queued.
 */
import { Buffer } from "node:buffer"
import type { Timers } from "../env/env.js"
import { Problem, tooMany } from "./problem.js"

/** Requests being served. */
export const requestsMax = 10_000
/** Bytes of bodies of all requests being served. */
export const bodyBytesInAllMax = 64 << 20
/** Default of `ottla.http.body.bytes.max`: a record of message.max.bytes as base64 fits, with room. */
export const bodyBytesMaxDefault = 4 << 20
/** Event streams, each with a consumer of its own. */
export const streamsMaxDefault = 1_100
/** Consumers of groups. */
export const groupConsumersMax = 1_000
/** Records of one batch. */
export const batchRecordsMax = 100_000
/** Records of one answer. */
export const answerRecordsMax = 10_000
/** Bytes of records of one answer, as they are stored. */
export const answerBytesMax = 4 << 20

export class Occupancy {
  #requests = 0
  #bodyBytes = 0
  #streams = 0
  readonly #emptied: (() => void)[] = []

  constructor(private readonly streamsMax = streamsMaxDefault) {}

  get requests(): number {
    return this.#requests
  }

  get streams(): number {
    return this.#streams
  }

  get bodyBytes(): number {
    return this.#bodyBytes
  }

  enter(): void {
    if (this.#requests >= requestsMax) throw tooMany("requests", requestsMax, "try again a little later")
    this.#requests++
  }

  leave(): void {
    this.#requests--
    if (this.#requests === 0) for (const told of this.#emptied.splice(0)) told()
  }

  /** Resolves when nothing is being served any more, at the latest after `waitMs`. */
  async empty(timers: Timers, waitMs: number): Promise<void> {
    if (this.#requests === 0) return
    await new Promise<void>((resolve) => {
      const timer = timers.after(waitMs, resolve)
      this.#emptied.push(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  takeStream(): void {
    if (this.#streams >= this.streamsMax) throw tooMany("streams", this.streamsMax, "close streams that nobody reads")
    this.#streams++
  }

  endStream(): void {
    this.#streams--
  }

  /** Errors: Problem 429. */
  takeBytes(bytes: number): void {
    if (this.#bodyBytes + bytes > bodyBytesInAllMax)
      throw tooMany("bytes of bodies", bodyBytesInAllMax, "try again a little later, or send smaller bodies")
    this.#bodyBytes += bytes
  }

  giveBytes(bytes: number): void {
    this.#bodyBytes -= bytes
  }
}

export const bodyTooLarge = (max: number): Problem =>
  new Problem({
    status: 413,
    slug: "body-too-large",
    title: "The body is too large",
    field: "body",
    detail: `the body has more than ${max} bytes`,
    remedy:
      "send it in parts, or records as a stream of lines (application/x-ndjson), or raise ottla.http.body.bytes.max",
    kafka: "MESSAGE_TOO_LARGE",
    retriable: false,
  })

export const cutBody = (): Problem =>
  new Problem({
    status: 400,
    slug: "body-cut",
    title: "The body was cut",
    field: "body",
    detail: "the connection ended before the body did",
    remedy: "send the whole body",
  })

/**
 * Reads a body as a whole. `taken` is told of every byte that is held, before it is.
 *
 * Errors: Problem 413, 429, 400 for one that was cut.
 */
export async function readWhole(request: Request, bytesMax: number, taken: (bytes: number) => void): Promise<Buffer> {
  const declared = request.headers.get("content-length")
  if (declared !== null) {
    const bytes = Number(declared)
    if (!(bytes <= bytesMax)) throw bodyTooLarge(bytesMax)
    taken(bytes)
    // The server has seen to it that it is no longer than it says.
    try {
      return Buffer.from(await request.arrayBuffer())
    } catch {
      throw cutBody()
    }
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunksOf(request)) {
    length += chunk.length
    if (length > bytesMax) throw bodyTooLarge(bytesMax)
    taken(chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A body as it comes. Errors: Problem for one that was cut. */
export async function* chunksOf(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return
  const reader = request.body.getReader()
  try {
    for (;;) {
      let read: { done: boolean; value?: Uint8Array }
      try {
        read = (await reader.read()) as { done: boolean; value?: Uint8Array }
      } catch {
        throw cutBody()
      }
      if (read.done || read.value === undefined) return
      yield read.value
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}
