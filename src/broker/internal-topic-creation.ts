/**
 * Internal topics come into being when they are first needed.
 *
 * Owns their settings and the wait until they are there. The invariant: one creation at a time, however many ask. Source: Kafka's AutoTopicCreationManager, which
 * answers at once that there is no coordinator yet; here whoever asks first waits, so that his first answer is right already.
 */
import { consumerOffsetsTopic } from "../coordinator/group/group-coordinator.js"
import { machinesOf } from "../controller/replica-placer.js"
import type { Logger } from "../env/env.js"
import type { MetadataImage } from "../metadata/image.js"
import type { TopicCreation, TopicToCreate } from "./topic-creation.js"

export interface OffsetsTopicSettings {
  readonly numPartitions: number
  readonly replicationFactor: number
  /** Nobody has set the factor: fewer replicas than it says are better than no groups. */
  readonly replicationFactorIsDefault: boolean
  readonly segmentBytes: number
}

export interface InternalTopicCreationOptions {
  readonly topics: Pick<TopicCreation, "create">
  readonly image: () => MetadataImage
  readonly offsetsTopic: OffsetsTopicSettings
  readonly log: Logger
}

export class InternalTopicCreation {
  #creating: Promise<void> | undefined
  #lastFailure = ""

  constructor(private readonly options: InternalTopicCreationOptions) {}

  /** Resolves when the topic of committed offsets exists, or when it could not be made, which is logged. */
  ensureOffsetsTopic(): Promise<void> | undefined {
    if (this.options.image().topics.has(consumerOffsetsTopic)) return undefined
    this.#creating ??= this.#create().finally(() => {
      this.#creating = undefined
    })
    return this.#creating
  }

  async #create(): Promise<void> {
    const failure = (await this.options.topics.create([this.#offsetsTopic()])).get(consumerOffsetsTopic)
    if (failure === undefined) return
    const reason = failure.errorMessage ?? `error ${failure.errorCode}`
    // Clients ask again, several times a second.
    if (reason === this.#lastFailure) return
    this.#lastFailure = reason
    this.options.log.log("warn", "the topic of committed offsets could not be made, so there are no groups", { reason })
  }

  #offsetsTopic(): TopicToCreate {
    const { numPartitions, replicationFactor, replicationFactorIsDefault, segmentBytes } = this.options.offsetsTopic
    // Two replicas on one machine are refused, so more than machines there are cannot be had.
    const alive = machinesOf([...this.options.image().brokers.values()].filter(({ fenced }) => !fenced))
    return {
      name: consumerOffsetsTopic,
      numPartitions,
      replicationFactor: replicationFactorIsDefault
        ? Math.min(replicationFactor, Math.max(1, alive))
        : replicationFactor,
      assignments: [],
      configs: [
        { name: "cleanup.policy", value: "compact" },
        { name: "compression.type", value: "producer" },
        { name: "segment.bytes", value: String(segmentBytes) },
      ],
    }
  }
}
