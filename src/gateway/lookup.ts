/**
 * What the gateway has to know of a cluster before it does something: which topics there are, who leads them, where they begin and end.
 *
 * Owns questions that one request asks and forgets: to any broker, to the leader of a partition, to the coordinator of a group. Answers of leaders that have moved are asked for again, a bounded number of times. Producing and
 * following are the client's.
 */
import { Cluster, type ClusterOptions, type TopicView } from "../client/cluster.js"
import { BrokerError, ClosedError, ConnectionError, TimeoutError } from "../client/errors.js"
import type { ConsumerRecord } from "../client/consumer/record.js"
import type { Env } from "../env/env.js"
import { PeerError } from "../net/peer.js"
import { Errors, errorByCode } from "../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"
import { fetch } from "../protocol/messages/fetch.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { metadata } from "../protocol/messages/metadata.js"
import { listOffsets } from "../protocol/messages/list-offsets.js"
import { batchesIn, recordsOf } from "../protocol/record-batch.js"
import { attributeBits, batchAttributes, batchLastOffset } from "../protocol/batch-header.js"
import { unknownPartition, unknownTopic } from "./problem.js"

/** How often a question is asked of leaders that have moved or gone. */
const attemptsMax = 5
/** How long a topic may take to become known. */
const topicWaitMsMax = 5_000
/** How old the view of topics may be: one that was deleted, or got partitions, is seen after that. */
const viewMsMax = 15_000
const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"

export const earliestTimestamp = -2
export const latestTimestamp = -1

export interface FetchedRecords {
  readonly records: ConsumerRecord[]
  /** Where the next read begins. */
  readonly nextOffset: number
  readonly logStartOffset: number
  readonly highWatermark: number
  /** The offset is not there; `records` is empty. */
  readonly isOutOfRange: boolean
}

export class Lookup {
  readonly cluster: Cluster
  #isClosed = false

  constructor(
    readonly env: Env,
    bootstrap: ClusterOptions["bootstrap"],
    readonly requestTimeoutMs: number,
  ) {
    this.cluster = new Cluster(env, {
      bootstrap,
      clientId: "ottla-gateway",
      requestTimeoutMs,
      metadataMaxAgeMs: viewMsMax,
      retryBackoffMs: 50,
      retryBackoffMaxMs: 1_000,
      allowAutoTopicCreation: false,
    })
  }

  /** What is known now of a topic that exists; undefined: `find` it. */
  known(topic: string): TopicView | undefined {
    const view = this.cluster.topic(topic)
    return view !== undefined && view.partitions.length > 0 ? view : undefined
  }

  /** Errors: Problem for a topic that does not exist; ConnectionError, TimeoutError. */
  async find(topic: string): Promise<TopicView> {
    const deadlineMs = this.env.clock.monotonicMs() + topicWaitMsMax
    for (;;) {
      if (this.#isClosed) throw new ClosedError("the gateway")
      const known = this.known(topic)
      if (known !== undefined) return known
      await new Promise<void>((resolve) => this.cluster.onRefreshed(resolve))
      const view = this.cluster.topic(topic)
      if (view !== undefined && view.partitions.length > 0) return view
      if (view !== undefined) {
        const info = errorByCode(view.errorCode)
        if (view.errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION || info?.retriable === false) {
          this.cluster.forget(topic)
          if (view.errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION) throw unknownTopic(topic)
          throw new BrokerError(view.errorCode, `topic ${topic}`)
        }
      }
      if (this.env.clock.monotonicMs() < deadlineMs) continue
      this.cluster.forget(topic)
      const { failure } = this.cluster
      if (failure instanceof ConnectionError) throw failure
      throw new TimeoutError(`topic ${topic}: nobody could say who leads it`)
    }
  }

  /** Errors: as `find`; Problem for a partition that does not exist. */
  async findPartition(topic: string, partition: number): Promise<TopicView> {
    const view = await this.find(topic)
    if (partition >= view.partitions.length) throw unknownPartition(topic, partition, view.partitions.length)
    return view
  }

  /** The first offset that is not older than `timestamp`, or the end; Kafka's special timestamps as they are. Errors: as `findPartition`, BrokerError. */
  async offsetAt(topic: string, partition: number, timestamp: number): Promise<number> {
    const answer = await this.#askLeader(
      topic,
      partition,
      listOffsets,
      {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
        timeoutMs: this.requestTimeoutMs,
      },
      ({ topics }) => topics[0]!.partitions[0]!.errorCode,
    )
    const { offset } = answer.topics[0]!.partitions[0]!
    return offset >= 0 ? Number(offset) : this.offsetAt(topic, partition, latestTimestamp)
  }

  /** Records from `offset` on that are there now, at most `limit`. Errors: as `findPartition`, BrokerError. */
  async read(
    topic: string,
    partition: number,
    offset: number,
    { limit, maxBytes }: { readonly limit: number; readonly maxBytes: number },
  ): Promise<FetchedRecords> {
    const { topicId } = await this.findPartition(topic, partition)
    const answer = await this.#askLeader(
      topic,
      partition,
      fetch,
      {
        // The connection is shared, and answers come in order: nobody waits in it.
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes,
        topics: [{ topic, topicId, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: maxBytes }] }],
        forgottenTopicsData: [],
      },
      ({ errorCode, responses }) => {
        const code = errorCode || (responses[0]?.partitions[0]?.errorCode ?? Errors.NONE)
        return code === Errors.OFFSET_OUT_OF_RANGE ? Errors.NONE : code
      },
    )
    const found = answer.responses[0]?.partitions[0]
    const bytes = (found?.records as Buffer | null | undefined) ?? Buffer.alloc(0)
    const { records, nextOffset } = decode(topic, partition, bytes, offset, limit)
    return {
      records,
      nextOffset,
      logStartOffset: Number(found?.logStartOffset ?? -1),
      highWatermark: Number(found?.highWatermark ?? -1),
      isOutOfRange: found?.errorCode === Errors.OFFSET_OUT_OF_RANGE,
    }
  }

  /** As a broker sees it now. Null: all topics. Errors: ConnectionError. */
  metadata(topics: readonly string[] | null): Promise<ResponseOf<typeof metadata>> {
    return this.ask(metadata, {
      topics: topics?.map((name) => ({ topicId: noTopicId, name })) ?? null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
  }

  /** How many brokers there are. Errors: ConnectionError. */
  async brokers(): Promise<number> {
    return (await this.metadata([])).brokers.length
  }

  /** Asks any broker. Errors: ConnectionError. */
  ask<A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A>> {
    return this.cluster.askAny(api, request)
  }

  /** Asks a group's coordinator. Errors: BrokerError, TimeoutError, ConnectionError. */
  askCoordinator<A extends Api>(
    group: string,
    api: A,
    request: RequestInputOf<A>,
    errorOf: (answer: ResponseOf<A>) => number,
  ): Promise<ResponseOf<A>> {
    return this.#again(`group ${group}`, async () => {
      const { coordinators } = await this.ask(findCoordinator, { key: "", keyType: 0, coordinatorKeys: [group] })
      const [found] = coordinators
      if (found === undefined || found.errorCode !== Errors.NONE)
        return { errorCode: found?.errorCode ?? Errors.COORDINATOR_NOT_AVAILABLE }
      const answer = await this.askBroker(found.nodeId, api, request)
      return answer === undefined
        ? { errorCode: Errors.COORDINATOR_NOT_AVAILABLE }
        : { errorCode: errorOf(answer), answer }
    })
  }

  /** Asks one broker. Undefined: it is not known, or does not answer. */
  async askBroker<A extends Api>(
    nodeId: number,
    api: A,
    request: RequestInputOf<A>,
  ): Promise<ResponseOf<A> | undefined> {
    const peer = this.cluster.broker(nodeId)
    if (peer === undefined) {
      this.cluster.refresh()
      await new Promise<void>((resolve) => this.cluster.onRefreshed(resolve))
      return undefined
    }
    try {
      // Records are views of the answer's memory, which is left to whoever holds them.
      return (await peer.request(api, request, { timeoutMs: this.requestTimeoutMs })).response
    } catch (error) {
      if (error instanceof PeerError) return undefined
      throw error
    }
  }

  #askLeader<A extends Api>(
    topic: string,
    partition: number,
    api: A,
    request: RequestInputOf<A>,
    errorOf: (answer: ResponseOf<A>) => number,
  ): Promise<ResponseOf<A>> {
    return this.#again(`${topic}-${partition}`, async () => {
      const { partitions } = await this.findPartition(topic, partition)
      const { leaderId } = partitions[partition]!
      const answer = leaderId < 0 ? undefined : await this.askBroker(leaderId, api, request)
      const errorCode = answer === undefined ? Errors.LEADER_NOT_AVAILABLE : errorOf(answer)
      if (errorByCode(errorCode)?.invalidMetadata === true) this.cluster.refresh()
      return { errorCode, ...(answer !== undefined && { answer }) }
    })
  }

  async #again<T>(what: string, attempt: () => Promise<{ errorCode: number; answer?: T }>): Promise<T> {
    for (let attempts = 1; ; attempts++) {
      const { errorCode, answer } = await attempt()
      if (errorCode === Errors.NONE && answer !== undefined) return answer
      if (attempts >= attemptsMax || errorByCode(errorCode)?.retriable !== true) throw new BrokerError(errorCode, what)
      await new Promise<void>((resolve) => this.env.timers.after(50 * 2 ** attempts, resolve))
    }
  }

  close(): void {
    this.#isClosed = true
    this.cluster.close()
  }
}

function decode(
  topic: string,
  partition: number,
  bytes: Buffer,
  from: number,
  limit: number,
): { records: ConsumerRecord[]; nextOffset: number } {
  const records: ConsumerRecord[] = []
  let nextOffset = from
  for (const { start, end } of batchesIn(bytes)) {
    const batch = bytes.subarray(start, end)
    if ((batchAttributes(batch, 0) & attributeBits.control) === 0)
      for (const { offset, timestamp, key, value, headers } of recordsOf(batch)) {
        if (offset < from) continue
        if (records.length === limit) return { records, nextOffset }
        records.push({ topic, partition, offset: BigInt(offset), timestamp, key, value, headers })
        nextOffset = offset + 1
      }
    nextOffset = Math.max(nextOffset, batchLastOffset(batch, 0) + 1)
  }
  return { records, nextOffset }
}
