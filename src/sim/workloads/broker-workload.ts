/**
 * A broker that crashes, and clients that speak the wire to it and remember every answer.
 *
 * Owns the end: faults stop, open work is finished, everything is read back, the power goes once more and everything is
 * read again. The broker is the real one on a simulated machine; clients judge it by its answers alone.
 */
import { loadServerConfig, type ServerConfig } from "../../config/server-config.js"
import { Errors } from "../../protocol/errors.js"
import type { RequestInputOf } from "../../protocol/message.js"
import { fetch } from "../../protocol/messages/fetch.js"
import { listOffsets } from "../../protocol/messages/list-offsets.js"
import {
  noOffset,
  offsetForTime,
  offsetOfMaxTimestamp,
  type TimestampedRecord,
} from "../checkers/timestamps-are-exact.js"
import { answered, type SimulatedClient } from "../client.js"
import { ViolationError } from "../history.js"
import type { SimulatedNode } from "../node.js"
import { SeededRandom } from "../random.js"
import type { World } from "../world.js"
import { Administrator, checkMetadata } from "./broker/administrator.js"
import { SimulatedConsumer } from "./broker/consumer.js"
import { Model, type TopicModel } from "./broker/model.js"
import { type BrokerOptionsDrawn, drawOptions } from "./broker/options.js"
import { SimulatedProducer } from "./broker/producer.js"
import { takeIn } from "./broker/reading.js"
import { addBrokerNode, BrokerLives, finishesWithinMs } from "./lives/broker-lives.js"
import { hasNetworkFaults } from "./lives/faults.js"
import { brokerPort, requestTimeoutMs } from "./lives/lives-model.js"
import type { Workload } from "./workload.js"

class BrokerRun {
  readonly clients: readonly SimulatedNode[]
  readonly model: Model
  readonly lives: BrokerLives
  readonly random: SeededRandom
  #producers: SimulatedProducer[] = []

  constructor(
    readonly world: World,
    readonly options: BrokerOptionsDrawn,
  ) {
    this.random = world.random.fork("workload")
    const node = addBrokerNode(world, options)
    this.clients = Array.from({ length: options.clients }, (_, index) =>
      world.addNode(`client${index}`, { clock: { wallSkewMs: this.random.between(-5000, 5000) } }),
    )
    this.model = new Model(world, options, node, world.random.fork("clients"))
    const config = configOf(options, node.address)
    this.lives = new BrokerLives(this.model, config, this.random, this.clients, (power) => this.#onDeath(power))
  }

  async run(): Promise<Model["counts"]> {
    const { model, options, random, lives } = this
    const actors = this.#startClients()
    for (let life = 1; life <= options.lives; life++) {
      await lives.live(random.between(1, options.lifeMs))
      model.history.verify()
      await this.world.sleep(random.magnitude(1, 4096))
    }
    await this.#end(actors)
    return model.counts
  }

  #startClients(): Promise<void>[] {
    const { model, options, random } = this
    const env = () => random.pick(this.clients).env
    this.#producers = Array.from({ length: options.producers }, () => {
      const isIdempotent = random.chance(0.7)
      return new SimulatedProducer(model, env(), isIdempotent, isIdempotent ? -1 : random.pick([0, 1, 1, -1]))
    })
    const consumers = Array.from({ length: options.consumers }, () => new SimulatedConsumer(model, env()))
    const administrator = new Administrator(model, env())
    return [...this.#producers, ...consumers, administrator].map((actor) => actor.run())
  }

  /** What was promised to be in memory only is gone. */
  #onDeath(power: boolean): void {
    const { model } = this
    for (const topic of model.everyTopic) {
      for (let index = 0; index < topic.partitions; index++) {
        const partition = topic.partitionName(index)
        model.history.observe({ kind: "crashed", partition })
        if (topic.flushPolicy === "memory" || (topic.flushPolicy === "replicated" && power)) {
          model.history.observe({ kind: "loss allowed", partition, from: 0 })
          topic.timestamps.delete(index)
        }
      }
    }
  }

  async #end(actors: Promise<void>[]): Promise<void> {
    const { model, world, lives } = this
    lives.faults.heal()
    model.isQuiet = true
    await lives.bootHealthy()
    model.isEnding = true
    const consumers = this.options.consumers
    const producing = Promise.all(
      actors.filter((_, index) => index < this.#producers.length || index >= this.#producers.length + consumers),
    )
    const finished = await Promise.race([producing.then(() => true), world.sleep(finishesWithinMs).then(() => false)])
    model.history.verify()
    if (!finished)
      throw new ViolationError(`liveness: producers or the administrator wait for answers after ${finishesWithinMs} ms`)
    await this.#audit()
    model.history.verify()
    model.isOver = true
    model.healthySinceMs = undefined
    lives.die(true)
    await lives.bootHealthy()
    await this.#audit()
    await lives.stop()
    model.history.verify()
  }

  async #audit(): Promise<void> {
    const { model } = this
    const env = this.clients[0]!.env
    const client = await model.connect(env, model.nextName("auditor"))
    if (client === undefined) throw new ViolationError("liveness: the broker does not take a connection")
    await checkMetadata(model, client)
    for (const topic of model.liveTopics)
      for (let index = 0; index < topic.partitions; index++) await this.#auditPartition(client, topic, index)
    if (!client.isOpen) throw new ViolationError("liveness: a connection was closed though nothing is broken")
    client.close()
  }

  async #list(client: SimulatedClient, topic: TopicModel, index: number, timestamp: number) {
    const response = answered(
      await client.send(
        listOffsets,
        listOffsets.maxVersion,
        {
          replicaId: -1,
          isolationLevel: 0,
          topics: [{ name: topic.name, partitions: [{ partitionIndex: index, timestamp }] }],
          timeoutMs: 1000,
        } as RequestInputOf<typeof listOffsets>,
        requestTimeoutMs,
      ),
      `ListOffsets of ${topic.partitionName(index)}`,
    )
    const result = response.topics[0]!.partitions[0]!
    if (result.errorCode !== Errors.NONE)
      throw new ViolationError(
        `liveness: ${topic.partitionName(index)} answers ListOffsets with error ${result.errorCode} though nothing is broken`,
      )
    return result
  }

  /** Reads a partition whole and has it judged. Retention may go on meanwhile; nothing else does. */
  async #auditPartition(client: SimulatedClient, topic: TopicModel, index: number): Promise<void> {
    const { model, random } = this
    const name = topic.partitionName(index)
    let start = (await this.#list(client, topic, index, -2)).offset
    const end = (await this.#list(client, topic, index, -1)).offset
    const reader = model.nextName("audit")
    let records: TimestampedRecord[] = []
    let bytes = 0
    for (let offset = start; offset < end; ) {
      const data = await this.#fetch(client, topic, index, offset)
      if (data.errorCode === Errors.OFFSET_OUT_OF_RANGE) {
        const again = (await this.#list(client, topic, index, -2)).offset
        if (again <= offset) throw new ViolationError(`${name}: offset ${offset} of [${start}, ${end}) is out of range`)
        start = offset = again
        records = []
        bytes = 0
        continue
      }
      if (data.errorCode !== Errors.NONE)
        throw new ViolationError(
          `liveness: ${name} answers a fetch at ${offset} with error ${data.errorCode} though nothing is broken`,
        )
      const fetched = data.records as unknown as Buffer | null
      const part = takeIn(model, topic, index, reader, offset, data.highWatermark, fetched)
      if (part.nextOffset <= offset) {
        model.history.verify()
        throw new ViolationError(`${name}: nothing at ${offset}, the log ends at ${end}`)
      }
      records.push(...part.records)
      bytes += part.bytes
      offset = part.nextOffset
    }
    const startAfter = (await this.#list(client, topic, index, -2)).offset
    model.noteWallTime()
    if (startAfter > start) {
      bytes = Number.POSITIVE_INFINITY
      records = records.filter(({ offset }) => offset >= startAfter)
    }
    const { retentionMs, retentionBytes } = topic.options
    model.retention.judge(
      {
        partition: name,
        logStartOffset: startAfter,
        deletedBelow: topic.deletable.get(index) ?? 0,
        retentionMs,
        retentionBytes,
        wallMsMax: model.wallMsMax,
        remainingBytes: bytes,
      },
      topic.timestampsOf(index),
    )
    if (retentionMs >= 0 || retentionBytes >= 0)
      model.history.observe({ kind: "deletable", partition: name, below: startAfter })
    model.history.observe({ kind: "drained", reader, partition: name, from: startAfter, to: end })
    model.history.observe({
      kind: "offsets",
      observer: "audit",
      partition: name,
      logStartOffset: startAfter,
      highWatermark: end,
    })
    // With retention the log may lose its head between two questions.
    if (retentionMs >= 0 || retentionBytes >= 0) return
    for (let i = 0; i < 4; i++) {
      const known = records.length === 0 ? 0 : random.pick(records).timestamp
      const timestamp = Math.max(0, known + random.between(-1, 1))
      const expected = offsetForTime(records, timestamp)
      const got = await this.#list(client, topic, index, timestamp)
      model.timestamps.answered(name, `time ${timestamp}`, expected, answerOf(got))
      model.counts.lookups += 1
    }
    const largest = await this.#list(client, topic, index, -3)
    model.timestamps.answered(name, "the largest time", offsetOfMaxTimestamp(records), answerOf(largest))
  }

  async #fetch(client: SimulatedClient, topic: TopicModel, index: number, offset: number) {
    const response = answered(
      await client.send(
        fetch,
        fetch.maxVersion,
        {
          maxWaitMs: 1000,
          minBytes: 1,
          maxBytes: 1 << 20,
          topics: [
            {
              topic: "",
              topicId: topic.topicId,
              partitions: [
                { partition: index, fetchOffset: offset, partitionMaxBytes: this.random.magnitude(1, 1 << 18) },
              ],
            },
          ],
          forgottenTopicsData: [],
        },
        requestTimeoutMs,
      ),
      `a fetch of ${topic.partitionName(index)}`,
    )
    return response.responses[0]!.partitions[0]!
  }
}

const answerOf = ({ offset, timestamp }: { offset: number; timestamp: number }): TimestampedRecord =>
  offset === -1 ? { offset: noOffset, timestamp: -1 } : { offset, timestamp }

function configOf(options: BrokerOptionsDrawn, address: string): ServerConfig {
  const { config, errors } = loadServerConfig({
    overrides: {
      listeners: `PLAINTEXT://${address}:${brokerPort}`,
      "log.dirs": Array.from({ length: options.directories }, (_, index) => `/data${index}`).join(","),
      "auto.create.topics.enable": "false",
      "ottla.hot.cache.bytes": String(options.hotCacheBytes),
      "log.retention.check.interval.ms": String(options.retentionCheckMs),
      "log.flush.offset.checkpoint.interval.ms": String(options.checkpointMs),
      "replica.high.watermark.checkpoint.interval.ms": String(options.checkpointMs),
      "metadata.log.max.record.bytes.between.snapshots": String(options.snapshotBytes),
      "max.incremental.fetch.session.cache.slots": String(options.sessionSlots),
      // A producer that the broker forgot in time may go on with any number: nothing could be checked.
      "producer.id.expiration.ms": "2147483647",
    },
  })
  if (config === undefined) throw new Error(errors.join("\n"))
  return config
}

export const brokerWorkload: Workload = {
  name: "broker",
  prepare(seed) {
    const options = drawOptions(new SeededRandom(seed).fork("options"))
    let run: BrokerRun | undefined
    return {
      options: { ...options, networkFaults: hasNetworkFaults(options) },
      world: {
        interleaveChance: options.interleaveChance,
        network: { chunkBytesMax: options.chunkBytesMax },
        onLog: ({ node, level, message, fields }) => {
          if (node === "broker") run?.lives.onLog(level, message, fields)
        },
      },
      run: (world) => {
        run = new BrokerRun(world, options)
        return run.run()
      },
    }
  },
}
