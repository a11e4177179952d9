/**
 * Topics that this broker asks for itself: those a client only names, and internal ones.
 *
 * Owns the request to the controller and the wait until this broker knows the result, so that its next answer about them is right. Source: Kafka's AutoTopicCreationManager.
 */
import { PeerError } from "../net/peer.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { RequestInputOf } from "../protocol/message.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import type { ControllerChannel } from "./controller-channel.js"
import type { PublishedMetadata } from "./published-metadata.js"

export interface TopicCreationOptions {
  readonly channel: Pick<ControllerChannel, "request">
  readonly metadata: PublishedMetadata
  /** Resolves when this broker acts on all metadata it has published. */
  readonly applied: () => Promise<void>
}

export type TopicToCreate = RequestInputOf<typeof createTopics>["topics"][number]

export interface CreationFailure {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
}

/** How long the controller may take, and this broker to hear of it. */
export const topicCreationTimeoutMs = 10_000

export class TopicCreation {
  constructor(private readonly options: TopicCreationOptions) {}

  /** Resolves with why each name that does not exist now could not be made. A topic that somebody else made meanwhile is no failure. */
  async create(topics: readonly TopicToCreate[]): Promise<Map<string, CreationFailure>> {
    const { channel, metadata, applied } = this.options
    const failures = new Map<string, CreationFailure>()
    try {
      const response = await channel.request(
        createTopics,
        { topics: [...topics], timeoutMs: topicCreationTimeoutMs, validateOnly: false },
        { timeoutMs: topicCreationTimeoutMs },
      )
      for (const { name, errorCode, errorMessage } of response.topics)
        if (errorCode !== Errors.NONE && errorCode !== Errors.TOPIC_ALREADY_EXISTS)
          failures.set(name, { errorCode: errorCode as ErrorCode, errorMessage })
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      for (const { name } of topics)
        failures.set(name, { errorCode: Errors.LEADER_NOT_AVAILABLE, errorMessage: error.message })
    }
    const made = topics.filter(({ name }) => !failures.has(name))
    await metadata.until((image) => made.every(({ name }) => image.topics.has(name)), topicCreationTimeoutMs)
    await applied()
    return failures
  }
}
