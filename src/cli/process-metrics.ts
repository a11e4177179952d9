/**
 * What the process itself costs.
 *
 * Owns the watch over the event loop. Each look tells the delays since the look before.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import { type Sample, Samples } from "../observe/exposition.js"

const resolutionMs = 20
const quantiles = [0.5, 0.99, 1] as const

export class ProcessMetrics {
  readonly #delays = monitorEventLoopDelay({ resolution: resolutionMs })

  constructor() {
    this.#delays.enable()
  }

  samples(): readonly Sample[] {
    const samples = new Samples()
    for (const quantile of quantiles) {
      const nanoseconds = quantile === 1 ? this.#delays.max : this.#delays.percentile(100 * quantile)
      // The watch itself waits for so long between two looks.
      samples.add("ottla_event_loop_delay_seconds", Math.max(0, nanoseconds / 1e9 - resolutionMs / 1000), { quantile })
    }
    this.#delays.reset()
    const { user, system } = process.cpuUsage()
    samples.add("ottla_process_cpu_seconds_total", (user + system) / 1e6)
    samples.add("ottla_process_resident_memory_bytes", process.memoryUsage.rss())
    return samples.finish()
  }
}
