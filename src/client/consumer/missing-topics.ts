/**
 * Whether what is to be read will ever be there.
 *
 * Owns the rule: a topic that cannot be read is an error at once, one that nobody knows is one when it has been missing for `maxBlockMs`.
 */
import type { Env } from "../../env/env.js"
import { Errors, errorByCode } from "../../protocol/errors.js"
import type { Cluster } from "../cluster.js"
import { type ClientError, ConfigError, TimeoutError } from "../errors.js"

export class MissingTopics {
  #sinceMs: number | undefined

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly maxBlockMs: number,
  ) {}

  /** Undefined: there is hope, or nothing is missing. Errors returned: ConfigError, TimeoutError. */
  verdict(missing: readonly string[]): ClientError | undefined {
    for (const topic of missing) {
      const info = errorByCode(this.cluster.topic(topic)?.errorCode ?? Errors.NONE)
      if (info !== undefined && info.code !== Errors.NONE && !info.retriable)
        return new ConfigError(`topic ${topic}: ${info.message}`)
    }
    const nowMs = this.env.clock.monotonicMs()
    if (missing.length === 0) this.#sinceMs = undefined
    else this.#sinceMs ??= nowMs
    if (this.#sinceMs === undefined || nowMs - this.#sinceMs < this.maxBlockMs) return undefined
    const why = this.cluster.failure instanceof Error ? this.cluster.failure.message : "no broker knows it"
    return new TimeoutError(`topic ${missing.join(", ")}: not found within maxBlockMs = ${this.maxBlockMs}: ${why}`)
  }
}
