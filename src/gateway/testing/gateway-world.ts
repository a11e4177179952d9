/**
 * A gateway in front of a real broker in the simulated world, for tests that read as stories: requests in, answers out, virtual time.
 *
 * Owns the harness. The gateway is on the clients' machine and reaches the broker by the network, as any client.
 */
import assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import {
  type BrokerWorld,
  type BrokerWorldOptions,
  brokerPort,
  inBrokerWorld,
} from "../../broker/testing/broker-world.js"
import { Gateway, type GatewayOptions } from "../gateway.js"
import { openGroupConsumer } from "../client-group-consumer.js"

export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Json
}

/** What answers have in common, for tests to reach into. */
export interface Json {
  readonly kafka_error: { readonly code: number; readonly name: string; readonly retriable: boolean }
  readonly messages: readonly Readonly<Record<string, unknown>>[]
  readonly [name: string]: unknown
}

export interface RequestOptions {
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

export class GatewayWorld {
  constructor(
    readonly t: BrokerWorld,
    readonly gateway: Gateway,
  ) {}

  request(method: string, path: string, body?: string | Uint8Array, options: RequestOptions = {}): Promise<Response> {
    const headers: Record<string, string> = { host: "localhost", ...options.headers }
    if (body !== undefined) headers["content-type"] ??= "application/json"
    return this.gateway.fetch(
      new Request(`http://localhost${path}`, {
        method,
        headers,
        ...(body !== undefined && { body: typeof body === "string" ? body : Buffer.from(body) }),
        ...(options.signal !== undefined && { signal: options.signal }),
      }),
    )
  }

  async ask(method: string, path: string, body?: unknown, options: RequestOptions = {}): Promise<HttpAnswer> {
    const isRaw = typeof body === "string" || body instanceof Uint8Array
    const sent = body === undefined ? undefined : isRaw ? body : JSON.stringify(body)
    const response = await this.request(method, path, sent, options)
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.includes("json") === true && !text.includes("\n{")
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: (isJson && text !== "" ? JSON.parse(text) : {}) as unknown as Json,
    }
  }

  post(path: string, body?: unknown, options?: RequestOptions): Promise<HttpAnswer> {
    return this.ask("POST", path, body, options)
  }

  get(path: string, options?: RequestOptions): Promise<HttpAnswer> {
    return this.ask("GET", path, undefined, options)
  }

  /** Fails unless it is a problem of this status that names the field and what to do. */
  async refused(answer: Promise<HttpAnswer>, status: number, field: string | RegExp): Promise<HttpAnswer> {
    const found = await answer
    assert.equal(found.status, status, found.text)
    assert.equal(found.headers.get("content-type"), "application/problem+json")
    const body = found.json as unknown as {
      status: number
      type: string
      field?: string
      remedy?: string
      detail: string
      kafka_error: { code: number; name: string; retriable: boolean }
    }
    assert.equal(body.status, status)
    assert.match(body.type, /^urn:ottla:problem:[a-z-]+$/)
    if (typeof field === "string") assert.equal(body.field, field, found.text)
    else assert.match(body.field ?? "", field)
    assert.ok((body.remedy ?? "").length > 0, `no remedy: ${found.text}`)
    assert.equal(typeof body.kafka_error.code, "number")
    assert.equal(typeof body.kafka_error.name, "string")
    assert.equal(typeof body.kafka_error.retriable, "boolean")
    assert.doesNotMatch(found.text, /\bat .*\.[jt]s:\d+/, "no stack leaves the gateway")
    return found
  }
}

export function inGatewayWorld(
  story: (g: GatewayWorld) => Promise<void>,
  options: BrokerWorldOptions & { gateway?: Partial<GatewayOptions> } = {},
): Promise<void> {
  return inBrokerWorld(async (t) => {
    const gateway = new Gateway(t.clients.env, {
      bootstrap: `${t.node.address}:${brokerPort}`,
      version: "0.0.0",
      isOnLoopback: true,
      openGroupConsumer: openGroupConsumer(t.clients.env, [`${t.node.address}:${brokerPort}`]),
      ...options.gateway,
    })
    await story(new GatewayWorld(t, gateway))
    await gateway.close()
  }, options)
}
