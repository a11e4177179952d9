/**
 * A consumer of the broker workload: with a fetch session or without, patient or not, here and there.
 *
 * Owns positions and sessions of one consumer. Every connection is another kind of client: another version, other partitions, other limits.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import { fetch } from "../../../protocol/messages/fetch.js"
import { listOffsets } from "../../../protocol/messages/list-offsets.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { requestTimeoutMs } from "../lives/lives-model.js"
import { type Model, serverWaitMsMax, type TopicModel } from "./model.js"
import { takeIn } from "./reading.js"

const partitionsMax = 4
const roundsPerConnectionMax = 64

interface Position {
  readonly topic: TopicModel
  readonly partition: number
  /** Anew after every seek: what it reads must only go forward. */
  reader: string
  offset: number
  /** What the session was told last. */
  toldOffset: number
}

const transient = new Set<number>([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.INCONSISTENT_TOPIC_ID,
  Errors.KAFKA_STORAGE_ERROR,
])

type Partitions = ResponseOf<typeof fetch>["responses"][number]["partitions"][number]

export class SimulatedConsumer {
  readonly #random: SeededRandom
  readonly name: string
  /** Of the broker when the present connection was made. */
  #life = 0
  /** Acknowledged deletions when the question was sent that is answered now: an answer may be older than any that came meanwhile. */
  #deletionsWhenAsked = 0

  constructor(
    readonly model: Model,
    readonly env: Env,
  ) {
    this.name = model.nextName("consumer")
    this.#random = model.random.fork(this.name)
  }

  async run(): Promise<void> {
    const { model, env } = this
    while (!model.isOver) {
      this.#life = model.life
      const client = await model.connect(env, this.name)
      if (client !== undefined) {
        await this.#session(client)
        client.close()
      }
      await model.pause(env, this.#random.int(500))
    }
  }

  async #session(client: SimulatedClient): Promise<void> {
    const { model, env } = this
    const random = this.#random
    const positions = await this.#choose(client)
    if (positions.length === 0) return
    const byId = random.chance(0.5)
    const version = byId ? random.between(13, fetch.maxVersion) : random.between(fetch.minVersion, 12)
    const usesSession = version >= 7 && random.chance(0.5)
    const limits = {
      maxBytes: random.chance(0.5) ? 1 << 20 : random.magnitude(1, 65_536),
      partitionMaxBytes: random.chance(0.5) ? 1 << 18 : random.magnitude(1, 16_384),
      minBytes: random.chance(0.6) ? 1 : random.magnitude(1, 4096),
      maxWaitMs: random.chance(0.3) ? 0 : random.magnitude(1, serverWaitMsMax),
      isolationLevel: random.int(2),
    }
    let session = { id: 0, epoch: usesSession ? 0 : -1 }
    const rounds = random.magnitude(1, roundsPerConnectionMax)
    for (let round = 0; round < rounds && client.isOpen && !model.isOver; round++) {
      if (random.chance(0.05)) await this.#seek(client, random.pick(positions))
      const asked = session.epoch > 0 ? positions.filter((each) => each.offset !== each.toldOffset) : positions
      for (const each of asked) each.toldOffset = each.offset
      this.#deletionsWhenAsked = model.counts.deletedRecords
      const answer = await client.send(
        fetch,
        version,
        { ...limits, sessionId: session.id, sessionEpoch: session.epoch, ...this.#topics(asked, byId) },
        requestTimeoutMs,
      )
      if (!answer.ok) return
      if (answer.value.errorCode !== Errors.NONE) {
        // The broker forgot the session, which it may.
        session = { id: 0, epoch: usesSession ? 0 : -1 }
        await model.think(env)
        continue
      }
      if (usesSession)
        session =
          answer.value.sessionId === 0 ? { id: 0, epoch: 0 } : { id: answer.value.sessionId, epoch: session.epoch + 1 }
      if (!(await this.#take(client, positions, answer.value, byId, session.epoch <= 1))) return
      await model.think(env)
    }
  }

  #topics(
    positions: readonly Position[],
    byId: boolean,
  ): Pick<RequestInputOf<typeof fetch>, "topics" | "forgottenTopicsData"> {
    const topics = [...new Set(positions.map(({ topic }) => topic))]
    return {
      topics: topics.map((topic) => ({
        topic: byId ? "" : topic.name,
        topicId: topic.topicId,
        partitions: positions
          .filter((each) => each.topic === topic)
          .map(({ partition, offset }) => ({
            partition,
            fetchOffset: offset,
            partitionMaxBytes: 1 << 18,
          })),
      })),
      forgottenTopicsData: [],
    }
  }

  async #take(
    client: SimulatedClient,
    positions: readonly Position[],
    response: ResponseOf<typeof fetch>,
    byId: boolean,
    isFull: boolean,
  ): Promise<boolean> {
    const { model } = this
    for (const { topic: name, topicId, partitions } of response.responses) {
      for (const data of partitions) {
        const position = positions.find(
          (each) =>
            each.partition === data.partitionIndex &&
            (byId ? each.topic.topicId === topicId : each.topic.name === name),
        )
        if (position === undefined) {
          model.violated(`answers are to what was asked: ${this.name} got records of ${name}${topicId}`)
          return false
        }
        // By name it may be another topic by now.
        if (!position.topic.isLive && !byId) return false
        if (!this.#took(position, data, isFull && positions.length === 1)) {
          if (data.errorCode !== Errors.OFFSET_OUT_OF_RANGE) return false
          await this.#seek(client, position)
        }
      }
    }
    return true
  }

  #took(position: Position, data: Partitions, isAlone: boolean): boolean {
    const { model } = this
    const name = position.topic.partitionName(position.partition)
    if (data.errorCode !== Errors.NONE) {
      if (data.errorCode !== Errors.OFFSET_OUT_OF_RANGE && !transient.has(data.errorCode))
        model.violated(`good records are served: ${name} at ${position.offset} answers error ${data.errorCode}`)
      return false
    }
    // Late news of a broker that died since, of a topic that may have lost it by now.
    if (position.topic.flushPolicy !== "flush" && this.#life !== model.life) return false
    this.#sawOffsets(this.name, name, {
      ...(data.logStartOffset >= 0 && { logStartOffset: data.logStartOffset }),
      highWatermark: data.highWatermark,
    })
    const { topic, partition, reader, offset } = position
    const records = data.records as unknown as Buffer | null
    const part = takeIn(model, topic, partition, reader, offset, data.highWatermark, records)
    if (isAlone && part.bytes === 0 && offset < data.highWatermark)
      model.violated(
        `a fetch returns what is there: ${name} gave nothing at ${offset}, the high watermark is ${data.highWatermark}`,
      )
    position.offset = part.nextOffset
    return true
  }

  async #choose(client: SimulatedClient): Promise<Position[]> {
    const { model } = this
    const random = this.#random
    const every = model.liveTopics.flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, partition) => ({ topic, partition })),
    )
    const chosen = random.shuffle(every).slice(0, random.between(1, partitionsMax))
    const positions: Position[] = []
    for (const { topic, partition } of chosen) {
      const position: Position = { topic, partition, reader: "", offset: 0, toldOffset: -1 }
      if (await this.#seek(client, position)) positions.push(position)
    }
    return positions
  }

  /** To the start, the end, or anywhere between. False: nobody says where these are. */
  async #seek(client: SimulatedClient, position: Position): Promise<boolean> {
    const { model } = this
    const random = this.#random
    const { topic, partition } = position
    model.counts.seeks += 1
    position.reader = model.nextName("reader")
    const earliest = await this.#offsetAt(client, topic, partition, -2)
    if (earliest === undefined) return false
    const latest = random.chance(0.5) ? earliest : await this.#offsetAt(client, topic, partition, -1)
    if (latest === undefined || latest < earliest) return false
    position.offset = random.chance(0.1) ? latest : random.between(earliest, latest)
    return true
  }

  async #offsetAt(
    client: SimulatedClient,
    topic: TopicModel,
    partition: number,
    timestamp: number,
  ): Promise<number | undefined> {
    const version = this.#random.between(listOffsets.minVersion, listOffsets.maxVersion)
    this.#deletionsWhenAsked = this.model.counts.deletedRecords
    const answer = await client.send(
      listOffsets,
      version,
      {
        replicaId: -1,
        isolationLevel: this.#random.int(2) && version >= 2 ? 1 : 0,
        topics: [{ name: topic.name, partitions: [{ partitionIndex: partition, timestamp }] }],
        timeoutMs: 1000,
      } as RequestInputOf<typeof listOffsets>,
      requestTimeoutMs,
    )
    if (!answer.ok) return undefined
    const result = answer.value.topics[0]?.partitions[0]
    if (result === undefined || result.errorCode !== Errors.NONE || !topic.isLive) return undefined
    const observer = `${this.name} by list`
    const name = topic.partitionName(partition)
    this.#sawOffsets(
      observer,
      name,
      timestamp === -2 ? { logStartOffset: result.offset } : { highWatermark: result.offset },
    )
    return result.offset
  }

  /** An answer of a broker that has died since is late news: what it said was not a promise to anyone who asks now. */
  #sawOffsets(observer: string, partition: string, offsets: { logStartOffset?: number; highWatermark?: number }): void {
    if (this.#life !== this.model.life) return
    const { logStartOffset, ...others } = offsets
    const isFresh = this.#deletionsWhenAsked === this.model.counts.deletedRecords
    const told = isFresh && logStartOffset !== undefined ? { ...others, logStartOffset } : others
    this.model.history.observe({ kind: "offsets", observer, partition, ...told })
  }
}
