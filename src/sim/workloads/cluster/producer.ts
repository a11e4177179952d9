/**
 * A producer of the cluster workload: one lane for each partition, which follows the partition's leader.
 *
 * Owns the rules of Kafka's own producer that decide what may be believed of an answer: at most five open batches for each partition; with idempotence sent again in order with the same sequences, also to
 * another leader, until an answer settles them; without it never sent again.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import { initProducerId } from "../../../protocol/messages/init-producer-id.js"
import { produce } from "../../../protocol/messages/produce.js"
import { buildBatch } from "../../../protocol/record-batch.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { ClusterClient } from "./cluster-client.js"
import { type ClusterModel, type ClusterTopic, serverWaitMsMax } from "./model.js"

/** Kafka remembers so many batches of a producer: more must not be open at once. */
const openBatchesMax = 5

/** Made when it is first sent: only then does it have a place in the order of what is sent. */
class OpenBatch {
  values: readonly number[] = []
  bytes: Buffer | undefined
  tries = 0
}

/** Answers after which nothing was written, whatever else is true. */
const surelyRefused = new Set<number>([
  Errors.MESSAGE_TOO_LARGE,
  Errors.RECORD_LIST_TOO_LARGE,
  Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
  Errors.INVALID_PRODUCER_EPOCH,
  Errors.INVALID_RECORD,
  Errors.CORRUPT_MESSAGE,
  Errors.INVALID_TIMESTAMP,
  Errors.NOT_ENOUGH_REPLICAS,
])

/** Answers a producer tries again after. */
const retriable = new Set<number>([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.FENCED_LEADER_EPOCH,
  Errors.LEADER_NOT_AVAILABLE,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.KAFKA_STORAGE_ERROR,
  Errors.REQUEST_TIMED_OUT,
  Errors.NOT_ENOUGH_REPLICAS,
  Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
])

class Lane {
  readonly open: OpenBatch[] = []
  nextSequence = 0
  /** Of the history: another one whenever what is sent next may overtake what was sent before. */
  producer: number
  isDriven = false
  /** The producer has begun anew, as another one: nothing more is sent of this. */
  isAbandoned = false

  constructor(
    readonly topic: ClusterTopic,
    readonly partition: number,
    producer: number,
  ) {
    this.producer = producer
  }

  get name(): string {
    return this.topic.partitionName(this.partition)
  }
}

export class ClusterProducer {
  readonly name: string
  readonly #client: ClusterClient
  readonly #random: SeededRandom
  readonly #lanes = new Map<string, Lane>()
  #producerId = -1
  #mustStartAnew = false

  constructor(
    readonly model: ClusterModel,
    readonly env: Env,
    readonly isIdempotent: boolean,
    readonly acks: number,
  ) {
    this.name = model.nextName(isIdempotent ? "idempotent producer" : `producer acks=${acks}`)
    this.#random = model.random.fork(this.name)
    this.#client = new ClusterClient(model, env, this.name, this.#random, model.options.patienceMs)
  }

  async run(): Promise<void> {
    const { model, env } = this
    const random = this.#random
    while (!model.isOver && (!this.#hasNothingToDo || this.openBatches > 0)) {
      if (this.#mustStartAnew && this.openBatches > 0) this.#startAnew()
      if (this.isIdempotent && this.#producerId < 0 && !(await this.#introduce())) {
        await model.pause(env, 50 + random.int(500))
        continue
      }
      if (!this.#hasNothingToDo && model.liveTopics.length > 0) {
        const topic = random.pick(model.liveTopics)
        const lane = this.#lane(topic, random.int(topic.partitions))
        if (lane.open.length < openBatchesMax) {
          model.batchesLeft -= 1
          lane.open.push(new OpenBatch())
        }
      }
      for (const lane of this.#lanes.values()) this.#ensureDriven(lane)
      await model.think(env, random)
    }
    this.#client.close()
  }

  get openBatches(): number {
    let open = 0
    for (const lane of this.#lanes.values()) open += lane.open.length
    return open
  }

  get #hasNothingToDo(): boolean {
    return this.model.isEnding || this.model.batchesLeft <= 0
  }

  #historyProducer(): number {
    const number = this.model.history.producers.length
    return this.model.history.addProducer({ name: `${this.name} (${number})`, mayDuplicate: false, mayReorder: false })
  }

  #lane(topic: ClusterTopic, partition: number): Lane {
    const key = `${topic.topicId}/${partition}`
    let lane = this.#lanes.get(key)
    if (lane === undefined) this.#lanes.set(key, (lane = new Lane(topic, partition, this.#historyProducer())))
    return lane
  }

  #fill(lane: Lane, batch: OpenBatch): Buffer {
    const { model, env } = this
    const random = this.#random
    const count = random.between(1, model.options.recordsPerBatchMax)
    const values = Array.from({ length: count }, () =>
      model.history.sent(lane.producer, lane.topic.numberOf(lane.partition)),
    )
    const bytes = buildBatch({
      records: values.map((value) => ({
        key: Buffer.from(String(value)),
        value: random.bytes(random.int(model.options.valueBytesMax)),
        timestamp: env.clock.wallMs(),
      })),
      ...(this.isIdempotent && {
        producerId: this.#producerId,
        producerEpoch: 0,
        baseSequence: lane.nextSequence,
      }),
    })
    lane.nextSequence += count
    model.counts.records += count
    batch.values = values
    batch.bytes = bytes
    return bytes
  }

  async #introduce(): Promise<boolean> {
    const answer = await this.#client.ask(initProducerId, {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
      producerEpoch: -1,
    })
    if (!answer.ok || answer.value.errorCode !== Errors.NONE) return false
    this.model.facts.observe({ kind: "producer id", producerId: answer.value.producerId })
    this.#producerId = answer.value.producerId
    return true
  }

  #startAnew(): void {
    this.#mustStartAnew = false
    this.#producerId = -1
    for (const lane of this.#lanes.values()) lane.isAbandoned = true
    this.#lanes.clear()
  }

  #ensureDriven(lane: Lane): void {
    if (lane.isDriven || lane.open.length === 0) return
    lane.isDriven = true
    void this.#drive(lane).then(() => {
      lane.isDriven = false
    })
  }

  /** Sessions with whoever leads, until nothing is open. */
  async #drive(lane: Lane): Promise<void> {
    const { model, env } = this
    while (lane.open.length > 0 && !model.isOver && !lane.isAbandoned) {
      // A topic that is gone takes its batches with it.
      const mayBeLeaderless = this.model.isEnding && lane.topic.lossAllowed.has(lane.partition)
      if (!lane.topic.isLive || mayBeLeaderless) {
        lane.open.length = 0
        return
      }
      const leader = this.#client.leaderOf(lane.topic, lane.partition)
      const connection = leader === undefined ? undefined : await this.#client.connectionTo(leader.leaderId)
      if (connection !== undefined) await this.#session(lane, connection)
      if (lane.open.length === 0) return
      await model.pause(env, 20 + this.#random.int(200))
      await this.#client.refresh()
    }
  }

  /** Sends what is open, in order, and what comes in meanwhile; ends with the first answer that is not good. */
  async #session(lane: Lane, connection: SimulatedClient): Promise<void> {
    const { model, env } = this
    // What is under way on another connection may arrive after what is sent on this one: in no order anybody promised.
    if (!this.isIdempotent) lane.producer = this.#historyProducer()
    const outstanding = new Set<Promise<void>>()
    const sent = new Set<OpenBatch>()
    let hasFailed = false
    let quietRounds = 0
    while (!hasFailed && connection.isOpen && !model.isOver && !lane.isAbandoned && quietRounds < 3) {
      for (const batch of [...lane.open]) {
        if (sent.has(batch) || hasFailed || outstanding.size >= openBatchesMax) continue
        sent.add(batch)
        if (batch.tries > 0) model.counts.retries += 1
        const answered = this.#send(lane, connection, batch, () => hasFailed).then((isGood) => {
          if (!isGood) hasFailed = true
          outstanding.delete(answered)
        })
        outstanding.add(answered)
      }
      quietRounds = lane.open.length === 0 ? quietRounds + 1 : 0
      if (lane.open.length > 0 || quietRounds < 3) await model.think(env, this.#random)
    }
    await Promise.all(outstanding)
  }

  /** True: it is settled, and what was sent behind it may be believed. */
  async #send(lane: Lane, connection: SimulatedClient, batch: OpenBatch, hasFailed: () => boolean): Promise<boolean> {
    const { model } = this
    const { topic, partition } = lane
    const records = (batch.bytes ?? this.#fill(lane, batch)) as never
    const request = {
      acks: this.acks,
      timeoutMs: serverWaitMsMax,
      topicData: [{ name: topic.name, topicId: topic.topicId, partitionData: [{ index: partition, records }] }],
    }
    batch.tries += 1
    if (this.acks === 0) {
      connection.sendOneWay(produce, produce.maxVersion, request)
      this.#settle(lane, batch)
      return true
    }
    const answer = await connection.send(produce, produce.maxVersion, request, model.options.patienceMs)
    if (!answer.ok) {
      if (!this.isIdempotent) this.#settle(lane, batch)
      return false
    }
    const result = answer.value.responses[0]?.partitionResponses[0]
    if (result === undefined) {
      model.violated(`every request is answered: ${lane.name} is missing in the answer to a produce`)
      return false
    }
    const { errorCode, baseOffset, currentLeader } = result
    this.#client.learn(topic, partition, currentLeader)
    model.remark(
      () =>
        `${this.name} ${lane.name} ${batch.values[0]}+${batch.values.length} try ${batch.tries}: error ${errorCode} offset ${baseOffset}`,
    )
    if (errorCode === Errors.NONE) {
      for (const [index, value] of batch.values.entries())
        model.history.acknowledged(value, baseOffset + index, this.acks === -1)
      model.counts.acknowledged += batch.values.length
      this.#settle(lane, batch)
      return true
    }
    return this.#failed(lane, batch, errorCode, hasFailed())
  }

  #failed(lane: Lane, batch: OpenBatch, errorCode: number, isBehindFailed: boolean): false {
    const { model } = this
    if (this.isIdempotent && errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER) {
      // It is there, who knows where.
      this.#settle(lane, batch)
      return false
    }
    if (surelyRefused.has(errorCode) && !(this.isIdempotent && retriable.has(errorCode))) {
      // Behind a batch that failed, or that was settled by it: it gets its turn again.
      if (this.isIdempotent && (isBehindFailed || lane.open[0] !== batch)) return false
      if (this.isIdempotent) {
        if (lane.topic.isLive && !lane.topic.lossAllowed.has(lane.partition))
          model.violated(
            `idempotent producers are known (L7): ${lane.name} refuses ${batch.values[0]} of ${this.name} (try ${batch.tries}) with error ${errorCode}, and everything before it was acknowledged`,
          )
        this.#mustStartAnew = true
        return false
      }
      if (errorCode === Errors.CORRUPT_MESSAGE || errorCode === Errors.INVALID_RECORD)
        model.violated(`good records are taken: ${lane.name} refuses ${batch.values[0]} with error ${errorCode}`)
      for (const value of batch.values) model.history.refused(value)
      this.#settle(lane, batch)
      return false
    }
    if (!retriable.has(errorCode))
      model.violated(`errors are those of the protocol: ${lane.name} answers a produce with error ${errorCode}`)
    if (!this.isIdempotent) this.#settle(lane, batch)
    return false
  }

  #settle(lane: Lane, batch: OpenBatch): void {
    const at = lane.open.indexOf(batch)
    if (at >= 0) lane.open.splice(at, 1)
  }
}
