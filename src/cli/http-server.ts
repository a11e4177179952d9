/**
 * The sockets of the HTTP API.
 *
 * Owns Node's HTTP server: where it listens, how long a request may take to come in, how many connections there are, and the end of them. What a request means is another's, who may come after the sockets.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { HttpListener } from "../config/http-listeners.js"

export type HttpListenerFunction = (incoming: IncomingMessage, outgoing: ServerResponse) => void

/** Connections of one listener; more are closed at once. */
export const httpConnectionsMax = 2_000
/** How long the headers of a request may take (slowloris). */
const headersTimeoutMs = 10_000
/** How long a request may take as a whole, a stream of lines too. */
const requestTimeoutMs = 300_000
const keepAliveTimeoutMs = 60_000
const headerBytesMax = 16 << 10
const headersMax = 100

const notReady: HttpListenerFunction = (_incoming, outgoing) => {
  outgoing
    .writeHead(503, { "content-type": "application/problem+json", "retry-after": "1" })
    .end(
      '{"type":"urn:ottla:problem:starting","title":"The server starts","status":503,"detail":"nothing can be served yet","remedy":"try again a little later","kafka_error":{"code":8,"name":"BROKER_NOT_AVAILABLE","retriable":true}}',
    )
}

export class HttpServer {
  readonly #servers: Server[] = []
  #listener = notReady

  /** Until then everything is answered with 503. */
  handle(listener: HttpListenerFunction): void {
    this.#listener = listener
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
      (incoming, outgoing) => this.#listener(incoming, outgoing),
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
