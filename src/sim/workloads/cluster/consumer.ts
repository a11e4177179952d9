/**
 * A consumer of the cluster workload: reads some partitions, each from whoever leads it or from a replica the leader sends it to.
 *
 * Owns positions. Says the leader epoch it knows, as real consumers do (KIP-320), so that a leader of the past cannot mislead it.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import { fetch } from "../../../protocol/messages/fetch.js"
import { listOffsets } from "../../../protocol/messages/list-offsets.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { ClusterClient, type KnownLeader } from "./cluster-client.js"
import { type ClusterModel, type ClusterTopic, serverWaitMsMax } from "./model.js"
import { takeIn } from "./reading.js"

const partitionsMax = 4

interface Position {
  readonly topic: ClusterTopic
  readonly partition: number
  reader: number
  offset: number
  /** False: it must be asked for. */
  isKnown: boolean
  /** The leader sends its readers there (KIP-392). */
  preferred: number
}

const transient = new Set<number>([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.LEADER_NOT_AVAILABLE,
  Errors.OFFSET_NOT_AVAILABLE,
  Errors.FENCED_LEADER_EPOCH,
  Errors.UNKNOWN_LEADER_EPOCH,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.INCONSISTENT_TOPIC_ID,
  Errors.KAFKA_STORAGE_ERROR,
  Errors.REPLICA_NOT_AVAILABLE,
])

type PartitionData = ResponseOf<typeof fetch>["responses"][number]["partitions"][number]

export class ClusterConsumer {
  readonly name: string
  readonly rack: string
  readonly #random: SeededRandom
  readonly #client: ClusterClient
  #positions: Position[] = []

  constructor(
    readonly model: ClusterModel,
    readonly env: Env,
  ) {
    this.name = model.nextName("consumer")
    this.#random = model.random.fork(this.name)
    this.#client = new ClusterClient(model, env, this.name, this.#random, model.options.patienceMs)
    this.rack = model.options.followsRacks ? `rack${this.#random.int(3)}` : ""
  }

  async run(): Promise<void> {
    const { model, env } = this
    while (!model.isOver) {
      if (this.#positions.length === 0 || this.#random.chance(0.02)) this.#choose()
      if (this.#positions.some((each) => this.#client.leaderOf(each.topic, each.partition) === undefined))
        await this.#client.refresh()
      const isGood = await this.#round()
      if (isGood) await model.think(env, this.#random)
      else {
        await model.pause(env, 50 + this.#random.int(200))
        await this.#client.refresh()
      }
    }
    this.#client.close()
  }

  #choose(): void {
    const every = this.model.liveTopics.flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, partition) => ({ topic, partition })),
    )
    this.#positions = this.#random
      .shuffle(every)
      .slice(0, this.#random.between(1, partitionsMax))
      .map(({ topic, partition }) => ({ topic, partition, reader: -1, offset: 0, isKnown: false, preferred: -1 }))
  }

  /** Everything once, from each leader in one request. False: something went wrong. */
  async #round(): Promise<boolean> {
    this.#positions = this.#positions.filter(({ topic }) => topic.isLive)
    const byNode = new Map<number, { position: Position; leader: KnownLeader }[]>()
    for (const position of this.#positions) {
      const leader = this.#client.leaderOf(position.topic, position.partition)
      if (leader === undefined) continue
      const node = position.preferred >= 0 ? position.preferred : leader.leaderId
      byNode.set(node, [...(byNode.get(node) ?? []), { position, leader }])
    }
    const results = await Promise.all([...byNode].map(([node, asked]) => this.#ask(node, asked)))
    return results.every(Boolean) && byNode.size > 0
  }

  async #ask(node: number, asked: readonly { position: Position; leader: KnownLeader }[]): Promise<boolean> {
    const connection = await this.#client.connectionTo(node)
    if (connection === undefined) {
      for (const { position } of asked) position.preferred = -1
      return false
    }
    for (const { position, leader } of asked)
      if (!position.isKnown && !(await this.#seek(connection, position, leader))) return false
    const random = this.#random
    const answer = await connection.send(
      fetch,
      random.between(13, fetch.maxVersion),
      {
        maxWaitMs: random.chance(0.3)
          ? 0
          : random.magnitude(1, Math.min(serverWaitMsMax, this.model.options.patienceMs / 2)),
        minBytes: random.chance(0.7) ? 1 : random.magnitude(1, 4096),
        maxBytes: random.chance(0.7) ? 1 << 20 : random.magnitude(1, 65_536),
        isolationLevel: random.int(2),
        rackId: this.rack,
        topics: [...new Set(asked.map(({ position }) => position.topic))].map((topic) => ({
          topic: "",
          topicId: topic.topicId,
          partitions: asked
            .filter(({ position }) => position.topic === topic)
            .map(({ position, leader }) => ({
              partition: position.partition,
              currentLeaderEpoch: leader.leaderEpoch,
              fetchOffset: position.offset,
              partitionMaxBytes: random.chance(0.7) ? 1 << 18 : random.magnitude(1, 16_384),
            })),
        })),
        forgottenTopicsData: [],
      },
      this.model.options.patienceMs,
    )
    if (!answer.ok) {
      for (const { position } of asked) position.preferred = -1
      return false
    }
    if (answer.value.errorCode !== Errors.NONE) return false
    let isGood = true
    for (const { topicId, partitions } of answer.value.responses) {
      for (const data of partitions) {
        const found = asked.find(
          ({ position }) => position.topic.topicId === topicId && position.partition === data.partitionIndex,
        )
        if (found === undefined)
          this.model.violated(`answers are to what was asked: ${this.name} got records of ${topicId}`)
        else if (!this.#take(found.position, found.leader, node, data)) isGood = false
      }
    }
    return isGood
  }

  #take(position: Position, leader: KnownLeader, node: number, data: PartitionData): boolean {
    const { model } = this
    const { topic, partition } = position
    const name = topic.partitionName(partition)
    this.#client.learn(topic, partition, data.currentLeader)
    if (data.errorCode !== Errors.NONE) {
      position.preferred = -1
      if (data.errorCode === Errors.OFFSET_OUT_OF_RANGE) {
        position.isKnown = false
        const mayNotForget = topic.isLive && !topic.lossAllowed.has(partition) && !topic.hasDeletions.has(partition)
        if (mayNotForget && node === leader.leaderId)
          model.violated(
            `what was read is kept (L1): ${name}: ${this.name} stands at ${position.offset}, and ${node}, leader of epoch ${leader.leaderEpoch}, says that this is out of range`,
          )
      } else if (!transient.has(data.errorCode))
        model.violated(`good records are served: ${name} at ${position.offset} answers error ${data.errorCode}`)
      return false
    }
    if (data.preferredReadReplica >= 0) {
      position.preferred = data.preferredReadReplica
      return true
    }
    if (node === leader.leaderId) model.history.watermark(position.reader, leader.leaderEpoch, data.highWatermark)
    const records = data.records as unknown as Buffer | null
    const part = takeIn(model, topic, partition, position.reader, position.offset, data.highWatermark, records)
    position.offset = part.nextOffset
    return true
  }

  /** To the start, the end, or anywhere between. False: nobody says where these are. */
  async #seek(connection: SimulatedClient, position: Position, leader: KnownLeader): Promise<boolean> {
    const { model } = this
    const random = this.#random
    const { topic, partition } = position
    position.preferred = -1
    if (position.reader < 0)
      position.reader = model.history.addReader(model.nextName(`reader of ${this.name}`), topic.numberOf(partition))
    const earliest = await this.#offsetAt(connection, position, leader, -2)
    if (earliest === undefined) return false
    const latest = random.chance(0.5) ? earliest : await this.#offsetAt(connection, position, leader, -1)
    if (latest === undefined || latest < earliest) return false
    if (latest > earliest) model.history.watermark(position.reader, -1, latest)
    position.offset = random.chance(0.1) ? latest : random.between(earliest, latest)
    position.isKnown = true
    model.history.positioned(position.reader, position.offset)
    return true
  }

  async #offsetAt(
    connection: SimulatedClient,
    { topic, partition }: Position,
    leader: KnownLeader,
    timestamp: number,
  ): Promise<number | undefined> {
    const answer = await connection.send(
      listOffsets,
      listOffsets.maxVersion,
      {
        replicaId: -1,
        isolationLevel: this.#random.int(2),
        topics: [
          {
            name: topic.name,
            partitions: [{ partitionIndex: partition, timestamp, currentLeaderEpoch: leader.leaderEpoch }],
          },
        ],
        timeoutMs: 1000,
      } as RequestInputOf<typeof listOffsets>,
      this.model.options.patienceMs,
    )
    if (!answer.ok) return undefined
    const result = answer.value.topics[0]?.partitions[0]
    if (result === undefined || result.errorCode !== Errors.NONE || !topic.isLive) return undefined
    return result.offset
  }
}
