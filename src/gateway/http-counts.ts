/**
 * What HTTP requests cost, by route.
 *
 * Owns the counters; the routes are known beforehand, so their number is bounded.
 */
import type { Samples } from "../observe/exposition.js"
import { Latency } from "../observe/latency.js"

/** `2xx` and so on, by the first figure. */
const classes = 6

export class RouteCounts {
  readonly #byClass = new Float64Array(classes)
  readonly #latency = new Latency()

  constructor(readonly route: string) {}

  answered(status: number, tookMs: number): void {
    this.#byClass[Math.min(classes - 1, Math.floor(status / 100))]!++
    this.#latency.record(tookMs)
  }

  collect(samples: Samples): void {
    const { route } = this
    this.#byClass.forEach((count, index) => {
      if (count > 0) samples.add("ottla_http_requests_total", count, { route, status: `${index}xx` })
    })
    samples.add("ottla_http_request_duration_seconds", this.#latency.counts(), { route })
  }
}
