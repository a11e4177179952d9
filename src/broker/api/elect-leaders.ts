/**
 * ElectLeaders: back to the preferred leader (0), or any live replica at the price of records (1, unclean).
 *
 * Behaviour: ELECTION_NOT_NEEDED where the leader is the right one already; with null topics such partitions are left out of the answer, though their topics are not, as in Kafka. Source: KIP-183,
 * KIP-460.
 */
import { Errors } from "../../protocol/errors.js"
import { electLeaders } from "../../protocol/messages/elect-leaders.js"
import { controllerHandler } from "../services.js"

export const electLeadersHandler = controllerHandler(electLeaders, async (services, request, { version }) => {
  const image = services.image()
  const unclean = version >= 1 && request.electionType === 1
  const all = request.topicPartitions === null
  const wanted = all
    ? [...image.topics.values()].map(({ name, partitions }) => ({
        topic: name,
        partitions: partitions.map((_, index) => index),
      }))
    : request.topicPartitions!
  if (version >= 1 && request.electionType !== 0 && request.electionType !== 1) {
    const refused = { errorCode: Errors.INVALID_REQUEST, errorMessage: `Unknown election type ${request.electionType}` }
    return {
      errorCode: Errors.INVALID_REQUEST,
      replicaElectionResults: wanted.map(({ topic, partitions }) => ({
        topic,
        partitionResult: partitions.map((partitionId) => ({ partitionId, ...refused })),
      })),
    }
  }
  const results = await services.controller.electLeaders(wanted, { unclean })
  return {
    errorCode: Errors.NONE,
    replicaElectionResults: wanted.map(({ topic, partitions }, index) => ({
      topic,
      partitionResult: partitions
        .map((partitionId, at) => ({ partitionId, ...results[index]![at]! }))
        .filter(({ errorCode }) => !(all && errorCode === Errors.ELECTION_NOT_NEEDED)),
    })),
  }
})
