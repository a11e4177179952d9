/**
 * What the harness itself asks the brokers, as any client could, on connections that no fault touches.
 *
 * Owns a connection for each broker, and the questions: topics, ends of logs, records. Sees committed and uncommitted records; nothing here changes anything but making topics. Groups are `group-look.ts`'s.
 */
import type { ConsumerRecord } from "../client/consumer/record.js"
import { BrokerError, ClientError } from "../client/errors.js"
import { type Network, NetworkError } from "../env/env.js"
import { ConnectionClosed, WireClient } from "../net/wire-client.js"
import { batchesIn, recordsOf } from "../protocol/record-batch.js"
import { attributeBits, batchAttributes } from "../protocol/batch-header.js"
import { Errors } from "../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import { fetch } from "../protocol/messages/fetch.js"
import { listOffsets } from "../protocol/messages/list-offsets.js"
import { metadata } from "../protocol/messages/metadata.js"
import type { TestCluster } from "./cluster.js"

export interface TopicSpec {
  readonly partitions?: number
  readonly replicationFactor?: number
  /** Of the topic, by Kafka's names. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>
}

export interface PartitionState {
  readonly partition: number
  /** -1: none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly startOffset: bigint
  /** What consumers see up to; the offset of the next record. */
  readonly endOffset: bigint
}

export interface TopicState {
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly PartitionState[]
}

const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"
/** The last version that names topics. */
const fetchByNameVersion = 12
const fetchBytes = 8 << 20
const earliest = -2
const latest = -1

export class Observer {
  /** Of each broker's present life. */
  readonly #connections = new Map<number, { readonly life: unknown; readonly connection: WireClient }>()

  constructor(
    private readonly cluster: TestCluster,
    private readonly network: () => Network,
  ) {}

  close(): void {
    for (const { connection } of this.#connections.values()) connection.close()
    this.#connections.clear()
  }

  /** Errors: ClientError when the broker does not run, or goes before it answers. */
  async ask<A extends Api>(
    brokerId: number,
    api: A,
    request: RequestInputOf<A>,
    version: number = api.maxVersion,
  ): Promise<ResponseOf<A>> {
    const { machine, clientPort, node } = this.cluster.member(brokerId)
    if (node === undefined)
      throw new ClientError("BROKER_DOWN", `broker ${brokerId} is not running: restart() it`, true)
    try {
      const address = { host: machine.address, port: clientPort }
      const connection = await this.#connection(brokerId, machine.incarnation, address)
      return await connection.send(api, version, request, "ottla-testing")
    } catch (error) {
      if (!(error instanceof ConnectionClosed || error instanceof NetworkError)) throw error
      throw new ClientError("BROKER_DOWN", `broker ${brokerId} went before it answered ${api.name}`, true, error)
    }
  }

  async #connection(
    brokerId: number,
    life: unknown,
    address: { readonly host: string; readonly port: number },
  ): Promise<WireClient> {
    const known = this.#connections.get(brokerId)
    if (known !== undefined && known.life === life && !known.connection.isClosed) return known.connection
    known?.connection.close()
    const connection = await WireClient.connect(this.network(), address)
    this.#connections.set(brokerId, { life, connection })
    return connection
  }

  /** Of a broker that runs. Errors: ClientError when none does. */
  askAny<A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A>> {
    const running = this.cluster.members.find(({ node }) => node !== undefined) ?? this.cluster.members[0]!
    return this.ask(running.id, api, request)
  }

  /** Errors: BrokerError for what the broker refuses. */
  async createTopics(topics: Readonly<Record<string, number | TopicSpec>>): Promise<void> {
    const wanted = Object.entries(topics).map(([name, spec]) => {
      const {
        partitions = 1,
        replicationFactor = -1,
        configs = {},
      } = typeof spec === "number" ? { partitions: spec } : spec
      return {
        name,
        numPartitions: partitions,
        replicationFactor,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value: String(value) })),
      }
    })
    if (wanted.length === 0) return
    const answer = await this.askAny(createTopics, { topics: wanted, timeoutMs: 30_000, validateOnly: false })
    for (const { errorCode, errorMessage, name } of answer.topics)
      if (errorCode !== Errors.NONE) throw new BrokerError(errorCode, `topic ${name} cannot be made`, errorMessage)
  }

  /** All of them, or the one named. Errors: BrokerError for one that does not exist. */
  async topics(name?: string): Promise<TopicState[]> {
    const answer = await this.askAny(metadata, {
      topics: name === undefined ? null : [{ name, topicId: noTopicId }],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    })
    const states: TopicState[] = []
    for (const topic of answer.topics) {
      if (topic.errorCode !== Errors.NONE) throw new BrokerError(topic.errorCode, `topic ${topic.name}`)
      const topicName = topic.name!
      const partitions: PartitionState[] = []
      for (const { partitionIndex, leaderId, replicaNodes, isrNodes } of topic.partitions) {
        const isLed = this.cluster.members.some(({ id, node }) => id === leaderId && node !== undefined)
        const [startOffset, endOffset] = isLed ? await this.#ends(topicName, partitionIndex, leaderId) : [-1n, -1n]
        partitions.push({
          partition: partitionIndex,
          leader: leaderId,
          replicas: replicaNodes,
          isr: isrNodes,
          startOffset,
          endOffset,
        })
      }
      partitions.sort((a, b) => a.partition - b.partition)
      states.push({ name: topicName, topicId: topic.topicId, isInternal: topic.isInternal, partitions })
    }
    return states.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async #ends(topic: string, partition: number, leader: number): Promise<[bigint, bigint]> {
    const ends: bigint[] = []
    for (const timestamp of [earliest, latest]) {
      const answer = await this.ask(leader, listOffsets, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
        timeoutMs: 1000,
      })
      const found = answer.topics[0]!.partitions[0]!
      ends.push(found.errorCode === Errors.NONE ? BigInt(found.offset) : -1n)
    }
    return [ends[0]!, ends[1]!]
  }

  /** Every record that consumers can see, by partition and offset; those of open and aborted transactions too. Errors: BrokerError; ClientError where nobody leads. */
  async records(topic: string): Promise<ConsumerRecord[]> {
    const [state] = await this.topics(topic)
    const all: ConsumerRecord[] = []
    for (const { partition, leader, startOffset, endOffset } of state!.partitions) {
      if (startOffset < 0n) throw new ClientError("BROKER_DOWN", `nobody who runs leads ${topic}-${partition}`, true)
      for (let next = Number(startOffset); next < Number(endOffset); ) {
        const bytes = await this.#fetch(topic, partition, leader, next)
        const from = next
        for (const { start } of batchesIn(bytes)) {
          if ((batchAttributes(bytes, start) & attributeBits.control) !== 0) {
            next += 1
            continue
          }
          for (const { offset, timestamp, key, value, headers } of recordsOf(bytes, start)) {
            if (offset < next) continue
            all.push({ topic, partition, offset: BigInt(offset), timestamp, key, value, headers })
            next = offset + 1
          }
        }
        if (next === from) break
      }
    }
    return all
  }

  async #fetch(topic: string, partition: number, leader: number, fetchOffset: number): Promise<Buffer> {
    const answer = await this.ask(
      leader,
      fetch,
      {
        maxWaitMs: 0,
        minBytes: 0,
        topics: [
          { topic, topicId: noTopicId, partitions: [{ partition, fetchOffset, partitionMaxBytes: fetchBytes }] },
        ],
        forgottenTopicsData: [],
      },
      fetchByNameVersion,
    )
    const { errorCode, records } = answer.responses[0]!.partitions[0]!
    if (errorCode !== Errors.NONE) throw new BrokerError(errorCode, `${topic}-${partition} at ${fetchOffset}`)
    return records === null ? Buffer.alloc(0) : (records as Buffer)
  }
}
