/**
 * A producer of the broker workload, idempotent or not.
 *
 * Owns the rules of Kafka's own producer that matter for what may be believed of an answer: at most five open batches for each partition, sent again in order
 * with the same sequences after anything that leaves their fate open. Without idempotence nothing is sent again.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import { initProducerId } from "../../../protocol/messages/init-producer-id.js"
import { produce } from "../../../protocol/messages/produce.js"
import { buildBatch } from "../../../protocol/record-batch.js"
import type { ResponseOf } from "../../../protocol/message.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { requestTimeoutMs } from "../lives/lives-model.js"
import { type Model, serverWaitMsMax, type TopicModel } from "./model.js"
import { hasDiskErrors, hasNetworkFaults } from "../lives/faults.js"

/** Kafka remembers so many batches of a producer: more must not be open at once. */
const openBatchesMax = 5
const requestsInFlightMax = 5
const partitionsPerRequestMax = 3

interface OpenBatch {
  readonly topic: TopicModel
  readonly partition: number
  readonly values: readonly string[]
  readonly timestamps: readonly number[]
  readonly bytes: Buffer
  tries: number
}

interface PartitionQueue {
  nextSequence: number
  open: OpenBatch[]
  /** A batch of this connection failed: those behind it fail with it. */
  hasFailed: boolean
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
])

/** Answers a producer tries again after. */
const retriable = new Set<number>([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.KAFKA_STORAGE_ERROR,
  Errors.REQUEST_TIMED_OUT,
  Errors.NOT_ENOUGH_REPLICAS,
])

export class SimulatedProducer {
  readonly #queues = new Map<string, PartitionQueue>()
  readonly #random: SeededRandom
  #producerId = -1
  #name = ""
  #mustStartAnew = false
  /** Of the broker when the present connection was made. */
  #life = 0

  constructor(
    readonly model: Model,
    readonly env: Env,
    readonly isIdempotent: boolean,
    readonly acks: number,
  ) {
    this.#name = model.nextName("producer")
    this.#random = model.random.fork(this.#name)
  }

  get openBatches(): number {
    let open = 0
    for (const queue of this.#queues.values()) open += queue.open.length
    return open
  }

  async run(): Promise<void> {
    const { model, env } = this
    while (!model.isOver && !(this.#hasNothingToDo && this.openBatches === 0)) {
      this.#life = model.life
      // What is under way on the last connection may arrive after what is sent on this one: in no order anybody promised.
      if (!this.isIdempotent) this.#name = model.nextName("producer")
      const client = await model.connect(env, this.#name)
      if (client !== undefined) {
        if (await this.#introduce(client)) await this.#session(client)
        client.close()
      }
      await model.pause(env, this.#random.int(200))
    }
  }

  get #hasNothingToDo(): boolean {
    return this.model.isEnding || this.model.batchesLeft === 0
  }

  async #introduce(client: SimulatedClient): Promise<boolean> {
    if (!this.isIdempotent || (this.#producerId >= 0 && !this.#mustStartAnew)) return true
    const version = this.#random.between(0, initProducerId.maxVersion)
    const answer = await client.send(
      initProducerId,
      version,
      { transactionalId: null, transactionTimeoutMs: 60_000, producerEpoch: -1 },
      requestTimeoutMs,
    )
    if (!answer.ok || answer.value.errorCode !== Errors.NONE) return false
    this.model.history.observe({ kind: "producer id", producerId: answer.value.producerId })
    if (this.#mustStartAnew) {
      for (const queue of this.#queues.values()) for (const batch of queue.open) this.#giveUp(batch)
      this.#queues.clear()
      this.#name = this.model.nextName("producer")
    }
    this.#mustStartAnew = false
    this.#producerId = answer.value.producerId
    return true
  }

  /** One connection's worth of producing: what is open first, then new batches, until something fails. */
  async #session(client: SimulatedClient): Promise<void> {
    const { model, env } = this
    const outstanding = new Set<Promise<void>>()
    let hasFailed = false
    const dispatch = (batches: readonly OpenBatch[]) => {
      const sent = this.#send(client, batches).then((fine) => {
        if (!fine) hasFailed = true
        outstanding.delete(sent)
      })
      outstanding.add(sent)
    }
    for (const [name, queue] of this.#queues) {
      queue.hasFailed = false
      // A topic that is gone takes its batches with it.
      if (queue.open[0] !== undefined && !queue.open[0].topic.isLive) {
        for (const batch of queue.open) this.#giveUp(batch)
        this.#queues.delete(name)
      }
    }
    for (let rank = 0; rank < openBatchesMax; rank++) {
      const batches = [...this.#queues.values()].flatMap((queue) => queue.open[rank] ?? [])
      model.counts.retries += batches.length
      for (let from = 0; from < batches.length; from += partitionsPerRequestMax)
        dispatch(batches.slice(from, from + partitionsPerRequestMax))
    }
    while (!hasFailed && client.isOpen && !model.isOver) {
      if (this.#hasNothingToDo && outstanding.size === 0) break
      if (!this.#hasNothingToDo && outstanding.size < requestsInFlightMax) {
        const batches = this.#newBatches()
        if (batches.length > 0) dispatch(batches)
      }
      await model.think(env)
    }
    await Promise.all(outstanding)
  }

  #newBatches(): OpenBatch[] {
    const { model } = this
    const batches: OpenBatch[] = []
    const topics = model.liveTopics
    if (topics.length === 0) return []
    const count = this.#random.between(1, partitionsPerRequestMax)
    // One request says everything by name, or everything by id.
    for (let i = 0; i < count && model.batchesLeft > 0; i++) {
      const topic = this.#random.pick(topics)
      const partition = this.#random.int(topic.partitions)
      const name = topic.partitionName(partition)
      if (batches.some((batch) => batch.topic === topic && batch.partition === partition)) continue
      let queue = this.#queues.get(name)
      if (queue === undefined) this.#queues.set(name, (queue = { nextSequence: 0, open: [], hasFailed: false }))
      if (queue.open.length >= openBatchesMax || queue.hasFailed) continue
      const batch = this.#newBatch(topic, partition, queue)
      queue.open.push(batch)
      batches.push(batch)
    }
    return batches
  }

  #newBatch(topic: TopicModel, partition: number, queue: PartitionQueue): OpenBatch {
    const { model, env } = this
    const random = this.#random
    const { options } = model
    model.batchesLeft -= 1
    const count = random.between(1, options.recordsPerBatchMax)
    // Small enough that a batch fits into the smallest segment, and sometimes large enough to be read into recycled memory.
    const batchBytesMax = options.isLarge ? 110_000 : 28_000
    const valueBytesMax = Math.max(1, Math.min(options.valueBytesMax, Math.floor(batchBytesMax / count)))
    const values = Array.from({ length: count }, () => model.nextValue())
    const nowMs = env.clock.wallMs()
    const timestamps = values.map(() => nowMs - random.int(options.timestampSpreadMs + 1))
    const bytes = buildBatch({
      records: values.map((value, index) => ({
        key: Buffer.from(value),
        value: random.bytes(random.int(valueBytesMax)),
        timestamp: timestamps[index]!,
      })),
      compression: random.pick(options.codecs),
      ...(this.isIdempotent && {
        producerId: this.#producerId,
        producerEpoch: 0,
        baseSequence: queue.nextSequence,
      }),
    })
    queue.nextSequence += count
    for (const value of values)
      model.history.observe({ kind: "sent", producer: this.#name, partition: topic.partitionName(partition), value })
    model.counts.records += count
    return { topic, partition, values, timestamps, bytes, tries: 0 }
  }

  /** True: all of them are acknowledged, or settled for good without any doubt about what comes next. */
  async #send(client: SimulatedClient, batches: readonly OpenBatch[]): Promise<boolean> {
    const byId = batches.some(({ topic }) => topic.options.isRecreated) || this.#random.chance(0.5)
    const version = byId ? produce.maxVersion : this.#random.between(produce.minVersion, 12)
    // Older versions know no zstd, by KIP-110.
    const speaks = Math.max(version, 7)
    for (const batch of batches) batch.tries += 1
    const topics = [...new Set(batches.map(({ topic }) => topic))]
    const request = {
      acks: this.acks,
      timeoutMs: serverWaitMsMax,
      topicData: topics.map((topic) => ({
        name: topic.name,
        topicId: topic.topicId,
        partitionData: batches
          .filter((batch) => batch.topic === topic)
          .map(({ partition, bytes }) => ({ index: partition, records: bytes as never })),
      })),
    }
    if (this.acks === 0) {
      client.sendOneWay(produce, speaks, request)
      for (const batch of batches) this.#giveUp(batch)
      return true
    }
    const patienceMs = hasNetworkFaults(this.model.options) ? this.model.options.patienceMs : requestTimeoutMs
    const answer = await client.send(produce, speaks, request, patienceMs)
    if (!answer.ok) {
      for (const batch of batches) this.#undecided(batch)
      return false
    }
    const results = batches.map((batch) => this.#answered(batch, resultOf(answer.value, batch, byId)))
    return results.every(Boolean)
  }

  #answered(batch: OpenBatch, result: ReturnType<typeof resultOf>): boolean {
    const { model } = this
    const name = batch.topic.partitionName(batch.partition)
    const queue = this.#queues.get(name)
    if (result === undefined) {
      model.violated(`every request is answered: ${name} is missing in the answer to a produce`)
      return false
    }
    const { errorCode, baseOffset } = result
    if (errorCode === Errors.NONE) {
      // Late news of a broker that died since, of a topic that may have lost it by now.
      const isLate = batch.topic.flushPolicy !== "flush" && this.#life !== model.life
      if (batch.topic.isLive && !isLate) this.#acknowledge(batch, name, baseOffset, result.logAppendTimeMs)
      else this.#giveUp(batch)
      this.#remove(batch)
      return true
    }
    if (surelyRefused.has(errorCode)) {
      const follows = queue?.hasFailed === true
      if (errorCode === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER && this.isIdempotent && follows) {
        // Behind a batch that failed: it gets its turn again.
        return false
      }
      if (this.isIdempotent) {
        const lossy = batch.topic.flushPolicy !== "flush" || !batch.topic.isLive
        if (!lossy)
          model.violated(
            `idempotent producers are known: ${name} refuses ${batch.values[0]} of ${this.#name} (try ${batch.tries}) with error ${errorCode}, and everything before it was acknowledged`,
          )
        this.#mustStartAnew = true
        return false
      }
      if (errorCode === Errors.CORRUPT_MESSAGE || errorCode === Errors.INVALID_RECORD)
        model.violated(`good records are taken: ${name} refuses ${batch.values[0]} with error ${errorCode}`)
      this.#refused(batch, name)
      return true
    }
    if (errorCode === Errors.REQUEST_TIMED_OUT && model.isQuiet && this.#life === model.life)
      model.violated(
        `acknowledgements come when records are safe: ${name} answers a produce with a time-out though nothing is broken`,
      )
    if (!retriable.has(errorCode)) {
      model.violated(`errors are those of the protocol: ${name} answers a produce with error ${errorCode}`)
    }
    if (queue !== undefined) queue.hasFailed = true
    if (this.isIdempotent) return false
    const wrote = errorCode === Errors.KAFKA_STORAGE_ERROR ? hasDiskErrors(model.options) : true
    if (wrote) this.#undecided(batch)
    else this.#refused(batch, name)
    return false
  }

  #acknowledge(batch: OpenBatch, name: string, baseOffset: number, logAppendTimeMs: number): void {
    const { model } = this
    const known = batch.topic.timestampsOf(batch.partition)
    for (const [index, value] of batch.values.entries()) {
      const offset = baseOffset + index
      model.history.observe({ kind: "acknowledged", partition: name, value, offset })
      known.set(offset, logAppendTimeMs >= 0 ? logAppendTimeMs : batch.timestamps[index]!)
    }
    model.counts.acknowledged += batch.values.length
  }

  #refused(batch: OpenBatch, name: string): void {
    for (const value of batch.values) this.model.history.observe({ kind: "refused", partition: name, value })
    this.#remove(batch)
  }

  /** No answer: an idempotent producer sends it again, another never knows. */
  #undecided(batch: OpenBatch): void {
    const queue = this.#queues.get(batch.topic.partitionName(batch.partition))
    if (queue !== undefined) queue.hasFailed = true
    if (!this.isIdempotent) this.#giveUp(batch)
  }

  #giveUp(batch: OpenBatch): void {
    const partition = batch.topic.partitionName(batch.partition)
    for (const value of batch.values) this.model.history.observe({ kind: "unknown", partition, value })
    this.#remove(batch)
  }

  #remove(batch: OpenBatch): void {
    const queue = this.#queues.get(batch.topic.partitionName(batch.partition))
    if (queue === undefined) return
    const at = queue.open.indexOf(batch)
    if (at >= 0) queue.open.splice(at, 1)
  }
}

function resultOf(response: ResponseOf<typeof produce>, { topic, partition }: OpenBatch, byId: boolean) {
  return response.responses
    .find((each) => (byId ? each.topicId === topic.topicId : each.name === topic.name))
    ?.partitionResponses.find(({ index }) => index === partition)
}
