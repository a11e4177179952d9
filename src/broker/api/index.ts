/** The APIs this broker answers, which is what ApiVersions says. One that is declared and not listed here does not exist for clients. */
import { apis } from "../../protocol/messages/index.js"
import type { Api } from "../../protocol/message.js"
import { forwardedApis } from "../forwarding.js"
import type { ApiHandler, ControllerServices } from "../services.js"
import { envelopeHandler } from "./envelope.js"
import { quorumHandlers } from "./quorum.js"
import { allocateProducerIdsHandler } from "./allocate-producer-ids.js"
import { alterConfigsHandler, incrementalAlterConfigsHandler } from "./alter-configs.js"
import { alterPartitionHandler } from "./alter-partition.js"
import { alterPartitionReassignmentsHandler } from "./alter-partition-reassignments.js"
import { alterReplicaLogDirsHandler } from "./alter-replica-log-dirs.js"
import { apiVersionsHandler } from "./api-versions.js"
import { assignReplicasToDirsHandler } from "./assign-replicas-to-dirs.js"
import { brokerHeartbeatHandler } from "./broker-heartbeat.js"
import { brokerRegistrationHandler } from "./broker-registration.js"
import { consumerGroupDescribeHandler } from "./consumer-group-describe.js"
import { consumerGroupHeartbeatHandler } from "./consumer-group-heartbeat.js"
import { controllerRegistrationHandler } from "./controller-registration.js"
import { createPartitionsHandler } from "./create-partitions.js"
import { createTopicsHandler } from "./create-topics.js"
import { deleteGroupsHandler } from "./delete-groups.js"
import { deleteRecordsHandler } from "./delete-records.js"
import { deleteTopicsHandler } from "./delete-topics.js"
import { describeBrokersHandler, describeControllersHandler } from "./describe-cluster.js"
import { describeConfigsHandler } from "./describe-configs.js"
import { describeGroupsHandler } from "./describe-groups.js"
import { describeLogDirsHandler } from "./describe-log-dirs.js"
import { describeProducersHandler } from "./describe-producers.js"
import { describeTopicPartitionsHandler } from "./describe-topic-partitions.js"
import { electLeadersHandler } from "./elect-leaders.js"
import { explainGroupHandler } from "./explain-group.js"
import { fetchHandler } from "./fetch.js"
import { findCoordinatorHandler } from "./find-coordinator.js"
import { heartbeatHandler } from "./heartbeat.js"
import { initProducerIdHandler } from "./init-producer-id.js"
import { introduceNodeHandler } from "./introduce-node.js"
import { joinGroupHandler } from "./join-group.js"
import { leaveGroupHandler } from "./leave-group.js"
import { listConfigResourcesHandler } from "./list-config-resources.js"
import { listGroupsHandler } from "./list-groups.js"
import { listOffsetsHandler } from "./list-offsets.js"
import { listPartitionReassignmentsHandler } from "./list-partition-reassignments.js"
import { metadataHandler } from "./metadata.js"
import { offsetCommitHandler } from "./offset-commit.js"
import { offsetDeleteHandler } from "./offset-delete.js"
import { offsetFetchHandler } from "./offset-fetch.js"
import { offsetForLeaderEpochHandler } from "./offset-for-leader-epoch.js"
import { produceHandler } from "./produce.js"
import { syncGroupHandler } from "./sync-group.js"
import { unregisterBrokerHandler } from "./unregister-broker.js"
import { updateFeaturesHandler } from "./update-features.js"

/** What brokers answer to their clients, and to the brokers that follow them. */
export function brokerHandlers(): readonly ApiHandler[] {
  const handlers: readonly ApiHandler[] = [
    produceHandler,
    fetchHandler,
    listOffsetsHandler,
    metadataHandler,
    offsetCommitHandler,
    offsetFetchHandler,
    findCoordinatorHandler,
    joinGroupHandler,
    heartbeatHandler,
    leaveGroupHandler,
    syncGroupHandler,
    describeGroupsHandler,
    listGroupsHandler,
    apiVersionsHandler(() => [...handlers.map(({ api }) => api).filter((api) => apis.includes(api)), ...forwardedApis]),
    deleteRecordsHandler,
    initProducerIdHandler,
    offsetForLeaderEpochHandler,
    describeConfigsHandler,
    alterReplicaLogDirsHandler,
    describeLogDirsHandler,
    deleteGroupsHandler,
    offsetDeleteHandler,
    describeBrokersHandler,
    describeProducersHandler,
    consumerGroupHeartbeatHandler,
    consumerGroupDescribeHandler,
    listConfigResourcesHandler,
    describeTopicPartitionsHandler,
    explainGroupHandler,
  ]
  return handlers
}

/** What clients may ask any broker. */
export const offeredApis = (): readonly Api[] => [...brokerHandlers().map(({ api }) => api), ...forwardedApis]

/** What controllers answer: each other, brokers, and clients through them. */
export function controllerHandlers(): readonly ApiHandler<Api, ControllerServices>[] {
  const handlers: readonly ApiHandler<Api, ControllerServices>[] = [
    ...quorumHandlers,
    apiVersionsHandler(() => handlers.map(({ api }) => api)),
    createTopicsHandler,
    deleteTopicsHandler,
    describeConfigsHandler,
    alterConfigsHandler,
    createPartitionsHandler,
    electLeadersHandler,
    incrementalAlterConfigsHandler,
    describeControllersHandler,
    listConfigResourcesHandler,
    envelopeHandler,
    brokerRegistrationHandler,
    brokerHeartbeatHandler,
    alterPartitionHandler,
    allocateProducerIdsHandler,
    assignReplicasToDirsHandler,
    controllerRegistrationHandler,
    alterPartitionReassignmentsHandler,
    listPartitionReassignmentsHandler,
    unregisterBrokerHandler,
    updateFeaturesHandler,
    introduceNodeHandler,
  ]
  return handlers
}
