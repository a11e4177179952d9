/**
 * All declared APIs, by key.
 *
 * Owns the list, from which ApiVersions, documentation and generated tests come. An API that is not in it does not exist.
 */
import type { Api } from "../message.js"
import { allocateProducerIds } from "./allocate-producer-ids.js"
import { addRaftVoter } from "./add-raft-voter.js"
import { alterConfigs } from "./alter-configs.js"
import { alterPartition } from "./alter-partition.js"
import { alterPartitionReassignments } from "./alter-partition-reassignments.js"
import { alterReplicaLogDirs } from "./alter-replica-log-dirs.js"
import { apiVersions } from "./api-versions.js"
import { assignReplicasToDirs } from "./assign-replicas-to-dirs.js"
import { brokerHeartbeat } from "./broker-heartbeat.js"
import { brokerRegistration } from "./broker-registration.js"
import { beginQuorumEpoch } from "./begin-quorum-epoch.js"
import { consumerGroupDescribe } from "./consumer-group-describe.js"
import { consumerGroupHeartbeat } from "./consumer-group-heartbeat.js"
import { controllerRegistration } from "./controller-registration.js"
import { createPartitions } from "./create-partitions.js"
import { createTopics } from "./create-topics.js"
import { deleteGroups } from "./delete-groups.js"
import { deleteRecords } from "./delete-records.js"
import { deleteTopics } from "./delete-topics.js"
import { describeCluster } from "./describe-cluster.js"
import { describeConfigs } from "./describe-configs.js"
import { describeGroups } from "./describe-groups.js"
import { describeLogDirs } from "./describe-log-dirs.js"
import { describeProducers } from "./describe-producers.js"
import { describeQuorum } from "./describe-quorum.js"
import { describeTopicPartitions } from "./describe-topic-partitions.js"
import { electLeaders } from "./elect-leaders.js"
import { envelope } from "./envelope.js"
import { endQuorumEpoch } from "./end-quorum-epoch.js"
import { explainGroup } from "./explain-group.js"
import { introduceNode } from "./introduce-node.js"
import { fetchSnapshot } from "./fetch-snapshot.js"
import { fetch } from "./fetch.js"
import { findCoordinator } from "./find-coordinator.js"
import { heartbeat } from "./heartbeat.js"
import { incrementalAlterConfigs } from "./incremental-alter-configs.js"
import { initProducerId } from "./init-producer-id.js"
import { joinGroup } from "./join-group.js"
import { leaveGroup } from "./leave-group.js"
import { listConfigResources } from "./list-config-resources.js"
import { listGroups } from "./list-groups.js"
import { listOffsets } from "./list-offsets.js"
import { listPartitionReassignments } from "./list-partition-reassignments.js"
import { metadata } from "./metadata.js"
import { offsetCommit } from "./offset-commit.js"
import { offsetDelete } from "./offset-delete.js"
import { offsetFetch } from "./offset-fetch.js"
import { offsetForLeaderEpoch } from "./offset-for-leader-epoch.js"
import { produce } from "./produce.js"
import { removeRaftVoter } from "./remove-raft-voter.js"
import { syncGroup } from "./sync-group.js"
import { unregisterBroker } from "./unregister-broker.js"
import { updateFeatures } from "./update-features.js"
import { updateRaftVoter } from "./update-raft-voter.js"
import { vote } from "./vote.js"

const declared: readonly Api[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  alterConfigs,
  alterReplicaLogDirs,
  describeLogDirs,
  createPartitions,
  electLeaders,
  incrementalAlterConfigs,
  findCoordinator,
  describeQuorum,
  describeCluster,
  describeProducers,
  listConfigResources,
  describeTopicPartitions,
  joinGroup,
  syncGroup,
  heartbeat,
  leaveGroup,
  offsetCommit,
  offsetFetch,
  describeGroups,
  listGroups,
  deleteGroups,
  offsetDelete,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  alterPartitionReassignments,
  listPartitionReassignments,
  alterPartition,
  updateFeatures,
  envelope,
  brokerRegistration,
  brokerHeartbeat,
  unregisterBroker,
  allocateProducerIds,
  controllerRegistration,
  assignReplicasToDirs,
  vote,
  beginQuorumEpoch,
  endQuorumEpoch,
  fetchSnapshot,
  addRaftVoter,
  removeRaftVoter,
  updateRaftVoter,
]

/** Ascending by key. */
export const apis: readonly Api[] = [...declared].sort((a, b) => a.key - b.key)

/** Ottla's own, which Kafka's clients are not told of. */
export const ottlaApis: readonly Api[] = [explainGroup, introduceNode]

const byKey = new Map([...apis, ...ottlaApis].map((api) => [api.key, api]))

export const apiByKey = (key: number): Api | undefined => byKey.get(key)
