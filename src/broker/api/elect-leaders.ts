/**
 * ElectLeaders: back to the preferred leader (0), or any live replica at the price of records (1, unclean).
 *
 * Behaviour: ELECTION_NOT_NEEDED where the leader is the right one already; with null topics such partitions are left out of the answer, though their topics are not, as in Kafka. Source: KIP-183,
 * KIP-460.
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { electLeaders } from "../../protocol/messages/elect-leaders.js"
import { controllerHandler } from "../services.js"

export const electLeadersHandler = controllerHandler(electLeaders, async (services, request, { version }) => {
  const { topicPartitions, electionType } = request
  if (version >= 1 && electionType !== 0 && electionType !== 1)
    return failed(topicPartitions, Errors.INVALID_REQUEST, `Unknown election type ${electionType}`)
  const done = await services.controller.electLeaders(topicPartitions, { unclean: version >= 1 && electionType === 1 })
  if ("refused" in done) return failed(topicPartitions, done.refused.errorCode, done.refused.errorMessage)
  const { wanted, results } = done
  return {
    errorCode: Errors.NONE,
    replicaElectionResults: wanted.map(({ topic, partitions }, index) => ({
      topic,
      partitionResult: partitions
        .map((partitionId, at) => ({ partitionId, ...results[index]![at]! }))
        .filter(({ errorCode }) => topicPartitions !== null || errorCode !== Errors.ELECTION_NOT_NEEDED),
    })),
  }
})

/** Nothing was tried: each partition that was named says so, for version 0 has no other place. */
function failed(
  named: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null,
  errorCode: ErrorCode,
  errorMessage: string | null,
): ResponseInputOf<typeof electLeaders> {
  return {
    errorCode,
    replicaElectionResults: (named ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => ({ partitionId, errorCode, errorMessage })),
    })),
  }
}
