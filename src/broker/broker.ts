/**
 * A broker: every part put together, started and stopped in order.
 *
 * Owns the composition and the life of one node. Decides nothing about records. Order at start: directories, metadata log, logs, sockets, registration; a
 * request is served only when all of them are done. Order at stop: the reverse, and everything on the medium.
 */
import { InvariantError } from "../base/assert.js"
import type { BrokerId, Uuid } from "../base/ids.js"
import { MalformedError } from "../base/reader.js"
import type { ListenerEndpoint } from "../config/listeners.js"
import type { ServerConfig } from "../config/server-config.js"
import { consumerOffsetsTopic, GroupCoordinator } from "../coordinator/group/group-coordinator.js"
import { groupRules } from "../coordinator/group/rules.js"
import { DiskError, type Env, NetworkError } from "../env/env.js"
import { emptyImage, type Endpoint, type MetadataImage, resourceTypes } from "../metadata/image.js"
import { decodeRecord, encodeRecord, type MetadataRecord } from "../metadata/records.js"
import { replay } from "../metadata/replay.js"
import { snapshotRecords } from "../metadata/snapshot.js"
import { FramePool } from "../net/frame-pool.js"
import { RequestMemory } from "../net/request-memory.js"
import { Server } from "../net/server.js"
import type { HandledRequest, InboundFrame, ServerConnection } from "../net/server-connection.js"
import { errorByCode, Errors } from "../protocol/errors.js"
import { brokerHeartbeat } from "../protocol/messages/broker-heartbeat.js"
import { brokerRegistration } from "../protocol/messages/broker-registration.js"
import { MetadataLog, MetadataLogError } from "../raft/metadata-log.js"
import { ReplicaManager } from "../replication/replica-manager.js"
import { StateMachine } from "../rsm/state-machine.js"
import { DirectoryError, type LogDirectory } from "../storage/log-directory.js"
import { LogManager } from "../storage/log-manager.js"
import { apiHandlers } from "./api/index.js"
import { ConfigView, configProblem } from "./config-view.js"
import { directoryReport } from "./directory-report.js"
import { bootstrapFeatures, metadataVersionNeeded, missingFeatures, supportedFeatures } from "./features.js"
import { FetchSessions } from "./fetch-sessions.js"
import { groupSettings } from "./group-settings.js"
import { InternalTopicCreation } from "./internal-topic-creation.js"
import { clusterMetadataTopic } from "./internal-topics.js"
import { MetadataController } from "./metadata-controller.js"
import { type ProducerIdBlock, ProducerIds } from "./producer-ids.js"
import { requestDispatch } from "./request-dispatch.js"
import type { Services } from "./services.js"

/** The broker cannot start, and the message says what to do about it. */
export class StartError extends Error {
  override name = "StartError"
}

export interface BrokerOptions {
  /** Serve unauthenticated listeners that other machines can reach. */
  readonly insecure?: boolean
  /** What to advertise for a listener without a host. */
  readonly hostname?: string
  /** The node must stop at once: an invariant is broken, or the metadata log's disk has failed. Called once. */
  readonly onFatal: (reason: string) => void
}

/** Requests of one connection that are taken and not answered. */
export const pipelinedRequestsMax = 128
/** Bytes of them. Enough for the largest pipelining of usual producers (5 x 1 MiB), with room. */
export const inFlightBytesPerConnectionMax = 16 * 1024 * 1024
/** Bytes of answers that a slow reader leaves with us, above which no request of its is taken. */
export const queuedReplyBytesMax = 16 * 1024 * 1024
/** Bytes of requests of all connections. */
export const requestBytesMax = 256 * 1024 * 1024
/** How long a frame may stay incomplete (slowloris). */
export const frameTimeoutMs = 30_000
/** Metadata decisions on their way to the medium. */
export const pendingDecisionsMax = 10_000

const securityProtocolCodes: Readonly<Record<ListenerEndpoint["protocol"], number>> = {
  PLAINTEXT: 0,
  SSL: 1,
  SASL_PLAINTEXT: 2,
  SASL_SSL: 3,
}

export class Broker {
  #image: MetadataImage = emptyImage
  #stopped: Promise<void> | undefined
  #isFatal = false
  #endpoints: Endpoint[] = []

  private constructor(
    private readonly env: Env,
    private readonly config: ServerConfig,
    private readonly options: BrokerOptions,
    private readonly logs: LogManager,
    private readonly metadataLog: MetadataLog,
  ) {
    this.#incarnationId = env.random.uuid()
    // Kafka shows node.id under its old name too.
    const values = new Map(config.values).set("broker.id", String(config.nodeId))
    this.#configs = new ConfigView(config.nodeId, values, () => this.#image)
    this.#replicas = new ReplicaManager({
      env,
      nodeId: config.nodeId,
      logs,
      configOf: (topic) => this.#configs.logConfig(topic),
      onBroken: (error) => this.#fatal(error instanceof Error ? (error.stack ?? error.message) : String(error)),
      assignDirectories: (assignments) =>
        void this.#controller.assignReplicasToDirs({
          brokerId: config.nodeId,
          brokerEpoch: this.#brokerEpoch,
          directories: directoryReport(assignments),
        }),
    })
    this.#machine = new StateMachine<MetadataImage, MetadataRecord>(
      { append: (records, nowMs) => metadataLog.append(records.map(encodeRecord), nowMs) },
      {
        initial: emptyImage,
        replay,
        onCommitted: (image) => this.#onCommitted(image),
        pendingMax: pendingDecisionsMax,
      },
    )
    this.#controller = new MetadataController({
      env,
      nodeId: config.nodeId,
      clusterId: logs.clusterId,
      machine: this.#machine,
      topicSettings: this.#configs.topicSettings,
      featureRules: {
        nodeId: config.nodeId,
        supported: supportedFeatures,
        metadataVersionNeeded,
        staticMinInsyncReplicas: () => config.string("min.insync.replicas") ?? "1",
      },
      brokerTiming: {
        // The only broker is this one, and it dies together with its controller.
        sessionTimeoutMs: Number.POSITIVE_INFINITY,
        handOverStallMs: Number.POSITIVE_INFINITY,
        demotionMs: 0,
      },
      electionTiming: {
        balanceIntervalMs: config.bool("auto.leader.rebalance.enable")
          ? config.long("leader.imbalance.check.interval.seconds") * 1000
          : undefined,
        uncleanIntervalMs: config.long("unclean.leader.election.interval.ms"),
      },
      interBrokerListenerName: config.listeners.interBrokerListenerName,
      ownIncarnationId: this.#incarnationId,
      topicDefaults: () => ({
        numPartitions: this.#configs.brokerNumber("num.partitions"),
        replicationFactor: this.#configs.brokerNumber("default.replication.factor"),
        configProblem: (name, value) => configProblem(resourceTypes.topic, name, value ?? ""),
        newUuid: () => env.random.uuid(),
        randomInt: (below) => env.random.int(below),
      }),
      configRules: this.#configs.rules,
      applied: () => this.#replicas.applied(),
    })
    this.#groups = new GroupCoordinator({
      env,
      replicas: this.#replicas,
      settings: groupSettings(config, this.#configs, () => this.#image),
      rules: groupRules,
      expiryCheckIntervalMs: config.long("offsets.retention.check.interval.ms"),
      image: () => this.#image,
      batchBytesMax: () => this.#configs.logConfig(consumerOffsetsTopic).maxMessageBytes,
      onBroken: (error) => this.#fatal(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    })
    const handlers = apiHandlers()
    const services: Services = {
      env,
      nodeId: config.nodeId,
      clusterId: logs.clusterId,
      limits: {
        fetchBytesMax: config.int("fetch.max.bytes"),
        describedPartitionsMax: config.int("max.request.partition.size.limit"),
        autoCreateTopicsEnable: config.bool("auto.create.topics.enable"),
        deleteTopicEnable: config.bool("delete.topic.enable"),
      },
      controller: this.#controller,
      replicas: this.#replicas,
      configs: this.#configs,
      groups: this.#groups,
      internalTopics: new InternalTopicCreation({
        controller: this.#controller,
        image: () => this.#image,
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
      producerIds: new ProducerIds(() => this.#allocateProducerIds()),
      image: () => this.#image,
    }
    const dispatch = requestDispatch(services, {
      handlers,
      listenerName: (connection) =>
        this.#listenerNames.get(connection.localPort) ?? config.listeners.interBrokerListenerName,
      onInvariantBroken: (error) => this.#fatal(error.stack ?? error.message),
    })
    this.#server = new Server(
      env,
      new FramePool(config.long("ottla.frame.buffer.pool.bytes")),
      new RequestMemory(requestBytesMax),
      {
        frameBytesMax: config.int("socket.request.max.bytes"),
        pipelinedRequestsMax,
        inFlightBytesMax: inFlightBytesPerConnectionMax,
        queuedReplyBytesMax,
        connectionsMax: config.int("max.connections"),
        idleMs: config.long("connections.max.idle.ms"),
        frameMs: frameTimeoutMs,
      },
      (frame, connection) => this.#whenReady(dispatch, frame, connection),
    )
  }

  readonly #configs: ConfigView
  readonly #replicas: ReplicaManager
  readonly #machine: StateMachine<MetadataImage, MetadataRecord>
  readonly #controller: MetadataController
  readonly #groups: GroupCoordinator
  readonly #server: Server
  readonly #listenerNames = new Map<number, string>()
  /** Topics that the log on the medium says are gone; a crash may have come before their files went. */
  readonly #removedTopicIds = new Set<Uuid>()
  #snapshotting: Promise<void> = Promise.resolve()
  readonly #incarnationId: Uuid
  #brokerEpoch = -1
  #isUnfenced = false
  #isReady = false
  #becomeReady: () => void = () => {}
  readonly #ready = new Promise<void>((resolve) => {
    this.#becomeReady = resolve
  })

  /**
   * Starts a broker. When it resolves, clients are served.
   *
   * Errors: StartError, with a message for whoever started it; anything else is a defect.
   */
  static async start(env: Env, config: ServerConfig, options: BrokerOptions): Promise<Broker> {
    checkRoles(config)
    checkListeners(config, options)
    let logs: LogManager | undefined
    let broker: Broker | undefined
    try {
      logs = await LogManager.openDirectories(env, {
        directories: config.logDirs,
        nodeId: config.nodeId,
        configOf: (topic) => broker!.#configs.logConfig(topic),
        foreignTopics: new Set([clusterMetadataTopic]),
        hotCacheBytes: config.long("ottla.hot.cache.bytes"),
        recoveriesPerDirectory: Math.max(8, config.int("num.recovery.threads.per.data.dir")),
        retentionCheckIntervalMs: config.long("log.retention.check.interval.ms"),
        checkpointIntervalMs: config.int("log.flush.offset.checkpoint.interval.ms"),
        highWatermarkCheckpointIntervalMs: config.long("replica.high.watermark.checkpoint.interval.ms"),
        producerIdExpirationMs: config.int("producer.id.expiration.ms"),
        producerIdExpirationCheckIntervalMs: config.int("producer.id.expiration.check.interval.ms"),
        onDirectoryFailed: (_directory, reason) => {
          if (broker !== undefined) broker.#onDirectoryFailed(reason)
        },
      })
      const metadataDirectory = config.string("metadata.log.dir")
      const home = logs.directories.find(({ path }) => path === metadataDirectory) ?? logs.directories[0]!
      broker = new Broker(env, config, options, logs, await MetadataLog.open(env, home, config.nodeId))
      await broker.#start(home)
      return broker
    } catch (error) {
      if (broker !== undefined) await broker.#server.close()
      await logs?.close()
      throw startError(error)
    }
  }

  get nodeId(): BrokerId {
    return this.config.nodeId
  }

  get clusterId(): string {
    return this.logs.clusterId
  }

  /** Where clients reach it. */
  get endpoints(): readonly { readonly host: string; readonly port: number }[] {
    return this.#endpoints
  }

  get directories(): readonly string[] {
    return this.logs.directories.map(({ path }) => path)
  }

  async #start(home: LogDirectory): Promise<void> {
    const isNew = await this.#loadMetadata()
    await this.logs.loadLogs()
    await this.metadataLog.start({
      onCommitted: (highWatermark) => this.#machine.committedTo(highWatermark),
      onAppendsLost: (endOffset) => this.#machine.lostLeadership(endOffset),
      onFailed: (reason) => {
        // Nothing is committed any more: whoever waits for it, a stop above all, must be told.
        this.#machine.lostLeadership(this.metadataLog.logEndOffset)
        this.#fatal(reason)
      },
    })
    this.#machine.skipTo(this.metadataLog.logEndOffset)
    this.#controller.onLeadership(this.metadataLog.epoch)
    // What another controller began and never ended does not count, and would keep everything after it from counting.
    if (this.#image.openTransaction !== undefined)
      await this.#controller.write([
        { type: "AbortTransactionRecord", value: { reason: "the controller that began it is gone" } },
      ])
    if (isNew) await this.#bootstrap(home)
    const missing = missingFeatures(this.#image.features)
    if (missing.length > 0)
      await this.#controller.write(missing.map((value) => ({ type: "FeatureLevelRecord", value })))
    const endPoints = await this.#listen()
    this.#endpoints = endPoints
    await this.#join(endPoints)
    this.#isUnfenced = true
    this.#groups.onMetadata(this.#image)
    this.#isReady = true
    this.#becomeReady()
    this.#replicas.resumeMoves()
    this.#replicas.clearStrays(this.#removedTopicIds)
  }

  /** Registers this broker and lets it serve. */
  async #join(endPoints: readonly Endpoint[]): Promise<void> {
    const { errorCode, brokerEpoch } = await this.#controller.registerBroker(
      brokerRegistration.request.create({
        brokerId: this.config.nodeId,
        clusterId: this.logs.clusterId,
        incarnationId: this.#incarnationId,
        listeners: endPoints,
        features: supportedFeatures,
        rack: this.config.string("broker.rack"),
        logDirs: this.logs.directories.map(({ directoryId }) => directoryId),
        previousBrokerEpoch: this.#lastCleanEpoch(),
      }),
    )
    if (errorCode !== Errors.NONE)
      throw new StartError(`the broker could not register: ${errorByCode(errorCode)?.message ?? errorCode}`)
    this.#brokerEpoch = brokerEpoch!
    await this.#heartbeat({ wantFence: false, wantShutDown: false })
    await this.#replicas.applied()
  }

  /** The life of this broker that ended well in all directories; -1: none did. */
  #lastCleanEpoch(): number {
    const epochs = new Set(this.logs.directories.map(({ cleanShutdownEpoch }) => cleanShutdownEpoch ?? -1))
    return epochs.size === 1 ? [...epochs][0]! : -1
  }

  #heartbeat(wants: { wantFence: boolean; wantShutDown: boolean }) {
    return this.#controller.brokerHeartbeat(
      brokerHeartbeat.request.create({
        brokerId: this.config.nodeId,
        brokerEpoch: this.#brokerEpoch,
        currentMetadataOffset: this.#image.offset,
        ...wants,
      }),
    )
  }

  async #allocateProducerIds(): Promise<ProducerIdBlock | undefined> {
    const { errorCode, producerIdStart, producerIdLen } = await this.#controller.allocateProducerIds({
      brokerId: this.config.nodeId,
      brokerEpoch: this.#brokerEpoch,
    })
    return errorCode === Errors.NONE ? { firstProducerId: producerIdStart, count: producerIdLen } : undefined
  }

  /** Replays snapshot and log. True: no record was there. The log may hold a leader change even so: a first start that was cut short. */
  async #loadMetadata(): Promise<boolean> {
    const snapshot = await this.metadataLog.latestSnapshot()
    if (snapshot !== undefined) {
      const { endOffset, epoch } = snapshot.id
      this.#machine.load(
        snapshot.values.reduce((image, value) => replay(image, decodeRecord(value), endOffset - 1, epoch), emptyImage),
        endOffset,
      )
    }
    const records: { record: MetadataRecord; offset: number; epoch: number }[] = []
    for await (const { value, offset, epoch } of this.metadataLog.valuesFrom(snapshot?.id.endOffset ?? 0)) {
      const record = decodeRecord(value)
      if (record.type === "RemoveTopicRecord") this.#removedTopicIds.add(record.value.topicId)
      records.push({ record, offset, epoch })
    }
    this.#machine.catchUp(records, this.metadataLog.logEndOffset)
    // Known before the logs are opened, because their settings are in it; told to the replicas only when the logs are there.
    this.#image = this.#machine.committed
    return this.#image.offset < 0
  }

  /** The first records of a new cluster: those that `kafka-storage format` left, or our own. */
  async #bootstrap(home: LogDirectory): Promise<void> {
    const values = await this.metadataLog.bootstrapValues(home.path)
    const records: MetadataRecord[] =
      values?.map(decodeRecord) ??
      bootstrapFeatures.map((value) => ({ type: "FeatureLevelRecord", value: { ...value } }))
    // A cluster-wide setting from the first, as Kafka does for clusters with eligible leader replicas (KIP-966).
    records.push({
      type: "ConfigRecord",
      value: {
        resourceType: resourceTypes.broker,
        resourceName: "",
        name: "min.insync.replicas",
        value: this.config.string("min.insync.replicas") ?? "1",
      },
    })
    if (!(await this.#controller.write(records)))
      throw new StartError("the metadata log takes no records: is its disk full?")
  }

  async #listen(): Promise<Endpoint[]> {
    const { listeners, advertised, controllerListenerNames } = this.config.listeners
    const endPoints: Endpoint[] = []
    for (const { name, host, port, protocol } of listeners) {
      if (controllerListenerNames.includes(name)) continue
      const bound = await this.#server.listen({ host, port })
      this.#listenerNames.set(bound.port, name)
      const told = advertised.find((each) => each.name === name)
      const toldHost = told?.host ?? host
      endPoints.push({
        name,
        host: toldHost === "" ? (this.options.hostname ?? "localhost") : toldHost,
        port: told === undefined || told.port === 0 || told.port === port ? bound.port : told.port,
        securityProtocol: securityProtocolCodes[protocol],
      })
    }
    return endPoints
  }

  /** A request that comes between listening and readiness waits for it. */
  #whenReady(
    dispatch: (frame: InboundFrame, connection: ServerConnection) => HandledRequest,
    frame: InboundFrame,
    connection: ServerConnection,
  ): HandledRequest {
    if (this.#isReady) return dispatch(frame, connection)
    return { reply: this.#ready.then(() => dispatch(frame, connection).reply) }
  }

  #onCommitted(image: MetadataImage): void {
    this.#image = image
    this.#replicas.apply(image)
    // Groups of a partition are coordinated where its log is; and not before this start has given it its leader epoch, for they would be loaded twice.
    void this.#replicas.applied().then(() => {
      if (this.#isUnfenced) this.#groups.onMetadata(image)
    })
    if (this.metadataLog.bytesSinceSnapshot > this.config.long("metadata.log.max.record.bytes.between.snapshots"))
      this.#snapshot(image)
  }

  #snapshot(image: MetadataImage): void {
    if (this.metadataLog.isSnapshotting) return
    // Values are made here, from the image as it is now; only writing them takes time.
    const values = [...snapshotRecords(image)].map(encodeRecord)
    this.#snapshotting = this.metadataLog
      .snapshot(values, { endOffset: image.offset + 1, epoch: image.epoch })
      .catch((error: unknown) => {
        if (!(error instanceof DiskError)) return this.#fatal(String(error))
        this.env.log.log("error", "a metadata snapshot could not be written", { error: error.message })
      })
  }

  #onDirectoryFailed(reason: string): void {
    if (this.logs.directories.every(({ failureReason }) => failureReason !== undefined)) this.#fatal(reason)
  }

  #fatal(reason: string): void {
    if (this.#isFatal || this.#stopped !== undefined) return
    this.#isFatal = true
    this.options.onFatal(reason)
  }

  /** Stops cleanly: when it resolves, everything is on the medium and the next start scans nothing. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    await this.#server.stopAccepting()
    this.#groups.stop()
    await this.#heartbeat({ wantFence: true, wantShutDown: true })
    await this.#replicas.stop()
    await this.#server.close()
    await this.#snapshotting
    await this.logs.close(this.#brokerEpoch)
  }
}

function checkRoles(config: ServerConfig): void {
  if (!config.isBroker)
    throw new StartError(
      "process.roles must hold broker: this version of Ottla runs no node that is a controller only. Use process.roles=broker,controller",
    )
  const voters = config.list("controller.quorum.voters")
  const own = voters.some((voter) => voter.startsWith(`${config.nodeId}@`))
  if (voters.length > 1) {
    throw new StartError(
      `controller.quorum.voters names ${voters.length} nodes: this version of Ottla runs a quorum of one. Name ${config.nodeId}@... only, or remove the setting`,
    )
  }
  if (voters.length === 1 && !own)
    throw new StartError(`controller.quorum.voters=${voters[0]} does not name this node (node.id=${config.nodeId})`)
  if (!config.isController)
    throw new StartError(
      "process.roles must hold controller too: this version of Ottla runs clusters of one node. Use process.roles=broker,controller",
    )
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127\./.test(host)

function checkListeners(config: ServerConfig, options: BrokerOptions): void {
  for (const { name, host, protocol } of config.listeners.listeners) {
    if (config.listeners.controllerListenerNames.includes(name)) continue
    if (protocol !== "PLAINTEXT") {
      throw new StartError(`listeners: ${name} uses ${protocol}, and this version of Ottla speaks PLAINTEXT only`)
    }
    if (!isLoopback(host) && options.insecure !== true) {
      throw new StartError(
        `listeners: ${name}://${host} can be reached by other machines, and PLAINTEXT asks nobody who they are. Listen on 127.0.0.1, or insist with --insecure`,
      )
    }
  }
}

function startError(error: unknown): unknown {
  if (error instanceof StartError) return error
  if (error instanceof DiskError && error.code === "EWOULDBLOCK") {
    return new StartError(
      `${error.path} is held by another process: is a broker running on this directory? Stop it, or set log.dirs`,
    )
  }
  if (error instanceof DirectoryError || error instanceof MetadataLogError || error instanceof DiskError)
    return new StartError(error.message)
  if (error instanceof MalformedError)
    return new StartError(`the metadata log holds what this version cannot read: ${error.message}`)
  if (error instanceof NetworkError) return new StartError(`listeners: ${error.message}`)
  if (error instanceof InvariantError) return new StartError(error.message)
  return error
}
