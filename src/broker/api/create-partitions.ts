/**
 * CreatePartitions: more partitions for a topic.
 *
 * Behaviour: `count` is the total. Every topic of the request is answered. Versions: 0-3, alike for us (v3: quota errors).
 */
import { Errors } from "../../protocol/errors.js"
import { createPartitions } from "../../protocol/messages/create-partitions.js"
import { controllerHandler } from "../services.js"

export const createPartitionsHandler = controllerHandler(createPartitions, async (services, request) => {
  const results = await services.controller.createPartitions(request.topics, { validateOnly: request.validateOnly })
  // A name given twice is answered once: it is the key of the answer.
  const answers = new Map(
    request.topics.map(({ name }, index) => {
      const result = results[index]!
      const failure = "failure" in result ? result.failure : undefined
      return [name, { name, errorCode: failure?.errorCode ?? Errors.NONE, errorMessage: failure?.errorMessage ?? null }]
    }),
  )
  return { results: [...answers.values()] }
})
