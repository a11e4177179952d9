/**
 * A node: every part put together, started and stopped in order.
 *
 * Owns the composition and the life of one node, whatever its roles: directories, the metadata log, sockets, then the roles. Decides nothing. At start the quorum comes first, for
 * others may wait for this node's vote; a client is served only when the controller lets the broker. At stop the reverse, and everything on the medium.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import type { ListenerEndpoint } from "../config/listeners.js"
import type { ServerConfig } from "../config/server-config.js"
import { DiskError, type Env } from "../env/env.js"
import { emptyImage, type Endpoint, type MetadataImage } from "../metadata/image.js"
import { decodeRecord, encodeRecord, type MetadataRecord } from "../metadata/records.js"
import { replayBatch } from "../metadata/replay.js"
import { snapshotRecords } from "../metadata/snapshot.js"
import { type Sample, Samples } from "../observe/exposition.js"
import type { Check } from "../observe/health.js"
import { FramePool } from "../net/frame-pool.js"
import { SharedReceiveBuffer } from "../net/frame-reader.js"
import { PeerConnection } from "../net/peer-connection.js"
import type { ConnectPeer } from "../net/peer.js"
import { RequestMemory } from "../net/request-memory.js"
import { Server } from "../net/server.js"
import type { HandledRequest, InboundFrame, ServerConnection } from "../net/server-connection.js"
import { MetadataLog } from "../raft/metadata-log.js"
import { StateMachine } from "../rsm/state-machine.js"
import type { LogDirectory } from "../storage/log-directory.js"
import { LogManager } from "../storage/log-manager.js"
import { BrokerRole } from "./broker-role.js"
import { ConfigView } from "./config-view.js"
import { ControllerMembership } from "./controller-membership.js"
import { ControllerRole } from "./controller-role.js"
import { findCluster } from "./formation/cluster-formation.js"
import { watchForForeignCluster } from "./formation/foreign-cluster.js"
import { clusterMetadataTopic } from "./internal-topics.js"
import { collectDirectories } from "./node-metrics.js"
import { RequestCounts } from "./request-counts.js"
import type { NodeServices, RequestConnection } from "./services.js"
import { checkListeners, startError } from "./start-checks.js"

export { StartError } from "./start-checks.js"

export interface NodeOptions {
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

export class Node {
  readonly #configs: ConfigView
  readonly #machine: StateMachine<MetadataImage, MetadataRecord>
  readonly #controller: ControllerRole | undefined
  readonly #membership: ControllerMembership | undefined
  readonly #broker: BrokerRole | undefined
  readonly #server: Server
  readonly #counts = new RequestCounts()
  readonly #listenerNames = new Map<number, string>()
  #snapshotting: Promise<void> = Promise.resolve()
  /** Until then requests of clients wait. */
  #becomeReady: () => void = () => {}
  #isReady = false
  readonly #ready = new Promise<void>((resolve) => {
    this.#becomeReady = resolve
  })
  /** Until then the roles are not told of metadata: the logs it speaks of are being opened. */
  #logsAreOpen = false
  #stopped: Promise<void> | undefined
  #isFatal = false
  /** Topics that went while this node was down, or right before. Undefined: their files have gone too. */
  #removedTopicIds: Set<Uuid> | undefined = new Set<Uuid>()
  #endpoints: readonly Endpoint[] = []
  /** Where other nodes reach this one as a controller. */
  #controllerEndpoints: readonly Endpoint[] = []

  private constructor(
    private readonly env: Env,
    private readonly config: ServerConfig,
    private readonly options: NodeOptions,
    private readonly logs: LogManager,
    private readonly metadataLog: MetadataLog,
    connect: ConnectPeer,
    framePool: FramePool,
    bootstrapRecords: readonly MetadataRecord[] | undefined,
  ) {
    // Kafka shows node.id under its old name too.
    const values = new Map(config.values).set("broker.id", String(config.nodeId))
    this.#machine = new StateMachine<MetadataImage, MetadataRecord>(
      { append: (records, nowMs) => metadataLog.append(records.map(encodeRecord), nowMs) },
      {
        initial: emptyImage,
        replay: replayBatch,
        onCommitted: (image) => this.#onCommitted(image),
        pendingMax: pendingDecisionsMax,
      },
    )
    this.#configs = new ConfigView(config.nodeId, values, () => this.#machine.committed)
    const node: NodeServices = {
      env,
      nodeId: config.nodeId,
      clusterId: logs.clusterId,
      limits: {
        fetchBytesMax: config.int("fetch.max.bytes"),
        describedPartitionsMax: config.int("max.request.partition.size.limit"),
        autoCreateTopicsEnable: config.bool("auto.create.topics.enable"),
        deleteTopicEnable: config.bool("delete.topic.enable"),
      },
      configs: this.#configs,
      image: () => this.#machine.committed,
      kraftVersion: () => metadataLog.kraftVersion,
    }
    const listenerName = (connection: RequestConnection): string =>
      this.#listenerNames.get((connection as ServerConnection).localPort) ?? config.listeners.interBrokerListenerName
    const onFatal = (reason: string) => this.#fatal(reason)
    const incarnationId = env.random.uuid()
    this.#controller = !config.isController
      ? undefined
      : new ControllerRole({
          config,
          node,
          quorum: metadataLog,
          machine: this.#machine,
          bootstrapRecords,
          listenerName,
          counts: this.#counts,
          incarnationId: config.isBroker ? incarnationId : undefined,
          applied: () => this.#broker?.replicas.applied() ?? Promise.resolve(),
          onBroken: (error) => onFatal(error.stack ?? error.message),
        })
    this.#membership =
      this.#controller &&
      new ControllerMembership({
        env,
        nodeId: config.nodeId,
        directoryId: metadataDirectory(config, logs).directoryId,
        incarnationId,
        clusterId: logs.clusterId,
        connect,
        local: this.#controller.local,
        endpoints: () => this.#controllerEndpoints,
        image: () => this.#machine.committed,
        quorum: metadataLog,
        configuredVoters: config.quorum.voters.map(({ id }) => id),
        // Who is named as a voter is to vote, also with a new disk in the place of a lost one.
        autoJoin: config.bool("controller.quorum.auto.join.enable") || config.quorum.voters.length > 0,
      })
    this.#broker = !config.isBroker
      ? undefined
      : new BrokerRole({
          config,
          node,
          incarnationId,
          logs,
          connect,
          local: this.#controller?.local,
          majoritySilenceMs: () => metadataLog.majoritySilenceMs,
          listenerName,
          counts: this.#counts,
          onFatal,
        })
    this.#server = new Server(
      env,
      framePool,
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
      (frame, connection) => this.#handle(frame, connection),
    )
  }

  /**
   * Starts a node. When it resolves, a broker serves its clients, and a controller takes part in the quorum.
   *
   * Errors: StartError, with a message for whoever started it; anything else is a defect.
   */
  static async start(env: Env, config: ServerConfig, options: NodeOptions): Promise<Node> {
    checkListeners(config, { insecure: options.insecure === true })
    let logs: LogManager | undefined
    let node: Node | undefined
    const framePool = new FramePool(config.long("ottla.frame.buffer.pool.bytes"))
    const shared = new SharedReceiveBuffer()
    const clientId = `node-${config.nodeId}`
    const connect: ConnectPeer = (address) => new PeerConnection(address, { env, clientId, shared, pool: framePool })
    try {
      const told = { env, config, hostname: options.hostname ?? "localhost", connect }
      const clusterId = await findCluster({ ...told, home: metadataPath(config) })
      logs = await openDirectories(env, config, clusterId, {
        configOf: (topic) => node!.#configs.logConfig(topic),
        onDirectoryFailed: (_directory, reason) => {
          if (node !== undefined) node.#onDirectoryFailed(reason)
        },
      })
      const home = metadataDirectory(config, logs)
      const { voters, bootstrapServers } = config.quorum
      const metadataLog = await MetadataLog.open(env, home, {
        nodeId: config.nodeId,
        directoryId: home.directoryId,
        clusterId: logs.clusterId,
        isController: config.isController,
        voters,
        bootstrapServers,
        ownEndpoint: () => (node === undefined ? undefined : node.#controllerEndpoints[0]),
        listenerName: config.listeners.controllerListenerNames[0] ?? "CONTROLLER",
        connect,
        timing: {
          electionTimeoutMs: config.int("controller.quorum.election.timeout.ms"),
          fetchTimeoutMs: config.int("controller.quorum.fetch.timeout.ms"),
          electionBackoffMaxMs: config.int("controller.quorum.election.backoff.max.ms"),
          requestTimeoutMs: config.int("controller.quorum.request.timeout.ms"),
          retryBackoffMs: config.int("controller.quorum.retry.backoff.ms"),
        },
      })
      const bootstrapRecords = (await metadataLog.bootstrapValues(home.path))?.map(decodeRecord)
      node = new Node(env, config, options, logs, metadataLog, connect, framePool, bootstrapRecords)
      await node.#startInItsCluster(watchForForeignCluster({ ...told, clusterId: logs.clusterId }))
      return node
    } catch (error) {
      if (node !== undefined) await node.#abandon()
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

  /** Where clients reach it; a node that is a controller only: where others do. */
  get endpoints(): readonly { readonly host: string; readonly port: number }[] {
    return this.#endpoints
  }

  get directories(): readonly string[] {
    return this.logs.directories.map(({ path }) => path)
  }

  /** Everything that is counted and measured here. */
  async metrics(): Promise<readonly Sample[]> {
    const samples = new Samples({ node: this.nodeId })
    const { leaderId, epoch } = this.metadataLog.describe()
    this.#counts.collect(samples)
    samples.add("ottla_connections", this.#server.connectionCount)
    samples.add("ottla_active_controller", leaderId === this.nodeId ? 1 : 0)
    samples.add("ottla_raft_epoch", epoch)
    samples.add("ottla_raft_high_watermark", this.metadataLog.highWatermark)
    collectDirectories(samples, this.logs)
    await this.#broker?.collect(samples)
    return samples.finish()
  }

  /** What must be so for clients to be sent here. */
  readiness(): Check[] {
    const failed = this.logs.directories.filter(({ failureReason }) => failureReason !== undefined)
    const { leaderId, epoch } = this.metadataLog.describe()
    return [
      {
        name: "started",
        isOk: this.#isReady && !this.#isFatal && this.#stopped === undefined,
        detail: this.#stopped === undefined ? `node ${this.nodeId}` : `node ${this.nodeId} stops`,
      },
      {
        name: "log directories",
        isOk: failed.length === 0,
        detail:
          failed.length === 0
            ? "all are online"
            : failed.map(({ path, failureReason }) => `${path}: ${failureReason}`).join("; "),
      },
      {
        name: "quorum",
        isOk: leaderId >= 0,
        detail: leaderId >= 0 ? `led by node ${leaderId} in epoch ${epoch}` : "no controller is known",
      },
      ...(this.#broker?.readiness(this.#machine.committed) ?? []),
    ]
  }

  async #startInItsCluster(foreign: ReturnType<typeof watchForForeignCluster>): Promise<void> {
    const starting = this.#start()
    // What comes of it after a refusal is nobody's business.
    starting.catch(() => {})
    try {
      await Promise.race([starting, foreign.found])
    } finally {
      foreign.stop()
    }
  }

  async #start(): Promise<void> {
    await this.#loadMetadata()
    const { controllerListenerNames } = this.config.listeners
    const isControllers = ({ name }: ListenerEndpoint) => controllerListenerNames.includes(name)
    if (this.#controller !== undefined) this.#controllerEndpoints = await this.#listen(isControllers)
    this.#endpoints = this.#controllerEndpoints
    const joining = this.#joinQuorum()
    // Awaited below; until then nobody else would take its failure.
    joining.catch(() => {})
    this.#membership?.start()
    await this.logs.loadLogs()
    this.#logsAreOpen = true
    await joining
    this.#onCommitted(this.#machine.committed)
    if (this.#broker !== undefined) {
      this.#endpoints = await this.#listen((listener) => !isControllers(listener))
      await this.#broker.start(this.#endpoints)
      this.#broker.replicas.clearStrays(this.#removedTopicIds ?? new Set())
    }
    this.#removedTopicIds = undefined
    this.#isReady = true
    this.#becomeReady()
  }

  /** Replays snapshot and log. What follows the snapshot counts once the quorum says how much of it is committed. */
  async #loadMetadata(): Promise<void> {
    const snapshot = await this.metadataLog.latestSnapshot()
    if (snapshot !== undefined) this.#loadSnapshot(snapshot.values, snapshot.id)
    for await (const batch of this.metadataLog.batchesFrom(snapshot?.id.endOffset ?? 0)) {
      this.#replicated(batch.values, batch.baseOffset, batch.nextOffset, batch.epoch)
    }
  }

  #replicated(values: readonly Buffer[], baseOffset: number, nextOffset: number, epoch: number): void {
    const records = values.map(decodeRecord)
    if (this.#removedTopicIds !== undefined)
      for (const { type, value } of records) if (type === "RemoveTopicRecord") this.#removedTopicIds.add(value.topicId)
    this.#machine.replicated(records, baseOffset, nextOffset, epoch)
  }

  #loadSnapshot(values: readonly Buffer[], { endOffset, epoch }: { endOffset: number; epoch: number }): void {
    this.#machine.load(
      { ...replayBatch(emptyImage, values.map(decodeRecord), 0, epoch), offset: endOffset - 1, epoch },
      endOffset,
    )
  }

  #joinQuorum(): Promise<void> {
    return this.metadataLog.start({
      onAppended: (values, baseOffset, nextOffset, epoch) => this.#replicated(values, baseOffset, nextOffset, epoch),
      onTruncated: (endOffset) => this.#machine.truncatedTo(endOffset),
      onSnapshot: (values, id) => {
        this.#loadSnapshot(values, id)
        this.#onCommitted(this.#machine.committed)
      },
      onCommitted: (highWatermark) => this.#machine.committedTo(highWatermark),
      onLeadership: (epoch, silent) => this.#controller?.onLeadership(epoch, silent),
      onResigned: () => {
        this.#machine.resigned()
        this.#controller?.controller.onResigned()
      },
      onLeaderChanged: (leader) => {
        this.#membership?.onLeaderChanged(leader)
        this.#broker?.onLeaderChanged(leader)
      },
      onFailed: (reason) => {
        // Nothing is committed any more: whoever waits for it, a stop above all, must be told.
        this.#machine.lostLeadership(this.metadataLog.logEndOffset)
        this.#fatal(reason)
      },
    })
  }

  async #listen(isWanted: (listener: ListenerEndpoint) => boolean): Promise<Endpoint[]> {
    const { listeners, advertised, advertisedControllers } = this.config.listeners
    const endPoints: Endpoint[] = []
    for (const listener of listeners) {
      if (!isWanted(listener)) continue
      const { name, host, port, protocol } = listener
      const bound = await this.#server.listen({ host, port })
      this.#listenerNames.set(bound.port, name)
      const told = [...advertised, ...advertisedControllers].find((each) => each.name === name)
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

  /** A client's request that comes between listening and readiness waits for it; one of another controller must not. */
  #handle(frame: InboundFrame, connection: ServerConnection): HandledRequest {
    const name = this.#listenerNames.get(connection.localPort)
    if (name !== undefined && this.config.listeners.controllerListenerNames.includes(name))
      return this.#controller!.dispatch.handle(frame, connection)
    const { dispatch } = this.#broker!
    if (this.#isReady) return dispatch.handle(frame, connection)
    return { reply: this.#ready.then(() => dispatch.handle(frame, connection).reply) }
  }

  #onCommitted(image: MetadataImage): void {
    if (this.#logsAreOpen) this.#broker?.onMetadata(image)
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
    else this.#broker?.onDirectoryFailed()
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
    this.#membership?.stop()
    await this.#broker?.leave(() => this.metadataLog.describe().voters)
    await this.#server.stopAccepting()
    await this.#broker?.stop()
    this.#controller?.controller.onResigned()
    await this.metadataLog.resign()
    await this.#server.close()
    await this.#snapshotting
    await this.logs.close(this.#broker?.brokerEpoch)
  }

  /** A start that came to nothing: nothing of it goes on. */
  async #abandon(): Promise<void> {
    this.#stopped ??= Promise.resolve()
    this.#membership?.stop()
    await this.#server.close()
    await this.#broker?.stop()
    this.#controller?.controller.onResigned()
    this.metadataLog.stop()
  }
}

function openDirectories(
  env: Env,
  config: ServerConfig,
  newClusterId: Uuid | undefined,
  callbacks: Pick<Parameters<typeof LogManager.openDirectories>[1], "configOf" | "onDirectoryFailed">,
): Promise<LogManager> {
  return LogManager.openDirectories(env, {
    directories: config.logDirs,
    nodeId: config.nodeId,
    ...(newClusterId !== undefined && { newClusterId }),
    foreignTopics: new Set([clusterMetadataTopic]),
    hotCacheBytes: config.long("ottla.hot.cache.bytes"),
    recoveriesPerDirectory: Math.max(8, config.int("num.recovery.threads.per.data.dir")),
    retentionCheckIntervalMs: config.long("log.retention.check.interval.ms"),
    checkpointIntervalMs: config.int("log.flush.offset.checkpoint.interval.ms"),
    highWatermarkCheckpointIntervalMs: config.long("replica.high.watermark.checkpoint.interval.ms"),
    producerIdExpirationMs: config.int("producer.id.expiration.ms"),
    producerIdExpirationCheckIntervalMs: config.int("producer.id.expiration.check.interval.ms"),
    ...callbacks,
  })
}

const metadataPath = (config: ServerConfig): string =>
  config.logDirs.find((path) => path === config.string("metadata.log.dir")) ?? config.logDirs[0]!

const metadataDirectory = (config: ServerConfig, logs: LogManager): LogDirectory =>
  logs.directories.find(({ path }) => path === metadataPath(config))!
