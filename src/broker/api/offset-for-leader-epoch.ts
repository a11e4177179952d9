/**
 * OffsetForLeaderEpoch: where a leadership ended in this log, for consumers that check whether they were truncated.
 *
 * Behaviour: the requested epoch's end, or that of the greatest epoch below it; (-1, -1) where the log knows nothing. Versions: alike. Source: KIP-101, KIP-279, KIP-320.
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import { offsetForLeaderEpoch } from "../../protocol/messages/offset-for-leader-epoch.js"
import { handler } from "../services.js"

export const offsetForLeaderEpochHandler = handler(offsetForLeaderEpoch, (services, request) => ({
  topics: request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
      const failed = (errorCode: ErrorCode) => ({ errorCode, partition, leaderEpoch: -1, endOffset: -1 })
      const image = services.image().topics.get(topic)
      if (image === undefined) return failed(Errors.UNKNOWN_TOPIC_OR_PARTITION)
      const local = services.replicas.partition(topic, partition)
      if (local === undefined) return failed(services.replicas.absenceOf(image, partition).errorCode)
      const refused = local.checkLeader(currentLeaderEpoch)
      if (refused !== Errors.NONE) return failed(refused)
      return { errorCode: Errors.NONE, partition, ...local.endOffsetForEpoch(leaderEpoch) }
    }),
  })),
}))
