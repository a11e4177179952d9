/**
 * What requests cost, by API.
 *
 * Owns the counters of one node: a few additions for each request, no memory.
 */
import type { Payload } from "../env/env.js"
import { Latency } from "../observe/latency.js"
import type { Samples } from "../observe/exposition.js"

export interface ApiCounts {
  readonly name: string
  requests: number
  requestBytes: number
  responseBytes: number
  readonly latency: Latency
}

export class RequestCounts {
  /** By API key. */
  readonly #apis: (ApiCounts | undefined)[] = []

  of(apiKey: number, name: string): ApiCounts {
    return (this.#apis[apiKey] ??= { name, requests: 0, requestBytes: 0, responseBytes: 0, latency: new Latency() })
  }

  collect(samples: Samples): void {
    for (const api of this.#apis) {
      if (api === undefined || api.requests === 0) continue
      const labels = { api: api.name }
      samples.add("ottla_requests_total", api.requests, labels)
      samples.add("ottla_request_duration_seconds", api.latency.counts(), labels)
      samples.add("ottla_request_bytes_total", api.requestBytes, labels)
      samples.add("ottla_response_bytes_total", api.responseBytes, labels)
    }
  }
}

export function payloadBytes(payloads: readonly Payload[]): number {
  let bytes = 0
  for (const payload of payloads) bytes += payload.length
  return bytes
}
