/**
 * What a node does as a broker: replicas, groups, the APIs of its clients, and its standing with the controller.
 *
 * Owns the composition of this role, its start and its stop. Invariant: it acts on no metadata in which its own registration is not the newest (reliability.md R9), and serves
 * nobody before the controller lets it.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import { consumerOffsetsTopic, GroupCoordinator } from "../coordinator/group/group-coordinator.js"
import { groupRules } from "../coordinator/group/rules.js"
import type { ServerConfig } from "../config/server-config.js"
import type { Endpoint, MetadataImage } from "../metadata/image.js"
import { type ConnectPeer, type PeerAddress, PeerError } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"
import { allocateProducerIds } from "../protocol/messages/allocate-producer-ids.js"
import { alterPartition } from "../protocol/messages/alter-partition.js"
import type { Samples } from "../observe/exposition.js"
import type { Check } from "../observe/health.js"
import { assignReplicasToDirs } from "../protocol/messages/assign-replicas-to-dirs.js"
import { ReplicaManager } from "../replication/replica-manager.js"
import type { LogManager } from "../storage/log-manager.js"
import { brokerHandlers } from "./api/index.js"
import { BrokerLifecycle } from "./broker-lifecycle.js"
import { ControllerChannel, type LocalController } from "./controller-channel.js"
import { assignmentRequest } from "./directory-assignments.js"
import { DoubtfulLeaders } from "./doubtful-leaders.js"
import { supportedFeatures } from "./features.js"
import { FetchSessions } from "./fetch-sessions.js"
import { forwarding } from "./forwarding.js"
import { groupSettings } from "./group-settings.js"
import { InternalTopicCreation } from "./internal-topic-creation.js"
import { collectGroups, collectMetadata, collectPartitions } from "./node-metrics.js"
import { ProducerIds } from "./producer-ids.js"
import { PublishedMetadata } from "./published-metadata.js"
import { quorumGone, type QuorumWatchOptions } from "./quorum-watch.js"
import type { RequestCounts } from "./request-counts.js"
import { type RequestDispatch, requestDispatch } from "./request-dispatch.js"
import type { NodeServices, RequestConnection, Services } from "./services.js"
import { TopicCreation } from "./topic-creation.js"

export interface BrokerRoleOptions {
  readonly config: ServerConfig
  readonly node: NodeServices
  /** Of this life of the process. */
  readonly incarnationId: Uuid
  readonly logs: LogManager
  readonly connect: ConnectPeer
  /** The controller of this node, if it is one. */
  readonly local: LocalController | undefined
  /** How long that has not heard of a majority, while it is the active one. */
  readonly majoritySilenceMs: () => number
  readonly listenerName: (connection: RequestConnection) => string
  readonly counts: RequestCounts
  /** Something happened that cannot, or this incarnation is not wanted any more: the node must stop. */
  readonly onFatal: (reason: string) => void
}

/** How long the controller may take to find new leaders for what a stopping broker leads. */
export const controlledShutdownTimeoutMs = 5000
/** How long a request of this broker looks for a controller. */
export const controllerRequestTimeoutMs = 10_000

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

export class BrokerRole {
  readonly channel: ControllerChannel
  readonly replicas: ReplicaManager
  readonly dispatch: RequestDispatch
  readonly #lifecycle: BrokerLifecycle
  readonly #metadata: PublishedMetadata
  readonly #groups: GroupCoordinator
  /** The newest image, whether or not it is acted on. */
  #newest: MetadataImage | undefined
  #isServing = false

  constructor(private readonly options: BrokerRoleOptions) {
    const { config, node, logs, connect, local, majoritySilenceMs, listenerName, onFatal } = options
    const { env, nodeId, configs } = node
    const onBroken = (error: unknown) => onFatal(textOf(error))
    this.channel = new ControllerChannel({ env, nodeId, connect, local })
    this.#metadata = new PublishedMetadata(env)
    this.#lifecycle = new BrokerLifecycle({
      env,
      channel: this.channel,
      heartbeatIntervalMs: config.int("broker.heartbeat.interval.ms"),
      sessionTimeoutMs: config.int("broker.session.timeout.ms"),
      registrationTimeoutMs: config.int("initial.broker.registration.timeout.ms"),
      metadataOffset: () => this.#metadata.image.offset,
      offlineDirectories: () => logs.failedDirectoryIds(),
      diskPace: () => logs.diskPace(),
      onDisowned: onFatal,
    })
    this.replicas = new ReplicaManager({
      env,
      nodeId,
      logs,
      configOf: (topic) => configs.logConfig(topic),
      onBroken,
      assignDirectories: async (assignments) => {
        const request = assignmentRequest(nodeId, this.#lifecycle.brokerEpoch, assignments)
        try {
          const answer = await this.#ask(assignReplicasToDirs, request)
          return answer.errorCode === Errors.NONE
        } catch (error) {
          if (error instanceof PeerError) return false
          throw error
        }
      },
      cluster: {
        connect,
        endpointOf: (brokerId) => this.#endpointOf(brokerId),
        alterPartition: (request) => this.#ask(alterPartition, request),
        brokerEpoch: () => this.#lifecycle.brokerEpoch,
        throttles: {
          leaderRate: () => configs.brokerNumber("leader.replication.throttled.rate"),
          followerRate: () => configs.brokerNumber("follower.replication.throttled.rate"),
          leaderReplicas: (topic) => configs.topicValue(topic, "leader.replication.throttled.replicas"),
          followerReplicas: (topic) => configs.topicValue(topic, "follower.replication.throttled.replicas"),
        },
        settings: {
          lagTimeMaxMs: config.long("replica.lag.time.max.ms"),
          isRackAware: config.string("replica.selector.class")?.endsWith("RackAwareReplicaSelector") === true,
          fetchMaxBytes: config.int("replica.fetch.max.bytes"),
          responseMaxBytes: config.int("replica.fetch.response.max.bytes"),
          minBytes: config.int("replica.fetch.min.bytes"),
          waitMaxMs: config.int("replica.fetch.wait.max.ms"),
          backoffMs: config.int("replica.fetch.backoff.ms"),
          socketTimeoutMs: config.int("replica.socket.timeout.ms"),
        },
      },
    })
    this.#groups = new GroupCoordinator({
      env,
      replicas: this.replicas,
      settings: groupSettings(config, configs, () => this.#metadata.image),
      rules: groupRules,
      expiryCheckIntervalMs: config.long("offsets.retention.check.interval.ms"),
      image: () => this.#metadata.image,
      batchBytesMax: () => configs.logConfig(consumerOffsetsTopic).maxMessageBytes,
      onBroken,
    })
    const applied = () => this.replicas.applied()
    const topics = new TopicCreation({ channel: this.channel, metadata: this.#metadata, applied })
    const services: Services = {
      ...node,
      image: () => this.#metadata.image,
      channel: this.channel,
      topics,
      replicas: this.replicas,
      groups: this.#groups,
      internalTopics: new InternalTopicCreation({
        topics,
        image: () => this.#metadata.image,
        log: env.log,
        offsetsTopic: {
          numPartitions: config.int("offsets.topic.num.partitions"),
          replicationFactor: config.int("offsets.topic.replication.factor"),
          replicationFactorIsDefault: !config.values.has("offsets.topic.replication.factor"),
          segmentBytes: config.int("offsets.topic.segment.bytes"),
        },
      }),
      fetchSessions: new FetchSessions(config.int("max.incremental.fetch.session.cache.slots"), (below) =>
        env.random.int(below),
      ),
      producerIds: new ProducerIds(() => this.#producerIdBlock()),
      isCutOff: () => this.#lifecycle.isCutOff || majoritySilenceMs() > config.int("broker.session.timeout.ms"),
      doubtfulLeaders: new DoubtfulLeaders({
        env,
        metadata: this.#metadata,
        unreachable: () => this.replicas.unreachableLeaders(),
      }),
    }
    this.dispatch = requestDispatch(services, {
      handlers: brokerHandlers(),
      counts: options.counts,
      listenerName,
      forwarding: forwarding({
        env,
        nodeId,
        channel: this.channel,
        metadata: this.#metadata,
        applied,
        timeoutMs: config.int("controller.socket.timeout.ms"),
      }),
      onInvariantBroken: (error) => onFatal(textOf(error)),
    })
  }

  #ask<A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A>> {
    return this.channel.request(api, request, { timeoutMs: controllerRequestTimeoutMs })
  }

  async #producerIdBlock() {
    const { node } = this.options
    const { brokerEpoch } = this.#lifecycle
    try {
      const answer = await this.#ask(allocateProducerIds, { brokerId: node.nodeId, brokerEpoch })
      if (answer.errorCode !== Errors.NONE) return undefined
      return { firstProducerId: answer.producerIdStart, count: answer.producerIdLen }
    } catch (error) {
      node.env.log.log("warn", "no producer ids are to be had", { reason: textOf(error) })
      return undefined
    }
  }

  #endpointOf(brokerId: BrokerId): PeerAddress | undefined {
    const name = this.options.config.listeners.interBrokerListenerName
    return this.#metadata.image.brokers.get(brokerId)?.endPoints.find((endpoint) => endpoint.name === name)
  }

  /** More metadata is committed. */
  onMetadata(image: MetadataImage): void {
    this.#newest = image
    const { nodeId } = this.options.node
    const { brokerEpoch } = this.#lifecycle
    if (brokerEpoch === -1 || image.brokers.get(nodeId)?.brokerEpoch !== brokerEpoch) return
    this.replicas.apply(image)
    this.#metadata.publish(image)
    // Groups of a partition are coordinated where its log is; and not before this start has given it its leader epoch, for they would be loaded twice.
    void this.replicas.applied().then(() => {
      if (this.#isServing) this.#groups.onMetadata(image)
    })
  }

  /** The quorum has another leader. */
  onLeaderChanged(active: Parameters<ControllerChannel["onLeaderChanged"]>[0]): void {
    this.channel.onLeaderChanged(active)
    if (active.leaderId !== -1) this.#lifecycle.beatNow()
  }

  /**
   * Registers with the controller and resolves when it lets this broker serve.
   *
   * Errors: RegistrationRefused, PeerError.
   */
  async start(endPoints: readonly Endpoint[]): Promise<void> {
    const { config, node, logs } = this.options
    await this.#lifecycle.register({
      brokerId: node.nodeId,
      clusterId: node.clusterId,
      incarnationId: this.options.incarnationId,
      listeners: endPoints.map((endPoint) => ({ ...endPoint })),
      features: supportedFeatures.map((feature) => ({ ...feature })),
      rack: config.string("broker.rack"),
      logDirs: logs.directories.map(({ directoryId }) => directoryId),
      previousBrokerEpoch: logs.previousBrokerEpoch,
      machineId: config.string("ottla.machine.id"),
    })
    if (this.#newest !== undefined) this.onMetadata(this.#newest)
    await this.#metadata.until(({ offset }) => offset >= this.#lifecycle.brokerEpoch, registeredTimeoutMs)
    await this.replicas.applied()
    await this.#lifecycle.unfence()
    await this.#metadata.until(({ brokers }) => brokers.get(node.nodeId)?.fenced === false, registeredTimeoutMs)
    await this.replicas.applied()
    this.#isServing = true
    this.#groups.onMetadata(this.#metadata.image)
    this.replicas.resumeMoves()
  }

  /** The controller finds new leaders for what lay there. */
  onDirectoryFailed(): void {
    this.#lifecycle.beatNow()
  }

  /** Hands over what this broker leads. Clients are still served, and told where to go. Without a quorum nobody can take it over: then there is nothing to wait for. */
  async leave(voters: QuorumWatchOptions["voters"]): Promise<void> {
    const { env, nodeId } = this.options.node
    let isOver = false
    await Promise.race([
      this.#lifecycle.leave(controlledShutdownTimeoutMs),
      quorumGone({ env, nodeId, voters }, () => isOver),
    ])
    isOver = true
    this.#lifecycle.stop()
  }

  /** Nothing of this role runs any more. */
  async stop(): Promise<void> {
    this.#lifecycle.stop()
    this.#groups.stop()
    await this.replicas.stop()
    this.channel.close()
  }

  get brokerEpoch(): number {
    return this.#lifecycle.brokerEpoch
  }

  /** What it has counted, and how it stands. */
  async collect(samples: Samples): Promise<void> {
    const { env, nodeId } = this.options.node
    collectMetadata(samples, this.#metadata.image, nodeId)
    await collectPartitions(samples, this.replicas)
    await collectGroups(samples, this.#groups, this.replicas, env.clock.wallMs())
  }

  /** Whether clients can be served. `committed`: the newest metadata that this node knows to be. */
  readiness(committed: MetadataImage): Check[] {
    const { nodeId } = this.options.node
    const { image } = this.#metadata
    const isFenced = image.brokers.get(nodeId)?.fenced !== false
    return [
      {
        name: "unfenced",
        isOk: this.#isServing && !isFenced && !this.#lifecycle.isCutOff,
        detail: this.#lifecycle.isCutOff
          ? "the controller has not answered for a session"
          : isFenced
            ? "the controller does not let it serve"
            : "the controller lets it serve",
      },
      {
        name: "metadata caught up",
        isOk: image.offset >= committed.offset,
        detail: `acts on offset ${image.offset} of ${committed.offset}`,
      },
    ]
  }
}

/** A broker that was registered hears of it by the metadata; far longer than that takes, and then it goes on all the same. */
const registeredTimeoutMs = 60_000
