/**
 * From a request frame to its reply.
 *
 * Owns what happens before and after a handler: header, version, decoding, encoding, and containment: nothing a client sends may stop the broker. Source:
 * Kafka's SocketServer and KafkaApis; KIP-511 for ApiVersions.
 */
import { InvariantError } from "../base/assert.js"
import { MalformedError, Reader } from "../base/reader.js"
import type { HandledRequest, InboundFrame, Reply } from "../net/server-connection.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { Errors } from "../protocol/errors.js"
import type { Api } from "../protocol/message.js"
import { decodeRequestHeader, encodeResponse, type RequestHeader } from "../protocol/request-header.js"
import { type ApiCounts, payloadBytes, RequestCounts } from "./request-counts.js"
import type { ApiHandler, Handled, NodeServices, RequestConnection, RequestContext, ResponseOrEnd } from "./services.js"

export interface DispatchOptions<S extends NodeServices> {
  readonly handlers: readonly ApiHandler<Api, S>[]
  /** Requests that go as they are to the active controller (KIP-590). */
  readonly forwarding?: Forwarding
  readonly listenerName: (connection: RequestConnection) => string
  /** Absent: nobody asks. */
  readonly counts?: RequestCounts
  /** An invariant is broken: the node must stop. */
  readonly onInvariantBroken: (error: InvariantError) => void
}

export interface Forwarding {
  readonly apis: readonly Api[]
  /** Header and body in, header and body out. Undefined: there is no answer to be had. `request` is not kept. */
  forward(request: Buffer, connection: RequestConnection): Promise<Buffer | undefined>
}

export interface RequestDispatch {
  handle(frame: InboundFrame, connection: RequestConnection): HandledRequest
  /** Answers a request that came inside another: header and body in, header and body out. Undefined: what was asked has no answer. */
  answer(request: Buffer, connection: RequestConnection): Promise<Buffer | undefined>
}

export function requestDispatch<S extends NodeServices>(services: S, options: DispatchOptions<S>): RequestDispatch {
  const handlers = new Map(options.handlers.map((each) => [each.api.key, each]))
  const forwarded = new Map(options.forwarding?.apis.map((api) => [api.key, api]))
  const { env } = services
  const allCounts = options.counts ?? new RequestCounts()

  const fail = (error: unknown, what: string): Reply => {
    if (error instanceof InvariantError) options.onInvariantBroken(error)
    env.log.log("error", `${what} failed; the connection is closed`, {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
    return "close"
  }

  const handle = (frame: InboundFrame, connection: RequestConnection, isInner = false): HandledRequest => {
    let header: RequestHeader
    const reader = new Reader(frame.bytes)
    try {
      header = decodeRequestHeader(reader)
    } catch (error) {
      return refuse(error, "a request header")
    }
    const { apiKey, apiVersion, correlationId } = header
    const entry = handlers.get(apiKey)
    if (entry === undefined && forwarded.get(apiKey)?.supports(apiVersion))
      return { reply: forward(frame, connection, allCounts.of(apiKey, forwarded.get(apiKey)!.name)) }
    if (entry === undefined) return refuse(new MalformedError(`API key ${apiKey} is not supported`), "a request")
    if (!entry.api.supports(apiVersion)) {
      // The client learns what there is from the body of version 0 (KIP-511).
      if (apiKey === apiVersions.key) return { reply: unsupportedApiVersions(correlationId) }
      return refuse(new MalformedError(`${entry.api.name} has no version ${apiVersion}`), "a request")
    }
    // What came inside another request was counted where it came in.
    const counts = isInner ? undefined : allCounts.of(apiKey, entry.api.name)
    const requestBytes = frame.bytes.length
    const beganMs = env.clock.monotonicMs()
    let kept = false
    const sent: (() => void)[] = []
    const context: RequestContext = {
      version: apiVersion,
      clientId: header.clientId,
      connection,
      listenerName: options.listenerName(connection),
      frame,
      keepFrame: () => {
        kept = true
      },
      onSent: (run) => {
        sent.push(run)
      },
      nowMs: env.clock.wallMs(),
    }
    const runSent = () => {
      for (const run of sent) run()
    }
    const encode = (response: ResponseOrEnd<typeof entry.api>): Reply => {
      if (!kept) frame.release()
      if (response === "none" || response === "close") {
        count(counts, requestBytes, 0, beganMs)
        runSent()
        return response
      }
      try {
        const payloads = encodeResponse(entry.api, apiVersion, correlationId, response)
        count(counts, requestBytes, payloadBytes(payloads), beganMs)
        return { payloads, sent: runSent }
      } catch (error) {
        runSent()
        return fail(error, `the answer to ${entry.api.name} v${apiVersion}`)
      }
    }
    const failed = (error: unknown): Reply => {
      if (!kept) frame.release()
      runSent()
      return fail(error, `${entry.api.name} v${apiVersion}`)
    }
    try {
      // What follows the last field is ignored, as in Kafka: librdkafka 2.15 sends such bytes.
      const request = entry.api.request.read(reader, apiVersion)
      const handled: Handled<typeof entry.api> = entry.handle(services, request, context)
      if (handled instanceof Promise) return { reply: handled.then(encode, failed) }
      if (typeof handled === "object" && "accepted" in handled) {
        return {
          accepted: true,
          reply: (handled.reply as Promise<ResponseOrEnd<typeof entry.api>>).then(encode, failed),
        }
      }
      return { reply: encode(handled) }
    } catch (error) {
      if (error instanceof MalformedError) {
        if (!kept) frame.release()
        return refuse(error, `a ${entry.api.name} request`)
      }
      return { reply: failed(error) }
    }
  }

  function count(counts: ApiCounts | undefined, requestBytes: number, responseBytes: number, beganMs: number): void {
    if (counts === undefined) return
    counts.requests++
    counts.requestBytes += requestBytes
    counts.responseBytes += responseBytes
    counts.latency.record(env.clock.monotonicMs() - beganMs)
  }

  async function forward(frame: InboundFrame, connection: RequestConnection, counts: ApiCounts): Promise<Reply> {
    const requestBytes = frame.bytes.length
    const beganMs = env.clock.monotonicMs()
    try {
      const answer = await options.forwarding!.forward(frame.bytes, connection)
      if (answer === undefined) return "close"
      const size = Buffer.allocUnsafe(4)
      size.writeInt32BE(answer.length)
      count(counts, requestBytes, size.length + answer.length, beganMs)
      return { payloads: [size, answer] }
    } catch (error) {
      return fail(error, "a forwarded request")
    } finally {
      frame.release()
    }
  }

  async function answer(request: Buffer, connection: RequestConnection): Promise<Buffer | undefined> {
    const reply = await handle({ bytes: request, isReusable: false, release() {} }, connection, true).reply
    if (reply === "none" || reply === "close") return undefined
    const bytes = Buffer.concat(reply.payloads as readonly Uint8Array[])
    reply.sent?.()
    return bytes.subarray(4)
  }

  /** As Kafka: what cannot be read or is not supported gets no answer, the connection is closed. */
  function refuse(error: unknown, what: string): HandledRequest {
    if (!(error instanceof MalformedError)) return { reply: fail(error, what) }
    env.log.log("debug", `${what} was refused`, { reason: error.message })
    return { reply: "close" }
  }

  return { handle: (frame, connection) => handle(frame, connection), answer }
}

function unsupportedApiVersions(correlationId: number): Reply {
  const { min, max } = apiVersions.advertisedVersions
  const response = {
    errorCode: Errors.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: apiVersions.key, minVersion: min, maxVersion: max }],
  }
  return { payloads: encodeResponse(apiVersions, 0, correlationId, response) }
}
