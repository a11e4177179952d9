/**
 * Three brokers that replicate, in the simulated world, for tests that read as stories.
 *
 * Owns the harness: real logs on simulated disks, the real handlers behind real sockets, the real connections between brokers; only the controller is a small one, and there is no
 * life of a broker beyond it. After each step of time what must always hold is checked against what every broker holds (`Truth`).
 */
import assert from "node:assert/strict"
import { apiVersionsHandler } from "../../broker/api/api-versions.js"
import { deleteRecordsHandler } from "../../broker/api/delete-records.js"
import { fetchHandler } from "../../broker/api/fetch.js"
import { listOffsetsHandler } from "../../broker/api/list-offsets.js"
import { offsetForLeaderEpochHandler } from "../../broker/api/offset-for-leader-epoch.js"
import { produceHandler } from "../../broker/api/produce.js"
import { FetchSessions } from "../../broker/fetch-sessions.js"
import { requestDispatch } from "../../broker/request-dispatch.js"
import type { ApiHandler, Services } from "../../broker/services.js"
import { batchOf, produceRequest, recordsIn } from "../../broker/testing/broker-world.js"
import type { LogConfig } from "../../config/log-config.js"
import { configOverrides, emptyImage, type MetadataImage, resourceTypes } from "../../metadata/image.js"
import { FramePool } from "../../net/frame-pool.js"
import { SharedReceiveBuffer } from "../../net/frame-reader.js"
import { PeerConnection } from "../../net/peer-connection.js"
import { RequestMemory } from "../../net/request-memory.js"
import { Server } from "../../net/server.js"
import { WireClient } from "../../net/wire-client.js"
import { Errors } from "../../protocol/errors.js"
import { fetch } from "../../protocol/messages/fetch.js"
import { produce } from "../../protocol/messages/produce.js"
import type { SimulatedNode } from "../../sim/node.js"
import { World, type WorldOptions } from "../../sim/world.js"
import { LogManager } from "../../storage/log-manager.js"
import type { Log } from "../../storage/log.js"
import { smallConfig } from "../../storage/testing/log-world.js"
import type { Partition } from "../partition.js"
import { type ClusterOptions, ReplicaManager } from "../replica-manager.js"
import { inMemory } from "../replica-copy.js"
import { TinyController } from "./tiny-controller.js"
import { Truth } from "./truth.js"

export interface ReplicationTestOptions extends WorldOptions {
  seed?: string | number
  brokers?: number
  directories?: readonly string[]
  config?: Partial<LogConfig>
  cluster?: Partial<ClusterOptions["settings"]>
  racks?: readonly string[]
  /** Bytes per second of replicas whose topic says that they are throttled. */
  throttledRate?: number
  /** Milliseconds until a broker hears of new metadata, and until the controller hears of a request. */
  metadataDelayMs?: () => number
  virtualMsMax?: number
  /** Nothing is checked on the way: the story breaks what must hold. */
  isUnclean?: boolean
}

const port = 9092
const settings: ClusterOptions["settings"] = {
  fetchMaxBytes: 1 << 20,
  responseMaxBytes: 10 << 20,
  minBytes: 1,
  waitMaxMs: 500,
  backoffMs: 1000,
  socketTimeoutMs: 30_000,
  lagTimeMaxMs: 10_000,
  isRackAware: false,
}

/** One broker's process, from start to death. */
export class Life {
  logs!: LogManager
  replicas!: ReplicaManager
  server!: Server
  brokerEpoch = -1
  image: MetadataImage = emptyImage
  #isComing = false

  constructor(
    readonly t: ReplicationTest,
    readonly id: number,
    readonly node: SimulatedNode,
  ) {}

  get incarnation() {
    return this.node.incarnation
  }

  async start(): Promise<void> {
    const { t, id, node } = this
    const { env, incarnation } = node
    const { controller } = t
    this.logs = await LogManager.open(env, {
      directories: t.options.directories ?? ["/data"],
      nodeId: id,
      newClusterId: "AAAAAAAAAAAAAAAAAAAAAQ",
      configOf: (topic) => t.configOf(topic),
      highWatermarkCheckpointIntervalMs: 1000,
    })
    const pool = new FramePool(1 << 22)
    const shared = new SharedReceiveBuffer()
    this.replicas = new ReplicaManager({
      env,
      nodeId: id,
      logs: this.logs,
      configOf: (topic) => t.configOf(topic),
      assignDirectories: async (assignments) => {
        await t.world.sleep(t.metadataDelayMs())
        if (!controller.isReachable) return false
        if (incarnation.alive) controller.assign(id, assignments)
        return true
      },
      onBroken: (error) => {
        if (incarnation.alive) t.broken.push(error)
      },
      cluster: {
        connect: (address) => new PeerConnection(address, { env, clientId: `broker-${id}`, shared, pool }),
        endpointOf: (brokerId) => {
          const endpoint = this.image.brokers.get(brokerId)?.endPoints[0]
          return endpoint === undefined ? undefined : { host: endpoint.host, port: endpoint.port }
        },
        brokerEpoch: () => this.brokerEpoch,
        alterPartition: async (request) => {
          await t.world.sleep(t.metadataDelayMs())
          if (!controller.isReachable) throw new Error("no controller")
          const response = controller.alterPartition(request)
          await t.world.sleep(t.metadataDelayMs())
          return response
        },
        settings: { ...settings, ...t.options.cluster },
        throttles: {
          leaderRate: () => t.options.throttledRate ?? Number.POSITIVE_INFINITY,
          followerRate: () => t.options.throttledRate ?? Number.POSITIVE_INFINITY,
          leaderReplicas: (topic) => t.settingOf(topic, "leader.replication.throttled.replicas"),
          followerReplicas: (topic) => t.settingOf(topic, "follower.replication.throttled.replicas"),
        },
      },
    })
    const handlers: ApiHandler[] = [
      apiVersionsHandler(() => handlers.map(({ api }) => api)),
      fetchHandler,
      produceHandler,
      listOffsetsHandler,
      deleteRecordsHandler,
      offsetForLeaderEpochHandler,
    ]
    const services = {
      env,
      nodeId: id,
      replicas: this.replicas,
      limits: { fetchBytesMax: 55 << 20 },
      fetchSessions: new FetchSessions(1000, (below) => env.random.int(below)),
      image: () => this.image,
      kraftVersion: () => 1,
      isCutOff: () => false,
    } as unknown as Services
    const dispatch = requestDispatch(services, {
      handlers,
      listenerName: () => "PLAINTEXT",
      onInvariantBroken: (error) => t.broken.push(error),
    })
    this.server = new Server(
      env,
      pool,
      new RequestMemory(1 << 28),
      {
        frameBytesMax: 100 << 20,
        pipelinedRequestsMax: 128,
        inFlightBytesMax: 16 << 20,
        queuedReplyBytesMax: 16 << 20,
        connectionsMax: 100,
        idleMs: 600_000,
        frameMs: 30_000,
      },
      (frame, connection) => dispatch.handle(frame, connection),
    )
    await this.server.listen({ host: node.address, port })
    const rack = t.options.racks?.[id] ?? null
    this.brokerEpoch = controller.register(
      id,
      rack,
      this.logs.directories.map(({ directoryId }) => directoryId),
    )
    this.#take()
    await this.replicas.applied()
    controller.subscribers.set(id, { imageChanged: () => this.#imageChanged() })
    controller.unfence(id)
  }

  /** News travel, and a later one overtakes none. */
  #imageChanged(): void {
    if (this.#isComing) return
    this.#isComing = true
    const { incarnation } = this
    this.t.world.at(this.t.metadataDelayMs(), "metadata", () => {
      this.#isComing = false
      if (incarnation.alive) this.#take()
    })
  }

  #take(): void {
    this.image = this.t.controller.image
    this.replicas.apply(this.image)
    this.t.truth.look()
  }
}

export class ReplicationTest {
  readonly controller: TinyController
  readonly lives: Life[] = []
  readonly nodes: SimulatedNode[]
  readonly clients: SimulatedNode
  readonly truth: Truth
  readonly broken: unknown[] = []
  readonly #connections = new Map<number, WireClient>()
  #topics = 0

  constructor(
    readonly world: World,
    readonly options: ReplicationTestOptions,
  ) {
    this.controller = new TinyController((topic) => this.configOf(topic).minInsyncReplicas)
    this.nodes = Array.from({ length: options.brokers ?? 3 }, (_, id) => world.addNode(`broker${id}`))
    this.clients = world.addNode("clients")
    this.truth = new Truth(this)
  }

  metadataDelayMs(): number {
    return this.options.metadataDelayMs?.() ?? 1
  }

  settingOf(topic: string, name: string): string {
    return configOverrides(this.controller.image, resourceTypes.topic, topic).get(name) ?? ""
  }

  configOf(topic: string): LogConfig {
    const own = configOverrides(this.controller.image, resourceTypes.topic, topic)
    const minIsr = own.get("min.insync.replicas")
    const policy = own.get("ottla.flush.policy")
    return {
      ...smallConfig,
      ...this.options.config,
      ...(minIsr !== undefined && { minInsyncReplicas: Number(minIsr) }),
      ...(policy !== undefined && { flushPolicy: policy as LogConfig["flushPolicy"] }),
    }
  }

  async startAll(): Promise<void> {
    for (const id of this.nodes.keys()) await this.start(id)
    await this.pass(20)
  }

  /** Boots a broker on what its disk holds. */
  async start(id: number): Promise<void> {
    const node = this.nodes[id]!
    if (!node.alive) node.restart()
    const life = new Life(this, id, node)
    this.lives[id] = life
    await life.start()
  }

  /** The broker dies; the controller notices unless `isNoticed` is false. */
  crash(id: number, how: "kill" | "power" = "kill", isNoticed = true): void {
    this.controller.subscribers.delete(id)
    this.#connections.get(id)?.close()
    this.#connections.delete(id)
    this.nodes[id]!.crash(how)
    if (isNoticed) this.controller.fence(id)
  }

  async restart(id: number, how: "kill" | "power" = "kill"): Promise<void> {
    this.crash(id, how)
    await this.start(id)
    await this.pass(50)
  }

  isAlive(id: number): boolean {
    return this.nodes[id]!.alive && this.controller.isAlive(id)
  }

  async createTopic(
    name = "t",
    options: { replicas?: readonly number[]; partitions?: number; configs?: Record<string, string> } = {},
  ): Promise<string> {
    const replicas = options.replicas ?? [0, 1, 2]
    const topicId = `TTTTTTTTTTTTTTTTTTTT${String.fromCharCode(65 + (this.#topics % 26))}A`
    this.#topics++
    const assignments = Array.from({ length: options.partitions ?? 1 }, () => replicas)
    this.controller.createTopic(name, topicId, assignments, { "min.insync.replicas": "2", ...options.configs })
    await this.pass(50)
    return topicId
  }

  replica(id: number, topic = "t", partition = 0): Partition {
    const found = this.lives[id]!.replicas.partition(topic, partition)
    assert.ok(found !== undefined, `broker ${id} has no ${topic}-${partition}`)
    return found
  }

  log(id: number, topic = "t", partition = 0): Log {
    return this.replica(id, topic, partition).log
  }

  async client(id: number): Promise<WireClient> {
    let client = this.#connections.get(id)
    if (client === undefined || client.isClosed) {
      client = await WireClient.connect(this.clients.env.network, { host: this.nodes[id]!.address, port })
      this.#connections.set(id, client)
    }
    return client
  }

  /** Sends one value to the leader, or to whom the story says. */
  async produce(
    value: string | readonly string[],
    options: { topic?: string; partition?: number; acks?: number; to?: number; timeoutMs?: number } = {},
  ): Promise<{ errorCode: number; baseOffset: number }> {
    const { topic = "t", partition = 0 } = options
    const to = options.to ?? this.controller.partition(topic, partition).leader
    const values = typeof value === "string" ? [value] : value
    const request = produceRequest(batchOf(values), { timeoutMs: 5000, ...options })
    const answer = await (await this.client(to)).send(produce, 12, request)
    const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!
    const isCommitted = errorCode === Errors.NONE && (options.acks ?? -1) === -1
    if (isCommitted) this.truth.acknowledged(topic, partition, baseOffset, values)
    return { errorCode, baseOffset }
  }

  async produceAll(count: number, prefix = "v"): Promise<void> {
    for (let number = 0; number < count; number++)
      assert.equal((await this.produce(`${prefix}${number}`)).errorCode, Errors.NONE)
  }

  /** What a consumer gets from one broker. */
  async consume(
    id: number,
    fetchOffset: number,
    options: { topic?: string; rackId?: string; maxWaitMs?: number } = {},
  ) {
    const { topic = "t" } = options
    const { topicId } = this.controller.topic(topic)
    const answer = await (await this.client(id)).send(fetch, 16, {
      maxWaitMs: options.maxWaitMs ?? 0,
      minBytes: 1,
      topics: [{ topic: "", topicId, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
      rackId: options.rackId ?? "",
    })
    const data = answer.responses[0]!.partitions[0]!
    return { ...data, nodeEndpoints: answer.nodeEndpoints, values: recordsIn(data.records).values }
  }

  /** Every value in a replica's log, committed or not. */
  async values(id: number, topic = "t", partition = 0): Promise<string[]> {
    return recordsIn(await this.bytes(id, topic, partition)).values
  }

  async bytes(id: number, topic = "t", partition = 0, upTo = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const log = this.log(id, topic, partition)
    const parts: Buffer[] = []
    for (let offset = log.logStartOffset; offset < Math.min(upTo, log.logEndOffset); ) {
      const read = await log.read(offset, { maxBytes: 1 << 16, maxOffset: Math.min(upTo, log.logEndOffset) })
      assert.ok(read.ok, read.ok ? "" : read.message)
      parts.push(Buffer.from(await inMemory(read.payloads, read.bytes)))
      read.release()
      if (read.nextOffset <= offset) break
      offset = read.nextOffset
    }
    return Buffer.concat(parts)
  }

  /** Time passes, in steps after each of which what must hold is checked. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5) {
      await this.world.sleep(Math.min(5, ms - passed))
      this.check()
    }
  }

  check(): void {
    if (this.broken.length > 0) throw this.broken[0]
    this.truth.look()
  }

  async until(what: string, holds: () => boolean, withinMs = 10_000): Promise<void> {
    for (let passed = 0; passed < withinMs; passed += 5) {
      if (holds()) return
      await this.pass(5)
    }
    throw new Error(`not within ${withinMs} ms: ${what}`)
  }

  /** Waits until every live replica of the partition is in sync, holds the same and knows that it is committed. */
  async converged(topic = "t", partition = 0, withinMs = 20_000): Promise<void> {
    await this.until(
      `${topic}-${partition} converges`,
      () => {
        const { leader, replicas, isr } = this.controller.partition(topic, partition)
        const alive = replicas.filter((id) => this.isAlive(id))
        if (leader < 0 || alive.some((id) => !isr.includes(id))) return false
        const found = alive.map((id) => this.lives[id]!.replicas.partition(topic, partition))
        const end = found[alive.indexOf(leader)]?.log.logEndOffset
        return found.every(
          (each) =>
            each !== undefined &&
            each.log.logEndOffset === end &&
            each.locallySafeOffset === end &&
            each.highWatermark === end,
        )
      },
      withinMs,
    )
    const { replicas } = this.controller.partition(topic, partition)
    const all = await Promise.all(
      replicas.filter((id) => this.isAlive(id)).map((id) => this.bytes(id, topic, partition)),
    )
    for (const bytes of all) assert.ok(bytes.equals(all[0]!), `replicas of ${topic}-${partition} differ`)
  }

  ids(nodes: readonly number[]): string[] {
    return nodes.map((id) => this.nodes[id]!.name)
  }

  cut(a: number, b: number): void {
    this.world.network.cutLink(this.nodes[a]!.name, this.nodes[b]!.name)
  }

  heal(): void {
    this.world.network.heal()
  }
}

/** Runs a story in a world of its own, with all brokers started. */
export async function inReplicationWorld(
  story: (t: ReplicationTest) => Promise<void>,
  options: ReplicationTestOptions = {},
): Promise<void> {
  const world = new World(options.seed ?? 1, {
    onLog: ({ timeMs, node, level, message, fields }) => {
      if (process.env.STORY) console.log(timeMs.toFixed(3), node, level, message, fields ?? "")
    },
    ...options,
  })
  await world.run(
    async () => {
      const t = new ReplicationTest(world, options)
      await t.startAll()
      await story(t)
      t.check()
    },
    { virtualMsMax: options.virtualMsMax ?? 3_600_000 },
  )
}
