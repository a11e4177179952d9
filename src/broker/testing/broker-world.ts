/**
 * A broker in the simulated world, for tests that read as stories: produce, crash, restart, fetch.
 *
 * Owns the harness: one machine with a broker on it, one with clients. Time is virtual; nothing sleeps.
 */
import assert from "node:assert/strict"
import { loadServerConfig } from "../../config/server-config.js"
import { buildBatch, batchesIn, recordsOf, type BatchInput } from "../../protocol/record-batch.js"
import { alterReplicaLogDirs } from "../../protocol/messages/alter-replica-log-dirs.js"
import { createTopics } from "../../protocol/messages/create-topics.js"
import { deleteTopics } from "../../protocol/messages/delete-topics.js"
import { fetch } from "../../protocol/messages/fetch.js"
import { incrementalAlterConfigs } from "../../protocol/messages/incremental-alter-configs.js"
import { listOffsets } from "../../protocol/messages/list-offsets.js"
import { metadata } from "../../protocol/messages/metadata.js"
import { produce } from "../../protocol/messages/produce.js"
import type { RequestInputOf, ResponseOf } from "../../protocol/message.js"
import type { DiskOptions } from "../../sim/disk.js"
import type { SimulatedNode } from "../../sim/node.js"
import { World, type WorldOptions } from "../../sim/world.js"
import { Node } from "../node.js"
import { WireClient } from "../../net/wire-client.js"

export interface BrokerWorldOptions extends WorldOptions {
  seed?: string | number
  /** Of server.properties, beside what the harness sets. */
  settings?: Record<string, string>
  disk?: Partial<DiskOptions>
  /** The story starts the broker itself. */
  notStarted?: boolean
  virtualMsMax?: number
}

export const brokerPort = 9092
/** Wall time when a world begins. */
const latestVersion = (api: { maxVersion: number }) => api.maxVersion

type PartitionData = ResponseOf<typeof fetch>["responses"][number]["partitions"][number]
type Produced = ResponseOf<typeof produce>["responses"][number]["partitionResponses"][number]

export class BrokerWorld {
  readonly node: SimulatedNode
  readonly clients: SimulatedNode
  broker!: Node
  client!: WireClient
  /** Why brokers stopped by themselves. */
  readonly fatal: string[] = []

  constructor(
    readonly world: World,
    readonly options: BrokerWorldOptions,
  ) {
    this.node = world.addNode("broker", { disk: options.disk ?? {} })
    this.clients = world.addNode("clients")
  }

  get disk() {
    return this.node.disk
  }

  /** Boots a broker on what the disk holds, and connects. */
  async start(settings: Record<string, string> = {}): Promise<void> {
    this.broker = await this.boot(settings)
    this.client = await this.connect()
  }

  boot(settings: Record<string, string> = {}): Promise<Node> {
    const { config, errors } = loadServerConfig({
      overrides: {
        listeners: `PLAINTEXT://${this.node.address}:${brokerPort}`,
        "log.dirs": "/data",
        ...this.options.settings,
        ...settings,
      },
    })
    assert.deepEqual(errors, [])
    return Node.start(this.node.env, config!, { insecure: true, onFatal: (reason) => this.fatal.push(reason) })
  }

  connect(port = brokerPort): Promise<WireClient> {
    return WireClient.connect(this.clients.env.network, { host: this.node.address, port })
  }

  /** Stops the node and boots a new one on what is left. */
  async crash(how: "kill" | "power", settings: Record<string, string> = {}): Promise<void> {
    this.node.crash(how)
    this.node.restart()
    await this.start(settings)
  }

  async restart(settings: Record<string, string> = {}): Promise<void> {
    await this.broker.stop()
    await this.start(settings)
  }

  passTime(ms: number): Promise<void> {
    return this.world.sleep(ms)
  }

  /** Waits for work during which the node may die, at most `ms`. What fails while the node lives fails the test; what its death breaks does not. */
  async orDeath(work: Promise<unknown>, ms: number): Promise<void> {
    const guarded = work.catch((error: unknown) => {
      if (this.node.alive) throw error
    })
    await Promise.race([guarded, this.passTime(ms)])
  }

  /** Creates a topic and returns its id. */
  async createTopic(name = "t", numPartitions = 1, configs: Record<string, string> = {}): Promise<string> {
    const answer = await this.client.send(createTopics, latestVersion(createTopics), {
      topics: [
        {
          name,
          numPartitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 1000,
    })
    assert.equal(answer.topics[0]!.errorCode, 0, answer.topics[0]!.errorMessage ?? "")
    return answer.topics[0]!.topicId
  }

  async deleteTopic(name: string): Promise<number> {
    const answer = await this.client.send(deleteTopics, latestVersion(deleteTopics), {
      topics: [{ name, topicId: "AAAAAAAAAAAAAAAAAAAAAA" }],
      topicNames: [],
      timeoutMs: 1000,
    })
    return answer.responses[0]!.errorCode
  }

  /** Produces to a topic by name. */
  async produce(
    batch: Buffer | string,
    options: {
      topic?: string
      partition?: number
      acks?: number
      version?: number
      client?: WireClient
      timeoutMs?: number
    } = {},
  ): Promise<Produced> {
    const { version = 12, client = this.client } = options
    const answer = await client.send(produce, version, produceRequest(batch, options))
    return answer.responses[0]!.partitionResponses[0]!
  }

  /** Fetches one partition by topic name, without a session. */
  async fetch(
    fetchOffset: number,
    options: {
      topic?: string
      partition?: number
      version?: number
      maxWaitMs?: number
      minBytes?: number
      maxBytes?: number
      partitionMaxBytes?: number
      isolationLevel?: number
      currentLeaderEpoch?: number
      lastFetchedEpoch?: number
      client?: WireClient
    } = {},
  ): Promise<PartitionData & { values: string[]; offsets: number[] }> {
    const { version = 12, client = this.client, topic = "t", partition = 0 } = options
    const answer = await client.send(fetch, version, {
      maxWaitMs: options.maxWaitMs ?? 0,
      minBytes: options.minBytes ?? 1,
      maxBytes: options.maxBytes ?? 1 << 20,
      isolationLevel: options.isolationLevel ?? 0,
      topics: [
        {
          topic,
          topicId: "AAAAAAAAAAAAAAAAAAAAAA",
          partitions: [
            {
              partition,
              fetchOffset,
              partitionMaxBytes: options.partitionMaxBytes ?? 1 << 20,
              currentLeaderEpoch: options.currentLeaderEpoch ?? -1,
              lastFetchedEpoch: options.lastFetchedEpoch ?? -1,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
    })
    assert.equal(answer.errorCode, 0)
    const data = answer.responses[0]!.partitions[0]!
    return { ...data, ...recordsIn(data.records) }
  }

  /** Every value of a partition, in order. */
  async readAll(topic = "t", partition = 0): Promise<string[]> {
    const values: string[] = []
    let offset = (await this.offsetAt(-2, { topic, partition })).offset
    for (;;) {
      const read = await this.fetch(offset, { topic, partition })
      assert.equal(read.errorCode, 0)
      if (read.offsets.length === 0) return values
      values.push(...read.values.slice(read.offsets.findIndex((each) => each >= offset)))
      offset = read.offsets.at(-1)! + 1
    }
  }

  async offsetAt(timestamp: number, options: { topic?: string; partition?: number; version?: number } = {}) {
    const { topic = "t", partition = 0, version = latestVersion(listOffsets) } = options
    const answer = await this.client.send(listOffsets, version, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
      timeoutMs: 1000,
    })
    return answer.topics[0]!.partitions[0]!
  }

  metadata(topics: string[] | null, request: Partial<RequestInputOf<typeof metadata>> = {}, version = 12) {
    return this.client.send(metadata, version, {
      topics: topics?.map((name) => ({ name, topicId: "AAAAAAAAAAAAAAAAAAAAAA" })) ?? null,
      allowAutoTopicCreation: version < 4,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
      ...request,
    })
  }

  /** Sets topic settings; a value of null deletes. Resolves with the error code. */
  async alterTopic(name: string, configs: Record<string, string | null>): Promise<number> {
    return (await this.alter(2, name, configs)).errorCode
  }

  async alter(resourceType: number, resourceName: string, configs: Record<string, string | null>) {
    const answer = await this.client.send(incrementalAlterConfigs, 1, {
      resources: [
        {
          resourceType,
          resourceName,
          configs: Object.entries(configs).map(([key, value]) => ({
            name: key,
            configOperation: value === null ? 1 : 0,
            value,
          })),
        },
      ],
      validateOnly: false,
    })
    return answer.responses[0]!
  }

  async moveReplica(path: string, topic = "t", partitions = [0], client = this.client): Promise<number> {
    const answer = await client.send(alterReplicaLogDirs, 2, {
      dirs: [{ path, topics: [{ name: topic, partitions }] }],
    })
    return answer.results[0]!.partitions[0]!.errorCode
  }
}

export function produceRequest(
  batch: Buffer | string,
  options: { topic?: string; topicId?: string; partition?: number; acks?: number; timeoutMs?: number } = {},
): RequestInputOf<typeof produce> {
  return {
    transactionalId: null,
    acks: options.acks ?? -1,
    timeoutMs: options.timeoutMs ?? 10_000,
    topicData: [
      {
        name: options.topic ?? "t",
        topicId: options.topicId ?? "AAAAAAAAAAAAAAAAAAAAAA",
        partitionData: [
          { index: options.partition ?? 0, records: typeof batch === "string" ? batchOf([batch]) : batch },
        ],
      },
    ],
  }
}

/** One batch of the given values, as an unadorned producer sends it. */
export function batchOf(values: readonly string[], batch: Partial<BatchInput> = {}): Buffer {
  return buildBatch({ records: values.map((value) => ({ value: Buffer.from(value) })), timestamp: 1000, ...batch })
}

export function recordsIn(records: unknown): { values: string[]; offsets: number[] } {
  const bytes = records === null ? Buffer.alloc(0) : (records as Buffer)
  const all = [...batchesIn(bytes)].flatMap(({ start }) => [...recordsOf(bytes, start)])
  return { values: all.map(({ value }) => value?.toString() ?? ""), offsets: all.map(({ offset }) => offset) }
}

/** Runs a story in a world of its own, with a broker started unless the options say otherwise. */
export async function inBrokerWorld(
  story: (t: BrokerWorld) => Promise<void>,
  options: BrokerWorldOptions = {},
): Promise<void> {
  const world = new World(options.seed ?? 1, {
    onLog: ({ timeMs, level, message, fields }) => {
      if (process.env.STORY) console.log(timeMs.toFixed(3), level, message, fields ?? "")
    },
    ...options,
  })
  await world.run(
    async () => {
      const t = new BrokerWorld(world, options)
      if (options.notStarted !== true) await t.start()
      await story(t)
    },
    { virtualMsMax: options.virtualMsMax ?? 3_600_000 },
  )
}
