/** The APIs this broker answers, which is what ApiVersions says. One that is declared and not listed here does not exist for clients. */
import type { ApiHandler } from "../services.js"
import { alterConfigsHandler, incrementalAlterConfigsHandler } from "./alter-configs.js"
import { alterReplicaLogDirsHandler } from "./alter-replica-log-dirs.js"
import { apiVersionsHandler } from "./api-versions.js"
import { createPartitionsHandler } from "./create-partitions.js"
import { createTopicsHandler } from "./create-topics.js"
import { deleteRecordsHandler } from "./delete-records.js"
import { deleteTopicsHandler } from "./delete-topics.js"
import { describeClusterHandler } from "./describe-cluster.js"
import { describeConfigsHandler } from "./describe-configs.js"
import { describeLogDirsHandler } from "./describe-log-dirs.js"
import { describeProducersHandler } from "./describe-producers.js"
import { describeTopicPartitionsHandler } from "./describe-topic-partitions.js"
import { electLeadersHandler } from "./elect-leaders.js"
import { fetchHandler } from "./fetch.js"
import { findCoordinatorHandler } from "./find-coordinator.js"
import { initProducerIdHandler } from "./init-producer-id.js"
import { listConfigResourcesHandler } from "./list-config-resources.js"
import { listOffsetsHandler } from "./list-offsets.js"
import { metadataHandler } from "./metadata.js"
import { offsetForLeaderEpochHandler } from "./offset-for-leader-epoch.js"
import { produceHandler } from "./produce.js"

export function apiHandlers(): readonly ApiHandler[] {
  const handlers: readonly ApiHandler[] = [
    produceHandler,
    fetchHandler,
    listOffsetsHandler,
    metadataHandler,
    findCoordinatorHandler,
    apiVersionsHandler(() => handlers),
    createTopicsHandler,
    deleteTopicsHandler,
    deleteRecordsHandler,
    initProducerIdHandler,
    offsetForLeaderEpochHandler,
    describeConfigsHandler,
    alterConfigsHandler,
    alterReplicaLogDirsHandler,
    describeLogDirsHandler,
    createPartitionsHandler,
    electLeadersHandler,
    incrementalAlterConfigsHandler,
    describeClusterHandler,
    describeProducersHandler,
    listConfigResourcesHandler,
    describeTopicPartitionsHandler,
  ]
  return handlers
}
