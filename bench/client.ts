/**
 * A small client for measuring: one connection, requests answered in order.
 *
 * Owns framing and correlation, nothing of retries or leaders: benchmarks talk to one broker that leads everything. Uses versions both
 * systems accept, with topics by name.
 */
import { connect as connectSocket, type Socket } from "node:net"
import { zeroUuid } from "../src/base/ids.js"
import { Reader } from "../src/base/reader.js"
import { errorName } from "./error-name.js"
import type { Fields, InputOf, ValueOf } from "../src/protocol/field.js"
import type { Api } from "../src/protocol/message.js"
import { createTopics } from "../src/protocol/messages/create-topics.js"
import { fetch } from "../src/protocol/messages/fetch.js"
import { listOffsets } from "../src/protocol/messages/list-offsets.js"
import { metadata } from "../src/protocol/messages/metadata.js"
import { produce } from "../src/protocol/messages/produce.js"
import { decodeResponseHeader, encodeRequest } from "../src/protocol/request-header.js"

export const versions = { produce: 9, fetch: 12, metadata: 9, createTopics: 7, listOffsets: 7 } as const

export class BrokerError extends Error {
  override name = "BrokerError"
}

interface Pending {
  readonly complete: (frame: Buffer) => void
  readonly fail: (error: Error) => void
}

export class Client {
  readonly #pending: Pending[] = []
  #correlationId = 0
  #frame: Buffer | undefined
  #filled = 0
  readonly #size = Buffer.alloc(4)
  #sizeFilled = 0
  #spare: Buffer = Buffer.alloc(0)

  private constructor(readonly socket: Socket) {}

  /** With `reuseFrames` an answer's memory is valid only until the next answer comes. Rejects with the socket's error. */
  static connect(
    host: string,
    port: number,
    options: { reuseFrames?: boolean; receiveBytes?: number } = {},
  ): Promise<Client> {
    return new Promise((resolve, reject) => {
      let client: Client | undefined
      const socket = connectSocket({
        host,
        port,
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafe(options.receiveBytes ?? 1 << 20),
          callback: (count, bytes) => {
            client!.#received(bytes as Buffer, count, options.reuseFrames === true)
            return true
          },
        },
      })
      socket.once("error", reject)
      socket.once("connect", () => {
        client = new Client(socket)
        const fail = (error: Error) => {
          for (const pending of client!.#pending.splice(0)) pending.fail(error)
        }
        socket.off("error", reject)
        socket.on("error", fail)
        socket.on("close", () => fail(new Error("the broker closed the connection")))
        resolve(client)
      })
    })
  }

  call<Q extends Fields, S extends Fields>(api: Api<Q, S>, version: number, request: InputOf<Q>): Promise<ValueOf<S>> {
    const buffers = encodeRequest(api, version, this.#correlationId++, "bench", request) as Buffer[]
    return this.callEncoded(buffers).then((frame) => {
      const reader = new Reader(frame)
      reader.elementsLeft = 10_000_000
      decodeResponseHeader(reader, api, version)
      return api.response.decode(reader, version)
    })
  }

  /** A whole request as bytes; resolves with the answer's frame without its size. */
  callEncoded(buffers: readonly Buffer[]): Promise<Buffer> {
    return new Promise((complete, fail) => {
      this.#pending.push({ complete, fail })
      this.socket.cork()
      for (const buffer of buffers) this.socket.write(buffer)
      this.socket.uncork()
    })
  }

  close(): void {
    this.socket.destroy()
  }

  #received(bytes: Buffer, count: number, reuseFrames: boolean): void {
    for (let at = 0; at < count; ) {
      if (this.#frame === undefined) {
        this.#size[this.#sizeFilled++] = bytes[at++]!
        if (this.#sizeFilled < 4) continue
        const length = this.#size.readInt32BE(0)
        if (reuseFrames && this.#spare.length < length) this.#spare = Buffer.allocUnsafeSlow(length)
        this.#frame = reuseFrames ? this.#spare.subarray(0, length) : Buffer.allocUnsafe(length)
        this.#filled = 0
      }
      const copied = bytes.copy(this.#frame, this.#filled, at, count)
      at += copied
      this.#filled += copied
      if (this.#filled < this.#frame.length) continue
      const frame = this.#frame
      this.#frame = undefined
      this.#sizeFilled = 0
      this.#pending.shift()?.complete(frame)
    }
  }

  async createTopic(name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.requestTopic(name, partitions, 1, configs)
    await this.waitForLeaders(name, partitions)
    await this.#waitForReaders(name, partitions)
  }

  /** Resolves when the broker has answered; who leads is not known then. */
  async requestTopic(
    name: string,
    partitions: number,
    replicationFactor: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const response = await this.call(createTopics, versions.createTopics, {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 60_000,
    })
    const { errorCode, errorMessage } = response.topics[0]!
    if (errorCode !== 0) throw new BrokerError(`topic ${name}: ${errorName(errorCode)} ${errorMessage ?? ""}`)
  }

  /** Kafka names leaders in its metadata before they know it themselves, and refuses reads until then. */
  async #waitForReaders(name: string, partitions: number, timeoutMs = 60_000): Promise<void> {
    for (const deadline = Date.now() + timeoutMs; (await this.endOffsets(name, partitions)) === undefined; ) {
      if (Date.now() > deadline) throw new BrokerError(`topic ${name}: not readable after ${timeoutMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Of these topics, and the brokers. */
  metadata(names: readonly string[]) {
    return this.call(metadata, versions.metadata, {
      topics: names.map((name) => ({ name, topicId: zeroUuid })),
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
  }

  async waitForLeaders(name: string, partitions: number, timeoutMs = 60_000): Promise<void> {
    for (const deadline = Date.now() + timeoutMs; ; ) {
      const response = await this.metadata([name])
      const led = response.topics[0]?.partitions.filter((each) => each.leaderId >= 0 && each.errorCode === 0).length
      if (led === partitions) return
      if (Date.now() > deadline) throw new BrokerError(`topic ${name}: ${led} of ${partitions} partitions have leaders`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Appends one batch; resolves with its base offset. `acks` -1: all in-sync replicas have it. */
  async produce(topic: string, partition: number, batch: Buffer, acks: number): Promise<number> {
    const response = await this.call(produce, versions.produce, {
      acks,
      timeoutMs: 30_000,
      topicData: [{ name: topic, topicId: zeroUuid, partitionData: [{ index: partition, records: batch }] }],
    })
    const { errorCode, baseOffset } = response.responses[0]!.partitionResponses[0]!
    if (errorCode !== 0) throw new BrokerError(`produce to ${topic}-${partition}: ${errorName(errorCode)}`)
    return baseOffset
  }

  /** One fetch without a session. Records are views of the answer's memory. */
  async fetch(
    topic: string,
    positions: readonly { readonly partition: number; readonly offset: number }[],
    limits: { readonly maxWaitMs: number; readonly minBytes: number; readonly partitionMaxBytes: number },
  ): Promise<{ partition: number; highWatermark: number; records: Buffer }[]> {
    const response = await this.call(fetch, versions.fetch, {
      maxWaitMs: limits.maxWaitMs,
      minBytes: limits.minBytes,
      maxBytes: 64 << 20,
      topics: [
        {
          topic,
          topicId: zeroUuid,
          partitions: positions.map(({ partition, offset }) => ({
            partition,
            fetchOffset: offset,
            partitionMaxBytes: limits.partitionMaxBytes,
            replicaDirectoryId: zeroUuid,
          })),
        },
      ],
      replicaState: {},
      clusterId: null,
      forgottenTopicsData: [],
    })
    return (response.responses[0]?.partitions ?? []).map((each) => {
      if (each.errorCode !== 0) {
        throw new BrokerError(`fetch from ${topic}-${each.partitionIndex}: ${errorName(each.errorCode)}`)
      }
      const records = each.records as Buffer | null
      return { partition: each.partitionIndex, highWatermark: each.highWatermark, records: records ?? Buffer.alloc(0) }
    })
  }

  /** End offsets by partition, or undefined while one of them has an error. */
  endOffsets(topic: string, partitions: number): Promise<number[] | undefined> {
    return this.endOffsetsOf(
      topic,
      Array.from({ length: partitions }, (_, index) => index),
    )
  }

  /** As `endOffsets`, of some of them. */
  async endOffsetsOf(topic: string, partitions: readonly number[]): Promise<number[] | undefined> {
    const response = await this.call(listOffsets, versions.listOffsets, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [
        {
          name: topic,
          partitions: partitions.map((index) => ({ partitionIndex: index, timestamp: -1 })),
        },
      ],
      timeoutMs: 30_000,
    })
    const answers = response.topics[0]?.partitions ?? []
    if (answers.length !== partitions.length || answers.some(({ errorCode }) => errorCode !== 0)) return undefined
    return answers.toSorted((a, b) => a.partitionIndex - b.partitionIndex).map(({ offset }) => offset)
  }
}
