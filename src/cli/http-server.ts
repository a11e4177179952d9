/**
 * The sockets of the HTTP API.
 *
 * Owns Node's HTTP server: where it listens, how long a request may take to come in, how many connections there are, and the end of them. What a request means is `handle`'s, which may be put in place after the sockets are.
 */
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { getRequestListener } from "@hono/node-server"
import type { HttpListener } from "../config/http-listeners.js"

export type HttpHandler = (request: Request) => Promise<Response>

/** Connections of one listener; more are closed at once. */
export const httpConnectionsMax = 2_000
/** How long the headers of a request may take (slowloris). */
const headersTimeoutMs = 10_000
/** How long a request may take as a whole, a stream of lines too. */
const requestTimeoutMs = 300_000
const keepAliveTimeoutMs = 60_000
const headerBytesMax = 16 << 10
const headersMax = 100

const notReady: HttpHandler = async () =>
  new Response(
    '{"type":"urn:ottla:problem:starting","title":"The server starts","status":503,"detail":"nothing can be served yet","remedy":"try again a little later","kafka_error":{"code":8,"name":"BROKER_NOT_AVAILABLE","retriable":true}}',
    { status: 503, headers: { "content-type": "application/problem+json", "retry-after": "1" } },
  )

const malformed = () =>
  new Response(
    '{"type":"urn:ottla:problem:invalid-request","title":"The request is invalid","status":400,"detail":"it is no HTTP request that can be read","field":"request","remedy":"send a path that begins with / and a Host header","kafka_error":{"code":42,"name":"INVALID_REQUEST","retriable":false}}',
    { status: 400, headers: { "content-type": "application/problem+json" } },
  )

export class HttpServer {
  readonly #servers: Server[] = []
  #handler: HttpHandler = notReady

  /** Until then everything is answered with 503. */
  handle(handler: HttpHandler): void {
    this.#handler = handler
  }

  /** Resolves with where it listens. Rejects with the system's error, with its `code`. */
  async listen({ host, port }: HttpListener): Promise<HttpListener> {
    const server = createServer(
      {
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: keepAliveTimeoutMs,
        maxHeaderSize: headerBytesMax,
        requireHostHeader: true,
        noDelay: true,
      },
      getRequestListener((request) => this.#handler(request), {
        overrideGlobalObjects: true,
        errorHandler: () => malformed(),
      }),
    )
    server.maxConnections = httpConnectionsMax
    server.maxHeadersCount = headersMax
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(port, host, () => {
        server.off("error", reject)
        resolve()
      })
    })
    this.#servers.push(server)
    return { host, port: (server.address() as AddressInfo).port }
  }

  /** Takes no new connections; those that are idle end. */
  stopAccepting(): void {
    for (const server of this.#servers) {
      server.close()
      server.closeIdleConnections()
    }
  }

  close(): void {
    for (const server of this.#servers.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
  }
}
