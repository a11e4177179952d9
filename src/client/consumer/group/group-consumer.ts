/**
 * A consumer that shares topics with the other members of its group, and remembers where it was.
 *
 * Owns how membership, reading, work and commits come together: partitions that come and go, runs, the end. Invariant: an offset is committed by itself only when everything before it is processed. What
 * `poll` or an iteration handed out is processed when more is asked for, or `commit` is called; what `run` hands out, when its handler has resolved.
 */
import type { Env, Timer } from "../../../env/env.js"
import type { Cluster } from "../../cluster.js"
import { ClientError, ClosedError, ConfigError } from "../../errors.js"
import type { FetcherOptions } from "../fetcher.js"
import { MissingTopics } from "../missing-topics.js"
import type { Position, Reset } from "../position.js"
import type { ConsumerRecord } from "../record.js"
import { type PollOptions, RecordReader, type TopicPartition } from "../record-reader.js"
import { ClassicMembership, type ClassicMembershipOptions } from "./classic-membership.js"
import { Commits, goodbyeMs, type OffsetAndMetadata } from "./commits.js"
import { ConsumerMembership } from "./consumer-membership.js"
import { Coordinator } from "./coordinator.js"
import type { Membership, MembershipOptions } from "./membership.js"
import { MembershipLoop } from "./membership-loop.js"
import { GroupOffsets } from "./offsets.js"
import { Processed } from "./processed.js"
import { type RebalanceListener, RebalanceListeners } from "./rebalance-listeners.js"
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

export interface RunOptions {
  /** Handlers at a time. Default: 8. */
  readonly concurrency?: number
  /** Whether records wait for those before them in their partition (default), or only for those with the same key. */
  readonly order?: RecordWorkOptions["order"]
  /** Ends the run, well. */
  readonly signal?: AbortSignal
}

const concurrencyDefault = 8
const concurrencyMax = 10_000
/** What handlers get to end when nobody waits for their partitions any more. */
const lastHandlersMs = 30_000

export class GroupConsumer extends RecordReader {
  readonly #coordinator: Coordinator
  readonly #membership: Membership
  readonly #loop: MembershipLoop
  readonly #offsets: GroupOffsets
  readonly #commits: Commits
  readonly #processed: Processed
  readonly #listeners: RebalanceListeners
  readonly #missing: MissingTopics
  /** When somebody last asked for records, or a handler ended. */
  #activeMs: number
  #run: { readonly end: () => void; readonly ended: Promise<void> } | undefined
  #topicTimer: Timer | undefined
  /** Why the group does not want this consumer, and will not. */
  #refusal: ClientError | undefined
  #closing: Promise<void> | undefined

  constructor(
    env: Env,
    private readonly cluster: Cluster,
    private readonly options: GroupConsumerOptions,
    /** Runs once, when it is closed. */
    private readonly closed: () => void,
  ) {
    super(env, cluster, options)
    const { groupId, topics, rebalanceTimeoutMs, maxBlockMs } = options
    this.#activeMs = env.clock.monotonicMs()
    this.#processed = new Processed(env)
    this.#listeners = new RebalanceListeners(env, groupId, rebalanceTimeoutMs)
    this.#missing = new MissingTopics(env, cluster, maxBlockMs)
    this.#coordinator = new Coordinator(env, cluster, groupId)
    this.#membership = membershipOf(env, cluster, options)
    const host = {
      revoke: (partitions: readonly TopicPartition[], isLost: boolean) => this.#revoke(partitions, isLost),
      assign: (partitions: readonly TopicPartition[]) => this.#assign(partitions),
      deadlineMs: () => this.#deadlineMs(),
      overslept: () => this.#overslept(),
      failed: (error: ClientError) => this.#refuse(error),
    }
    this.#loop = new MembershipLoop(env, cluster, this.#coordinator, this.#membership, host, topics)
    this.#offsets = new GroupOffsets(env, cluster, this.#coordinator, this.#membership, options, (errorCode, epoch) => {
      this.#membership.refused(errorCode, epoch)
      this.#loop.stir()
    })
    this.#commits = new Commits(env, this.#offsets, this.#processed, this.#membership, options)
    this.#watchTopics()
    this.#loop.stir()
  }

  /** What this member has now. */
  get assignment(): readonly TopicPartition[] {
    return this.#processed.partitions
  }

  /** Empty until the group has given it one. */
  get memberId(): string {
    return this.#membership.identity.memberId
  }

  /** Calls the listener at every change of the assignment, until what it returns is called. What the listener throws is logged. */
  onRebalance(listener: RebalanceListener): () => void {
    return this.#listeners.add(listener)
  }

  // Reading

  protected override get groupId(): string {
    return this.options.groupId
  }

  protected override asked(): void {
    if (this.#run !== undefined)
      throw new ConfigError("poll: run is reading this consumer; let its handler do the work")
    this.#processed.processed()
    this.#active()
  }

  protected override handedOut(position: Position, fromOffset: number, records: readonly ConsumerRecord[]): void {
    this.#processed.handedOut(position, fromOffset, records)
  }

  protected override async take(options: PollOptions): Promise<ConsumerRecord[]> {
    if (this.#refusal !== undefined && !this.isClosed) throw this.#refusal
    try {
      return await super.take(options)
    } finally {
      this.#activeMs = this.env.clock.monotonicMs()
    }
  }

  override seek(topic: string, partition: number, to: bigint | Reset): void {
    this.#processed.forgetRecords(this.positionOf(topic, partition))
    super.seek(topic, partition, to)
  }

  #active(): void {
    this.#activeMs = this.env.clock.monotonicMs()
    if (this.#membership.awoke()) this.#loop.stir()
  }

  #deadlineMs(): number {
    const { maxPollIntervalMs } = this.options
    const { work } = this.#processed
    if (work !== undefined) return (work.oldestStartMs ?? Number.POSITIVE_INFINITY) + maxPollIntervalMs
    return this.isWaiting ? Number.POSITIVE_INFINITY : this.#activeMs + maxPollIntervalMs
  }

  #overslept(): void {
    const { groupId, maxPollIntervalMs } = this.options
    const isRunning = this.#processed.work !== undefined
    const why = isRunning ? "a handler has been working on one record" : "nobody has asked for records"
    const message = `${why} for maxPollIntervalMs: the consumer leaves its group until that is over`
    this.env.log.log("warn", message, { groupId, maxPollIntervalMs })
    // It is not processed, but nobody waits for that any more.
    this.#processed.tellWaiting()
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
        this.#processed.add({ topic, partition, position, committed: offset })
      }
      await this.#listeners.tell("assigned", partitions)
    } catch (error) {
      // If it is about the membership, that has heard of it and begins again.
      if (error instanceof ClosedError || this.#membership.identity.epoch !== epoch) return
      this.#refuse(error instanceof ClientError ? error : new ClientError("INTERNAL", String(error), false, error))
    }
  }

  async #revoke(partitions: readonly TopicPartition[], isLost: boolean): Promise<void> {
    const going = partitions.flatMap(({ topic, partition }) => this.#processed.of(topic, partition) ?? [])
    if (going.length === 0) return
    const { rebalanceTimeoutMs } = this.options
    const positions = going.map(({ position }) => position)
    for (const position of positions) position.isHeld = true
    const { work } = this.#processed
    if (work !== undefined) await work.drop(positions, isLost ? lastHandlersMs : rebalanceTimeoutMs)
    else if (!isLost && this.#closing === undefined) await this.#processed.whenProcessed(positions, rebalanceTimeoutMs)
    if (!isLost && this.#closing === undefined) await this.#commits.byItself(going)
    await this.#listeners.tell(isLost ? "lost" : "revoked", going)
    for (const each of going) if (this.#processed.remove(each)) this.fetcher.remove(each.topic, each.partition)
  }

  #refuse(error: ClientError): void {
    if (this.#refusal !== undefined) return
    this.#refusal = error
    void this.#revoke(this.assignment, true).then(() => this.fail(error))
  }

  // Offsets

  /**
   * Commits these offsets or, without any, where processing stands: after all that was handed out by `poll` or an iteration, and in a `run` after all before the first record that is not finished.
   * Resolves when they are committed.
   * Errors: GroupError (the partitions are somebody else's now, or will be), BrokerError, ConnectionError, ClosedError, ConfigError.
   */
  async commit(offsets?: readonly OffsetAndMetadata[]): Promise<void> {
    if (this.#closing !== undefined) throw new ClosedError("the consumer")
    if (offsets !== undefined) return this.#commits.commit(offsets)
    if (this.#processed.work === undefined) this.#processed.processed()
    return this.#commits.commitProcessed()
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
    const ended = deferred()
    const work = new RecordWork(this.env, handler, { concurrency, order }, () => {
      if (work.failure !== undefined) end()
      this.#active()
      this.wakeUp()
    })
    if (signal?.aborted === true) end()
    signal?.addEventListener("abort", end, { once: true })
    this.#processed.work = work
    this.#run = { end, ended: ended.promise }
    try {
      await this.#handOutTo(work, stop.signal)
    } finally {
      signal?.removeEventListener("abort", end)
      await work.stop(this.#closing === undefined ? this.options.maxPollIntervalMs : lastHandlersMs)
      await this.#commits.byItself()
      this.#takeBack(work)
      ended.resolve()
    }
    if (work.failure !== undefined) throw work.failure.error
  }

  async #handOutTo(work: RecordWork, signal: AbortSignal): Promise<void> {
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

  /** What no handler has finished is to be handed out again. */
  #takeBack(work: RecordWork): void {
    for (const position of work.positions) {
      const offset = work.firstUnfinished(position)
      if (offset !== undefined) position.seek(offset)
      work.forget(position)
    }
    this.#processed.work = undefined
    this.#run = undefined
    this.#activeMs = this.env.clock.monotonicMs()
    this.fetcher.stir()
    this.#loop.stir()
  }

  // The end

  /** Ends a run, commits what was processed unless that is switched off, and leaves the group, all within bounds. A static member keeps its place for its session. */
  close(): Promise<void> {
    this.#closing ??= this.#close().finally(this.closed)
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#commits.end()
    this.#topicTimer?.cancel()
    // What is in somebody's hands is not processed, and not waited for.
    this.#processed.tellWaiting()
    this.endReading()
    if (this.#run !== undefined) {
      this.#run.end()
      await within(this.env, lastHandlersMs, this.#run.ended)
    }
    this.#loop.end()
    await this.#commits.byItself()
    this.#offsets.end()
    this.#processed.clear()
    await this.#leave()
    this.#coordinator.close()
  }

  async #leave(): Promise<void> {
    const leaving = this.#membership.leave("the consumer was closed")
    if (leaving === undefined) return
    const { api, request } = leaving
    const withinMs = Math.min(this.options.requestTimeoutMs, goodbyeMs)
    const left = this.#coordinator.ask("offsets", api, request, withinMs, () => undefined)
    // Who cannot be told finds out when the session is over.
    await within(this.env, withinMs, left)
  }
}

function membershipOf(env: Env, cluster: Cluster, options: GroupConsumerOptions): Membership {
  const { protocol, topics } = options
  if (protocol.name === "classic") return new ClassicMembership({ ...options, assignors: protocol.assignors })
  return new ConsumerMembership({
    ...options,
    memberId: env.random.uuid(),
    serverAssignor: protocol.serverAssignor,
    topicNamed: (topicId) => topics.find((topic) => cluster.topic(topic)?.topicId === topicId),
  })
}
