/**
 * CreateTopics.
 *
 * Behaviour: each topic succeeds or fails by itself; answered when the topics are committed and this broker serves its part of them. `validateOnly` decides and
 * writes nothing. Versions: v4+ defaults by -1 (KIP-464), v5+ effective settings in the answer (KIP-525), v7+ the new topic's id.
 */
import { zeroUuid } from "../../base/ids.js"
import type { Outcome } from "../../controller/outcome.js"
import type { CreatedTopic } from "../../controller/topics.js"
import { resourceTypes } from "../../metadata/image.js"
import { Errors } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { createTopics } from "../../protocol/messages/create-topics.js"
import { controllerHandler, type ControllerServices } from "../services.js"

type TopicAnswer = ResponseInputOf<typeof createTopics>["topics"][number]

export const createTopicsHandler = controllerHandler(createTopics, async (services, request) => {
  const results = await services.controller.createTopics(request.topics, { validateOnly: request.validateOnly })
  // A name given twice is answered once: it is the key of the answer.
  const answers = new Map(
    request.topics.map((topic, index) => [topic.name, answer(services, topic.name, topic.configs, results[index]!)]),
  )
  return { topics: [...answers.values()] }
})

function answer(
  services: ControllerServices,
  name: string,
  requested: readonly { readonly name: string; readonly value: string | null }[],
  result: Outcome<CreatedTopic>,
): TopicAnswer {
  if ("failure" in result) {
    return {
      name,
      topicId: zeroUuid,
      errorCode: result.failure.errorCode,
      errorMessage: result.failure.errorMessage,
      configs: [],
    }
  }
  const overrides = new Map(
    requested.flatMap(({ name: key, value }) => (value === null ? [] : [[key, value] as const])),
  )
  return {
    name,
    topicId: result.ok.topicId,
    errorCode: Errors.NONE,
    errorMessage: null,
    numPartitions: result.ok.numPartitions,
    replicationFactor: result.ok.replicationFactor,
    configs: services.configs.describe(resourceTypes.topic, name, { topicOverrides: overrides }).map((entry) => ({
      name: entry.name,
      value: entry.isSensitive ? null : entry.value,
      readOnly: entry.readOnly,
      configSource: entry.source,
      isSensitive: entry.isSensitive,
    })),
  }
}
