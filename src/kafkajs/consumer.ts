/**
 * kafkajs's consumer over the client's.
 *
 * Owns subscriptions, what is paused and sought by the user, the loop that hands out batches, and which offsets are resolved and committed. Invariants: of a partition one batch is in work at a time;
 * an offset is committed only when its message was resolved. Heartbeats are the client's own: `heartbeat()` is there, and does nothing.
 */
import type { ClientCore } from "../client/core.js"
import type { GroupConsumer } from "../client/consumer/group/group-consumer.js"
import type { RebalanceEvent } from "../client/consumer/group/rebalance-listeners.js"
import type { ConsumerRecord } from "../client/consumer/record.js"
import { ClosedError } from "../client/errors.js"
import type { Env } from "../env/env.js"
import { type Assigner, assignorNames } from "./assigners.js"
import { batchOf, type Batch } from "./batch.js"
import type { Connection } from "./connection.js"
import { asKafkaJSError, KafkaJSError, KafkaJSNonRetriableError, translated } from "./errors.js"
import { Events } from "./events.js"
import type { Logger } from "./logger.js"
import { type KafkaMessage, messageOf } from "./messages.js"
import { describedGroups, type GroupDescriptions } from "./group-descriptions.js"
import type { RetryOptions } from "./retry.js"

export interface ConsumerConfig {
  groupId: string
  partitionAssigners?: Assigner[]
  metadataMaxAge?: number
  sessionTimeout?: number
  rebalanceTimeout?: number
  heartbeatInterval?: number
  maxBytesPerPartition?: number
  minBytes?: number
  maxBytes?: number
  maxWaitTimeInMs?: number
  retry?: RetryOptions
  allowAutoTopicCreation?: boolean
  maxInFlightRequests?: number
  readUncommitted?: boolean
  rackId?: string
}

export interface TopicPartitions {
  topic: string
  partitions: number[]
}
export interface TopicPartitionOffset {
  topic: string
  partition: number
  offset: string
}
export interface TopicPartitionOffsetAndMetadata extends TopicPartitionOffset {
  metadata?: string | null
}
export interface PartitionOffset {
  partition: number
  offset: string
}
export interface TopicOffsets {
  topic: string
  partitions: PartitionOffset[]
}
export interface Offsets {
  topics: TopicOffsets[]
}

export interface EachMessagePayload {
  topic: string
  partition: number
  message: KafkaMessage
  heartbeat(): Promise<void>
  pause(): () => void
}

export interface EachBatchPayload {
  batch: Batch
  resolveOffset(offset: string): void
  heartbeat(): Promise<void>
  pause(): () => void
  commitOffsetsIfNecessary(offsets?: Offsets): Promise<void>
  uncommittedOffsets(): Offsets
  isRunning(): boolean
  isStale(): boolean
}

export interface ConsumerRunConfig {
  autoCommit?: boolean
  autoCommitInterval?: number | null
  autoCommitThreshold?: number | null
  eachBatchAutoResolve?: boolean
  partitionsConsumedConcurrently?: number
  eachBatch?: (payload: EachBatchPayload) => Promise<void>
  eachMessage?: (payload: EachMessagePayload) => Promise<void>
}

export interface ConsumerSubscribeTopics {
  topics: (string | RegExp)[]
  fromBeginning?: boolean
}
export interface ConsumerSubscribeTopic {
  topic: string | RegExp
  fromBeginning?: boolean
}

const consumerEvents = {
  HEARTBEAT: "consumer.heartbeat",
  COMMIT_OFFSETS: "consumer.commit_offsets",
  GROUP_JOIN: "consumer.group_join",
  FETCH_START: "consumer.fetch_start",
  FETCH: "consumer.fetch",
  START_BATCH_PROCESS: "consumer.start_batch_process",
  END_BATCH_PROCESS: "consumer.end_batch_process",
  CONNECT: "consumer.connect",
  DISCONNECT: "consumer.disconnect",
  STOP: "consumer.stop",
  CRASH: "consumer.crash",
  REBALANCING: "consumer.rebalancing",
  RECEIVED_UNSUBSCRIBED_TOPICS: "consumer.received_unsubscribed_topics",
  REQUEST: "consumer.network.request",
  REQUEST_TIMEOUT: "consumer.network.request_timeout",
  REQUEST_QUEUE_SIZE: "consumer.network.request_queue_size",
} as const

/** Messages of a batch at most. */
const batchMessagesMax = 2_000
const restartFirstMs = 300
const restartMaxMs = 30_000
const earliestOffset = "-2"
const latestOffset = "-1"

/** One partition that this member has. */
interface Holding {
  readonly topic: string
  readonly partition: number
  /** The next offset to be committed, when there is one. */
  resolved: bigint | undefined
  /** Resolved and not committed. */
  count: number
  /** It goes to another member, or the user has sought elsewhere: what is in work is stale. */
  isStale: boolean
  work: Promise<void> | undefined
}

export interface ConsumerParts {
  readonly connection: Connection
  readonly env: Env
  readonly logger: Logger
}

export class Consumer {
  readonly events = consumerEvents
  readonly #events: Events<typeof consumerEvents>
  /** From the beginning or not, by topic. */
  readonly #subscriptions = new Map<string | RegExp, boolean>()
  readonly #holdings = new Map<string, Holding>()
  readonly #paused = new Map<string, TopicPartitionName>()
  readonly #sought = new Map<string, bigint | "earliest" | "latest">()
  #core: GroupConsumer | undefined
  #run: ConsumerRunConfig | undefined
  #loop: Promise<void> | undefined
  #stop = new AbortController()
  #lastCommitMs = 0

  constructor(
    private readonly parts: ConsumerParts,
    private readonly config: ConsumerConfig,
  ) {
    if (typeof config.groupId !== "string" || config.groupId === "")
      throw new KafkaJSNonRetriableError("Consumer groupId must be a non-empty string.")
    this.#events = new Events(consumerEvents, parts.env.clock)
  }

  async connect(): Promise<void> {
    await this.parts.connection.open()
    this.#events.emit("consumer.connect", null)
  }

  async disconnect(): Promise<void> {
    await this.stop()
    await translated(this.parts.connection.close())
    this.#events.emit("consumer.disconnect", null)
  }

  logger(): Logger {
    return this.parts.logger
  }

  on: Events<typeof consumerEvents>["on"] = (name, listener) => this.#events.on(name, listener)

  async subscribe(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): Promise<void> {
    if (this.#core !== undefined)
      throw new KafkaJSNonRetriableError("Cannot subscribe to topic while consumer is running")
    const { fromBeginning = false } = subscription
    const topics = "topics" in subscription ? subscription.topics : [subscription.topic]
    for (const topic of topics) {
      if (!(topic instanceof RegExp) && (typeof topic !== "string" || topic === ""))
        throw new KafkaJSNonRetriableError(
          `Invalid topic ${String(topic)} (${typeof topic}), the topic name has to be a String or a RegExp`,
        )
      this.#subscriptions.set(topic, fromBeginning)
    }
  }

  /** Resolves when the consumer has begun; it runs until `stop` or `disconnect`. Errors of the user's own function are tried again, as `consumer.crash` tells. */
  async run(config: ConsumerRunConfig = {}): Promise<void> {
    const { client } = this.parts.connection
    if (this.#core !== undefined) {
      this.parts.logger.warn("consumer#run was called, but the consumer is already running", {
        groupId: this.config.groupId,
      })
      return
    }
    const beginnings = await this.#topics()
    if (beginnings.size === 0) throw new KafkaJSNonRetriableError("The consumer group is not subscribed to any topic")
    this.#run = config
    this.#stop = new AbortController()
    const core = await translated(() => this.#makeCore(client, beginnings))
    this.#core = core
    this.#lastCommitMs = this.parts.env.clock.monotonicMs()
    core.onRebalance((event) => this.#rebalanced(core, event, beginnings))
    this.#loop = this.#runAgainAndAgain(core)
  }

  async #topics(): Promise<Map<string, boolean>> {
    const found = new Map<string, boolean>()
    const known = [...this.#subscriptions.keys()].some((topic) => topic instanceof RegExp)
      ? (await translated(this.parts.connection.admin.listTopics())).map(({ name }) => name)
      : []
    for (const [topic, fromBeginning] of this.#subscriptions)
      for (const name of topic instanceof RegExp ? known.filter((each) => topic.test(each)) : [topic])
        found.set(name, fromBeginning)
    return found
  }

  #makeCore(client: ClientCore, beginnings: ReadonlyMap<string, boolean>): GroupConsumer {
    const { config } = this
    const rebalanceTimeoutMs = config.rebalanceTimeout ?? 60_000
    return client.consumer({
      groupId: config.groupId,
      topics: [...beginnings.keys()],
      autoCommit: false,
      from: [...beginnings.values()].some(Boolean) ? "earliest" : "latest",
      assignors: assignorNames(config.partitionAssigners),
      sessionTimeoutMs: config.sessionTimeout ?? 30_000,
      heartbeatIntervalMs: config.heartbeatInterval ?? 3_000,
      maxPollIntervalMs: rebalanceTimeoutMs,
      ...(config.maxWaitTimeInMs !== undefined && { maxWaitMs: config.maxWaitTimeInMs }),
      ...(config.minBytes !== undefined && { minBytes: config.minBytes }),
      ...(config.maxBytes !== undefined && { maxBytes: config.maxBytes }),
      ...(config.maxBytesPerPartition !== undefined && { maxPartitionBytes: config.maxBytesPerPartition }),
      ...(config.rackId !== undefined && { rack: config.rackId }),
    })
  }

  // Partitions come and go

  async #rebalanced(core: GroupConsumer, event: RebalanceEvent, beginnings: ReadonlyMap<string, boolean>) {
    const { groupId } = this.config
    if (event.type === "assigned") {
      for (const { topic, partition } of event.partitions) {
        const key = keyOf(topic, partition)
        this.#holdings.set(key, { topic, partition, resolved: undefined, count: 0, isStale: false, work: undefined })
        if (this.#isPaused(topic, partition)) core.pause(topic, partition)
        const sought = this.#sought.get(key)
        this.#sought.delete(key)
        if (sought !== undefined) core.seek(topic, partition, sought)
      }
      await this.#beginWhereTold(core, event.partitions, beginnings)
      const memberAssignment: Record<string, number[]> = {}
      for (const { topic, partition } of core.assignment) (memberAssignment[topic] ??= []).push(partition)
      const { memberId } = core
      this.#events.emit("consumer.group_join", {
        ...{ duration: 0, groupId, isLeader: false, leaderId: "", groupProtocol: "", memberId, memberAssignment },
      })
      return
    }
    this.#events.emit("consumer.rebalancing", { groupId, memberId: core.memberId })
    const going = event.partitions.flatMap(({ topic, partition }) => this.#holdings.get(keyOf(topic, partition)) ?? [])
    for (const holding of going) holding.isStale = true
    await Promise.all(going.map(({ work }) => work))
    if (event.type === "revoked" && this.#run?.autoCommit !== false)
      await this.#commit(core, going).catch((error: unknown) => this.#logCommit(error))
    for (const { topic, partition } of going) this.#holdings.delete(keyOf(topic, partition))
  }

  /** Where some topics begin at their end and others do not, those are moved of which nothing is committed. */
  async #beginWhereTold(
    core: GroupConsumer,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
    beginnings: ReadonlyMap<string, boolean>,
  ): Promise<void> {
    const values = [...beginnings.values()]
    if (values.every(Boolean) || !values.some(Boolean)) return
    const uncommitted = (await core.committed()).filter(({ offset }) => offset < 0n)
    for (const { topic, partition } of uncommitted)
      if (
        beginnings.get(topic) === false &&
        partitions.some((each) => each.topic === topic && each.partition === partition)
      )
        core.seek(topic, partition, "latest")
  }

  // Records

  async #runAgainAndAgain(core: GroupConsumer): Promise<void> {
    const { retry, groupId } = this.config
    let waitMs = retry?.initialRetryTime ?? restartFirstMs
    for (;;) {
      let failure: Error
      try {
        await this.#hand(core)
        return
      } catch (error) {
        failure = asKafkaJSError(error)
      }
      if (this.#stop.signal.aborted) return
      const isFinal = failure instanceof KafkaJSError && !failure.retriable
      const restart = !isFinal && (retry?.restartOnFailure === undefined || (await retry.restartOnFailure(failure)))
      this.parts.logger.error(`Crash: ${failure.name}: ${failure.message}`, {
        groupId,
        retryTime: restart ? waitMs : 0,
      })
      this.#events.emit("consumer.crash", { error: failure, groupId, restart })
      if (!restart) return
      await this.#pause(waitMs)
      waitMs = Math.min(retry?.maxRetryTime ?? restartMaxMs, waitMs * 2)
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.parts.env.timers.after(delayMs, resolve)
      const end = () => {
        timer.cancel()
        resolve()
      }
      this.#stop.signal.addEventListener("abort", end, { once: true })
    })
  }

  /** Hands out batches until the consumer is stopped. Rejects with what the user's function throws. */
  async #hand(core: GroupConsumer): Promise<void> {
    const { signal } = this.#stop
    const concurrency = Math.max(1, this.#run?.partitionsConsumedConcurrently ?? 1)
    const inWork = new Set<Promise<void>>()
    let failure: { readonly error: unknown } | undefined
    while (!signal.aborted && failure === undefined) {
      if (inWork.size >= concurrency) {
        await Promise.race(inWork)
        continue
      }
      let records: ConsumerRecord[]
      try {
        records = await core.poll({ max: batchMessagesMax, signal, timeoutMs: 500 })
      } catch (error) {
        if (error instanceof ClosedError) break
        failure = { error }
        break
      }
      const first = records[0]
      const holding = first === undefined ? undefined : this.#holdings.get(keyOf(first.topic, first.partition))
      if (holding === undefined) {
        await this.#commitIfDue(core)
        continue
      }
      // Nothing more of it until this is done.
      core.pause(holding.topic, holding.partition)
      const work = this.#work(core, holding, records).catch((error: unknown) => {
        failure ??= { error }
      })
      holding.work = work
      inWork.add(work)
      void work.then(() => inWork.delete(work))
    }
    await Promise.all(inWork)
    if (failure !== undefined) throw failure.error
  }

  async #work(core: GroupConsumer, holding: Holding, records: readonly ConsumerRecord[]): Promise<void> {
    const { topic, partition } = holding
    const { eachBatch, eachMessage } = this.#run!
    const messages = records.map(messageOf)
    const first = records[0]!.offset
    const next = () => (holding.resolved !== undefined && holding.resolved > first ? holding.resolved : first)
    try {
      if (eachBatch !== undefined) await this.#eachBatch(core, holding, messages, eachBatch)
      else if (eachMessage !== undefined) {
        for (const message of messages) {
          if (this.#isOver(holding)) break
          await eachMessage({ topic, partition, message, heartbeat, pause: () => this.#pauseOne(topic, partition) })
          this.#resolve(holding, message.offset)
          await this.#commitIfDue(core)
        }
      }
    } finally {
      // What was not resolved is handed out again.
      const isHeld = this.#holdings.get(keyOf(topic, partition)) === holding && !holding.isStale
      const to = next()
      if (isHeld && to <= records.at(-1)!.offset) core.seek(topic, partition, to)
      if (isHeld) await this.#commitIfDue(core, true)
      holding.work = undefined
      if (this.#holdings.get(keyOf(topic, partition)) === holding) {
        holding.isStale = false
        if (!this.#isPaused(topic, partition)) core.resume(topic, partition)
      }
    }
  }

  async #eachBatch(
    core: GroupConsumer,
    holding: Holding,
    messages: KafkaMessage[],
    eachBatch: NonNullable<ConsumerRunConfig["eachBatch"]>,
  ): Promise<void> {
    const { topic, partition } = holding
    const batch = batchOf(topic, partition, messages, core.lag(topic, partition) ?? 0)
    const said = {
      ...{ topic, partition, highWatermark: batch.highWatermark, batchSize: messages.length },
      ...{ offsetLag: batch.offsetLag(), offsetLagLow: batch.offsetLagLow() },
      ...{ firstOffset: batch.firstOffset(), lastOffset: batch.lastOffset() },
    }
    this.#events.emit("consumer.start_batch_process", said)
    const begunMs = this.parts.env.clock.monotonicMs()
    await eachBatch({
      batch,
      heartbeat,
      resolveOffset: (offset) => this.#resolve(holding, offset),
      pause: () => this.#pauseOne(topic, partition),
      commitOffsetsIfNecessary: (offsets) =>
        offsets === undefined
          ? this.#commitIfDue(core)
          : this.commitOffsets(
              offsets.topics.flatMap((each) => each.partitions.map((one) => ({ topic: each.topic, ...one }))),
            ),
      uncommittedOffsets: () => uncommitted([...this.#holdings.values()]),
      isRunning: () => !this.#stop.signal.aborted,
      isStale: () => this.#isOver(holding),
    })
    if (this.#run?.eachBatchAutoResolve !== false && !holding.isStale) this.#resolve(holding, batch.lastOffset())
    this.#events.emit("consumer.end_batch_process", { ...said, duration: this.parts.env.clock.monotonicMs() - begunMs })
  }

  #isOver({ topic, partition, isStale }: Holding): boolean {
    return isStale || this.#stop.signal.aborted || this.#isPaused(topic, partition)
  }

  #resolve(holding: Holding, offset: string): void {
    if (holding.isStale) return
    holding.resolved = BigInt(offset) + 1n
    holding.count++
  }

  // Offsets

  async #commitIfDue(core: GroupConsumer, isBatchOver = false): Promise<void> {
    const { autoCommit = true, autoCommitInterval = null, autoCommitThreshold = null } = this.#run ?? {}
    if (!autoCommit) return
    const nowMs = this.parts.env.clock.monotonicMs()
    const holdings = [...this.#holdings.values()]
    const count = holdings.reduce((sum, each) => sum + each.count, 0)
    const isDue =
      (autoCommitInterval !== null && nowMs - this.#lastCommitMs >= autoCommitInterval) ||
      (autoCommitThreshold !== null && count >= autoCommitThreshold) ||
      (isBatchOver && autoCommitInterval === null && autoCommitThreshold === null)
    if (count === 0 || !isDue) return
    this.#lastCommitMs = nowMs
    await this.#commit(core, holdings).catch((error: unknown) => this.#logCommit(error))
  }

  async #commit(core: GroupConsumer, holdings: readonly Holding[]): Promise<void> {
    const offsets = uncommitted(holdings)
    if (offsets.topics.length === 0) return
    for (const holding of holdings) holding.count = 0
    await core.commit(
      offsets.topics.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => ({ topic, partition, offset: BigInt(offset) })),
      ),
    )
    const { groupId } = this.config
    this.#events.emit("consumer.commit_offsets", { groupId, memberId: core.memberId, ...offsets })
  }

  #logCommit(error: unknown): void {
    const { message } = asKafkaJSError(error)
    this.parts.logger.warn(`Offsets were not committed: ${message}`, { groupId: this.config.groupId })
  }

  async commitOffsets(topicPartitions: TopicPartitionOffsetAndMetadata[]): Promise<void> {
    const core = this.#running("commitOffsets")
    await translated(
      core.commit(
        topicPartitions.map(({ topic, partition, offset, metadata }) => ({
          ...{ topic, partition, offset: offsetOf(offset) },
          ...(typeof metadata === "string" && { metadata }),
        })),
      ),
    )
  }

  seek({ topic, partition, offset }: TopicPartitionOffset): void {
    const core = this.#running("seek")
    const to = offset === earliestOffset ? "earliest" : offset === latestOffset ? "latest" : offsetOf(offset)
    const holding = this.#holdings.get(keyOf(topic, partition))
    if (holding === undefined) {
      this.#sought.set(keyOf(topic, partition), to)
      return
    }
    if (holding.work !== undefined) holding.isStale = true
    holding.resolved = undefined
    holding.count = 0
    core.seek(topic, partition, to)
  }

  pause(topics: { topic: string; partitions?: number[] }[]): void {
    const core = this.#running("pause")
    for (const name of namesOf(topics)) {
      this.#paused.set(keyOf(name.topic, name.partition), name)
      for (const { topic, partition } of this.#holdings.values())
        if (this.#isPaused(topic, partition)) core.pause(topic, partition)
    }
  }

  resume(topics: { topic: string; partitions?: number[] }[]): void {
    const core = this.#running("resume")
    for (const { topic, partition } of namesOf(topics)) {
      if (partition === undefined) {
        for (const [key, name] of this.#paused) if (name.topic === topic) this.#paused.delete(key)
      } else this.#paused.delete(keyOf(topic, partition))
    }
    for (const { topic, partition, work } of this.#holdings.values())
      if (work === undefined && !this.#isPaused(topic, partition)) core.resume(topic, partition)
  }

  paused(): TopicPartitions[] {
    const found = new Map<string, number[]>()
    for (const { topic, partition } of this.#holdings.values())
      if (this.#isPaused(topic, partition)) found.set(topic, [...(found.get(topic) ?? []), partition])
    return [...found].map(([topic, partitions]) => ({ topic, partitions }))
  }

  #pauseOne(topic: string, partition: number): () => void {
    const named = [{ topic, partitions: [partition] }]
    this.pause(named)
    return () => this.resume(named)
  }

  #isPaused(topic: string, partition: number): boolean {
    return this.#paused.has(keyOf(topic, partition)) || this.#paused.has(keyOf(topic, undefined))
  }

  async describeGroup(): Promise<GroupDescriptions["groups"][number]> {
    return (await describedGroups(this.parts.connection.admin, [this.config.groupId])).groups[0]!
  }

  #running(what: string): GroupConsumer {
    if (this.#core !== undefined) return this.#core
    throw new KafkaJSNonRetriableError(`consumer#run must be called before consumer#${what}`)
  }

  /** Ends the run: what is in work is finished, what is resolved is committed, and the group is left. */
  async stop(): Promise<void> {
    const core = this.#core
    if (core === undefined) return
    this.#stop.abort()
    await this.#loop
    if (this.#run?.autoCommit !== false)
      await this.#commit(core, [...this.#holdings.values()]).catch((error: unknown) => this.#logCommit(error))
    this.#core = undefined
    this.#holdings.clear()
    await translated(core.close())
    this.#events.emit("consumer.stop", null)
  }
}

interface TopicPartitionName {
  readonly topic: string
  /** Undefined: all of them. */
  readonly partition: number | undefined
}

const heartbeat = async (): Promise<void> => {}

const keyOf = (topic: string, partition: number | undefined): string => `${topic}/${partition ?? "*"}`

const namesOf = (topics: readonly { topic: string; partitions?: number[] }[]): TopicPartitionName[] =>
  topics.flatMap(({ topic, partitions }): TopicPartitionName[] =>
    partitions === undefined
      ? [{ topic, partition: undefined }]
      : partitions.map((partition) => ({ topic, partition })),
  )

function offsetOf(text: string): bigint {
  if (/^\d+$/.test(text)) return BigInt(text)
  throw new KafkaJSNonRetriableError(
    `offset: "${text}" is no offset; it must be a string of digits, "-1" (latest) or "-2" (earliest)`,
  )
}

function uncommitted(holdings: readonly Holding[]): Offsets {
  const topics = new Map<string, PartitionOffset[]>()
  for (const { topic, partition, resolved, count } of holdings) {
    if (resolved === undefined || count === 0) continue
    const one = { partition, offset: String(resolved) }
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [one])
    else known.push(one)
  }
  return { topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) }
}
