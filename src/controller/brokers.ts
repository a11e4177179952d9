/**
 * Decisions about brokers: registration, fencing, and who leads what because of it.
 *
 * Owns the records of a broker's life. A registration starts fenced; unfencing gives the broker the leaderships that wait for it. Source: Kafka's
 * ClusterControlManager, ReplicationControlManager and PartitionChangeBuilder; KIP-631, KIP-966.
 */
import { type BrokerId, type Offset, type ProducerId, type Uuid, zeroUuid } from "../base/ids.js"
import {
  type DirectoryAssignment,
  type Endpoint,
  type MetadataImage,
  type PartitionImage,
  topicById,
} from "../metadata/image.js"
import type { MetadataRecord, ValueOf } from "../metadata/records.js"

export interface RegistrationRequest {
  readonly brokerId: BrokerId
  readonly incarnationId: Uuid
  readonly endPoints: readonly Endpoint[]
  readonly features: readonly { name: string; minSupportedVersion: number; maxSupportedVersion: number }[]
  readonly rack: string | null
  readonly logDirs: readonly Uuid[]
}

/** The broker's epoch is the offset of its registration record, so it must be the next one written. */
export function registerBroker(
  request: RegistrationRequest,
  nextOffset: Offset,
): { records: MetadataRecord[]; response: { brokerEpoch: number } } {
  return {
    records: [
      {
        type: "RegisterBrokerRecord",
        value: {
          brokerId: request.brokerId,
          isMigratingZkBroker: false,
          incarnationId: request.incarnationId,
          brokerEpoch: nextOffset,
          endPoints: request.endPoints.map((endpoint) => ({ ...endpoint })),
          features: request.features.map((feature) => ({ ...feature })),
          rack: request.rack,
          fenced: true,
          inControlledShutdown: false,
          logDirs: [...request.logDirs],
          cordonedLogDirs: [],
          machineId: null,
        },
      },
    ],
    response: { brokerEpoch: nextOffset },
  }
}

/**
 * Lets a registered broker serve, and elects it wherever no other live replica leads.
 *
 * A partition that this broker led before keeps it as leader in a new leader epoch: what an earlier incarnation acknowledged under a weaker policy than
 * `flush` may be gone, and clients notice only by the epoch (KIP-320).
 */
export function unfenceBroker(image: MetadataImage, brokerId: BrokerId, brokerEpoch: number): MetadataRecord[] {
  const records: MetadataRecord[] = [registrationChange(brokerId, brokerEpoch, { fenced: -1 })]
  for (const topic of image.topics.values()) {
    topic.partitions.forEach((partition, partitionId) => {
      const change = electOnUnfence(image, partition, brokerId)
      if (change !== undefined) records.push(partitionChange(topic.topicId, partitionId, change))
    })
  }
  return records
}

function electOnUnfence(
  image: MetadataImage,
  partition: PartitionImage,
  brokerId: BrokerId,
): Partial<ValueOf<"PartitionChangeRecord">> | undefined {
  const { leader, isr, elr, lastKnownElr } = partition
  if (!partition.replicas.includes(brokerId)) return undefined
  const led = leader !== -1 && leader !== brokerId && image.brokers.get(leader)?.fenced === false
  if (led) return undefined
  if (isr.includes(brokerId)) return { leader: brokerId }
  if (!elr.includes(brokerId)) return undefined
  // KIP-966: a member of the ELR holds every committed record, so electing it is clean.
  return {
    leader: brokerId,
    isr: [brokerId],
    eligibleLeaderReplicas: elr.filter((id) => id !== brokerId),
    ...(lastKnownElr.length > 0 && { lastKnownElr: [] }),
  }
}

/** A broker that stops on purpose. It stays in its ISRs: with one replica there is nobody to hand over to. */
export function fenceBroker(brokerId: BrokerId, brokerEpoch: number): MetadataRecord[] {
  return [registrationChange(brokerId, brokerEpoch, { fenced: 1 })]
}

/**
 * Takes down in which directories a broker holds its replicas (KIP-858).
 *
 * The broker tells what it saw last: a topic that is gone by now, or a replica that moved away, is passed over, and so is what is known already.
 */
export function assignReplicasToDirs(
  image: MetadataImage,
  brokerId: BrokerId,
  assignments: readonly DirectoryAssignment[],
): MetadataRecord[] {
  return assignments.flatMap(({ topicId, partition, directoryId }) => {
    const state = topicById(image, topicId)?.partitions[partition]
    const slot = state?.replicas.indexOf(brokerId) ?? -1
    if (state === undefined || slot === -1 || state.directories[slot] === directoryId) return []
    const directories = state.replicas.map((_, at) => (at === slot ? directoryId : (state.directories[at] ?? zeroUuid)))
    return [partitionChange(topicId, partition, { directories })]
  })
}

function registrationChange(brokerId: BrokerId, brokerEpoch: number, change: { fenced: number }): MetadataRecord {
  return {
    type: "BrokerRegistrationChangeRecord",
    value: {
      brokerId,
      brokerEpoch,
      fenced: change.fenced,
      inControlledShutdown: 0,
      logDirs: [],
      cordonedLogDirs: null,
    },
  }
}

/** A change record that leaves everything as it is but what is named. */
export function partitionChange(
  topicId: Uuid,
  partitionId: number,
  change: Partial<ValueOf<"PartitionChangeRecord">>,
): MetadataRecord {
  return {
    type: "PartitionChangeRecord",
    value: {
      partitionId,
      topicId,
      isr: null,
      leader: -2,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: -1,
      directories: null,
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
      ...change,
    },
  }
}

/** Producer ids are handed out to brokers in blocks, so that few of them need a record. */
export const producerIdBlockSize = 1000

export function allocateProducerIds(
  image: MetadataImage,
  brokerId: BrokerId,
  brokerEpoch: number,
): { records: MetadataRecord[]; response: { firstProducerId: ProducerId; count: number } } {
  const firstProducerId = image.nextProducerId
  return {
    records: [
      {
        type: "ProducerIdsRecord",
        value: { brokerId, brokerEpoch, nextProducerId: firstProducerId + producerIdBlockSize },
      },
    ],
    response: { firstProducerId, count: producerIdBlockSize },
  }
}
