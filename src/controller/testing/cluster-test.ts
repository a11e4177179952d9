/**
 * A cluster as the controller sees it, without a log: decisions are replayed as soon as they are made.
 *
 * Owns the harness: one line per step of a story, and the state of partitions as one line of text.
 */
import assert from "node:assert/strict"
import type { BrokerId, Uuid } from "../../base/ids.js"
import { emptyImage, type MetadataImage, type PartitionImage } from "../../metadata/image.js"
import type { MetadataRecord } from "../../metadata/records.js"
import { replay } from "../../metadata/replay.js"
import type { RequestInputOf, ResponseInputOf } from "../../protocol/message.js"
import { alterPartition as alterPartitionApi } from "../../protocol/messages/alter-partition.js"
import { alterPartitionReassignments as reassignApi } from "../../protocol/messages/alter-partition-reassignments.js"
import { brokerHeartbeat } from "../../protocol/messages/broker-heartbeat.js"
import { brokerRegistration } from "../../protocol/messages/broker-registration.js"
import { alterPartition } from "../alter-partition.js"
import { ControllerView, type TopicSettings } from "../controller-view.js"
import { fenceBroker, unfenceBroker } from "../broker-changes.js"
import { type HeartbeatContext, type HeartbeatResult, onHeartbeat } from "../heartbeat.js"
import type { Outcome } from "../outcome.js"
import { PartitionIndex } from "../partition-index.js"
import { alterPartitionReassignments } from "../reassignment.js"
import { type RegistrationContext, registerBroker } from "../registration.js"

/** Ids of 22 characters that say who they are: kind and number. */
export const idOf = (kind: string, number: number): Uuid =>
  Buffer.from(`${kind}-${number}`.padEnd(16, ".")).toString("base64url")
export const directoryOf = (brokerId: BrokerId, slot = 0): Uuid => idOf(`dir${slot}`, brokerId)

export const clusterId = "the cluster"
const settingsDefault: TopicSettings = {
  minInsyncReplicas: 1,
  uncleanLeaderElectionEnable: false,
  survivesCrash: true,
}

const heartbeatContext: HeartbeatContext = { shutdownOffset: undefined, lowestActiveOffset: 0 }

export class ClusterTest {
  image: MetadataImage = emptyImage
  readonly index = new PartitionIndex()
  readonly settings = new Map<string, Partial<TopicSettings>>()
  readonly demoted = new Set<BrokerId>()
  readonly stuck = new Set<BrokerId>()
  /** Every record so far. */
  readonly log: MetadataRecord[] = []
  onRecord: (before: MetadataImage, after: MetadataImage, record: MetadataRecord) => void = () => {}

  constructor({ elr = true }: { elr?: boolean } = {}) {
    const feature = (name: string, featureLevel: number): MetadataRecord => ({
      type: "FeatureLevelRecord",
      value: { name, featureLevel },
    })
    this.apply([feature("metadata.version", 30), feature("eligible.leader.replicas.version", elr ? 1 : 0)])
  }

  get view(): ControllerView {
    return new ControllerView(
      this.image,
      this.index,
      (_image, topic) => ({ ...settingsDefault, ...this.settings.get(topic) }),
      this.demoted,
      this.stuck,
    )
  }

  get nextOffset(): number {
    return this.image.offset + 1
  }

  apply(records: readonly MetadataRecord[]): number {
    for (const record of records) {
      const before = this.image
      this.image = replay(before, record, this.nextOffset, 1)
      this.log.push(record)
      this.onRecord(before, this.image, record)
    }
    return records.length
  }

  /** Registers a broker and returns its epoch, or the code of what is wrong. */
  register(
    brokerId: BrokerId,
    request: Partial<RequestInputOf<typeof brokerRegistration>> = {},
    session: Partial<Pick<RegistrationContext, "hasValidSession" | "isQuiet">> = {},
  ): Outcome<number> {
    const { records, result } = registerBroker(
      this.view,
      brokerRegistration.request.create({
        brokerId,
        clusterId,
        incarnationId: idOf("life", this.nextOffset),
        listeners: [{ name: "PLAINTEXT", host: "h", port: 9092, securityProtocol: 0 }],
        features: [
          { name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 30 },
          { name: "eligible.leader.replicas.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
        ],
        rack: null,
        logDirs: [directoryOf(brokerId)],
        ...request,
      }),
      { clusterId, hasValidSession: false, isQuiet: false, ...session, nextOffset: this.nextOffset },
    )
    this.apply(records)
    return result
  }

  /** Registered and serving. */
  start(brokerIds: readonly BrokerId[], request: Partial<RequestInputOf<typeof brokerRegistration>> = {}): void {
    for (const brokerId of brokerIds) {
      assert.ok("ok" in this.register(brokerId, request))
      this.unfence(brokerId)
    }
  }

  fence(brokerId: BrokerId): number {
    return this.apply(fenceBroker(this.view, brokerId))
  }

  unfence(brokerId: BrokerId): number {
    return this.apply(unfenceBroker(this.view, brokerId))
  }

  epochOf(brokerId: BrokerId): number {
    return this.image.brokers.get(brokerId)!.brokerEpoch
  }

  heartbeat(
    brokerId: BrokerId,
    request: Partial<RequestInputOf<typeof brokerHeartbeat>> = {},
    context: Partial<HeartbeatContext> = {},
  ): HeartbeatResult {
    const { records, result } = onHeartbeat(
      this.view,
      brokerHeartbeat.request.create({
        brokerId,
        brokerEpoch: this.epochOf(brokerId),
        currentMetadataOffset: this.image.offset,
        ...request,
      }),
      { ...heartbeatContext, ...context },
    )
    this.apply(records)
    return result
  }

  /** A topic with these replicas, whose ISR and leader are what lives of them. */
  topic(name: string, assignments: readonly (readonly BrokerId[])[], settings: Partial<TopicSettings> = {}): Uuid {
    const topicId = idOf(name, 0)
    this.settings.set(name, settings)
    this.apply([
      { type: "TopicRecord", value: { name, topicId } },
      ...assignments.map((replicas, partitionId): MetadataRecord => {
        const isr = replicas.filter((id) => this.view.isActive(id))
        return {
          type: "PartitionRecord",
          value: {
            partitionId,
            topicId,
            replicas: [...replicas],
            isr,
            removingReplicas: [],
            addingReplicas: [],
            leader: isr[0] ?? -1,
            leaderRecoveryState: 0,
            leaderEpoch: 0,
            partitionEpoch: 0,
            directories: replicas.map((id) => directoryOf(id)),
            eligibleLeaderReplicas: null,
            lastKnownElr: null,
          },
        }
      }),
    ])
    return topicId
  }

  partition(topic: string, partition = 0): PartitionImage {
    return this.image.topics.get(topic)!.partitions[partition]!
  }

  /** The leader asks for an ISR as it should. Returns the error code. */
  alterIsr(
    topic: string,
    isr: readonly BrokerId[],
    {
      partition = 0,
      brokerId = this.partition(topic, partition).leader,
      brokerEpoch = this.epochOf(brokerId),
      ...proposal
    }: { partition?: number; brokerId?: BrokerId; brokerEpoch?: number } & Partial<
      RequestInputOf<typeof alterPartitionApi>["topics"][number]["partitions"][number]
    > = {},
  ): number {
    const { topicId } = this.image.topics.get(topic)!
    const { leaderEpoch, partitionEpoch } = this.partition(topic, partition)
    const { records, response } = alterPartition(
      this.view,
      alterPartitionApi.request.create({
        brokerId,
        brokerEpoch,
        topics: [
          {
            topicId,
            partitions: [
              {
                partitionIndex: partition,
                leaderEpoch,
                newIsr: [],
                newIsrWithEpochs: isr.map((id) => ({
                  brokerId: id,
                  brokerEpoch: this.image.brokers.get(id)?.brokerEpoch ?? -1,
                })),
                partitionEpoch,
                ...proposal,
              },
            ],
          },
        ],
      }),
    )
    this.apply(records)
    return response.errorCode || response.topics[0]!.partitions[0]!.errorCode
  }

  reassign(
    topic: string,
    replicas: readonly BrokerId[] | null,
    { partition = 0, allowReplicationFactorChange = true } = {},
  ): ResponseInputOf<typeof reassignApi>["responses"][number]["partitions"][number] {
    const { records, response } = alterPartitionReassignments(
      this.view,
      reassignApi.request.create({
        allowReplicationFactorChange,
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, replicas }] }],
      }),
    )
    this.apply(records)
    return response.responses[0]!.partitions[0]!
  }

  /** "1@3 isr 1,2 elr 3": leader, its epoch, and what is not as usual. */
  state(topic: string, partition = 0): string {
    const { leader, leaderEpoch, isr, elr, lastKnownElr, ...rest } = this.partition(topic, partition)
    const parts = [`${leader}@${leaderEpoch} isr ${isr.join(",")}`]
    if (elr.length > 0) parts.push(`elr ${elr.join(",")}`)
    if (lastKnownElr.length > 0) parts.push(`last ${lastKnownElr.join(",")}`)
    if (rest.addingReplicas.length + rest.removingReplicas.length > 0)
      parts.push(
        `replicas ${rest.replicas.join(",")} +${rest.addingReplicas.join(",")} -${rest.removingReplicas.join(",")}`,
      )
    if (rest.leaderRecoveryState === 1) parts.push("recovering")
    return parts.join(" ")
  }
}
