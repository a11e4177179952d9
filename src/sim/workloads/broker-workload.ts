/**
 * A broker that crashes, and clients that speak the wire to it and remember every answer.
 *
 * Owns the lives of the broker and the end: faults stop, open work is finished, everything is read back, the power goes once more and everything is
 * read again. The broker is the real one on a simulated machine; clients judge it by its answers alone.
 */
import { Broker, StartError } from "../../broker/broker.js"
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
import { capacityBytes, Faults } from "./broker/faults.js"
import { brokerPort, Model, requestTimeoutMs, type TopicModel } from "./broker/model.js"
import { type BrokerOptionsDrawn, drawOptions, hasDiskErrors, hasNetworkFaults } from "./broker/options.js"
import { SimulatedProducer } from "./broker/producer.js"
import { takeIn } from "./broker/reading.js"
import type { Workload } from "./workload.js"

/** LIV: with nothing broken, a broker serves within this, and clients finish what they began. */
const startsWithinMs = 30_000
const finishesWithinMs = 180_000

type EndOfLife = "its time has come" | "crashed" | "fatal" | "not started"

class BrokerRun {
  readonly node: SimulatedNode
  readonly clients: readonly SimulatedNode[]
  readonly model: Model
  readonly faults: Faults
  readonly random: SeededRandom
  readonly config: ServerConfig
  #producers: SimulatedProducer[] = []
  #broker: Broker | undefined
  #over: (how: EndOfLife) => void = () => {}
  #startProblem: unknown
  /** A disk operation failed in this life: what the page cache shows may not be on the medium. */
  #diskFailed = false

  constructor(
    readonly world: World,
    readonly options: BrokerOptionsDrawn,
  ) {
    this.random = world.random.fork("workload")
    this.node = world.addNode("broker", {
      disk: {
        capacityBytes,
        syncFileSystem: options.syncFileSystem,
        latencyNs: { least: 5000, spread: 50_000 * options.readLatencyFactor },
        syncLatencyNs: { least: 100_000, spread: 400_000 * options.syncLatencyFactor },
      },
    })
    this.clients = Array.from({ length: options.clients }, (_, index) =>
      world.addNode(`client${index}`, { clock: { wallSkewMs: this.random.between(-5000, 5000) } }),
    )
    this.model = new Model(world, options, this.node, world.random.fork("clients"))
    this.faults = new Faults(world, options, this.random.fork("faults"), this.node, this.clients, () =>
      this.model.noteWallTime(),
    )
    this.config = configOf(options, this.node.address)
  }

  get #nothingToForgive(): boolean {
    return !this.#diskFailed
  }

  onLog(level: string, message: string, fields: Readonly<Record<string, unknown>> | undefined): void {
    if (level !== "error") return
    if (/^log directory .* failed/.test(message)) {
      this.#diskFailed = true
      if (!hasDiskErrors(this.options)) this.model.violated(`want of room or handles fails no directory: ${message}`)
    }
    if (/; the connection is closed$/.test(message))
      this.model.violated(`requests are handled: ${message}: ${String(fields?.error)}`)
  }

  async run(): Promise<Model["counts"]> {
    const { model, options, random } = this
    const actors = this.#startClients()
    for (let life = 1; life <= options.lives; life++) {
      await this.#live(random.between(1, options.lifeMs))
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

  /** Boots the broker; resolves when it serves or cannot. */
  #boot(): void {
    const { node, model } = this
    const { incarnation } = node
    this.#startProblem = undefined
    this.#broker = undefined
    this.#diskFailed = false
    const onFatal = (reason: string) => {
      if (!incarnation.alive) return
      model.counts.fatal += 1
      if (this.#nothingToForgive || /Invariant/.test(reason)) model.violated(`the broker stays up: ${reason}`)
      this.#over("fatal")
    }
    Broker.start(node.env, this.config, { insecure: true, onFatal }).then(
      (broker) => {
        this.#broker = broker
        model.healthySinceMs = this.world.nowMs
      },
      (error: unknown) => {
        this.#startProblem = error
        this.#over("not started")
      },
    )
  }

  async #live(lifeMs: number): Promise<void> {
    const { node, model, options, random, faults, world } = this
    const over = new Promise<EndOfLife>((resolve) => (this.#over = resolve))
    const power = random.chance(options.crashPower ? 0.7 : 0)
    const { disk } = node
    model.counts.lives += 1
    model.isQuiet = faults.begin()
    if (options.crashAtOperation && random.chance(0.7)) {
      const operation = disk.operationCount + random.magnitude(1, 4096)
      const when = random.pick(["before", "after"] as const)
      disk.intercept = ({ number }) => {
        if (number !== operation) return undefined
        this.#over("crashed")
        return { crash: power ? "power" : "kill", when }
      }
    }
    const timer = this.#over
    world.at(lifeMs, "end of life", () => timer("its time has come"))
    this.#boot()
    const how = await over
    model.healthySinceMs = undefined
    if (how === "not started") this.#judgeStart()
    disk.intercept = undefined
    if (how === "its time has come" && options.cleanStops && random.chance(0.5)) await this.#stop()
    this.#die(power)
    if (options.clockJumps && random.chance(0.2)) {
      model.noteWallTime()
      node.clock.jump(random.between(-86_400_000, 86_400_000))
      model.noteWallTime()
    }
  }

  #judgeStart(): void {
    this.model.counts.failedStarts += 1
    const problem = this.#startProblem
    // With a disk that refuses a start may fail, and must say so.
    if (problem instanceof StartError || problem instanceof Error) return
    throw new ViolationError(`a start fails with a reason: ${String(problem)}`)
  }

  async #stop(): Promise<void> {
    const broker = this.#broker
    if (broker === undefined) return
    const stopping = broker.stop().then(() => "stopped" as const)
    const patience = this.world.sleep(finishesWithinMs).then(() => "stuck" as const)
    const outcome = await Promise.race([stopping, patience])
    if (outcome === "stuck") throw new ViolationError("liveness: the broker does not stop")
    this.model.counts.cleanStops += 1
  }

  /** The process is gone, and with it what the topics' policies do not cover. */
  #die(wantsPower: boolean): void {
    const { node, model } = this
    const hadPower = !node.alive && !node.powered
    // After a failed sync the page cache shows what the medium may not have: only a new start of the machine tells the truth.
    const power = wantsPower || hadPower || this.#diskFailed
    if (node.alive) node.crash(power ? "power" : "kill")
    else if (power && node.powered) {
      node.restart()
      node.crash("power")
    }
    model.counts[power ? "powerCuts" : "kills"] += 1
    this.faults.end()
    model.noteWallTime()
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
    model.history.observe({ kind: "restarted" })
    model.life += 1
    node.restart()
  }

  /** A start with nothing broken. */
  async #bootHealthy(): Promise<void> {
    const over = new Promise<EndOfLife>((resolve) => (this.#over = resolve))
    this.#boot()
    const patience = this.world.sleep(startsWithinMs).then(() => "patience" as const)
    const outcome = await Promise.race([over, patience, this.#serving()])
    if (outcome === "serving") return
    this.model.history.verify()
    if (outcome === "patience")
      throw new ViolationError(`liveness: the broker does not serve within ${startsWithinMs} ms of its start`)
    throw new ViolationError(
      `liveness: the broker does not start though nothing is broken: ${problemText(this.#startProblem) || outcome}`,
    )
  }

  async #serving(): Promise<"serving"> {
    while (this.#broker === undefined) await this.world.sleep(100)
    return "serving"
  }

  async #end(actors: Promise<void>[]): Promise<void> {
    const { model, world } = this
    this.faults.heal()
    model.isQuiet = true
    await this.#bootHealthy()
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
    this.#die(true)
    await this.#bootHealthy()
    await this.#audit()
    await this.#stop()
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

const problemText = (problem: unknown): string =>
  problem === undefined ? "" : problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)

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
          if (node === "broker") run?.onLog(level, message, fields)
        },
      },
      run: (world) => {
        run = new BrokerRun(world, options)
        return run.run()
      },
    }
  },
}
