/**
 * Metadata: brokers, topics, leaders.
 *
 * Behaviour: null topics (in v0 an empty list) is all of them. A topic that is missing is created where the request and `auto.create.topics.enable` allow it, and
 * is answered when it is ready, so that no client sees a topic without a leader. A leader that was lost just now is not named before the controller had time to elect another. The controller named is a live broker: admin requests to it work (KRaft).
 * Versions: v4+ allowAutoTopicCreation, v10+ topic ids in the answer, v12+ topics asked for by id, v13+ top-level error (never set here).
 */
import { isValidTopicName, zeroUuid } from "../../base/ids.js"
import { isAlive, type MetadataImage, type TopicImage, topicById } from "../../metadata/image.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { metadata } from "../../protocol/messages/metadata.js"
import { clusterMetadataTopic, isInternalTopic } from "../internal-topics.js"
import { clusterOperations, topicOperations } from "../operations.js"
import { endpointFor, handler, type Services } from "../services.js"

type TopicAnswer = ResponseInputOf<typeof metadata>["topics"][number]

export const metadataHandler = handler(metadata, (services, request, { version, listenerName }) => {
  const all = request.topics === null || (version === 0 && request.topics.length === 0)
  const answer = (failures: ReadonlyMap<string, ErrorCode>): ResponseInputOf<typeof metadata> => {
    const image = services.image()
    const topics = all
      ? [...image.topics.values()].map((topic) => describe(services, image, topic, listenerName))
      : withoutDoubles(request.topics!).map(({ name, topicId }) => {
          const byId = name === null || (version >= 10 && topicId !== zeroUuid)
          const topic = byId ? topicById(image, topicId) : image.topics.get(name)
          if (topic !== undefined) return describe(services, image, topic, listenerName)
          // Before version 12 a topic is asked for by name only, and its answer cannot be without one.
          if (byId)
            return version < 12
              ? missing(Errors.INVALID_REQUEST, name ?? "", topicId)
              : missing(Errors.UNKNOWN_TOPIC_ID, null, topicId)
          return missing(failures.get(name) ?? unknownTopic(name), name, zeroUuid)
        })
    if (request.includeTopicAuthorizedOperations) {
      for (const topic of topics) topic.topicAuthorizedOperations = topicOperations
    }
    return {
      brokers: [...image.brokers.values()]
        .filter(({ fenced }) => !fenced)
        .flatMap((broker) => {
          const endpoint = endpointFor(image, broker.brokerId, listenerName)
          return endpoint === undefined
            ? []
            : [{ nodeId: broker.brokerId, host: endpoint.host, port: endpoint.port, rack: broker.rack }]
        }),
      clusterId: services.clusterId,
      controllerId: services.nodeId,
      topics,
      ...(request.includeClusterAuthorizedOperations && { clusterAuthorizedOperations: clusterOperations }),
      errorCode: Errors.NONE,
    }
  }
  const complete = (): ResponseInputOf<typeof metadata> | Promise<ResponseInputOf<typeof metadata>> => {
    if (all || !request.allowAutoTopicCreation || !services.limits.autoCreateTopicsEnable) return answer(new Map())
    const image = services.image()
    const wanted = new Set(
      request.topics!.flatMap(({ name }) =>
        // Internal topics are made by whoever keeps his state in them, who knows what settings they need.
        name !== null && isValidTopicName(name) && !isReserved(name) && !image.topics.has(name) ? [name] : [],
      ),
    )
    if (wanted.size === 0) return answer(new Map())
    const byDefaults = { numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] }
    return services.topics
      .create([...wanted].map((name) => ({ name, ...byDefaults })))
      .then((failures) => answer(new Map([...failures].map(([name, { errorCode }]) => [name, errorCode]))))
  }
  const asked = () => {
    const image = services.image()
    return all
      ? image.topics.values()
      : request.topics!.flatMap(({ name, topicId }) => topicById(image, topicId) ?? image.topics.get(name ?? "") ?? [])
  }
  const settled = services.doubtfulLeaders.settled(asked)
  // What the client pipelines behind it need not wait.
  if (settled !== undefined) return { accepted: true, reply: settled.then(() => complete()) }
  return complete()
})

const isReserved = (name: string): boolean => isInternalTopic(name) || name === clusterMetadataTopic

/** Whoever asks for a topic twice is told once. */
function withoutDoubles<T extends { readonly name: string | null; readonly topicId: string }>(
  topics: readonly T[],
): T[] {
  return [...new Map(topics.map((topic) => [topic.name ?? `id ${topic.topicId}`, topic])).values()]
}

const unknownTopic = (name: string): ErrorCode =>
  isValidTopicName(name) ? Errors.UNKNOWN_TOPIC_OR_PARTITION : Errors.INVALID_TOPIC_EXCEPTION

const missing = (
  errorCode: ErrorCode,
  name: string | null,
  topicId: string,
): TopicAnswer & { topicAuthorizedOperations?: number } => ({
  errorCode,
  name,
  topicId,
  isInternal: false,
  partitions: [],
})

function describe(
  services: Services,
  image: MetadataImage,
  topic: TopicImage,
  listenerName: string,
): TopicAnswer & { topicAuthorizedOperations?: number } {
  return {
    errorCode: Errors.NONE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition, partitionIndex) => {
      const { leader } = partition
      const hasLeader = leader !== -1 && isAlive(image, leader)
      const offline = services.replicas.offlineReplicas(topic.name, partitionIndex, partition.replicas)
      return {
        errorCode: !hasLeader
          ? Errors.LEADER_NOT_AVAILABLE
          : endpointFor(image, leader, listenerName) === undefined
            ? Errors.LISTENER_NOT_FOUND
            : Errors.NONE,
        partitionIndex,
        leaderId: hasLeader ? leader : -1,
        leaderEpoch: partition.leaderEpoch,
        replicaNodes: [...partition.replicas],
        isrNodes: [...partition.isr],
        offlineReplicas: partition.replicas.filter((id) => !isAlive(image, id) || offline.includes(id)),
      }
    }),
  }
}
