/**
 * A small Kafka client on a plain socket, over our own message declarations.
 *
 * Owns pipelining, correlation and the few requests the harness needs. Does not retry or batch: callers see every error as the
 * broker gave it, but for reads of a partition that another broker leads. Invariant: answers are matched in request order, and a wrong correlation id is an error, not a mismatch to search for.
 */
import { connect, type Socket } from "node:net"
import { zeroUuid } from "../src/base/ids.js"
import { Reader } from "../src/base/reader.js"
import type { Fields, InputOf, ValueOf } from "../src/protocol/field.js"
import type { Api } from "../src/protocol/message.js"
import { Errors } from "../src/protocol/errors.js"
import { createTopics } from "../src/protocol/messages/create-topics.js"
import { fetch } from "../src/protocol/messages/fetch.js"
import { findCoordinator } from "../src/protocol/messages/find-coordinator.js"
import { initProducerId } from "../src/protocol/messages/init-producer-id.js"
import { listOffsets } from "../src/protocol/messages/list-offsets.js"
import { metadata } from "../src/protocol/messages/metadata.js"
import { offsetFetch } from "../src/protocol/messages/offset-fetch.js"
import { produce } from "../src/protocol/messages/produce.js"
import { type RecordView, batchesIn, hasValidChecksum, recordsOf } from "../src/protocol/record-batch.js"
import { isControlBatch } from "../src/protocol/batch-header.js"
import { decodeResponseHeader, encodeRequest } from "../src/protocol/request-header.js"
import { BrokerError, LeaderRoutes } from "./leader-routes.js"

export class ConnectionLost extends Error {
  override name = "ConnectionLost"
}

export interface Address {
  readonly host: string
  readonly port: number
}

export function parseAddress(text: string): Address {
  const colon = text.lastIndexOf(":")
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
}

interface Waiting {
  readonly correlationId: number
  readonly answered: (frame: Buffer) => void
  readonly failed: (error: Error) => void
}

const leaderAttemptsMax = 100
const leaderAttemptMs = 20
/** Larger answers than this are taken for nonsense. */
const frameBytesMax = 256 * 1024 * 1024

/** Whether a coordinator, asked by itself, answers for a group: an error code. */
async function answersFor(groupId: string, coordinator: Address): Promise<number> {
  const client = await WireClient.connect(coordinator).catch(() => undefined)
  if (client === undefined) return Errors.COORDINATOR_NOT_AVAILABLE
  const request = { groupId, topics: null, groups: [], requireStable: false }
  const { errorCode } = await client.request(offsetFetch, 7, request).finally(() => client.close())
  return errorCode
}

export class WireClient {
  readonly #waiting: Waiting[] = []
  readonly #routes = new LeaderRoutes(this, (address) => WireClient.connect(address))
  #chunks: Buffer[] = []
  #chunkBytes = 0
  #wantedBytes = 4
  #correlationId = 0
  #lost: ConnectionLost | undefined

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true)
    socket.on("data", (chunk: Buffer) => this.#received(chunk))
    socket.on("error", (error) => this.#lose(error.message))
    socket.on("close", () => this.#lose("closed"))
  }

  /** Rejects with `ConnectionLost` when nobody listens or `timeoutMs` passes. */
  static connect(address: Address, timeoutMs = 5000): Promise<WireClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ ...address })
      const timer = setTimeout(() => socket.destroy(new Error("connect timed out")), timeoutMs)
      const failed = (error: Error) => {
        clearTimeout(timer)
        reject(new ConnectionLost(error.message))
      }
      socket.once("error", failed)
      socket.once("connect", () => {
        clearTimeout(timer)
        socket.off("error", failed)
        resolve(new WireClient(socket))
      })
    })
  }

  get isLost(): boolean {
    return this.#lost !== undefined
  }

  get pendingRequests(): number {
    return this.#waiting.length
  }

  /** Sends a request; resolves with its answer, rejects with `ConnectionLost` or `MalformedError`. May be called before earlier ones resolved. */
  request<Q extends Fields, S extends Fields>(
    api: Api<Q, S>,
    version: number,
    body: InputOf<Q>,
    timeoutMs = 30_000,
  ): Promise<ValueOf<S>> {
    const correlationId = this.#correlationId++ & 0x7fffffff
    const frame = Buffer.concat(encodeRequest(api, version, correlationId, "ottla-compat", body) as Buffer[])
    return this.#exchange(frame, correlationId, timeoutMs).then((answer) => {
      const reader = new Reader(answer)
      const header = decodeResponseHeader(reader, api, version)
      if (header.correlationId !== correlationId) {
        throw new Error(`answer ${header.correlationId} where ${correlationId} was due: answers out of order`)
      }
      return api.response.decode(reader, version)
    })
  }

  /** As `request` for acks=0: resolves when the bytes are with the kernel. */
  send<Q extends Fields, S extends Fields>(api: Api<Q, S>, version: number, body: InputOf<Q>): Promise<void> {
    const frame = encodeRequest(api, version, this.#correlationId++ & 0x7fffffff, "ottla-compat", body) as Buffer[]
    return new Promise((resolve, reject) =>
      this.socket.write(Buffer.concat(frame), (error) => (error ? reject(error) : resolve())),
    )
  }

  #exchange(frame: Buffer, correlationId: number, timeoutMs: number): Promise<Buffer> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    return new Promise<Buffer>((resolve, reject) => {
      const timer = setTimeout(() => this.socket.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
      this.#waiting.push({
        correlationId,
        answered: (answer) => {
          clearTimeout(timer)
          resolve(answer)
        },
        failed: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      this.socket.write(frame)
    })
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#chunkBytes += chunk.length
    if (this.#chunkBytes < this.#wantedBytes) return
    let bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    for (;;) {
      this.#wantedBytes = 4
      if (bytes.length < 4) break
      const size = bytes.readInt32BE(0)
      if (size < 4 || size > frameBytesMax) {
        this.socket.destroy(new Error(`an answer of ${size} bytes`))
        return
      }
      this.#wantedBytes = 4 + size
      if (bytes.length < this.#wantedBytes) break
      const waiting = this.#waiting.shift()
      if (waiting === undefined) {
        this.socket.destroy(new Error("an answer nobody asked for"))
        return
      }
      waiting.answered(Buffer.from(bytes.subarray(4, 4 + size)))
      bytes = bytes.subarray(4 + size)
    }
    this.#chunks = bytes.length === 0 ? [] : [bytes]
    this.#chunkBytes = bytes.length
  }

  #lose(why: string): void {
    this.#lost ??= new ConnectionLost(why)
    for (const waiting of this.#waiting.splice(0)) waiting.failed(this.#lost)
  }

  close(): void {
    this.#routes.close()
    this.socket.destroy()
  }

  /** Resolves when every partition has a leader that serves. Throws on any error but an existing topic. */
  async createTopic(
    name: string,
    numPartitions: number,
    configs: Readonly<Record<string, string>> = {},
    replicationFactor = -1,
  ): Promise<{ created: boolean }> {
    const answer = await this.request(createTopics, 6, {
      topics: [
        {
          name,
          numPartitions,
          replicationFactor,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
    })
    const { errorCode, errorMessage } = answer.topics[0]!
    const topicAlreadyExists = 36
    if (errorCode !== 0 && errorCode !== topicAlreadyExists) {
      throw new Error(`create topic ${name}: error ${errorCode} ${errorMessage}`)
    }
    for (let partition = 0; partition < numPartitions; partition++) await this.#leads(name, partition)
    return { created: errorCode === 0 }
  }

  /** Apache Kafka answers the creation before the leader has heard of it. */
  async #leads(topic: string, partition: number): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.listOffset(topic, partition, -1)
        return
      } catch (error) {
        if (attempt === leaderAttemptsMax || this.isLost) throw error
        await new Promise((resolve) => setTimeout(resolve, leaderAttemptMs))
      }
    }
  }

  /** Resolves when the group's coordinator answers for it: on a fresh broker the first to ask is told to come again. */
  async coordinates(groupId: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const found = await this.request(findCoordinator, 3, { key: groupId, keyType: 0, coordinatorKeys: [] })
      const errorCode = found.errorCode === 0 ? await answersFor(groupId, found) : found.errorCode
      if (errorCode === 0) return
      if (attempt === leaderAttemptsMax) throw new Error(`coordinator of ${groupId}: error ${errorCode}`)
      await new Promise((resolve) => setTimeout(resolve, leaderAttemptMs))
    }
  }

  /** Names and partition counts of the topics, `undefined` for those that are not there. */
  async partitionCount(topic: string): Promise<number | undefined> {
    const answer = await this.request(metadata, 8, {
      topics: [{ topicId: zeroUuid, name: topic }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
    const found = answer.topics[0]!
    return found.errorCode === 0 ? found.partitions.length : undefined
  }

  /** One batch to one partition. `records` is a whole record batch. */
  async produce(
    topic: string,
    partition: number,
    records: Buffer,
    options: { readonly acks?: 1 | -1; readonly timeoutMs?: number } = {},
  ): Promise<{ errorCode: number; baseOffset: number }> {
    const answer = await this.request(produce, 9, {
      acks: options.acks ?? -1,
      timeoutMs: options.timeoutMs ?? 30_000,
      topicData: [{ name: topic, topicId: zeroUuid, partitionData: [{ index: partition, records }] }],
    })
    const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!
    return { errorCode, baseOffset }
  }

  /** As `produce`, to whoever leads by then. Errors: throws on any other error than that it is led elsewhere. */
  produceToLeader(topic: string, partition: number, records: Buffer): Promise<{ baseOffset: number }> {
    return this.#routes.atLeader(topic, partition, async (client) => {
      const { errorCode, baseOffset } = await client.produce(topic, partition, records)
      if (errorCode !== 0) throw new BrokerError(`produce to ${topic}-${partition}`, errorCode)
      return { baseOffset }
    })
  }

  /** What is there from `offset` on, without waiting. Batches start at or before `offset`. */
  async fetch(
    topic: string,
    partition: number,
    offset: number,
    maxBytes = 8 * 1024 * 1024,
  ): Promise<{ errorCode: number; highWatermark: number; logStartOffset: number; records: Buffer }> {
    const answer = await this.request(fetch, 11, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes,
      topics: [
        { topic, topicId: zeroUuid, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: maxBytes }] },
      ],
      forgottenTopicsData: [],
    })
    if (answer.errorCode !== 0) throw new Error(`fetch: error ${answer.errorCode}`)
    const found = answer.responses[0]!.partitions[0]!
    return {
      errorCode: found.errorCode,
      highWatermark: found.highWatermark,
      logStartOffset: found.logStartOffset,
      records: found.records ?? Buffer.alloc(0),
    }
  }

  /** -1 latest, -2 earliest, otherwise the first offset whose timestamp is at least this. */
  listOffset(topic: string, partition: number, timestamp: number): Promise<{ offset: number; timestamp: number }> {
    return this.#routes.atLeader(topic, partition, (client) => client.#listOffset(topic, partition, timestamp))
  }

  async #listOffset(
    topic: string,
    partition: number,
    timestamp: number,
  ): Promise<{ offset: number; timestamp: number }> {
    const answer = await this.request(listOffsets, 7, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
      timeoutMs: 0,
    })
    const found = answer.topics[0]!.partitions[0]!
    if (found.errorCode !== 0) throw new BrokerError(`list offsets of ${topic}-${partition}`, found.errorCode)
    return { offset: found.offset, timestamp: found.timestamp }
  }

  async producerId(): Promise<{ producerId: number; producerEpoch: number }> {
    const coordinatorLoadInProgress = 14
    for (let attempt = 0; ; attempt++) {
      const request = { transactionalId: null, transactionTimeoutMs: 60_000, enable2Pc: false, keepPreparedTxn: false }
      const { errorCode, producerId, producerEpoch } = await this.request(initProducerId, 4, request)
      if (errorCode === 0) return { producerId, producerEpoch }
      if (errorCode !== coordinatorLoadInProgress || attempt === leaderAttemptsMax) {
        throw new Error(`init producer id: error ${errorCode}`)
      }
      await new Promise((resolve) => setTimeout(resolve, leaderAttemptMs))
    }
  }

  /**
   * Every record of a partition from `from` (default: its log start) to its high watermark, in the order they came, each batch's checksum verified.
   * Errors: throws on any error code, on a bad checksum, and when a fetch below the high watermark brings nothing new.
   */
  async *readPartition(topic: string, partition: number, from?: number): AsyncGenerator<RecordView> {
    let offset = from ?? (await this.listOffset(topic, partition, -2)).offset
    for (;;) {
      const { highWatermark, records } = await this.#routes.atLeader(topic, partition, async (client) => {
        const found = await client.fetch(topic, partition, offset)
        if (found.errorCode === 0) return found
        throw new BrokerError(`fetch of ${topic}-${partition} at ${offset}`, found.errorCode)
      })
      if (offset >= highWatermark) return
      const before = offset
      for (const { start, end } of batchesIn(records)) {
        if (!hasValidChecksum(records, start, end))
          throw new Error(`bad checksum in ${topic}-${partition} after ${offset}`)
        const isControl = isControlBatch(records, start)
        for (const record of recordsOf(records.subarray(start, end))) {
          if (record.offset < offset || record.offset >= highWatermark) continue
          offset = record.offset + 1
          if (!isControl) yield record
        }
      }
      if (offset === before) {
        throw new Error(`${topic}-${partition}: nothing at ${offset} though the high watermark is ${highWatermark}`)
      }
    }
  }
}
