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
import { controllerHandler } from "../services.js"

interface Wanted {
  readonly name: string | null
  readonly topicId: Uuid
  readonly error?: ErrorCode
  readonly message?: string
}

export const deleteTopicsHandler = controllerHandler(deleteTopics, async (services, request, { version }) => {
  const named: { name: string | null; topicId: Uuid }[] =
    version >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: zeroUuid }))
  const enabled = services.limits.deleteTopicEnable
  const image = services.image()
  const counts = new Map<string, number>()
  for (const { name, topicId } of named) counts.set(name ?? topicId, (counts.get(name ?? topicId) ?? 0) + 1)
  // Told once, however often it was named.
  const wanted = [...new Map(named.map((each) => [each.name ?? each.topicId, each])).values()].map(
    ({ name, topicId }): Wanted => {
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
      if (counts.get(name ?? topicId)! > 1) {
        const message = `Duplicate topic ${name === null ? "id" : "name"}.`
        return { name, topicId, error: Errors.INVALID_REQUEST, message }
      }
      const topic = name === null ? topicById(image, topicId) : image.topics.get(name)
      if (topic !== undefined) return { name: topic.name, topicId: topic.topicId }
      const error = name === null ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION
      return {
        name,
        topicId,
        error,
        message:
          name === null
            ? "This server does not host this topic ID."
            : "This server does not host this topic-partition.",
      }
    },
  )
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
