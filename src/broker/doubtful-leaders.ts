/**
 * Leaders that this broker has just lost the connection to: dead perhaps, and nobody has been elected in their place yet.
 *
 * Owns how long a client waits that asks who leads. One whose connection broke asks at once, sooner than the controller can decide; told the old leader, it would go on trying that
 * until its metadata is old. Bounded from the break on: a leader that only this broker cannot reach is named again after that.
 */
import type { BrokerId } from "../base/ids.js"
import type { Env } from "../env/env.js"
import type { TopicImage } from "../metadata/image.js"
import type { PublishedMetadata } from "./published-metadata.js"

/** Longer than a dead broker is usually looked for before it is fenced, and short beside what clients wait for an answer. */
export const doubtMs = 250
/** How soon it is looked whether the connection is there again. */
const lookAgainMs = 20

export interface DoubtfulLeadersOptions {
  readonly env: Env
  readonly metadata: PublishedMetadata
  /** The leaders that are followed and cannot be reached, each with the monotonic time at which its connection broke. */
  readonly unreachable: () => ReadonlyMap<BrokerId, number>
}

export class DoubtfulLeaders {
  constructor(private readonly options: DoubtfulLeadersOptions) {}

  /** Resolves when it is known who leads these topics, or the doubt has lasted long enough; undefined: there is none. */
  settled(topics: () => Iterable<TopicImage>): Promise<void> | undefined {
    const doubtful = this.#doubtful()
    if (doubtful.size === 0) return undefined
    for (const { partitions } of topics())
      for (const { leader } of partitions) if (doubtful.has(leader)) return this.#wait(leader)
    return undefined
  }

  async #wait(leader: BrokerId): Promise<void> {
    const { metadata } = this.options
    while (this.#doubtful().has(leader))
      await metadata.until(({ brokers }) => brokers.get(leader)?.fenced !== false, lookAgainMs)
  }

  #doubtful(): Set<BrokerId> {
    const { env, metadata, unreachable } = this.options
    const found = new Set<BrokerId>()
    for (const [brokerId, sinceMs] of unreachable())
      if (env.clock.monotonicMs() < sinceMs + doubtMs && metadata.image.brokers.get(brokerId)?.fenced === false)
        found.add(brokerId)
    return found
  }
}
