/**
 * The controller's face: every request that changes metadata, decided, committed and answered.
 *
 * Owns the way from a handler to the metadata log and back: decide, append, commit, and wait until this broker acts on it. The decisions themselves are in `controller/`, the life of brokers in
 * `broker/controller/`. Requests of other nodes come in and go out as their APIs have them, so that a broker in this process and one far away use the same door. A refusal by the log is turned
 * into the error Kafka clients retry.
 */
import type { BrokerEpoch, BrokerId, Uuid } from "../base/ids.js"
import { alterPartition } from "../controller/alter-partition.js"
import type { TopicSettingsOf } from "../controller/controller-view.js"
import {
  alterConfigs,
  type ConfigChange,
  type ConfigResource,
  type ConfigRules,
  incrementalAlterConfigs,
} from "../controller/configs.js"
import { assignReplicasToDirs } from "../controller/directories.js"
import {
  type ElectionResult,
  electLeaders,
  everyPartition,
  preferredLeaders,
  type WantedElections,
} from "../controller/elections.js"
import { type FeatureRules, updateFeatures } from "../controller/features.js"
import { type HeartbeatRequest, staleEpoch } from "../controller/heartbeat.js"
import type { Failure, Outcome } from "../controller/outcome.js"
import { allocateProducerIds } from "../controller/producer-ids.js"
import { alterPartitionReassignments, listPartitionReassignments } from "../controller/reassignment.js"
import type { RegistrationRequest } from "../controller/registration.js"
import {
  type CreatableTopic,
  type CreatedTopic,
  createPartitions,
  createTopics,
  deleteTopics,
  type PartitionsToCreate,
  type TopicDefaults,
} from "../controller/topics.js"
import type { Env } from "../env/env.js"
import type { Endpoint, MetadataImage, TopicImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { MetadataLog } from "../raft/metadata-log.js"
import type { Api, RequestOf, ResponseInputOf } from "../protocol/message.js"
import type { allocateProducerIds as allocateProducerIdsApi } from "../protocol/messages/allocate-producer-ids.js"
import type { alterPartition as alterPartitionApi } from "../protocol/messages/alter-partition.js"
import type { alterPartitionReassignments as alterReassignmentsApi } from "../protocol/messages/alter-partition-reassignments.js"
import type { assignReplicasToDirs as assignReplicasToDirsApi } from "../protocol/messages/assign-replicas-to-dirs.js"
import type { brokerHeartbeat } from "../protocol/messages/broker-heartbeat.js"
import type { brokerRegistration } from "../protocol/messages/broker-registration.js"
import type { controllerRegistration } from "../protocol/messages/controller-registration.js"
import type { listPartitionReassignments as listReassignmentsApi } from "../protocol/messages/list-partition-reassignments.js"
import type { unregisterBroker } from "../protocol/messages/unregister-broker.js"
import type { updateFeatures as updateFeaturesApi } from "../protocol/messages/update-features.js"
import type { SilentLeader } from "../raft/core.js"
import type { StateMachine } from "../rsm/state-machine.js"
import { BrokerLife, type BrokerLifeTiming, type ProbeResult } from "./controller/broker-life.js"
import { Decisions, isRefused } from "./controller/decisions.js"
import { type ElectionTiming, PeriodicElections } from "./controller/periodic-elections.js"
import type { ProducerIdBlock } from "./producer-ids.js"

type Answer<A extends Api> = Promise<ResponseInputOf<A>>

export interface ControllerOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly clusterId: string
  readonly machine: StateMachine<MetadataImage, MetadataRecord>
  readonly topicDefaults: () => TopicDefaults
  readonly topicSettings: TopicSettingsOf
  readonly configRules: ConfigRules
  readonly featureRules: FeatureRules
  /** Brings the quorum to kraft.version 1. */
  readonly upgradeVoters: MetadataLog["upgradeVoters"]
  readonly brokerTiming: BrokerLifeTiming
  readonly electionTiming: ElectionTiming
  readonly interBrokerListenerName: string
  /** Of the broker in this process, if there is one. */
  readonly ownIncarnationId: Uuid | undefined
  /** Absent: broken connections tell nothing. */
  readonly probe?: (endpoint: Endpoint) => Promise<ProbeResult>
  /** Resolves when this broker acts on all metadata committed so far. */
  readonly applied: () => Promise<void>
}

export class MetadataController {
  readonly #decisions: Decisions
  readonly #brokers: BrokerLife
  readonly #elections: PeriodicElections

  constructor(private readonly options: ControllerOptions) {
    const { env, machine, topicSettings } = options
    const decisions = new Decisions({
      clock: env.clock,
      machine,
      topicSettings,
      demoted: () => this.#brokers.demoted,
      stuck: () => this.#brokers.stuck,
    })
    this.#decisions = decisions
    this.#brokers = new BrokerLife({ ...options, decisions, timing: options.brokerTiming })
    this.#elections = new PeriodicElections(env, decisions, options.electionTiming)
  }

  get isActive(): boolean {
    return this.#decisions.isActive
  }

  /** This node is the active controller from now on, and everything there is is in its own log. */
  onLeadership(epoch: number, silent?: SilentLeader): void {
    this.options.env.log.log("info", "this node is the active controller", { epoch })
    this.#decisions.begin()
    this.#brokers.onLeadership(silent)
    this.#elections.onLeadership()
  }

  /** Another node is, or none. Whoever asks from now on is sent away. */
  onResigned(): void {
    this.#brokers.onResigned()
    this.#elections.onResigned()
    this.#decisions.end()
  }

  /** For requests whose items fail one by one: a refusal is the result of each. */
  async #submitEach<T>(
    count: number,
    decide: (image: MetadataImage) => { records: MetadataRecord[]; results: Outcome<T>[] },
    validateOnly = false,
  ): Promise<Outcome<T>[]> {
    const done = await this.#decisions.submit((image) => {
      const { records, results } = decide(image)
      return { records: validateOnly ? [] : records, response: { results } }
    })
    if (isRefused(done)) return Array.from({ length: count }, () => ({ failure: done.refused }))
    if (!validateOnly) await this.options.applied()
    return done.results
  }

  createTopics(
    topics: readonly CreatableTopic[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<CreatedTopic>[]> {
    return this.#submitEach(
      topics.length,
      (image) => createTopics(image, topics, this.options.topicDefaults()),
      validateOnly,
    )
  }

  deleteTopics(topicIds: readonly Uuid[]): Promise<Outcome<TopicImage>[]> {
    return this.#submitEach(topicIds.length, (image) => deleteTopics(image, topicIds))
  }

  createPartitions(
    topics: readonly PartitionsToCreate[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<void>[]> {
    return this.#submitEach(
      topics.length,
      (image) => createPartitions(image, topics, this.options.topicDefaults()),
      validateOnly,
    )
  }

  alterConfigs(
    resources: readonly (ConfigResource & {
      readonly configs: readonly { readonly name: string; readonly value: string | null }[]
    })[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<void>[]> {
    return this.#submitEach(
      resources.length,
      (image) => alterConfigs(image, resources, this.options.configRules),
      validateOnly,
    )
  }

  incrementalAlterConfigs(
    resources: readonly (ConfigResource & { readonly configs: readonly ConfigChange[] })[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<void>[]> {
    return this.#submitEach(
      resources.length,
      (image) => incrementalAlterConfigs(image, resources, this.options.configRules),
      validateOnly,
    )
  }

  /** Null: every partition there is. Results in the order of what was wanted, which comes with them. */
  async electLeaders(
    wanted: readonly WantedElections[] | null,
    options: { unclean: boolean },
  ): Promise<{ wanted: readonly WantedElections[]; results: ElectionResult[][] } | { refused: Failure }> {
    if (!options.unclean && this.#brokers.demoted.size > 0)
      this.#brokers.pardon(wanted === null ? this.#brokers.demoted : preferredLeaders(this.#decisions.head, wanted))
    const done = await this.#decisions.submitParts((view) => {
      const asked = wanted ?? everyPartition(view)
      const { records, results } = electLeaders(view, asked, options)
      return { records, response: { wanted: asked, results } }
    })
    if (!isRefused(done)) await this.options.applied()
    return done
  }

  registerBroker(request: RegistrationRequest): Answer<typeof brokerRegistration> {
    return this.#brokers.register(request)
  }

  brokerHeartbeat(request: HeartbeatRequest): Answer<typeof brokerHeartbeat> {
    return this.#brokers.heartbeat(request)
  }

  unregisterBroker(request: RequestOf<typeof unregisterBroker>): Answer<typeof unregisterBroker> {
    return this.#brokers.unregister(request)
  }

  /** A hint: the connection of this broker's heartbeats broke. */
  brokerDisconnected(brokerId: BrokerId, brokerEpoch: BrokerEpoch): void {
    void this.#brokers.disconnected(brokerId, brokerEpoch)
  }

  async alterPartition(request: RequestOf<typeof alterPartitionApi>): Answer<typeof alterPartitionApi> {
    const done = await this.#decisions.submitParts((view) => alterPartition(view, request))
    return isRefused(done) ? { throttleTimeMs: 0, errorCode: done.refused.errorCode, topics: [] } : done
  }

  async assignReplicasToDirs(
    request: RequestOf<typeof assignReplicasToDirsApi>,
  ): Answer<typeof assignReplicasToDirsApi> {
    const done = await this.#decisions.submitParts((view) => assignReplicasToDirs(view, request))
    return isRefused(done) ? { throttleTimeMs: 0, errorCode: done.refused.errorCode, directories: [] } : done
  }

  async allocateProducerIds({
    brokerId,
    brokerEpoch,
  }: RequestOf<typeof allocateProducerIdsApi>): Answer<typeof allocateProducerIdsApi> {
    const done = await this.#decisions.submitParts<ProducerIdBlock | { errorCode: ErrorCode }>((view) => {
      const stale = staleEpoch(view, brokerId, brokerEpoch)
      if (stale !== undefined) return { records: [], response: { errorCode: stale.errorCode } }
      return allocateProducerIds(view.image, brokerId, brokerEpoch)
    })
    const failed = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode, producerIdStart: 0, producerIdLen: 0 })
    if (isRefused(done)) return failed(done.refused.errorCode)
    if ("errorCode" in done) return failed(done.errorCode)
    return {
      throttleTimeMs: 0,
      errorCode: Errors.NONE,
      producerIdStart: done.firstProducerId,
      producerIdLen: done.count,
    }
  }

  async alterPartitionReassignments(
    request: RequestOf<typeof alterReassignmentsApi>,
  ): Answer<typeof alterReassignmentsApi> {
    const done = await this.#decisions.submitParts((view) => alterPartitionReassignments(view, request))
    if (!isRefused(done)) return done
    const { allowReplicationFactorChange } = request
    return { throttleTimeMs: 0, allowReplicationFactorChange, ...done.refused, responses: [] }
  }

  async listPartitionReassignments(
    request: RequestOf<typeof listReassignmentsApi>,
  ): Answer<typeof listReassignmentsApi> {
    const done = await this.#decisions.submitParts((view) => ({
      records: [],
      response: listPartitionReassignments(view.image, view.index, request),
    }))
    return isRefused(done) ? { throttleTimeMs: 0, ...done.refused, topics: [] } : done
  }

  async updateFeatures(
    { featureUpdates, validateOnly }: RequestOf<typeof updateFeaturesApi>,
    version: number,
  ): Answer<typeof updateFeaturesApi> {
    const updates = featureUpdates.map((update) => ({
      ...update,
      // Version 0 had one kind of downgrade.
      upgradeType: version === 0 && update.allowDowngrade ? 2 : update.upgradeType,
    }))
    const decide = (validateOnly: boolean) =>
      this.#decisions.submit((image) => {
        const { records, ...response } = updateFeatures(image, updates, this.options.featureRules)
        return { records: validateOnly ? [] : records, response }
      })
    let done = await decide(true)
    if (!validateOnly && !isRefused(done) && done.failure === undefined) {
      const upgraded = done.upgradesVoters ? await this.options.upgradeVoters() : undefined
      const failure = upgraded && upgraded.errorCode !== Errors.NONE ? (upgraded as Failure) : undefined
      done = failure === undefined ? await decide(false) : { ...done, failure }
    }
    const failure = isRefused(done) ? done.refused : done.failure
    const { errorCode, errorMessage } = failure ?? { errorCode: Errors.NONE, errorMessage: null }
    // Together or not at all, so that one result is everybody's.
    const results = version > 1 ? [] : updates.map(({ feature }) => ({ feature, errorCode, errorMessage }))
    return { throttleTimeMs: 0, errorCode, errorMessage, results }
  }

  async controllerRegistration({
    controllerId,
    incarnationId,
    listeners,
    features,
  }: RequestOf<typeof controllerRegistration>): Answer<typeof controllerRegistration> {
    const value = { controllerId, incarnationId, zkMigrationReady: false, endPoints: listeners, features }
    const done = await this.#decisions.submit(() => ({
      records: [{ type: "RegisterControllerRecord", value }],
      response: {},
    }))
    if (isRefused(done)) return { throttleTimeMs: 0, ...done.refused }
    this.options.env.log.log("info", "a controller registers", { controllerId, incarnationId })
    return { throttleTimeMs: 0, errorCode: Errors.NONE, errorMessage: null }
  }

  /** Writes records that start a new cluster. */
  async write(records: readonly MetadataRecord[]): Promise<boolean> {
    return !isRefused(await this.#decisions.submit(() => ({ records, response: {} })))
  }
}
