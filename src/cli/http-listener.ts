/**
 * From Node's requests to the gateway's.
 *
 * Owns that bridge, and what is answered to bytes that are no request. Loaded when a node is ready: it would make the start longer.
 */
import { getRequestListener } from "@hono/node-server"
import type { Env } from "../env/env.js"
import { openGroupConsumer } from "../gateway/client-group-consumer.js"
import { Gateway, type GatewayOptions } from "../gateway/gateway.js"
import { answerPlain } from "./http-plain.js"
import type { HttpListenerFunction } from "./http-server.js"

export interface LoadedGateway {
  readonly listener: HttpListenerFunction
  close(): Promise<void>
}

export function loadGateway(
  env: Env,
  options: Omit<GatewayOptions, "openGroupConsumer"> & { readonly bootstrap: readonly string[] },
): LoadedGateway {
  const gateway = new Gateway(env, { ...options, openGroupConsumer: openGroupConsumer(env, options.bootstrap) })
  const listener = getRequestListener((request) => gateway.fetch(request), {
    overrideGlobalObjects: true,
    errorHandler: () => malformed(),
  })
  return {
    listener: (incoming, outgoing) => {
      if (!answerPlain(gateway, incoming, outgoing)) void listener(incoming, outgoing)
    },
    close: () => gateway.close(),
  }
}

const malformed = () =>
  new Response(
    '{"type":"urn:ottla:problem:invalid-request","title":"The request is invalid","status":400,"detail":"it is no HTTP request that can be read","field":"request","remedy":"send a path that begins with / and a Host header","kafka_error":{"code":42,"name":"INVALID_REQUEST","retriable":false}}',
    { status: 400, headers: { "content-type": "application/problem+json" } },
  )
