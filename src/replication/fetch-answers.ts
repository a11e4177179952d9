/**
 * What becomes of a partition's part of a leader's answer: records are appended, logs are cut, errors are waited out.
 *
 * Owns the reaction to each outcome. Where a log is cut is follower-state's decision, what may enter it fetched-records'; requests are the fetcher's.
 */
import type { Offset } from "../base/ids.js"
import { DiskError } from "../env/env.js"
import type { Peer } from "../net/peer.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { ResponseOf } from "../protocol/message.js"
import type { fetch } from "../protocol/messages/fetch.js"
import { listOffsets } from "../protocol/messages/list-offsets.js"
import { checkFetchedRecords } from "./fetched-records.js"
import { type Fetcher, type FollowerState, truncationOffset } from "./follower-state.js"
import type { Partition } from "./partition.js"
import type { FetcherOptions } from "./replica-fetcher.js"

/** First pause before a partition is asked for again that the leader does not lead yet, or does not know yet; it doubles. */
export const soonMs = 10

/** What the fetcher does for the answers to its requests. */
export interface AnsweredFetcher extends Fetcher {
  readonly leaderId: number
  /** Undefined: its address is not known. */
  peer(): Peer | undefined
  /** Out of the session, until it is ready again. */
  takeOut(state: FollowerState): void
  /** Out of the session, and not ready before the time is over. */
  setAside(state: FollowerState, delayMs: number): void
  /** Records have been taken in, and may not be safe yet. */
  appended(state: FollowerState, bytes: number): void
}

export type PartitionData = ResponseOf<typeof fetch>["responses"][number]["partitions"][number]

const earliest = -2
const latest = -1
const noRecords = Buffer.alloc(0)

export class FetchAnswers {
  constructor(
    private readonly fetcher: AnsweredFetcher,
    private readonly options: FetcherOptions,
  ) {}

  take(state: FollowerState, request: number, data: PartitionData, frame: SharedRelease): void {
    switch (data.errorCode as ErrorCode) {
      case Errors.NONE:
        if (data.divergingEpoch.endOffset >= 0) this.#diverged(state, data.divergingEpoch)
        else this.#append(state, request, data, frame)
        break
      case Errors.OFFSET_OUT_OF_RANGE:
        this.#outOfRange(state)
        break
      case Errors.FENCED_LEADER_EPOCH:
        // There is a newer epoch than ours: the metadata that tells of it is on its way.
        this.fetcher.setAside(state, Number.POSITIVE_INFINITY)
        break
      case Errors.UNKNOWN_LEADER_EPOCH:
      case Errors.NOT_LEADER_OR_FOLLOWER:
      case Errors.UNKNOWN_TOPIC_ID:
      case Errors.UNKNOWN_TOPIC_OR_PARTITION:
        // The leader has not heard of its leadership yet, or is making the log.
        this.fetcher.setAside(state, this.#nextBackoff(state, soonMs))
        break
      default:
        this.options.env.log.log("warn", "a leader answers with an error", {
          partition: state.partition.name,
          leaderId: this.fetcher.leaderId,
          errorCode: data.errorCode,
        })
        this.fetcher.setAside(state, this.#nextBackoff(state, this.options.settings.backoffMs))
    }
  }

  #nextBackoff(state: FollowerState, firstMs: number): number {
    state.backoffMs = Math.min(
      Math.max(firstMs, state.backoffMs * 2),
      Math.max(firstMs, this.options.settings.backoffMs),
    )
    return state.backoffMs
  }

  #append(state: FollowerState, request: number, data: PartitionData, frame: SharedRelease): void {
    const { log } = state
    state.backoffMs = 0
    state.leaderHighWatermark = data.highWatermark
    state.leaderLogStartOffset = data.logStartOffset
    // Told once, whatever becomes of the records beside it.
    this.#followOffsets(state)
    const records = data.records ?? noRecords
    if (records.length > 0) {
      // What is here already comes again when two requests were on their way.
      if (!state.continuesIn(request)) return
      const checked = checkFetchedRecords(records, {
        fetchOffset: log.logEndOffset,
        lastEpoch: state.lastFetchedEpoch,
        currentLeaderEpoch: state.leaderEpoch,
      })
      if (!checked.ok) {
        this.#refused(state, `the leader sent records that cannot be: ${checked.problem}`)
        return
      }
      if (checked.bytes.length > 0) {
        // The log start lies inside a batch: only an empty log may begin there.
        if (checked.baseOffset < log.logEndOffset)
          this.#beginWith(state, checked.baseOffset, checked.bytes, frame.hold())
        else this.#takeIn(state, checked.bytes, frame.hold())
      }
    }
  }

  #takeIn(state: FollowerState, bytes: Buffer, release: () => void): void {
    const { partition } = state
    const result = partition.appendAsFollower(bytes, {
      currentLeaderEpoch: state.leaderEpoch,
      nowMs: this.options.env.clock.wallMs(),
      release,
    })
    // Also of what was refused a part may have gone in.
    this.fetcher.appended(state, bytes.length)
    if (!result.ok) {
      this.#refused(state, result.message)
      return
    }
    this.options.fetched(partition, bytes.length)
    this.#followOffsets(state)
  }

  #followOffsets(state: FollowerState): void {
    state.partition.followHighWatermark(state.leaderHighWatermark)
    state.partition.followLogStart(state.leaderLogStartOffset)
    this.#maybeCheckpointStart(state)
    if (state.hasNews) this.fetcher.ready(state, false)
  }

  /** The leader counts a deletion only once it is on the medium here; without this it would wait for the next regular checkpoint. */
  #maybeCheckpointStart(state: FollowerState): void {
    const { log, partition } = state
    if (log.durableStartOffset >= log.logStartOffset || state.checkpointedStartOffset >= log.logStartOffset) return
    state.checkpointedStartOffset = log.logStartOffset
    this.options
      .checkpointLogStart(partition)
      .then(() => {
        if (state.hasNews) this.fetcher.ready(state, false)
      })
      .catch((error: unknown) => this.options.onBroken(error))
  }

  #refused(state: FollowerState, reason: string): void {
    this.options.env.log.log("warn", "a replica cannot take in what its leader sent", {
      partition: state.partition.name,
      leaderId: this.fetcher.leaderId,
      reason,
    })
    this.fetcher.setAside(state, this.#nextBackoff(state, Math.min(100, this.options.settings.backoffMs)))
  }

  /** The leader's log parts from ours below our end. */
  #diverged(state: FollowerState, leaders: { epoch: number; endOffset: Offset }): void {
    const { log } = state
    const offset = truncationOffset(log, { leaderEpoch: leaders.epoch, endOffset: leaders.endOffset })
    // It would say the same again.
    if (offset >= log.logEndOffset) {
      this.#refused(state, `its epoch ${leaders.epoch} ends at ${leaders.endOffset}, as it does here`)
      return
    }
    this.options.env.log.log("info", "a replica is truncated to where its log parts from the leader's", {
      partition: state.partition.name,
      offset,
      logEndOffset: log.logEndOffset,
      highWatermark: log.highWatermark,
    })
    this.#cut(state, async () => (own) => own.truncateTo(offset))
  }

  /** The leader's log starts inside its first batch: ours begins with that batch, and starts inside it too. */
  #beginWith(state: FollowerState, offset: Offset, bytes: Buffer, release: () => void): void {
    if (state.log.logStartOffset !== state.log.logEndOffset) {
      release()
      this.#refused(state, `a batch begins at ${offset}, inside what is here`)
      return
    }
    const begin = (log: Partition["log"]) => log.truncateFullyAndStartAt(offset)
    this.#cut(
      state,
      async () => begin,
      (isCut) => {
        // At once: below the leader's start nothing can be fetched.
        if (isCut) this.#takeIn(state, bytes, release)
        else release()
      },
    )
  }

  /** Our end is not in the leader's log: it begins later, or has become shorter than ours without an epoch that says so. */
  #outOfRange(state: FollowerState): void {
    this.#cut(state, async () => {
      const end = await this.#leadersOffset(state, latest)
      const start = await this.#leadersOffset(state, earliest)
      if (end === undefined || start === undefined) return undefined
      const { logEndOffset } = state.log
      this.options.env.log.log("warn", "a replica's end is not in its leader's log", {
        partition: state.partition.name,
        logEndOffset,
        leaders: [start, end],
      })
      if (end < logEndOffset) return (log) => log.truncateTo(end)
      if (start > logEndOffset) return (log) => log.truncateFullyAndStartAt(start)
      return undefined
    })
  }

  /** Where `decide` says, once it knows; undefined: nowhere, and the leader is asked again a little later. */
  #cut(
    state: FollowerState,
    decide: () => Promise<((log: Partition["log"]) => Promise<void>) | undefined>,
    then: (isCut: boolean) => void = () => {},
  ): void {
    const { leaderEpoch, partition } = state
    this.fetcher.takeOut(state)
    state.isTruncating = true
    const run = async () => {
      const cut = await decide().catch(() => undefined)
      const isCut = cut !== undefined && (await this.options.truncate(partition, leaderEpoch, cut))
      if (isCut) state.backoffMs = 0
      // By whoever fetches it now.
      else state.fetcher?.block(state, this.#nextBackoff(state, soonMs))
      return isCut
    }
    run()
      .catch((error: unknown) => {
        // The directory failed, and the log is offline.
        if (!(error instanceof DiskError)) this.options.onBroken(error)
        return false
      })
      .then((isCut) => {
        state.isTruncating = false
        state.forgetTerms()
        then(isCut)
        state.fetcher?.ready(state, true)
      })
      .catch((error: unknown) => this.options.onBroken(error))
  }

  async #leadersOffset(state: FollowerState, timestamp: number): Promise<Offset | undefined> {
    const { nodeId, settings } = this.options
    const { topic, partition } = state.partition
    const answer = await this.fetcher.peer()?.request(
      listOffsets,
      {
        replicaId: nodeId,
        isolationLevel: 0,
        topics: [
          {
            name: topic,
            partitions: [{ partitionIndex: partition, currentLeaderEpoch: state.leaderEpoch, timestamp }],
          },
        ],
        timeoutMs: settings.socketTimeoutMs,
      },
      { timeoutMs: settings.socketTimeoutMs },
    )
    const found = answer?.response.topics[0]?.partitions[0]
    answer?.release()
    return found === undefined || found.errorCode !== Errors.NONE || found.offset < 0 ? undefined : found.offset
  }
}

/** The memory of an answer, given back when the last of those that hold a part of it lets go. */
export class SharedRelease {
  #holders = 1

  constructor(private readonly free: () => void) {}

  hold(): () => void {
    this.#holders++
    return () => this.release()
  }

  release(): void {
    if (--this.#holders === 0) this.free()
  }
}
