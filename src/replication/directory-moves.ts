/**
 * Replicas that move to another log directory of this broker (KIP-113).
 *
 * Owns the moves that are on their way: copy, hold the appends for a moment, swap. Not where a replica should lie. At no time is there less than one whole copy, and the original
 * serves until the other has everything.
 */
import { invariant } from "../base/assert.js"
import { topicPartitionName, zeroUuid } from "../base/ids.js"
import { DiskError, type Env } from "../env/env.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { Log } from "../storage/log.js"
import type { LogDirectory } from "../storage/log-directory.js"
import type { LogManager } from "../storage/log-manager.js"
import type { Partition } from "./partition.js"
import { copyLog } from "./replica-copy.js"

interface Move {
  readonly target: LogDirectory
  cancelled: boolean
  done: Promise<void>
}

export interface DirectoryMovesOptions {
  readonly env: Env
  readonly logs: LogManager
  readonly partition: (topic: string, index: number) => Partition | undefined
  /** Why there is no such partition here. */
  readonly absenceOf: (topic: string, index: number) => ErrorCode
  /** The replica lies elsewhere now. */
  readonly moved: (partition: Partition) => void
  readonly deleteLog: (log: Log) => Promise<void>
  /** Work on the disk that comes after what was begun before. */
  readonly enqueue: (task: () => Promise<void>) => void
  readonly onBroken: (error: unknown) => void
}

export class DirectoryMoves {
  readonly #moving = new Map<string, Move>()
  readonly #held = new Set<Partition>()
  #stopped = false

  constructor(private readonly options: DirectoryMovesOptions) {}

  /** Undefined, nearly always: a replica that is moving takes no appends for a moment; resolves when one such moment is over. */
  get appendsHeld(): Promise<void> | undefined {
    for (const partition of this.#held) return partition.appendsResumed
    return undefined
  }

  /** Resolves when no move of this name is on its way. */
  async ended(topic: string, index: number): Promise<void> {
    await this.#moving.get(topicPartitionName(topic, index))?.done
  }

  /** Ends the move of a replica, and leaves the original. Returns where it was going. */
  async cancel(topic: string, index: number): Promise<string | undefined> {
    const move = this.#moving.get(topicPartitionName(topic, index))
    if (move === undefined) return undefined
    move.cancelled = true
    await move.done
    return move.target.path
  }

  /**
   * Begins to move a replica to another directory of this broker (KIP-113). The move goes on after it resolves; naming another directory gives it a new
   * destination, naming the one where the replica is ends it.
   */
  async begin(topic: string, index: number, path: string): Promise<ErrorCode> {
    const { logs } = this.options
    const target = logs.directories.find((directory) => directory.path === path)
    if (target === undefined) return Errors.LOG_DIR_NOT_FOUND
    if (target.failureReason !== undefined) return Errors.KAFKA_STORAGE_ERROR
    for (let other = this.#moving.get(topicPartitionName(topic, index)); other !== undefined; ) {
      if (other.target === target) return Errors.NONE
      other.cancelled = true
      await other.done
      other = this.#moving.get(topicPartitionName(topic, index))
    }
    const partition = this.options.partition(topic, index)
    if (partition === undefined) {
      return this.options.absenceOf(topic, index)
    }
    if (partition.log.offlineReason !== undefined) return Errors.KAFKA_STORAGE_ERROR
    if (logs.directoryOf(partition.log) === target) return Errors.NONE
    const { topicId } = partition
    const made = logs.create(
      topic,
      index,
      { topicId, config: partition.log.config, directoryId: target.directoryId },
      "future",
    )
    this.#beginMove(partition, made, target)
    return made.then(
      () => Errors.NONE,
      (error: unknown) => {
        if (error instanceof DiskError) return Errors.KAFKA_STORAGE_ERROR
        throw error
      },
    )
  }

  #beginMove(partition: Partition, made: Log | Promise<Log>, target: LogDirectory): void {
    const move: Move = { target, cancelled: false, done: Promise.resolve() }
    this.#moving.set(partition.name, move)
    move.done = this.#move(partition, made, move).then(
      () => {
        this.#moving.delete(partition.name)
      },
      (error: unknown) => this.options.onBroken(error),
    )
  }

  async #move(partition: Partition, made: Log | Promise<Log>, move: Move): Promise<void> {
    const { env } = this.options
    const isGone = () => this.options.partition(partition.topic, partition.partition) !== partition
    const isStopped = () => this.#stopped || move.cancelled || isGone()
    // Both are prefixes of what the replica held before a crash. What only the copy kept of it counts as lost, and other records take its place.
    const endOffset = partition.log.logEndOffset
    let future: Log | undefined
    try {
      future = await made
      await future.truncateTo(endOffset)
      let complete = await copyLog(partition.log, future, env, isStopped)
      // Once more for what came meanwhile, so that little is left for the time without appends.
      complete &&= await copyLog(partition.log, future, env, isStopped)
      if (complete && !isStopped()) {
        partition.holdAppends()
        this.#held.add(partition)
        const { log } = partition
        if ((await copyLog(log, future, env, isStopped)) && (await future.flush()) && !isStopped()) {
          invariant(future.logEndOffset === log.logEndOffset, "a copy that is complete ends where the original does")
          await this.#swap(partition, future)
          return
        }
      }
      // At a stop the copy stays, and the move goes on after the next start.
      if (!this.#stopped) await this.#dropFuture(partition, future)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      env.log.log("error", "a replica could not be moved", { partition: partition.name, error: error.message })
      if (future !== undefined && !this.#stopped) await this.#dropFuture(partition, future)
    } finally {
      this.#held.delete(partition)
      partition.resumeAppends()
    }
  }

  async #swap(partition: Partition, future: Log): Promise<void> {
    const { env, logs } = this.options
    future.config = partition.log.config
    await logs.replaceWithFuture(partition.topic, partition.partition, (log) => partition.replaceLog(log))
    this.options.moved(partition)
    env.log.log("info", "a replica has moved to another directory", {
      partition: partition.name,
      path: partition.log.path,
    })
  }

  async #dropFuture({ topic, partition }: Partition, future: Log): Promise<void> {
    if (this.options.logs.getFuture(topic, partition) === future) await this.options.deleteLog(future)
  }

  /** A move that was interrupted by a stop goes on after the next start. */
  resume(): void {
    const { logs } = this.options
    for (const future of [...logs.futureLogs()]) {
      const partition = this.options.partition(future.topic, future.partition)
      if (partition === undefined || this.#moving.has(partition.name)) continue
      if (future.topicId === partition.topicId) this.#beginMove(partition, future, logs.directoryOf(future))
      // It was only just being made: nothing is in it, and the original serves.
      else if (future.topicId === zeroUuid) this.options.enqueue(() => this.options.deleteLog(future))
      else this.options.enqueue(() => logs.setAside(future))
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#moving.values()].map(({ done }) => done))
  }
}
