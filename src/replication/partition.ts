/**
 * One partition as this replica sees it: who may append, what is committed, who waits.
 *
 * Owns the role of the replica, the high watermark and the waiters of one partition. Not bytes and files (storage/log), not the rules of the in-sync set (leader-state). Nothing
 * above the high watermark is shown to a consumer, and no produce is acknowledged before the topic's flush policy says its records are safe.
 */
import type { BagEntry } from "../base/bag.js"
import type { BrokerEpoch, BrokerId, LeaderEpoch, Offset, Uuid } from "../base/ids.js"
import { topicPartitionName } from "../base/ids.js"
import type { PartitionImage } from "../metadata/image.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { EpochEndOffset } from "../storage/leader-epoch-cache.js"
import { type AppendOptions, type AppendResult, type Log, type LogListener, silentListener } from "../storage/log.js"
import { type FollowerFetch, LeaderState, type ReplicaBrokers } from "./leader-state.js"
import { checkPosition, failedRead, type PartitionRead, type ReadRequest, readRecords } from "./partition-reads.js"
import { type AdvanceListener, AdvanceListeners, OffsetWaiters, type ReaderKind } from "./waiters.js"

/** What partitions of one broker share. */
export interface PartitionHome extends ReplicaBrokers {
  readonly nodeId: BrokerId
  /** Of this broker's present registration. */
  brokerEpoch(): BrokerEpoch
  /** The partition has proposed another in-sync set: the controller is to be asked. */
  isrProposed(partition: Partition): void
  /** `logEndOffset` or `flushedOffset` of a replica that follows has moved, or it has gone offline. */
  followerAdvanced(partition: Partition): void
  /** What its log had promised to keep cannot be read. */
  foundDamaged(partition: Partition, problem: string): void
  /** Its log serves nothing any more. */
  wentOffline(partition: Partition): void
}

export interface ActiveProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  readonly currentTxnStartOffset: Offset
}

/** A request to the leader before is given up after so long: `request.timeout.ms` of Kafka's clients. */
const newLeaderMs = 30_000

export class Partition implements LogListener {
  /** Waiting for their records to be committed (acks=all). */
  readonly acknowledged = new OffsetWaiters()
  /** Waiting for their records to be safe on this replica (acks=1). Undefined until somebody does. */
  #safeHere: OffsetWaiters | undefined
  /** Waiting for records to be deleted on every live replica. Undefined until somebody does. */
  #deleted: OffsetWaiters | undefined
  readonly #listeners = new AdvanceListeners()
  #log: Log
  #state: PartitionImage
  /** While this replica leads. */
  #leader: LeaderState | undefined
  /** The log is being cut: whatever it is to be, it is not yet. */
  #truncating = 0
  #appendsHeld: { readonly resumed: Promise<void>; resume(): void } | undefined
  #stoppedFor: ErrorCode | undefined
  /** What was appended here as the leader, and handed to consumers, since this replica is here. Whoever hands records out adds to `bytesOut`. */
  bytesIn = 0
  recordsIn = 0
  bytesOut = 0
  /** What listeners were told last. */
  #writtenTold: Offset
  #logStartTold: Offset

  constructor(
    private readonly home: PartitionHome,
    readonly topic: string,
    readonly topicId: Uuid,
    readonly partition: number,
    log: Log,
    state: PartitionImage,
  ) {
    this.#log = log
    this.#state = state
    this.#writtenTold = log.writtenOffset
    this.#logStartTold = log.logStartOffset
    log.listener = this
    this.#maybeBecomeLeader()
  }

  get name(): string {
    return topicPartitionName(this.topic, this.partition)
  }

  get log(): Log {
    return this.#log
  }

  get state(): PartitionImage {
    return this.#state
  }

  /** The replica has moved to another log directory: the same records, in other files. */
  replaceLog(log: Log): void {
    this.#log.listener = silentListener
    log.producers.awaitLike(this.#log.producers)
    this.#log = log
    log.listener = this
    this.#maybeIncrementHighWatermark()
    this.#listeners.changed()
    if (this.#leader === undefined) this.home.followerAdvanced(this)
  }

  /** Nothing is appended until `resumeAppends`: whoever wants to waits for `appendsResumed`, and who does not is refused. */
  holdAppends(): void {
    if (this.#appendsHeld !== undefined) return
    let resume = () => {}
    const resumed = new Promise<void>((resolve) => {
      resume = resolve
    })
    this.#appendsHeld = { resumed, resume }
  }

  resumeAppends(): void {
    const held = this.#appendsHeld
    this.#appendsHeld = undefined
    held?.resume()
  }

  /** Undefined: appends are taken now. */
  get appendsResumed(): Promise<void> | undefined {
    return this.#appendsHeld?.resumed
  }

  /** Whether `appendAsLeader` would take a batch for all in-sync replicas. */
  get takesAppends(): boolean {
    const leader = this.#leader
    if (leader === undefined || leader.isUnderMinIsr(this.#log.config.minInsyncReplicas)) return false
    return this.#stoppedFor === undefined && this.#appendsHeld === undefined && this.#log.takesAppends
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#state.leaderEpoch
  }

  get isLeader(): boolean {
    return this.#leader !== undefined
  }

  /**
   * Whether what comes before the batch, by its sequence, may be on its way: the leadership is new, and the producer may still ask the leader before, or ask again what it asked this broker in a former life.
   */
  isAheadOfTurn(batch: Buffer): boolean {
    const isNew =
      this.#leader !== undefined && this.leaderEpoch > 0 && this.home.nowMs() - this.#leader.sinceMs < newLeaderMs
    return isNew && this.#log.producers.isAhead(batch)
  }

  get leaderId(): BrokerId {
    return this.#state.leader
  }

  /** Undefined where this replica does not lead. */
  get leadership(): LeaderState | undefined {
    return this.#leader
  }

  get isStopped(): boolean {
    return this.#stoppedFor !== undefined
  }

  get highWatermark(): Offset {
    return this.#log.highWatermark
  }

  /** The end of what read_committed sees: without transactions, the high watermark. */
  get lastStableOffset(): Offset {
    const firstUnstableOffset = this.#log.producers.firstUnstableOffset()
    return firstUnstableOffset < 0 ? this.highWatermark : Math.min(this.highWatermark, firstUnstableOffset)
  }

  /** Whether this leader knows of everything that was committed before it: its high watermark has reached the start of its epoch. */
  get knowsCommitted(): boolean {
    return this.#leader === undefined || this.highWatermark >= this.#leader.epochStartOffset
  }

  get logStartOffset(): Offset {
    return this.#log.logStartOffset
  }

  /** How far this replica's own records are safe under the topic's policy: on the medium, in the file, or taken at all. */
  get locallySafeOffset(): Offset {
    const { flushPolicy } = this.#log.config
    if (flushPolicy === "flush") return this.#log.flushedOffset
    return flushPolicy === "replicated" ? this.#log.writtenOffset : this.#log.logEndOffset
  }

  /** Of acks=1: told when records are safe on this replica, whoever else has them. */
  get safeHere(): OffsetWaiters {
    return (this.#safeHere ??= new OffsetWaiters())
  }

  /** A new state from the metadata log: another leader, epoch or ISR. */
  update(state: PartitionImage): void {
    const before = this.#state
    this.#state = state
    const isOtherLeadership = before.leaderEpoch !== state.leaderEpoch || before.leader !== state.leader
    if (isOtherLeadership) {
      const wasLeader = this.#leader !== undefined
      this.#leader = undefined
      this.#maybeBecomeLeader()
      if (wasLeader && !this.isLeader) this.#failWaiters(0, Errors.NOT_LEADER_OR_FOLLOWER)
      this.#listeners.changed()
    } else if (this.#leader !== undefined) {
      this.#leader.update(state, this.home.nowMs())
      // KIP-966: nothing is committed below min ISR, so whoever asked for all replicas is told that they are too few.
      if (this.#leader.isUnderMinIsr(this.#log.config.minInsyncReplicas))
        this.acknowledged.failed(0, Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
      this.brokersChanged()
    }
  }

  /**
   * A leadership begins at the log's end, once that stands: what a truncation is about to cut is no part of it.
   *
   * It is not written into the epoch cache before there is a record of it: each start gives every partition a new epoch, and `endOffsetForEpoch` knows the present one
   * anyway.
   */
  #maybeBecomeLeader(): void {
    if (this.#state.leader !== this.home.nodeId || this.#truncating > 0 || this.#stoppedFor !== undefined) return
    this.#leader = new LeaderState(this.home.nodeId, this.#state, this.#log.logEndOffset, this.home.nowMs())
    this.#maybeIncrementHighWatermark()
  }

  /** The partition is leaving this broker: from here on `error` is all that anybody gets. */
  stop(error: ErrorCode): void {
    this.#stoppedFor = error
    this.#leader = undefined
    this.#log.listener = silentListener
    this.#failWaiters(0, error)
    this.#listeners.changed()
  }

  /** Whether a request that names this leader epoch may be served here (KIP-320); -1 names none. */
  checkLeader(currentLeaderEpoch: LeaderEpoch): ErrorCode {
    const refused = this.#checkEpoch(currentLeaderEpoch)
    if (refused !== Errors.NONE) return refused
    if (!this.isLeader) return Errors.NOT_LEADER_OR_FOLLOWER
    return this.#log.offlineReason === undefined ? Errors.NONE : Errors.KAFKA_STORAGE_ERROR
  }

  /** As `checkLeader`, for a consumer that may also read from a follower (KIP-392). */
  #checkReader(currentLeaderEpoch: LeaderEpoch): ErrorCode {
    const refused = this.#checkEpoch(currentLeaderEpoch)
    if (refused !== Errors.NONE) return refused
    if (this.#truncating > 0) return Errors.NOT_LEADER_OR_FOLLOWER
    return this.#log.offlineReason === undefined ? Errors.NONE : Errors.KAFKA_STORAGE_ERROR
  }

  #checkEpoch(currentLeaderEpoch: LeaderEpoch): ErrorCode {
    if (this.#stoppedFor !== undefined) return this.#stoppedFor
    if (currentLeaderEpoch < 0 || currentLeaderEpoch === this.leaderEpoch) return Errors.NONE
    return currentLeaderEpoch < this.leaderEpoch ? Errors.FENCED_LEADER_EPOCH : Errors.UNKNOWN_LEADER_EPOCH
  }

  /**
   * Appends one validated batch as the partition's leader. Decides at once; when the records are safe `acknowledged` tells.
   *
   * Shape:  `batch` is a v2 batch as received; its base offset and leader epoch are overwritten. It belongs to the log until `release` runs.
   * Units:  offsets; the result's `lastOffset` is inclusive. `nowMs` is wall time.
   * Errors: nothing written: NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH,
   *         KAFKA_STORAGE_ERROR, RECORD_LIST_TOO_LARGE. Written, told by `acknowledged`: NOT_ENOUGH_REPLICAS_AFTER_APPEND.
   * Source: KIP-98 (sequences), KIP-101 (leader epoch in the batch).
   */
  appendAsLeader(
    batch: Buffer,
    options: Omit<AppendOptions, "leaderEpoch"> & { readonly requiredAcks: number },
  ): AppendResult {
    const refuse = (error: ErrorCode, message: string): AppendResult => {
      options.release?.()
      return { ok: false, error, message }
    }
    const refuseForNow = (error: ErrorCode, message: string): AppendResult => {
      this.#log.producers.refuse(batch)
      return refuse(error, message)
    }
    if (this.#stoppedFor !== undefined) return refuse(this.#stoppedFor, `${this.name} is not on this broker any more`)
    if (this.#leader === undefined)
      return refuseForNow(Errors.NOT_LEADER_OR_FOLLOWER, `${this.name} is not led by this broker`)
    if (this.#appendsHeld !== undefined)
      return refuseForNow(Errors.NOT_LEADER_OR_FOLLOWER, `${this.name} is moving to another directory`)
    const { minInsyncReplicas } = this.#log.config
    if (options.requiredAcks === -1 && this.#leader.isUnderMinIsr(minInsyncReplicas)) {
      return refuseForNow(
        Errors.NOT_ENOUGH_REPLICAS,
        `The size of the current ISR [${this.#state.isr.join(", ")}] is insufficient to satisfy the min.isr requirement of ${minInsyncReplicas} for partition ${this.name}`,
      )
    }
    const result = this.#log.append(batch, { ...options, leaderEpoch: this.leaderEpoch })
    if (result.ok && !result.duplicate) {
      this.bytesIn += batch.length
      this.recordsIn += result.lastOffset - result.baseOffset + 1
      this.#listeners.appended(result.lastOffset + 1, batch.length)
      if (this.#log.config.flushPolicy === "memory") this.#advanced()
    }
    return result
  }

  /**
   * Appends batches that the leader sent. They keep their offsets and epochs; the caller has checked them.
   *
   * Errors: NOT_LEADER_OR_FOLLOWER (not following in this epoch any more, or moving between directories), KAFKA_STORAGE_ERROR.
   */
  appendAsFollower(
    batches: Buffer,
    options: Omit<AppendOptions, "leaderEpoch" | "origin"> & { readonly currentLeaderEpoch: LeaderEpoch },
  ): AppendResult {
    const refused = this.#checkFollowing(options.currentLeaderEpoch)
    if (refused !== undefined) {
      options.release?.()
      return { ok: false, error: Errors.NOT_LEADER_OR_FOLLOWER, message: refused }
    }
    // Where nobody reads, the same few buffers are used again and again, and stay in the processor's cache.
    const isCold = !this.#listeners.hasConsumers
    return this.#log.append(batches, { ...options, origin: "replication", leaderEpoch: -1, isCold })
  }

  #checkFollowing(currentLeaderEpoch: LeaderEpoch): string | undefined {
    if (this.#stoppedFor !== undefined) return `${this.name} is not on this broker any more`
    if (this.isLeader || currentLeaderEpoch !== this.leaderEpoch)
      return `${this.name} does not follow in epoch ${currentLeaderEpoch}`
    if (this.#appendsHeld !== undefined) return `${this.name} is moving to another directory`
    return this.#truncating > 0 ? `${this.name} is being truncated` : undefined
  }

  /**
   * Cuts the log as `truncate` says, on what the leader of `currentLeaderEpoch` told. False, and nothing happened, when the replica does not follow in that epoch any more.
   *
   * The truncation is fenced by the epoch it belongs to: the state of a former leader says nothing about what the present one has (KIP-320). One that has begun ends before
   * this replica is anything else.
   */
  async truncate(currentLeaderEpoch: LeaderEpoch, truncate: (log: Log) => Promise<void>): Promise<boolean> {
    if (this.#checkFollowing(currentLeaderEpoch) !== undefined) return false
    this.#truncating++
    try {
      await truncate(this.#log)
    } finally {
      this.#truncating--
      if (this.#truncating === 0 && this.#leader === undefined) this.#maybeBecomeLeader()
      this.#listeners.changed()
    }
    return true
  }

  /** What the leader says is committed, as far as this replica has it. Never back: a new leader may not know yet what the one before had committed. */
  followHighWatermark(offset: Offset): void {
    if (offset <= this.#log.highWatermark) return
    const before = this.#log.highWatermark
    this.#log.updateHighWatermark(offset)
    if (this.#log.highWatermark > before) this.#listeners.committed(this.#log.highWatermark)
  }

  /** The leader has deleted what lies below. */
  followLogStart(offset: Offset): void {
    if (offset <= this.#log.logStartOffset || !this.#log.maybeIncrementLogStartOffset(offset)) return
    this.#logStartMoved()
  }

  /** Deletes the records below `offset` (DeleteRecords). False: it is above the high watermark. */
  deleteRecordsBefore(offset: Offset): boolean {
    if (!this.#log.maybeIncrementLogStartOffset(offset)) return false
    this.#logStartMoved()
    return true
  }

  #logStartMoved(): void {
    const { logStartOffset } = this.#log
    if (logStartOffset === this.#logStartTold) return
    this.#logStartTold = logStartOffset
    this.#listeners.changed()
    if (this.#leader === undefined) this.home.followerAdvanced(this)
    else this.#lowWatermarkMoved()
  }

  /**
   * Reads for a consumer: whole batches from the one that holds the offset, up to the high watermark (or the last stable offset).
   *
   * Errors: OFFSET_OUT_OF_RANGE, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE.
   */
  read(
    request: ReadRequest,
    isolation: "read_uncommitted" | "read_committed",
    leaderOnly = true,
  ): PartitionRead | Promise<PartitionRead> {
    const refused = leaderOnly
      ? this.checkLeader(request.currentLeaderEpoch)
      : this.#checkReader(request.currentLeaderEpoch)
    return refused === Errors.NONE
      ? (checkPosition(this, request) ?? readRecords(this, request, isolation))
      : failedRead(refused)
  }

  /** The offsets that frame a read, and nothing else: the reader should ask `preferredReadReplica`. */
  redirect(preferredReadReplica: BrokerId): PartitionRead {
    const { highWatermark, lastStableOffset, logStartOffset } = this
    const frame = { highWatermark, lastStableOffset, logStartOffset, readableOffset: -1, records: undefined }
    return { errorCode: Errors.NONE, ...frame, preferredReadReplica }
  }

  /**
   * Reads for a follower, up to the end of the leader's file, and takes in the position it tells (`fetch`, undefined where it told nothing new).
   *
   * What is not written yet may be taken back by a full disk, within the epoch: a follower that had it would part from this log unnoticed. What is not flushed yet
   * cannot be lost without a new epoch.
   *
   * Errors: as `read`, and UNKNOWN_LEADER_EPOCH for a broker that is no replica (it may know a newer assignment), NOT_LEADER_OR_FOLLOWER for an earlier life of one.
   */
  readAsFollower(
    request: ReadRequest,
    replicaId: BrokerId,
    fetch: FollowerFetch | undefined,
  ): PartitionRead | Promise<PartitionRead> {
    const refused = this.checkLeader(request.currentLeaderEpoch)
    if (refused !== Errors.NONE) return failedRead(refused)
    const leader = this.#leader!
    const follower = leader.follower(replicaId)
    if (follower === undefined)
      return failedRead(request.currentLeaderEpoch >= 0 ? Errors.UNKNOWN_LEADER_EPOCH : Errors.NOT_LEADER_OR_FOLLOWER)
    if (fetch !== undefined && fetch.brokerEpoch >= 0 && fetch.brokerEpoch < follower.brokerEpoch)
      return failedRead(Errors.NOT_LEADER_OR_FOLLOWER)
    const unfit = checkPosition(this, request)
    if (unfit !== undefined) return unfit
    if (fetch !== undefined) {
      // A follower's position counts for this leader and this epoch alone, and only where the logs agree up to it (reliability rule 3).
      leader.onFetch(follower, fetch, this.#log.writtenOffset, this.home.nowMs())
      this.#maybeIncrementHighWatermark()
      this.maybeExpandIsr()
      this.#lowWatermarkMoved()
    }
    return readRecords(this, request, "written")
  }

  /** The idempotent producers whose last batches are remembered here (KIP-664). */
  activeProducers(): ActiveProducer[] {
    return [...this.#log.producers.entries()].map((entry) => ({
      producerId: entry.producerId,
      producerEpoch: entry.producerEpoch,
      lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTxnStartOffset: entry.currentTxnFirstOffset,
    }))
  }

  /** Where a leadership ended here (KIP-101, KIP-279); the present one has not ended. (-1, -1): not known. */
  endOffsetForEpoch(leaderEpoch: LeaderEpoch): EpochEndOffset {
    const { logEndOffset, latestEpoch } = this.#log
    if (leaderEpoch === this.leaderEpoch) return { leaderEpoch, endOffset: logEndOffset }
    // This leadership has begun at the log's end, whether or not it has written anything.
    if (leaderEpoch < this.leaderEpoch && leaderEpoch > latestEpoch)
      return { leaderEpoch: latestEpoch < 0 ? leaderEpoch : latestEpoch, endOffset: logEndOffset }
    return this.#log.endOffsetForEpoch(leaderEpoch)
  }

  addAdvanceListener(listener: AdvanceListener, kind: ReaderKind): BagEntry<AdvanceListener> {
    return this.#listeners.add(listener, kind)
  }

  removeAdvanceListener(entry: BagEntry<AdvanceListener>, kind: ReaderKind): void {
    this.#listeners.remove(entry, kind)
  }

  onAdvance(): void {
    this.#advanced()
  }

  onAppendsLost(_log: Log, endOffset: Offset): void {
    this.#listeners.lost(endOffset)
    this.#failWaiters(endOffset + 1, Errors.KAFKA_STORAGE_ERROR)
    if (!this.isLeader) this.home.followerAdvanced(this)
  }

  onDamaged(_log: Log, problem: string): void {
    this.home.foundDamaged(this, problem)
  }

  onOffline(): void {
    this.#failWaiters(0, Errors.KAFKA_STORAGE_ERROR)
    this.#listeners.changed()
    if (!this.isLeader) this.home.followerAdvanced(this)
    this.home.wentOffline(this)
  }

  #failWaiters(fromOffset: Offset, error: ErrorCode): void {
    this.acknowledged.failed(fromOffset, error)
    this.#safeHere?.failed(fromOffset, error)
    if (fromOffset === 0) this.#deleted?.failed(0, error)
  }

  /** The log has written or flushed more, or its start has moved. */
  #advanced(): void {
    if (this.#leader === undefined) {
      this.home.followerAdvanced(this)
      return
    }
    const { writtenOffset, logStartOffset } = this.#log
    if (writtenOffset !== this.#writtenTold) {
      this.#writtenTold = writtenOffset
      this.#listeners.written()
    }
    if (logStartOffset !== this.#logStartTold) this.#logStartMoved()
    this.#safeHere?.reached(this.locallySafeOffset)
    this.#maybeIncrementHighWatermark()
  }

  /**
   * Moves the high watermark to the smallest safe offset of the in-sync replicas, never back.
   *
   * Called when this log's safe offset moved, when a follower told its position, and when the in-sync set changed. With this replica as the only one, that is its own
   * offset. Below min ISR it stays where it is (KIP-966): what is not on enough replicas is not committed, however many are left, so a replica that was removed since
   * still has everything that is.
   */
  #maybeIncrementHighWatermark(): void {
    const leader = this.#leader
    if (leader === undefined || leader.isUnderMinIsr(this.#log.config.minInsyncReplicas)) return
    const offset = leader.committableOffset(this.locallySafeOffset, this.#log.writtenOffset, this.home)
    if (offset <= this.#log.highWatermark) return
    this.#log.updateHighWatermark(offset)
    this.acknowledged.reached(offset)
    this.#listeners.committed(offset)
  }

  /** Asks the controller for an in-sync set with those who have caught up. */
  maybeExpandIsr(): void {
    if (this.#leader?.proposeExpansion(this.highWatermark, this.logStartOffset, this.home) !== undefined)
      this.home.isrProposed(this)
  }

  /** Asks the controller for an in-sync set without those who are too far behind. To be called several times in `replica.lag.time.max.ms`. */
  maybeShrinkIsr(): void {
    if (this.#leader?.proposeShrink(this.#log.writtenOffset, this.home) !== undefined) this.home.isrProposed(this)
  }

  /** Brokers were fenced, unfenced or restarted. */
  brokersChanged(): void {
    this.#maybeIncrementHighWatermark()
    this.maybeExpandIsr()
    this.#lowWatermarkMoved()
  }

  /** Whether a replica is out of sync. */
  get isUnderReplicated(): boolean {
    return this.isLeader && this.#state.isr.length < this.#state.replicas.length
  }

  /** Of DeleteRecords: told when no live replica serves anything below an offset. */
  get deletedEverywhere(): OffsetWaiters {
    return (this.#deleted ??= new OffsetWaiters())
  }

  /** Below it no live replica serves anything. */
  get lowWatermark(): Offset {
    return this.#leader?.lowWatermark(this.logStartOffset, this.home) ?? this.logStartOffset
  }

  #lowWatermarkMoved(): void {
    if (this.#deleted !== undefined && this.#deleted.size > 0) this.#deleted.reached(this.lowWatermark)
  }
}
