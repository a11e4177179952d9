/**
 * One partition as this replica sees it: who may append, what is committed, who waits.
 *
 * Owns leadership, the high watermark and the waiters of one partition. Not bytes and files (storage/log). Nothing above the high watermark is
 * shown to a consumer, and no produce is acknowledged before the topic's flush policy says its records are safe.
 */
import { Bag, type BagEntry } from "../base/bag.js"
import type { BrokerId, LeaderEpoch, Offset, Uuid } from "../base/ids.js"
import { topicPartitionName } from "../base/ids.js"
import type { PartitionImage } from "../metadata/image.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { AppendOptions, AppendResult, Log, LogListener, ReadResult } from "../storage/log.js"
import type { EpochEndOffset } from "../storage/leader-epoch-cache.js"
import { type AdvanceListener, OffsetWaiters } from "./waiters.js"

/** What a read returns: the records and the offsets that frame them. */
export interface PartitionRead {
  readonly errorCode: ErrorCode
  readonly highWatermark: Offset
  readonly lastStableOffset: Offset
  readonly logStartOffset: Offset
  /** Undefined where there is nothing to return. Its `release` must run once the payloads are sent. */
  readonly records: (ReadResult & { ok: true }) | undefined
  /** Where the reader's log parts from this one (KIP-595); nothing is returned then. */
  readonly divergingEpoch?: { readonly epoch: LeaderEpoch; readonly endOffset: Offset }
}

export interface ReadRequest {
  readonly fetchOffset: Offset
  readonly maxBytes: number
  readonly minOneMessage: boolean
  /** -1: the reader does not say. */
  readonly currentLeaderEpoch: LeaderEpoch
  /** -1: the reader does not say. */
  readonly lastFetchedEpoch: LeaderEpoch
}

export interface ActiveProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  readonly currentTxnStartOffset: Offset
}

const noneReadable = (errorCode: ErrorCode): PartitionRead => ({
  errorCode,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  records: undefined,
})

export class Partition implements LogListener {
  /** Waiting for their records to be safe here (acks=1) and committed (acks=all). With one replica these are the same offset. */
  readonly acknowledged = new OffsetWaiters()
  readonly #advanceListeners = new Bag<AdvanceListener>()
  /** Ends and sizes of appends that are not visible yet, for waits on bytes. */
  #invisible: { nextOffset: Offset; bytes: number }[] = []
  #log: Log
  #state: PartitionImage
  #appendsHeld: { readonly resumed: Promise<void>; resume(): void } | undefined
  #stoppedFor: ErrorCode | undefined

  constructor(
    readonly nodeId: BrokerId,
    readonly topic: string,
    readonly topicId: Uuid,
    readonly partition: number,
    log: Log,
    state: PartitionImage,
  ) {
    this.#log = log
    this.#state = state
    log.listener = this
    this.#maybeIncrementHighWatermark()
  }

  get name(): string {
    return topicPartitionName(this.topic, this.partition)
  }

  get log(): Log {
    return this.#log
  }

  /** The replica has moved to another log directory: the same records, in other files. */
  replaceLog(log: Log): void {
    this.#log.listener = { onAdvance() {}, onAppendsLost() {}, onOffline() {} }
    log.producers.awaitLike(this.#log.producers)
    this.#log = log
    log.listener = this
    this.#maybeIncrementHighWatermark()
    this.#notify(0)
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

  /** Whether `appendAsLeader` would take a batch that asks for no more replicas than there are in sync. */
  get takesAppends(): boolean {
    return this.isLeader && this.#stoppedFor === undefined && this.#appendsHeld === undefined && this.#log.takesAppends
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#state.leaderEpoch
  }

  get isLeader(): boolean {
    return this.#state.leader === this.nodeId
  }

  get leaderId(): BrokerId {
    return this.#state.leader
  }

  get highWatermark(): Offset {
    return this.#log.highWatermark
  }

  /** The end of what read_committed sees: without transactions, the high watermark. */
  get lastStableOffset(): Offset {
    const firstUnstableOffset = this.#log.producers.firstUnstableOffset()
    return firstUnstableOffset < 0 ? this.highWatermark : Math.min(this.highWatermark, firstUnstableOffset)
  }

  get logStartOffset(): Offset {
    return this.#log.logStartOffset
  }

  /** A new state from the metadata log: another leader, epoch or ISR. */
  update(state: PartitionImage): void {
    const wasLeader = this.isLeader
    this.#state = state
    if (wasLeader && !this.isLeader) this.acknowledged.failed(0, Errors.NOT_LEADER_OR_FOLLOWER)
    this.#maybeIncrementHighWatermark()
    this.#notify(0)
  }

  /** The partition is leaving this broker: from here on `error` is all that anybody gets. */
  stop(error: ErrorCode): void {
    this.#stoppedFor = error
    this.#log.listener = { onAdvance() {}, onAppendsLost() {}, onOffline() {} }
    this.acknowledged.failed(0, error)
    this.#notify(0)
  }

  /** Whether a request that names this leader epoch may be served here (KIP-320); -1 names none. */
  checkLeader(currentLeaderEpoch: LeaderEpoch): ErrorCode {
    if (this.#stoppedFor !== undefined) return this.#stoppedFor
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== this.leaderEpoch) {
      return currentLeaderEpoch < this.leaderEpoch ? Errors.FENCED_LEADER_EPOCH : Errors.UNKNOWN_LEADER_EPOCH
    }
    if (!this.isLeader) return Errors.NOT_LEADER_OR_FOLLOWER
    return this.#log.offlineReason === undefined ? Errors.NONE : Errors.KAFKA_STORAGE_ERROR
  }

  /**
   * Appends one validated batch as the partition's leader. Decides at once; when the records are safe `acknowledged` tells.
   *
   * Shape:  `batch` is a v2 batch as received; its base offset and leader epoch are overwritten. It belongs to the log until `release` runs.
   * Units:  offsets; the result's `lastOffset` is inclusive. `nowMs` is wall time.
   * Errors: nothing written: NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH,
   *         KAFKA_STORAGE_ERROR, RECORD_LIST_TOO_LARGE.
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
    if (!this.isLeader) return refuse(Errors.NOT_LEADER_OR_FOLLOWER, `${this.name} is not led by this broker`)
    if (this.#stoppedFor !== undefined) return refuse(this.#stoppedFor, `${this.name} is not on this broker any more`)
    if (this.#appendsHeld !== undefined)
      return refuseForNow(Errors.NOT_LEADER_OR_FOLLOWER, `${this.name} is moving to another directory`)
    const { minInsyncReplicas } = this.#log.config
    const { isr, replicas } = this.#state
    // KIP-966: a topic cannot need more in-sync replicas than it has.
    if (options.requiredAcks === -1 && isr.length < Math.min(minInsyncReplicas, replicas.length)) {
      return refuseForNow(
        Errors.NOT_ENOUGH_REPLICAS,
        `The size of the current ISR [${isr.join(", ")}] is insufficient to satisfy the min.isr requirement of ${minInsyncReplicas} for partition ${this.name}`,
      )
    }
    const result = this.#log.append(batch, { ...options, leaderEpoch: this.leaderEpoch })
    if (result.ok && !result.duplicate) {
      if (this.#advanceListeners.size > 0)
        this.#invisible.push({ nextOffset: result.lastOffset + 1, bytes: batch.length })
      if (this.#log.config.flushPolicy === "memory") this.#maybeIncrementHighWatermark()
    }
    return result
  }

  /**
   * Reads for a consumer: whole batches from the one that holds the offset, up to the high watermark (or the last stable offset).
   *
   * Errors: OFFSET_OUT_OF_RANGE, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE.
   */
  read(request: ReadRequest, isolation: "read_uncommitted" | "read_committed"): PartitionRead | Promise<PartitionRead> {
    const refused = this.checkLeader(request.currentLeaderEpoch)
    if (refused !== Errors.NONE) return noneReadable(refused)
    const { highWatermark, lastStableOffset, logStartOffset } = this
    const frame = {
      errorCode: Errors.NONE,
      highWatermark,
      lastStableOffset,
      logStartOffset,
      records: undefined,
    } satisfies PartitionRead
    if (request.lastFetchedEpoch >= 0) {
      const end = this.endOffsetForEpoch(request.lastFetchedEpoch)
      if (end.endOffset < 0) return noneReadable(Errors.OFFSET_OUT_OF_RANGE)
      if (end.leaderEpoch < request.lastFetchedEpoch || end.endOffset < request.fetchOffset) {
        return { ...frame, divergingEpoch: { epoch: end.leaderEpoch, endOffset: end.endOffset } }
      }
    }
    if (request.fetchOffset < logStartOffset || request.fetchOffset > this.#log.logEndOffset) {
      return noneReadable(Errors.OFFSET_OUT_OF_RANGE)
    }
    const limit = isolation === "read_committed" ? lastStableOffset : highWatermark
    if (request.fetchOffset >= limit) return frame
    const done = (result: ReadResult): PartitionRead =>
      result.ok ? { ...frame, records: result } : noneReadable(result.error as ErrorCode)
    const result = this.#log.read(request.fetchOffset, {
      maxBytes: request.maxBytes,
      maxOffset: limit,
      minOneMessage: request.minOneMessage,
    })
    return result instanceof Promise ? result.then(done) : done(result)
  }

  /** Whether reading at this offset would return something now. */
  hasReadable(fetchOffset: Offset, isolation: "read_uncommitted" | "read_committed"): boolean {
    return fetchOffset < (isolation === "read_committed" ? this.lastStableOffset : this.highWatermark)
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

  addAdvanceListener(listener: AdvanceListener): BagEntry<AdvanceListener> {
    return this.#advanceListeners.add(listener)
  }

  removeAdvanceListener(entry: BagEntry<AdvanceListener>): void {
    this.#advanceListeners.remove(entry)
    if (this.#advanceListeners.size === 0) this.#invisible = []
  }

  onAdvance(): void {
    this.#maybeIncrementHighWatermark()
  }

  onAppendsLost(_log: Log, endOffset: Offset): void {
    this.#invisible = this.#invisible.filter(({ nextOffset }) => nextOffset <= endOffset)
    this.acknowledged.failed(endOffset + 1, Errors.KAFKA_STORAGE_ERROR)
  }

  onOffline(): void {
    this.acknowledged.failed(0, Errors.KAFKA_STORAGE_ERROR)
    this.#notify(0)
  }

  /** How far this replica's own records are safe under the topic's policy: on the medium, in the file, or taken at all. */
  get #locallySafeOffset(): Offset {
    const { flushPolicy } = this.#log.config
    if (flushPolicy === "flush") return this.#log.flushedOffset
    return flushPolicy === "replicated" ? this.#log.writtenOffset : this.#log.logEndOffset
  }

  /**
   * Moves the high watermark to the smallest safe offset of the in-sync replicas, never back.
   *
   * Called when this log's safe offset moved, and when the ISR changed. With this replica as the only one in the ISR, that is its own offset; when the
   * ISR holds others their fetch positions count too, and since none are tracked yet it must not move at all then. Below min ISR it stays
   * where it is (KIP-966).
   */
  #maybeIncrementHighWatermark(): void {
    const { isr, replicas } = this.#state
    if (!this.isLeader || isr.length !== 1 || isr[0] !== this.nodeId) return
    if (isr.length < Math.min(this.#log.config.minInsyncReplicas, replicas.length)) return
    const offset = this.#locallySafeOffset
    if (offset <= this.#log.highWatermark) return
    this.#log.updateHighWatermark(offset)
    this.acknowledged.reached(offset)
    if (this.#advanceListeners.size === 0) return
    let bytes = 0
    let count = 0
    while (count < this.#invisible.length && this.#invisible[count]!.nextOffset <= offset)
      bytes += this.#invisible[count++]!.bytes
    this.#invisible.splice(0, count)
    // At least one: the advance may be of records appended before anybody listened.
    this.#notify(Math.max(1, bytes))
  }

  #notify(bytes: number): void {
    this.#advanceListeners.each((listener) => listener.advanced(bytes))
  }
}
