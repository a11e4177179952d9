/**
 * An image as the records that make it again.
 *
 * Owns the order (features first, as Kafka's ImageWriter) and the completeness: replaying the records on an empty image gives an equal one.
 */
import type { MetadataImage } from "./image.js"
import type { MetadataRecord } from "./records.js"

export function* snapshotRecords(image: MetadataImage): IterableIterator<MetadataRecord> {
  for (const [name, featureLevel] of orderedFeatures(image))
    yield { type: "FeatureLevelRecord", value: { name, featureLevel } }
  for (const broker of image.brokers.values()) {
    yield {
      type: "RegisterBrokerRecord",
      value: {
        ...broker,
        isMigratingZkBroker: false,
        endPoints: broker.endPoints.map((endpoint) => ({ ...endpoint })),
        features: broker.features.map((feature) => ({ ...feature })),
        logDirs: [...broker.logDirs],
        cordonedLogDirs: [...broker.cordonedLogDirs],
      },
    }
  }
  for (const { name, topicId, partitions } of image.topics.values()) {
    yield { type: "TopicRecord", value: { name, topicId } }
    for (const [partitionId, partition] of partitions.entries()) {
      yield {
        type: "PartitionRecord",
        value: {
          partitionId,
          topicId,
          replicas: [...partition.replicas],
          isr: [...partition.isr],
          removingReplicas: [...partition.removingReplicas],
          addingReplicas: [...partition.addingReplicas],
          leader: partition.leader,
          leaderRecoveryState: partition.leaderRecoveryState,
          leaderEpoch: partition.leaderEpoch,
          partitionEpoch: partition.partitionEpoch,
          directories: [...partition.directories],
          eligibleLeaderReplicas: partition.elr.length === 0 ? null : [...partition.elr],
          lastKnownElr: partition.lastKnownElr.length === 0 ? null : [...partition.lastKnownElr],
        },
      }
    }
  }
  for (const [key, overrides] of image.configs) {
    const separator = key.indexOf(":")
    const resourceType = Number(key.slice(0, separator))
    const resourceName = key.slice(separator + 1)
    for (const [name, value] of overrides)
      yield { type: "ConfigRecord", value: { resourceType, resourceName, name, value } }
  }
  if (image.nextProducerId > 0) {
    yield { type: "ProducerIdsRecord", value: { brokerId: -1, brokerEpoch: -1, nextProducerId: image.nextProducerId } }
  }
  yield* image.carried.values()
}

/** metadata.version decides how everything after it is read, so it comes first. */
function orderedFeatures(image: MetadataImage): [string, number][] {
  return [...image.features].sort(
    ([a], [b]) => Number(b === "metadata.version") - Number(a === "metadata.version") || (a < b ? -1 : 1),
  )
}
