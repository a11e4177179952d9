/**
 * Producers and readers on the logs of one machine that crashes, again and again.
 *
 * Owns the drawing of options and the life of the node: open, check what is there, work, die. Storage alone: a record counts as acknowledged
 * once it is flushed, as under the `flush` policy with one replica. Producers are idempotent and try again what a crash left open.
 */
import { defaultLogConfig, type LogConfig } from "../../config/log-config.js"
import { DiskError, isFileRegion } from "../../env/env.js"
import { batchBaseOffset, batchLastOffset } from "../../protocol/batch-header.js"
import { Errors } from "../../protocol/errors.js"
import { batchesIn, buildBatch, recordsOf } from "../../protocol/record-batch.js"
import type { Log } from "../../storage/log.js"
import { LogManager } from "../../storage/log-manager.js"
import { AcknowledgedReadBack } from "../checkers/acknowledged-read-back.js"
import { type BatchFact, FilesRecoverToPrefix } from "../checkers/files-recover-to-prefix.js"
import { NothingRefusedAppears } from "../checkers/nothing-refused-appears.js"
import { OffsetsNeverGoBack } from "../checkers/offsets-never-go-back.js"
import { History, ViolationError } from "../history.js"
import type { SimulatedNode } from "../node.js"
import { SeededRandom } from "../random.js"
import { hashBytes } from "../trace.js"
import type { World } from "../world.js"
import type { Workload } from "./workload.js"

const topicId = "AAAAAAAAAAAAAAAAAAAAAQ"
/** Kafka remembers so many batches of a producer: more must not be open at once. */
const openBatchesMax = 5
const capacityBytes = 1 << 28

function draw(random: SeededRandom) {
  const faults = (chance: number) => (random.chance(0.5) ? chance : 0)
  return {
    lives: random.between(2, 6),
    logs: random.between(1, 3),
    producersPerLog: random.between(1, 3),
    lifeMs: random.magnitude(20, 60_000),
    batchesPerLife: random.magnitude(8, 256),
    thinkMsMax: random.magnitude(1, 2048),
    recordsPerBatchMax: random.magnitude(1, 16),
    valueBytesMax: random.magnitude(1, 4096),
    compression: random.pick(["none", "none", "gzip", "snappy", "lz4"] as const),
    segmentBytes: random.magnitude(16_384, 262_144),
    indexIntervalBytes: random.magnitude(1, 4096),
    segmentIndexBytes: random.magnitude(256, 8192),
    hotCacheBytes: random.pick([0, 10_000, 1 << 20]),
    openFilesMax: random.pick([4, 16, 1000]),
    crashAtOperation: random.chance(0.5),
    crashPower: random.chance(0.7),
    cleanClose: random.chance(0.5),
    deleteRecords: random.chance(0.5),
    checkpointIntervalMs: random.magnitude(50, 60_000),
    readLatencyFactor: random.magnitude(1, 8),
    slowChance: faults(0.01),
    syncErrorChance: faults(1 / random.magnitude(100, 2000)),
    writeErrorChance: faults(1 / random.magnitude(200, 4000)),
    full: random.chance(0.3),
    syncFileSystem: random.chance(0.7),
    clockJumps: random.chance(0.3),
    interleaveChance: random.pick([0, 0.1, 0.5]),
  }
}

type Options = ReturnType<typeof draw>

interface OpenBatch {
  readonly producerId: number
  readonly values: readonly string[]
  readonly bytes: Buffer
  readonly baseSequence: number
  baseOffset: number
  /** It was in a log before a crash, maybe: an error now says nothing about then. */
  triedBefore: boolean
}

class Producer {
  nextSequence = 0
  open: OpenBatch[] = []
  constructor(
    readonly name: string,
    readonly producerId: number,
  ) {}
}

class PartitionState {
  readonly producers: Producer[] = []
  log!: Log
  constructor(readonly partition: number) {}
  get name(): string {
    return `t-${this.partition}`
  }
}

class LogRun {
  readonly node: SimulatedNode
  readonly history: History
  readonly files: FilesRecoverToPrefix
  readonly random: SeededRandom
  readonly partitions: PartitionState[] = []
  readonly counts = { records: 0, acknowledged: 0, crashes: 0, offline: 0, refused: 0, read: 0 }
  #manager!: LogManager
  #nextValue = 0
  #nextReader = 0
  #nextProducerId = 1000
  /** Of the current life. Afterwards there is idle time, in which timers do their work. */
  #batchesLeft = 0
  #life = 0
  /** Resolves when the current life is over. */
  #over: (how: "crashed" | "offline") => void = () => {}

  constructor(
    readonly world: World,
    readonly options: Options,
  ) {
    this.random = world.random.fork("workload")
    this.node = world.addNode("broker", {
      disk: {
        capacityBytes,
        syncFileSystem: options.syncFileSystem,
        latencyNs: { least: 5000, spread: 50_000 * options.readLatencyFactor },
      },
    })
    this.history = new History([
      (report) => new AcknowledgedReadBack(report),
      (report) => new NothingRefusedAppears(report),
      (report) => new OffsetsNeverGoBack(report),
    ])
    this.files = new FilesRecoverToPrefix((what) => this.history.violations.push(`files recover to a prefix: ${what}`))
    for (let partition = 0; partition < options.logs; partition++) {
      const state = new PartitionState(partition)
      for (let i = 0; i < options.producersPerLog; i++) state.producers.push(this.#newProducer())
      this.partitions.push(state)
    }
  }

  #newProducer(): Producer {
    const producerId = this.#nextProducerId++
    return new Producer(`producer ${producerId}`, producerId)
  }

  get #config(): LogConfig {
    const { segmentBytes, indexIntervalBytes, segmentIndexBytes } = this.options
    return {
      ...defaultLogConfig,
      segmentBytes,
      indexIntervalBytes,
      segmentIndexBytes,
      fileDeleteDelayMs: 50,
      retentionMs: -1,
    }
  }

  async run(): Promise<typeof this.counts> {
    for (let life = 1; life <= this.options.lives; life++) {
      this.#life = life
      await this.#live()
      this.history.verify()
    }
    this.#life += 1
    this.#heal()
    await this.#open()
    await this.#checkAll()
    this.history.verify()
    return this.counts
  }

  #heal(): void {
    this.node.disk.intercept = undefined
    this.node.disk.heal()
    this.node.disk.options.capacityBytes = capacityBytes
  }

  async #open(): Promise<void> {
    const manager = await LogManager.open(this.node.env, {
      directories: ["/data"],
      nodeId: 1,
      configOf: () => this.#config,
      hotCacheBytes: this.options.hotCacheBytes,
      openFilesMax: this.options.openFilesMax,
      checkpointIntervalMs: this.options.checkpointIntervalMs,
      highWatermarkCheckpointIntervalMs: this.options.checkpointIntervalMs,
    })
    this.#manager = manager
    for (const state of this.partitions) {
      const config = this.#config
      const { failureReason } = manager.directories[0]!
      if (failureReason !== undefined) throw new DiskError("EIO", failureReason, "/data")
      state.log = manager.get("t", state.partition) ?? (await manager.create("t", state.partition, { topicId, config }))
      if (state.log.offlineReason !== undefined) throw new DiskError("EIO", state.log.offlineReason, state.log.path)
    }
  }

  async #live(): Promise<void> {
    const { node, random, options } = this
    const over = new Promise<"crashed" | "offline">((resolve) => (this.#over = resolve))
    const crash = random.chance(options.crashPower ? 0.7 : 0) ? "power" : "kill"
    const clean = options.cleanClose && random.chance(0.3)
    if (options.crashAtOperation && !clean) {
      const operation = node.disk.operationCount + random.magnitude(1, 2048)
      const when = random.pick(["before", "after"] as const)
      node.disk.intercept = ({ number }) => {
        if (number !== operation) return undefined
        this.#over("crashed")
        return { crash, when }
      }
    }
    const { disk } = node
    disk.options.slowChance = options.slowChance
    if (this.#life > 1) {
      disk.options.syncErrorChance = options.syncErrorChance
      disk.options.writeErrorChance = options.writeErrorChance
    }
    const work = this.#work(clean).then(
      () => "finished" as const,
      (error: unknown) => {
        // The disk refuses: the process gives up, and whoever runs it starts the machine again.
        if (error instanceof DiskError) return "offline" as const
        throw error
      },
    )
    const outcome = await Promise.race([work, over])
    disk.intercept = undefined
    this.counts.crashes += 1
    if (outcome === "offline") this.counts.offline += 1
    // After a failed sync the page cache shows what the medium may not have: only a new start of the machine tells the truth.
    node.crash(outcome === "offline" ? "power" : crash)
    this.#heal()
    for (const state of this.partitions) {
      this.history.observe({ kind: "crashed", partition: state.name })
      for (const producer of state.producers) for (const batch of producer.open) this.#unknown(state, batch)
    }
    if (options.clockJumps && random.chance(0.5)) node.clock.jump(random.between(-86_400_000, 86_400_000))
    await this.world.sleep(random.int(1000))
    node.restart()
  }

  #unknown(state: PartitionState, batch: OpenBatch): void {
    batch.triedBefore = true
    for (const value of batch.values) this.history.observe({ kind: "unknown", partition: state.name, value })
  }

  async #work(clean: boolean): Promise<void> {
    const { options, random, world } = this
    await this.#open()
    await this.#checkAll()
    for (const state of this.partitions) this.#listen(state)
    for (const state of this.partitions) this.#retry(state)
    this.#batchesLeft = options.batchesPerLife
    const untilMs = world.nowMs + random.between(1, options.lifeMs)
    if (options.full && random.chance(0.5)) {
      const { disk } = this.node
      const life = this.#life
      world.at(random.int(options.lifeMs), "disk fills", () => {
        if (this.#life === life) disk.options.capacityBytes = disk.usedBytes + random.magnitude(1, 8192)
      })
      world.at(options.lifeMs + random.int(options.lifeMs), "disk has room", () => {
        disk.options.capacityBytes = capacityBytes
      })
    }
    await Promise.all(
      this.partitions.flatMap((state) => [
        ...state.producers.map((_, index) => this.#produce(state, index, untilMs)),
        this.#follow(state, untilMs),
        this.#administer(state, untilMs),
      ]),
    )
    await new Promise<void>((resolve) => this.node.env.timers.after(Math.max(0, untilMs - world.nowMs), resolve))
    if (clean) await this.#manager.close()
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.node.env.timers.after(this.random.int(this.options.thinkMsMax), resolve))
  }

  #listen(state: PartitionState): void {
    state.log.listener = {
      onAdvance: (log) => {
        this.files.flushed(state.name, log.flushedOffset)
        log.updateHighWatermark(log.flushedOffset)
        for (const producer of state.producers) {
          while (producer.open[0] !== undefined && this.#isFlushed(log, producer.open[0]))
            this.#acknowledge(state, producer.open.shift()!)
        }
        this.history.observe({
          kind: "offsets",
          observer: "client",
          partition: state.name,
          logStartOffset: log.logStartOffset,
          highWatermark: log.flushedOffset,
          logEndOffset: log.logEndOffset,
        })
      },
      onAppendsLost: (_, endOffset) => this.#onAppendsLost(state, endOffset),
      onDamaged: () => {},
      onOffline: () => this.#over("offline"),
    }
  }

  #isFlushed(log: Log, batch: OpenBatch): boolean {
    return batch.baseOffset >= 0 && batch.baseOffset + batch.values.length <= log.flushedOffset
  }

  #acknowledge(state: PartitionState, batch: OpenBatch): void {
    for (const [index, value] of batch.values.entries()) {
      const offset = batch.baseOffset + index
      this.history.observe({ kind: "acknowledged", partition: state.name, value, offset })
      this.counts.acknowledged += 1
    }
  }

  #onAppendsLost(state: PartitionState, endOffset: number): void {
    this.files.truncated(state.name, endOffset)
    // The end anyone saw was not a promise.
    this.history.observe({ kind: "crashed", partition: state.name })
    for (const [index, producer] of state.producers.entries()) {
      const lost = producer.open.findIndex((batch) => batch.baseOffset >= endOffset)
      if (lost >= 0) this.#refuse(state, index, producer.open.splice(lost))
    }
  }

  /** The producer gives the batches up. Those that may be in the log from before cost it its identity. */
  #refuse(state: PartitionState, index: number, batches: readonly OpenBatch[]): void {
    const producer = state.producers[index]!
    for (const { producerId, baseSequence } of batches)
      if (producerId === producer.producerId) producer.nextSequence = Math.min(producer.nextSequence, baseSequence)
    this.counts.refused += 1
    for (const batch of batches) {
      for (const value of batch.values)
        this.history.observe({ kind: batch.triedBefore ? "unknown" : "refused", partition: state.name, value })
    }
    if (batches.some((batch) => batch.triedBefore)) {
      const fresh = this.#newProducer()
      // What is still open stays the old one's business until it is flushed.
      fresh.open = producer.open
      state.producers[index] = fresh
    }
  }

  /** Appends once; false if it was refused. */
  #append(state: PartitionState, index: number, batch: OpenBatch): boolean {
    const { log } = state
    const bytes = Buffer.from(batch.bytes)
    const result = log.append(bytes, { origin: "client", leaderEpoch: 0, nowMs: this.node.env.clock.wallMs() })
    if (!result.ok) {
      if (batch.triedBefore && result.error === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
        throw new ViolationError(`${state.name}: a retry is not known any more: ${result.message}`)
      return false
    }
    batch.baseOffset = result.baseOffset
    if (result.duplicate && !batch.triedBefore)
      throw new ViolationError(`${state.name}: the first try of a batch is called a duplicate of ${result.baseOffset}`)
    if (!result.duplicate) {
      const fact = { baseOffset: result.baseOffset, nextOffset: result.lastOffset + 1, hash: hashBytes(bytes) }
      this.files.appended(state.name, fact)
    }
    const producer = state.producers[index]!
    producer.open.push(batch)
    if (batch.producerId === producer.producerId) producer.nextSequence = batch.baseSequence + batch.values.length
    return true
  }

  /** What a crash left open is sent again, in order, with the same sequences. */
  #retry(state: PartitionState): void {
    for (const index of state.producers.keys()) {
      const producer = state.producers[index]!
      const open = producer.open
      producer.open = []
      for (const [at, batch] of open.entries()) {
        if (this.#append(state, index, batch)) continue
        this.#refuse(state, index, open.slice(at))
        break
      }
      const now = state.producers[index]!
      while (now.open[0] !== undefined && this.#isFlushed(state.log, now.open[0]))
        this.#acknowledge(state, now.open.shift()!)
    }
  }

  async #produce(state: PartitionState, index: number, untilMs: number): Promise<void> {
    const { random, options } = this
    while (this.world.nowMs < untilMs) {
      await this.#pause()
      const producer = state.producers[index]!
      if (this.#batchesLeft === 0) return
      if (producer.open.length >= openBatchesMax) continue
      this.#batchesLeft -= 1
      const count = random.between(1, options.recordsPerBatchMax)
      const values = Array.from({ length: count }, () => `v${this.#nextValue++}`)
      const bytes = buildBatch({
        records: values.map((value) => ({
          key: Buffer.from(value),
          value: random.bytes(random.int(options.valueBytesMax)),
        })),
        compression: options.compression,
        timestamp: this.node.env.clock.wallMs(),
        producerId: producer.producerId,
        producerEpoch: 0,
        baseSequence: producer.nextSequence,
      })
      for (const value of values)
        this.history.observe({ kind: "sent", producer: producer.name, partition: state.name, value })
      this.counts.records += count
      const { producerId, nextSequence: baseSequence } = producer
      const batch = { producerId, values, bytes, baseSequence, baseOffset: -1, triedBefore: false }
      if (!this.#append(state, index, batch)) this.#refuse(state, index, [batch])
    }
  }

  /** Reads what is flushed, from the start, at its own pace. */
  async #follow(state: PartitionState, untilMs: number): Promise<void> {
    const reader = `reader ${this.#nextReader++}`
    let offset = state.log.logStartOffset
    while (this.world.nowMs < untilMs) {
      await this.#pause()
      offset = Math.max(offset, state.log.logStartOffset)
      const end = state.log.flushedOffset
      if (offset >= end && this.#batchesLeft === 0) return
      if (offset < end) offset = await this.#read(state, reader, offset, end, () => {})
    }
  }

  /** One read from `offset`; returns where the next begins. */
  async #read(
    state: PartitionState,
    reader: string,
    offset: number,
    maxOffset: number,
    see: (batch: BatchFact) => void,
  ): Promise<number> {
    const result = await state.log.read(offset, { maxBytes: this.random.magnitude(1, 65_536), maxOffset })
    if (!result.ok) {
      // Records are deleted under a reader; anything else is an error.
      if (offset < state.log.logStartOffset || state.log.offlineReason !== undefined) return offset
      throw new ViolationError(
        `${state.name}: reading at ${offset} of [${state.log.logStartOffset}, ${maxOffset}): ${result.message}`,
      )
    }
    const parts: Buffer[] = []
    try {
      for (const payload of result.payloads) {
        if (!isFileRegion(payload)) parts.push(Buffer.from(payload))
        else {
          const part = Buffer.alloc(payload.length)
          const count = await payload.file.read(part, 0, payload.length, payload.position)
          parts.push(part.subarray(0, count))
        }
      }
    } finally {
      result.release()
    }
    const bytes = Buffer.concat(parts)
    for (const { start, end } of batchesIn(bytes)) {
      const baseOffset = batchBaseOffset(bytes, start)
      see({ baseOffset, nextOffset: batchLastOffset(bytes, start) + 1, hash: hashBytes(bytes, start, end) })
      for (const record of recordsOf(bytes, start)) {
        if (record.offset < offset) continue
        const value = record.key?.toString("latin1") ?? "nothing"
        this.history.observe({ kind: "read", reader, partition: state.name, offset: record.offset, value })
        this.counts.read += 1
      }
    }
    return result.nextOffset
  }

  async #administer(state: PartitionState, untilMs: number): Promise<void> {
    const { random } = this
    while (this.options.deleteRecords && this.#batchesLeft > 0 && this.world.nowMs < untilMs) {
      await this.#pause()
      await this.#pause()
      const { log } = state
      const offset = random.between(log.logStartOffset, log.flushedOffset)
      if (!random.chance(0.2)) continue
      this.history.observe({ kind: "deletable", partition: state.name, below: offset })
      this.files.deletable(state.name, offset)
      if (!log.maybeIncrementLogStartOffset(offset)) continue
      await this.#manager.checkpoint()
      // A directory that failed or is full wrote nothing, and promised nothing.
      if (log.offlineReason !== undefined) return
      if (!this.#manager.directoryOf(log).full)
        this.history.observe({ kind: "deleted", partition: state.name, below: offset })
      if (random.chance(0.5)) await log.deleteOldSegments(this.node.env.clock.wallMs())
    }
  }

  /** Reads every log whole and has it judged. */
  async #checkAll(): Promise<void> {
    for (const state of this.partitions) {
      const { log } = state
      const reader = `check ${this.#nextReader++}`
      const facts: BatchFact[] = []
      let offset = log.logStartOffset
      while (offset < log.logEndOffset) {
        const next = await this.#read(state, reader, offset, log.logEndOffset, (fact) => facts.push(fact))
        if (next <= offset)
          throw new ViolationError(`${state.name}: nothing at ${offset}, the log ends at ${log.logEndOffset}`)
        offset = next
      }
      const { logStartOffset, logEndOffset } = log
      this.files.recovered(state.name, logStartOffset, logEndOffset, facts)
      this.history.observe({ kind: "drained", reader, partition: state.name, from: logStartOffset, to: logEndOffset })
      this.history.observe({
        kind: "offsets",
        observer: "client",
        partition: state.name,
        logStartOffset,
        highWatermark: logEndOffset,
        logEndOffset,
      })
    }
    this.history.verify()
  }
}

export const logWorkload: Workload = {
  name: "log",
  prepare(seed) {
    const options = draw(new SeededRandom(seed).fork("options"))
    return {
      options,
      world: { interleaveChance: options.interleaveChance },
      run: (world) => new LogRun(world, options).run(),
    }
  },
}
