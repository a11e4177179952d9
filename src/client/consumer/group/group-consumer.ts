/**
 * A consumer that shares topics with the other members of its group, and remembers where it was.
 *
 * Owns what of its partitions is processed, and when that is committed. Who is a member and has what is decided by its membership; reading is the fetcher's. Invariant: an offset is committed by itself
 * only when everything before it is processed. What `poll` or an iteration handed out is processed when more is asked for, or `commit` is called; what `run` hands out, when its handler has resolved.
 */
import type { Env, Timer } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { Cluster } from "../../cluster.js"
import { ClientError, ClosedError, ConfigError, GroupError } from "../../errors.js"
import type { FetcherOptions } from "../fetcher.js"
import { MissingTopics } from "../missing-topics.js"
import type { Position, Reset } from "../position.js"
import type { ConsumerRecord } from "../record.js"
import { RecordReader, type TopicPartition } from "../record-reader.js"
import { ClassicMembership, type ClassicMembershipOptions } from "./classic-membership.js"
import { ConsumerMembership } from "./consumer-membership.js"
import { Coordinator } from "./coordinator.js"
import { type Membership, type MembershipOptions, partitionKey } from "./membership.js"
import { MembershipLoop } from "./membership-loop.js"
import { GroupOffsets, type OffsetToCommit } from "./offsets.js"
import { type RecordHandler, RecordWork, type RecordWorkOptions } from "./record-work.js"
import { deferred, within } from "./waiting.js"

export interface GroupConsumerOptions extends FetcherOptions, MembershipOptions {
  readonly from: Reset
  readonly protocol:
    | { readonly name: "classic"; readonly assignors: ClassicMembershipOptions["assignors"] }
    | { readonly name: "consumer"; readonly serverAssignor: string | null }
  readonly maxPollIntervalMs: number
  /** Undefined: nothing is committed by itself. */
  readonly autoCommitIntervalMs: number | undefined
  readonly maxBlockMs: number
}

export interface RebalanceEvent {
  /** `lost`: the group has taken them without asking, and another member may have them already. */
  readonly type: "assigned" | "revoked" | "lost"
  readonly partitions: readonly TopicPartition[]
}

/** "assigned" comes when they are read, "revoked" while they still are the consumer's: what the listener returns is waited for. */
export type RebalanceListener = (event: RebalanceEvent) => unknown

export interface OffsetAndMetadata extends TopicPartition {
  /** Of the next record to be read. */
  readonly offset: bigint
  readonly metadata?: string
}

export interface RunOptions {
  /** Handlers at a time. Default: 8. */
  readonly concurrency?: number
  /** Whether records wait for those before them in their partition (default), or only for those with the same key. */
  readonly order?: RecordWorkOptions["order"]
  /** Ends the run, well. */
  readonly signal?: AbortSignal
}

interface Assigned extends TopicPartition {
  readonly position: Position
  committed: number
}

const concurrencyDefault = 8
const concurrencyMax = 10_000
/** What may take a while when the consumer is to end, or partitions are to go to others: telling the coordinator. */
const goodbyeMs = 5_000
/** The same for handlers, when nobody waits for their partitions any more. */
const lastHandlersMs = 30_000

export class GroupConsumer extends RecordReader {
  readonly #coordinator: Coordinator
  readonly #membership: Membership
  readonly #loop: MembershipLoop
  readonly #offsets: GroupOffsets
  readonly #missing: MissingTopics
  readonly #assigned = new Map<string, Assigned>()
  readonly #listeners = new Set<RebalanceListener>()
  /** Handed out, and not known to be processed. */
  #pending: { readonly position: Position; readonly offset: number } | undefined
  readonly #onProcessed = new Set<() => void>()
  #askedMs: number
  #work: RecordWork | undefined
  #run: { readonly end: () => void; readonly ended: Promise<void> } | undefined
  #commitTimer: Timer | undefined
  #topicTimer: Timer | undefined
  #isCommitting = false
  #ended: ClientError | undefined
  #closing: Promise<void> | undefined

  constructor(
    env: Env,
    private readonly cluster: Cluster,
    private readonly options: GroupConsumerOptions,
  ) {
    super(env, cluster, options)
    const { groupId, topics, protocol } = options
    this.#askedMs = env.clock.monotonicMs()
    this.#coordinator = new Coordinator(env, cluster, groupId)
    this.#membership =
      protocol.name === "classic"
        ? new ClassicMembership({ ...options, assignors: protocol.assignors })
        : new ConsumerMembership({
            ...options,
            memberId: env.random.uuid(),
            serverAssignor: protocol.serverAssignor,
            topicNamed: (topicId) => topics.find((topic) => cluster.topic(topic)?.topicId === topicId),
          })
    this.#offsets = new GroupOffsets(env, cluster, this.#coordinator, this.#membership, options, (errorCode, epoch) => {
      this.#membership.refused(errorCode, epoch)
      this.#loop.stir()
    })
    this.#loop = new MembershipLoop(
      env,
      cluster,
      this.#coordinator,
      this.#membership,
      {
        revoke: (partitions, isLost) => this.#revoke(partitions, isLost),
        assign: (partitions) => this.#assign(partitions),
        deadlineMs: () => this.#deadlineMs(),
        overslept: () => this.#overslept(),
        failed: (error) => this.#end(error),
      },
      topics,
    )
    this.#missing = new MissingTopics(env, cluster, options.maxBlockMs)
    this.#watchTopics()
    this.#commitLater()
    this.#loop.stir()
  }

  /** What this member has now. */
  get assignment(): readonly TopicPartition[] {
    return [...this.#assigned.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Empty until the group has given it one. */
  get memberId(): string {
    return this.#membership.identity.memberId
  }

  /** Calls the listener at every change of the assignment, until what it returns is called. What the listener throws is logged. */
  onRebalance(listener: RebalanceListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // What is processed

  protected override asked(): void {
    if (this.#run !== undefined)
      throw new ConfigError("poll: run is reading this consumer; let its handler do the work")
    this.#processed()
    this.#awake()
  }

  protected override handedOut(position: Position, fromOffset: number, records: readonly ConsumerRecord[]): void {
    if (records.length === 0) return
    if (this.#work !== undefined) this.#work.add(position, records)
    else this.#pending = { position, offset: Math.max(0, fromOffset) }
  }

  #processed(): void {
    this.#pending = undefined
    this.#tellWaiting()
  }

  #tellWaiting(): void {
    const waiting = [...this.#onProcessed]
    this.#onProcessed.clear()
    for (const tell of waiting) tell()
  }

  /** -1: not known yet. */
  #processedOffset(position: Position): number {
    if (this.#pending?.position === position) return this.#pending.offset
    return this.#work?.firstUnfinished(position) ?? position.offset
  }

  protected override async take(options: { max?: number; timeoutMs?: number; signal?: AbortSignal }) {
    if (this.#ended !== undefined && !this.isClosed) throw this.#ended
    try {
      return await super.take(options)
    } finally {
      this.#askedMs = this.env.clock.monotonicMs()
    }
  }

  override seek(topic: string, partition: number, to: bigint | Reset): void {
    const position = this.positionOf(topic, partition)
    if (this.#pending?.position === position) this.#processed()
    this.#work?.forget(position)
    position.isHeld = false
    super.seek(topic, partition, to)
  }

  // Whether anybody works

  #awake(): void {
    this.#askedMs = this.env.clock.monotonicMs()
    if (this.#membership.awoke()) this.#loop.stir()
  }

  #deadlineMs(): number {
    const { maxPollIntervalMs } = this.options
    if (this.#work !== undefined) return (this.#work.oldestStartMs ?? Number.POSITIVE_INFINITY) + maxPollIntervalMs
    return this.isWaiting ? Number.POSITIVE_INFINITY : this.#askedMs + maxPollIntervalMs
  }

  #overslept(): void {
    const { groupId, maxPollIntervalMs } = this.options
    const who = this.#work === undefined ? "nobody has asked for records" : "a handler has been working on one record"
    this.env.log.log("warn", `${who} for maxPollIntervalMs: the consumer leaves its group until that is over`, {
      groupId,
      maxPollIntervalMs,
    })
    // It is not processed, but nobody waits for that any more.
    this.#tellWaiting()
  }

  // Partitions come and go

  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    const { epoch } = this.#membership.identity
    const isMember = () => this.#closing === undefined && this.#membership.identity.epoch >= 0
    try {
      const committed = await this.#offsets.fetch(partitions, isMember)
      if (!isMember()) return
      for (const { topic, partition, offset, leaderEpoch } of committed) {
        const position =
          offset >= 0
            ? this.fetcher.add(topic, partition, offset, leaderEpoch)
            : this.fetcher.add(topic, partition, this.options.from)
        this.#assigned.set(partitionKey(topic, partition), { topic, partition, position, committed: offset })
      }
      await this.#tell("assigned", partitions)
    } catch (error) {
      if (error instanceof ClosedError) return
      // The membership has heard of it and begins again, unless it is about something else.
      const isMoved = this.#membership.identity.epoch !== epoch
      if (!isMoved) this.#end(asClientError(error))
    }
  }

  async #revoke(partitions: readonly TopicPartition[], isLost: boolean): Promise<void> {
    const going = partitions.flatMap(({ topic, partition }) => this.#assigned.get(partitionKey(topic, partition)) ?? [])
    if (going.length === 0) return
    const { maxPollIntervalMs, rebalanceTimeoutMs } = this.options
    const positions = going.map(({ position }) => position)
    for (const position of positions) position.isHeld = true
    if (this.#work !== undefined) {
      await this.#work.drop(positions, isLost ? lastHandlersMs : rebalanceTimeoutMs)
    } else if (!isLost) await this.#whenProcessed(positions, maxPollIntervalMs)
    if (!isLost) await this.#commitGoing(going)
    await this.#tell(isLost ? "lost" : "revoked", going)
    for (const { topic, partition, position } of going) {
      this.#work?.forget(position)
      if (this.#pending?.position === position) this.#processed()
      if (this.#assigned.get(partitionKey(topic, partition))?.position !== position) continue
      this.#assigned.delete(partitionKey(topic, partition))
      this.fetcher.remove(topic, partition)
    }
  }

  /** Until whoever has the records comes back for more, within bounds: then all of them are processed, and nobody has to do them again. */
  #whenProcessed(positions: readonly Position[], withinMs: number): Promise<void> {
    const { promise, resolve } = deferred()
    const pending = this.#pending
    if (pending === undefined || !positions.includes(pending.position) || this.#closing !== undefined) resolve()
    else {
      const timer = this.env.timers.after(withinMs, resolve)
      this.#onProcessed.add(() => {
        timer.cancel()
        resolve()
      })
    }
    return promise
  }

  async #commitGoing(going: readonly Assigned[]): Promise<void> {
    if (this.options.autoCommitIntervalMs === undefined || this.#closing !== undefined) return
    try {
      await this.#commitProcessed(going, Math.min(this.options.requestTimeoutMs, goodbyeMs))
    } catch (error) {
      this.#logCommit(error)
    }
  }

  async #tell(type: RebalanceEvent["type"], partitions: readonly TopicPartition[]): Promise<void> {
    const event: RebalanceEvent = { type, partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) }
    const { groupId, rebalanceTimeoutMs } = this.options
    this.env.log.log("debug", `partitions ${type}`, { groupId, memberId: this.memberId, partitions: event.partitions })
    const listening = [...this.#listeners].map(async (listener) => {
      try {
        await listener(event)
      } catch (error) {
        this.env.log.log("error", "a listener to rebalances has failed", { groupId, error: String(error) })
      }
    })
    await within(this.env, rebalanceTimeoutMs, Promise.all(listening))
  }

  #watchTopics(): void {
    if (this.#closing !== undefined) return
    const missing = this.options.topics.filter((topic) => (this.cluster.topic(topic)?.partitions.length ?? 0) === 0)
    const failure = this.#missing.verdict(missing)
    if (failure !== undefined) this.fail(failure)
    if (missing.length === 0) return
    // Topics that nobody knows are asked for again by the cluster itself.
    if (failure === undefined) this.cluster.onRefreshed(() => this.#watchTopics())
    else this.#topicTimer = this.env.timers.after(this.options.maxBlockMs, () => this.#watchTopics())
  }

  /** The group does not want this consumer, and will not. */
  #end(error: ClientError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    void this.#revoke(this.assignment, true).then(() => this.fail(error))
  }

  // Commits

  /**
   * Commits these offsets or, without any, where processing stands: after all that was handed out by `poll` or an iteration, and in a `run` after all before the first record that is not finished.
   * Resolves when they are committed.
   * Errors: GroupError (the partitions are somebody else's now, or will be), BrokerError, ConnectionError, ClosedError, ConfigError.
   */
  async commit(offsets?: readonly OffsetAndMetadata[]): Promise<void> {
    if (this.#closing !== undefined) throw new ClosedError("the consumer")
    if (offsets === undefined) {
      if (this.#work === undefined) this.#processed()
      await this.#commitProcessed([...this.#assigned.values()], this.options.requestTimeoutMs)
      return
    }
    const entries = offsets.map(({ topic, partition, offset, metadata = "" }): OffsetToCommit => {
      if (typeof offset !== "bigint" || offset < 0n || offset > BigInt(Number.MAX_SAFE_INTEGER))
        throw new ConfigError(
          `commit: offset of ${topic}-${partition} is ${offset}; it must be a bigint that is no less than 0n`,
        )
      const position = this.#assigned.get(partitionKey(topic, partition))?.position
      // The group would take it from any member, and whoever has the partition now may be further.
      if (position === undefined && this.options.topics.includes(topic))
        throw new GroupError(
          Errors.ILLEGAL_GENERATION,
          `group ${this.options.groupId}: offsets of ${topic}-${partition} are not committed`,
          "the partition is not assigned to this consumer now;",
        )
      const leaderEpoch = position?.offset === Number(offset) ? position.offsetEpoch : -1
      return { topic, partition, offset: Number(offset), leaderEpoch, metadata }
    })
    await this.#commit(() => entries, this.options.requestTimeoutMs)
  }

  #commitProcessed(assigned: readonly Assigned[], withinMs: number): Promise<void> {
    return this.#commit(() => this.#toCommit(assigned), withinMs)
  }

  #toCommit(assigned: readonly Assigned[]): OffsetToCommit[] {
    return assigned.flatMap((each) => {
      const { topic, partition, position, committed } = each
      if (this.#assigned.get(partitionKey(topic, partition)) !== each) return []
      const offset = this.#processedOffset(position)
      if (offset < 0 || offset === committed) return []
      const leaderEpoch = offset === position.offset ? position.offsetEpoch : -1
      return { topic, partition, offset, leaderEpoch, metadata: "" }
    })
  }

  async #commit(collect: () => readonly OffsetToCommit[], withinMs: number): Promise<void> {
    const before = new Map(this.#assigned)
    const isOurs = (offsets: readonly OffsetToCommit[]) =>
      offsets.every(({ topic, partition }) => {
        const key = partitionKey(topic, partition)
        return before.has(key) && this.#assigned.get(key) === before.get(key)
      })
    const done = await this.#offsets.commit(collect, withinMs, isOurs)
    for (const { topic, partition, offset } of done) {
      const assigned = this.#assigned.get(partitionKey(topic, partition))
      if (assigned !== undefined) assigned.committed = offset
    }
  }

  #commitLater(): void {
    const { autoCommitIntervalMs } = this.options
    if (autoCommitIntervalMs === undefined) return
    this.#commitTimer = this.env.timers.after(autoCommitIntervalMs, () => {
      this.#commitLater()
      if (this.#isCommitting || this.#membership.identity.epoch < 0) return
      this.#isCommitting = true
      this.#commitProcessed([...this.#assigned.values()], autoCommitIntervalMs)
        .catch((error: unknown) => this.#logCommit(error))
        .finally(() => {
          this.#isCommitting = false
        })
    })
  }

  #logCommit(error: unknown): void {
    if (!(error instanceof ClientError)) throw error
    const { groupId } = this.options
    this.env.log.log("debug", "what was processed is not committed", { groupId, error: error.message })
  }

  /** What is committed of the assignment; offset -1n: nothing. Errors: GroupError, BrokerError, ClosedError. */
  async committed(): Promise<{ topic: string; partition: number; offset: bigint; metadata: string }[]> {
    const partitions = this.assignment
    if (partitions.length === 0) return []
    const found = await this.#offsets.fetch(partitions, () => this.#closing === undefined)
    return found.map(({ topic, partition, offset, metadata }) => ({
      topic,
      partition,
      offset: BigInt(offset),
      metadata,
    }))
  }

  // Running

  /**
   * Hands every record to `handler`, several at a time, until `signal` aborts, the consumer is closed, or a handler throws, which is thrown on. What was finished is committed; what was not is handed out again.
   * A handler's `signal` aborts when its partition is to go to another member, or the run is to end: it may finish, or throw.
   * Errors: what the handler throws; those of `poll`.
   */
  async run(
    handler: RecordHandler,
    { concurrency = concurrencyDefault, order = "partition", signal }: RunOptions = {},
  ): Promise<void> {
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > concurrencyMax)
      throw new ConfigError(`concurrency: ${concurrency} is not a whole number from 1 to ${concurrencyMax}`)
    if (order !== "partition" && order !== "key")
      throw new ConfigError(`order: "${order}" is neither "partition" nor "key"`)
    this.asked()
    const stop = new AbortController()
    const end = () => {
      work.halt()
      stop.abort()
    }
    const { promise: ended, resolve } = deferred()
    const work = new RecordWork(this.env, handler, { concurrency, order }, () => {
      if (work.failure !== undefined) end()
      this.#awake()
      this.wakeUp()
    })
    if (signal?.aborted === true) end()
    signal?.addEventListener("abort", end, { once: true })
    this.#work = work
    this.#run = { end, ended }
    try {
      await this.#runLoop(work, stop.signal)
    } finally {
      signal?.removeEventListener("abort", end)
      await work.stop(this.#closing === undefined ? this.options.maxPollIntervalMs : lastHandlersMs)
      await this.#endRun(work)
      resolve()
    }
    if (work.failure !== undefined) throw work.failure.error
  }

  async #runLoop(work: RecordWork, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await work.room()
      if (signal.aborted) return
      try {
        await this.take({ signal })
      } catch (error) {
        if (error instanceof ClosedError) return
        throw error
      }
    }
  }

  async #endRun(work: RecordWork): Promise<void> {
    const { autoCommitIntervalMs, requestTimeoutMs } = this.options
    if (autoCommitIntervalMs !== undefined)
      await this.#commitProcessed([...this.#assigned.values()], Math.min(requestTimeoutMs, goodbyeMs)).catch(
        (error: unknown) => this.#logCommit(error),
      )
    for (const position of work.positions) {
      const offset = work.firstUnfinished(position)
      if (offset !== undefined) position.seek(offset)
      position.isHeld = false
    }
    this.#work = undefined
    this.#run = undefined
    this.#askedMs = this.env.clock.monotonicMs()
    this.fetcher.stir()
    this.#loop.stir()
  }

  /** Ends a run, commits what was processed unless that is switched off, and leaves the group, all within bounds. A static member keeps its place for its session. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#commitTimer?.cancel()
    this.#topicTimer?.cancel()
    // What is in somebody's hands is not processed, and not waited for.
    this.#tellWaiting()
    this.endReading()
    if (this.#run !== undefined) {
      this.#run.end()
      await within(this.env, lastHandlersMs, this.#run.ended)
    }
    this.#loop.end()
    const { autoCommitIntervalMs, requestTimeoutMs } = this.options
    const withinMs = Math.min(requestTimeoutMs, goodbyeMs)
    if (autoCommitIntervalMs !== undefined && this.#ended === undefined && this.#membership.identity.epoch >= 0)
      await this.#commitProcessed([...this.#assigned.values()], withinMs).catch((error: unknown) =>
        this.#logCommit(error),
      )
    this.#offsets.end()
    this.#assigned.clear()
    await this.#leave(withinMs)
    this.#coordinator.close()
  }

  async #leave(withinMs: number): Promise<void> {
    const leaving = this.#membership.leave("the consumer was closed")
    if (leaving === undefined) return
    const { api, request } = leaving
    const left = this.#coordinator
      .ask("offsets", api, request, withinMs, () => undefined)
      .catch((error: unknown) => {
        if (!(error instanceof ClientError)) throw error
        this.env.log.log("debug", "the group could not be told of the leaving", { error: error.message })
      })
    await within(this.env, withinMs, left)
  }
}

const asClientError = (error: unknown): ClientError => {
  if (error instanceof ClientError) return error
  throw error
}
