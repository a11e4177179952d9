/**
 * DescribeProducers: the idempotent producers a partition remembers.
 *
 * Behaviour: only the leader answers. Source: KIP-664.
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import { describeProducers } from "../../protocol/messages/describe-producers.js"
import { handler } from "../services.js"

export const describeProducersHandler = handler(describeProducers, (services, request) => ({
  topics: request.topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => {
      const failed = (errorCode: ErrorCode) => ({ partitionIndex, errorCode, activeProducers: [] })
      const topic = services.image().topics.get(name)
      if (topic === undefined)
        return {
          ...failed(Errors.UNKNOWN_TOPIC_OR_PARTITION),
          errorMessage: "This server does not host this topic-partition.",
        }
      const partition = services.replicas.partition(name, partitionIndex)
      if (partition === undefined) return failed(services.replicas.absenceOf(topic, partitionIndex).errorCode)
      const refused = partition.checkLeader(-1)
      if (refused !== Errors.NONE) return failed(refused)
      return { partitionIndex, errorCode: Errors.NONE, activeProducers: partition.activeProducers() }
    }),
  })),
}))
