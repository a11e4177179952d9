/**
 * Requests that say nothing unusual, and their answers, without the objects of the Fetch standard: most of what storing one record costs would be those.
 *
 * Owns which requests are plain. Invariant: only what every check of the long way (`Gateway.fetch`) would let through is plain, so what is refused, and why, is said in one place.
 */
import type { Buffer } from "node:buffer"
import { isNameOfThisMachine } from "./origin.js"
import { isTopicName } from "./payload.js"
import type { Route } from "./route.js"

export interface PlainRequest {
  readonly method: string
  /** Path and query as they came. */
  readonly url: string
  /** Names and values by turns, as they came. */
  readonly rawHeaders: readonly string[]
}

export interface PlainAnswer {
  readonly status: number
  /** Without the length; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a route does with the body of a plain request. Errors: as its long way. */
export type PlainHandler = (topic: string, bytes: Buffer) => Promise<PlainAnswer>

interface PlainCall {
  readonly route: Route
  readonly topic: string
  readonly bodyBytes: number
}

/** What may come in two forms, or matters to more than these routes, goes the long way. */
const unusual = new Set(["origin", "sec-fetch-site", "idempotency-key", "transfer-encoding", "expect", "upgrade"])
const plainHost = /^(?:[A-Za-z0-9.-]+|\[::1\])(?::\d{1,5})?$/
const parameter = "{topic}"

/** One route that answers plain requests: what is before and after the topic's name in its path. */
interface Place {
  readonly route: Route
  readonly start: string
  readonly end: string
}

export class PlainRoutes {
  readonly #places: readonly Place[]

  constructor(
    routes: readonly Route[],
    private readonly isOnLoopback: boolean,
    private readonly bodyBytesMax: number,
  ) {
    this.#places = routes
      .filter(({ plain }) => plain !== undefined)
      .map((route) => {
        const [start, end] = route.path.split(parameter) as [string, string]
        return { route, start, end }
      })
  }

  /** Undefined: it goes the long way. */
  find({ method, url, rawHeaders }: PlainRequest): PlainCall | undefined {
    const path = url.startsWith("/v1/") ? url.slice(3) : url
    for (const { route, start, end } of this.#places) {
      if (method !== route.method || !path.startsWith(start) || !path.endsWith(end)) continue
      const topic = path.slice(start.length, path.length - end.length)
      if (!isTopicName(topic)) continue
      const bodyBytes = this.#bodyBytesOf(rawHeaders)
      return bodyBytes === undefined ? undefined : { route, topic, bodyBytes }
    }
    return undefined
  }

  /** How long the body is. Undefined: something about the headers is unusual. */
  #bodyBytesOf(rawHeaders: readonly string[]): number | undefined {
    let host: string | undefined
    let type: string | undefined
    let length: string | undefined
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const name = rawHeaders[at]!.toLowerCase()
      const value = rawHeaders[at + 1]!
      if (name === "host" && host === undefined) host = value
      else if (name === "content-type" && type === undefined) type = value
      else if (name === "content-length" && length === undefined) length = value
      else if (name === "host" || name === "content-type" || unusual.has(name)) return undefined
    }
    if (host === undefined || !plainHost.test(host) || (this.isOnLoopback && !isNameOfThisMachine(host)))
      return undefined
    if (type !== "application/json" || length === undefined) return undefined
    const bodyBytes = Number(length)
    return bodyBytes > 0 && bodyBytes <= this.bodyBytesMax ? bodyBytes : undefined
  }
}
