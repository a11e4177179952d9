/**
 * DeleteTopics.
 *
 * Behaviour: refused for all while `delete.topic.enable` is false. A topic named both ways, or twice, fails. Files go later, after `file.delete.delay.ms`.
 * Versions: v6+ by id as well as by name (KIP-516), v5+ error messages.
 */
import { type Uuid, zeroUuid } from "../../base/ids.js"
import { topicById } from "../../metadata/image.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import { deleteTopics } from "../../protocol/messages/delete-topics.js"
import { handler } from "../services.js"

interface Wanted {
  readonly name: string | null
  readonly topicId: Uuid
  readonly error?: ErrorCode
  readonly message?: string
}

export const deleteTopicsHandler = handler(deleteTopics, async (services, request, { version }) => {
  const named: { name: string | null; topicId: Uuid }[] =
    version >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: zeroUuid }))
  const enabled = services.limits.deleteTopicEnable
  const image = services.image()
  const wanted = named.map(({ name, topicId }): Wanted => {
    if (!enabled) {
      return version < 3
        ? { name, topicId, error: Errors.INVALID_REQUEST, message: "Topic deletion is disabled." }
        : { name, topicId, error: Errors.TOPIC_DELETION_DISABLED, message: "Topic deletion is disabled." }
    }
    if (name !== null && topicId !== zeroUuid) {
      return {
        name,
        topicId,
        error: Errors.INVALID_REQUEST,
        message: "You may not specify both topic name and topic id.",
      }
    }
    if (name === null && topicId === zeroUuid) {
      return { name, topicId, error: Errors.INVALID_REQUEST, message: "Neither topic name nor id were specified." }
    }
    const same = named.filter((other) => (name === null ? other.topicId === topicId : other.name === name))
    if (same.length > 1) return { name, topicId, error: Errors.INVALID_REQUEST, message: "Duplicate topic name or id." }
    const topic = name === null ? topicById(image, topicId) : image.topics.get(name)
    if (topic !== undefined) return { name: topic.name, topicId: topic.topicId }
    const error = name === null ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION
    return {
      name,
      topicId,
      error,
      message:
        name === null ? "This server does not host this topic ID." : "This server does not host this topic-partition.",
    }
  })
  const deletable = wanted.filter(({ error }) => error === undefined)
  const results = await services.controller.deleteTopics(deletable.map(({ topicId }) => topicId))
  const outcomes = new Map(deletable.map(({ topicId }, index) => [topicId, results[index]!]))
  return {
    responses: wanted.map(({ name, topicId, error, message }) => {
      const outcome = error === undefined ? outcomes.get(topicId)! : undefined
      const failure = outcome !== undefined && "failure" in outcome ? outcome.failure : undefined
      return {
        name,
        topicId,
        errorCode: error ?? failure?.errorCode ?? Errors.NONE,
        errorMessage: message ?? failure?.errorMessage ?? null,
      }
    }),
  }
})
