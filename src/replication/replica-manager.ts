/**
 * The partitions this broker hosts, kept in step with the metadata image.
 *
 * Owns which partition objects exist and in which directory their logs lie. Leadership changes take effect at once; what needs the disk (making and deleting
 * logs) follows in order, and `applied` tells when. A log is deleted only because the image says that its topic is gone.
 */
import { invariant } from "../base/assert.js"
import { topicPartitionName, type BrokerId, type Uuid, zeroUuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type Env, type Timer } from "../env/env.js"
import {
  type DirectoryAssignment,
  emptyImage,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
} from "../metadata/image.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { Log } from "../storage/log.js"
import type { LogDirectory } from "../storage/log-directory.js"
import type { LogManager } from "../storage/log-manager.js"
import { Partition } from "./partition.js"
import { copyLog } from "./replica-copy.js"

interface Move {
  readonly target: LogDirectory
  cancelled: boolean
  done: Promise<void>
}

/** Pause before another try to make logs for which there was no room. */
export const hostRetryMs = 1000
/** Logs made or deleted at the same time. */
export const concurrentLogChangesMax = 16

export interface ReplicaManagerOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly logs: LogManager
  readonly configOf: (topic: string) => LogConfig
  /** Replicas that lie elsewhere than the metadata says: it must be told. */
  readonly assignDirectories: (assignments: readonly DirectoryAssignment[]) => void
  /** Something happened here that cannot: the node must stop. */
  readonly onBroken: (error: unknown) => void
}

interface MissingLog {
  readonly topic: TopicImage
  readonly index: number
}

export interface DescribedDirectory {
  readonly path: string
  readonly failed: boolean
  readonly totalBytes: number
  readonly freeBytes: number
  readonly logs: readonly {
    readonly topic: string
    readonly partition: number
    readonly sizeBytes: number
    readonly offsetLag: number
    readonly isFuture: boolean
  }[]
}

export class ReplicaManager {
  readonly #partitions = new Map<string, (Partition | undefined)[]>()
  readonly #moving = new Map<string, Move>()
  readonly #held = new Set<Partition>()
  #retry: Timer | undefined
  #image: MetadataImage = emptyImage
  /** The end of the chain of work on the disk. */
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(private readonly options: ReplicaManagerOptions) {}

  /** Undefined, nearly always: a replica that is moving takes no appends for a moment; resolves when one such moment is over. */
  get appendsHeld(): Promise<void> | undefined {
    for (const partition of this.#held) return partition.appendsResumed
    return undefined
  }

  partition(topic: string, index: number): Partition | undefined {
    return this.#partitions.get(topic)?.[index]
  }

  /** Why a partition of a topic that exists has no `partition` here. */
  absenceOf(topic: TopicImage, index: number): { errorCode: ErrorCode } {
    const partition = topic.partitions[index]
    if (partition === undefined) return { errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION }
    const isOurs = partition.replicas.includes(this.options.nodeId)
    const failed = isOurs && this.options.logs.directories.every(({ failureReason }) => failureReason !== undefined)
    return { errorCode: failed ? Errors.KAFKA_STORAGE_ERROR : Errors.NOT_LEADER_OR_FOLLOWER }
  }

  /** This broker, where its replica serves nothing because its disk failed or its log is damaged. */
  offlineReplicas(topic: string, index: number, replicas: readonly BrokerId[]): readonly BrokerId[] {
    const { nodeId } = this.options
    const partition = this.partition(topic, index)
    return replicas.includes(nodeId) && partition !== undefined && partition.log.offlineReason !== undefined
      ? [nodeId]
      : []
  }

  /** Takes over a newer image. Leaders and epochs change before it returns; logs are made and deleted after it. */
  apply(image: MetadataImage): void {
    const before = this.#image
    this.#image = image
    const missing: MissingLog[] = []
    const doomed: TopicImage[] = []
    for (const name of image.topics.changedKeys(before.topics)) {
      const topic = image.topics.get(name)
      const old = before.topics.get(name)
      if (old !== undefined && old.topicId !== topic?.topicId) {
        this.#stopTopic(name)
        doomed.push(old)
      }
      if (topic !== undefined) missing.push(...this.#updateTopic(topic))
    }
    this.#applyConfigs(image, before)
    if (missing.length > 0 || doomed.length > 0) {
      this.#enqueue(async () => {
        for (const topic of doomed) await this.#deleteTopic(topic)
        await this.#hostAll(missing)
      })
    }
  }

  async #hostAll(missing: readonly MissingLog[]): Promise<void> {
    const failed: MissingLog[] = []
    await inParallel(missing, async (each) => {
      if (!(await this.#host(each.topic, each.index))) failed.push(each)
    })
    this.#reportDirectories(missing)
    if (failed.length === 0 || this.#stopped) return
    this.#retry = this.options.env.timers.after(hostRetryMs, () => this.#enqueue(() => this.#hostAll(failed)))
  }

  /** Resolves when everything applied so far is true on the disk as well. */
  applied(): Promise<void> {
    return this.#work
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped) return
      try {
        await task()
      } catch (error) {
        this.options.onBroken(error)
      }
    })
  }

  #stopTopic(name: string): void {
    const partitions = this.#partitions.get(name) ?? []
    this.#partitions.delete(name)
    for (const partition of partitions) partition?.stop(Errors.UNKNOWN_TOPIC_OR_PARTITION)
  }

  /** All its logs that are here now, whether or not anybody was served from them yet. */
  async #deleteTopic({ name, topicId, partitions }: TopicImage): Promise<void> {
    const { logs } = this.options
    await Promise.all(partitions.map((_, index) => this.#moving.get(topicPartitionName(name, index))?.done))
    const doomed = partitions.flatMap((_, index) =>
      [logs.get(name, index), logs.getFuture(name, index)].filter((log) => log?.topicId === topicId),
    )
    await inParallel(doomed, (log) => this.#deleteLog(log!))
  }

  /** Tells the partitions that are here, and returns those that should be and are not. */
  #updateTopic(topic: TopicImage): MissingLog[] {
    let partitions = this.#partitions.get(topic.name)
    if (partitions === undefined) this.#partitions.set(topic.name, (partitions = []))
    const hosted = partitions
    return topic.partitions.flatMap((state, index) => {
      const partition = hosted[index]
      if (!state.replicas.includes(this.options.nodeId)) return []
      if (partition === undefined) return [{ topic, index }]
      partition.update(state)
      return []
    })
  }

  #applyConfigs(image: MetadataImage, before: MetadataImage): void {
    let everything = false
    for (const key of image.configs.changedKeys(before.configs)) {
      const [type, name] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)]
      if (type === "2") this.#refreshConfig(name)
      else if (type === "4") everything = true
    }
    if (everything) for (const name of this.#partitions.keys()) this.#refreshConfig(name)
  }

  #refreshConfig(topic: string): void {
    const partitions = this.#partitions.get(topic)
    if (partitions === undefined || partitions.length === 0) return
    const config = this.options.configOf(topic)
    for (const partition of partitions) if (partition !== undefined) partition.log.config = config
  }

  /** False: there was no room, or a directory has just failed. Clients see a partition that nobody serves until another try succeeds. */
  async #host(topic: TopicImage, index: number): Promise<boolean> {
    const { env, nodeId, logs, configOf } = this.options
    // The image may have moved on while this waited for its turn.
    const state = this.#image.topics.get(topic.name)?.partitions[index]
    if (this.#image.topics.get(topic.name)?.topicId !== topic.topicId || state === undefined) return true
    // Any change of the topic asks for what is missing, also while it is being made.
    if (this.partition(topic.name, index) !== undefined) return true
    if (logs.directories.every(({ failureReason }) => failureReason !== undefined)) return false
    try {
      let log = logs.get(topic.name, index)
      if (log !== undefined && log.topicId !== topic.topicId && log.topicId !== zeroUuid) {
        // A log of some other topic of this name: its records must never show under this id. Whether anybody still wants them is not known here.
        await logs.setAside(log)
        log = undefined
      }
      log ??= await logs.create(topic.name, index, {
        topicId: topic.topicId,
        config: configOf(topic.name),
        ...wantedDirectory(state, nodeId),
      })
      if (log.topicId === zeroUuid) await logs.assignTopicId(log, topic.topicId)
      await this.#dropForeignFuture(log)
      const current = this.#image.topics.get(topic.name)
      const hosted = this.#partitions.get(topic.name)
      // The topic's removal is behind this in the chain of work, and takes the log with it.
      if (current?.topicId !== topic.topicId || hosted === undefined) return true
      log.config = configOf(topic.name)
      hosted[index] = new Partition(nodeId, topic.name, topic.topicId, index, log, current.partitions[index]!)
      return true
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      env.log.log("error", "a log could not be made", {
        partition: topicPartitionName(topic.name, index),
        error: error.message,
      })
      return false
    }
  }

  /** A copy that belongs to an earlier topic of this name must never be served; the move itself cuts what a copy holds beyond its log. */
  async #dropForeignFuture(log: Log): Promise<void> {
    const future = this.options.logs.getFuture(log.topic, log.partition)
    if (future !== undefined && future.topicId !== log.topicId) await this.#deleteLog(future)
  }

  async #deleteLog(log: Log): Promise<void> {
    const { env, logs } = this.options
    try {
      await logs.delete(log)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      env.log.log("error", "a log could not be deleted", { log: log.name, error: error.message })
    }
  }

  /** With several directories the broker chooses, and says so in the metadata. */
  #reportDirectories(hosted: readonly { topic: TopicImage; index: number }[]): void {
    const assignments = hosted.flatMap(({ topic, index }): DirectoryAssignment[] => {
      const partition = this.partition(topic.name, index)
      const state = this.#image.topics.get(topic.name)?.partitions[index]
      if (partition === undefined || state === undefined) return []
      return this.#assignment(partition, state)
    })
    if (assignments.length > 0) this.options.assignDirectories(assignments)
  }

  #assignment(partition: Partition, state: PartitionImage): DirectoryAssignment[] {
    const { nodeId, logs } = this.options
    const { directoryId } = logs.directoryOf(partition.log)
    const slot = state.replicas.indexOf(nodeId)
    if (state.directories[slot] === directoryId) return []
    return [{ topicId: partition.topicId, partition: partition.partition, directoryId }]
  }

  /** When it resolves with true, the partition's log start offset as it is now is on the medium. */
  async checkpointLogStartOffset(partition: Partition): Promise<boolean> {
    const directory = this.options.logs.directoryOf(partition.log)
    try {
      await directory.checkpoint()
    } catch (error) {
      directory.reportFailure(error)
      return false
    }
    return directory.failureReason === undefined
  }

  async describeDirectories(wanted: (topic: string, partition: number) => boolean): Promise<DescribedDirectory[]> {
    const { env, logs } = this.options
    const described: DescribedDirectory[] = []
    for (const directory of logs.directories) {
      const { path } = directory
      if (directory.failureReason !== undefined) {
        described.push({ path, failed: true, totalBytes: -1, freeBytes: -1, logs: [] })
        continue
      }
      const { free, total } = await env.disk.freeBytes(path)
      const entries = []
      for (const log of [...directory.logs]) {
        const isFuture = logs.getFuture(log.topic, log.partition) === log
        const current = logs.get(log.topic, log.partition)
        // The metadata log lies here too, but it is no replica of a topic.
        if (!isFuture && current !== log) continue
        if (!wanted(log.topic, log.partition) || log.offlineReason !== undefined) continue
        entries.push({
          topic: log.topic,
          partition: log.partition,
          sizeBytes: await log.sizeBytes(),
          offsetLag: isFuture && current !== undefined ? Math.max(0, current.logEndOffset - log.logEndOffset) : 0,
          isFuture,
        })
      }
      described.push({ path, failed: false, totalBytes: total, freeBytes: free, logs: entries })
    }
    return described
  }

  /**
   * Begins to move a replica to another directory of this broker (KIP-113). The move goes on after it resolves; naming another directory gives it a new
   * destination, naming the one where the replica is ends it.
   */
  async moveToDirectory(topic: string, index: number, path: string): Promise<ErrorCode> {
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
    const partition = this.partition(topic, index)
    if (partition === undefined) {
      const known = this.#image.topics.get(topic)
      return known === undefined ? Errors.UNKNOWN_TOPIC_OR_PARTITION : this.absenceOf(known, index).errorCode
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
    const isGone = () => this.partition(partition.topic, partition.partition) !== partition
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
    const { env, logs, configOf } = this.options
    future.updateHighWatermark(partition.highWatermark)
    future.maybeIncrementLogStartOffset(partition.logStartOffset)
    future.config = configOf(partition.topic)
    await logs.replaceWithFuture(partition.topic, partition.partition, (log) => partition.replaceLog(log))
    const state = this.#image.topics.get(partition.topic)?.partitions[partition.partition]
    if (state !== undefined) this.options.assignDirectories(this.#assignment(partition, state))
    env.log.log("info", "a replica has moved to another directory", {
      partition: partition.name,
      path: partition.log.path,
    })
  }

  async #dropFuture({ topic, partition }: Partition, future: Log): Promise<void> {
    if (this.options.logs.getFuture(topic, partition) === future) await this.#deleteLog(future)
  }

  /** A move that was interrupted by a stop goes on after the next start. */
  resumeMoves(): void {
    const { logs } = this.options
    for (const future of [...logs.futureLogs()]) {
      const partition = this.partition(future.topic, future.partition)
      if (partition === undefined || this.#moving.has(partition.name)) continue
      if (future.topicId === partition.topicId) this.#beginMove(partition, future, logs.directoryOf(future))
      // It was only just being made: nothing is in it, and the original serves.
      else if (future.topicId === zeroUuid) this.#enqueue(() => this.#deleteLog(future))
      else this.#enqueue(() => logs.setAside(future))
    }
  }

  /**
   * Deals with logs that belong to no topic: those of topics in `removedTopicIds` are deleted, as they were about to be when the node went down. Of others nothing is
   * known, so they are left alone, and told about.
   */
  clearStrays(removedTopicIds: ReadonlySet<Uuid>): void {
    const { env, logs } = this.options
    const strays = [...logs.logs(), ...logs.futureLogs()].filter(
      (log) => log.topicId !== zeroUuid && this.#image.topics.get(log.topic)?.topicId !== log.topicId,
    )
    const removed = strays.filter((log) => removedTopicIds.has(log.topicId))
    for (const log of strays) {
      if (removed.includes(log)) continue
      env.log.log("warn", "a log belongs to no topic the metadata knows, and is left alone", {
        path: log.path,
        topicId: log.topicId,
      })
    }
    if (removed.length > 0) this.#enqueue(() => inParallel(removed, (log) => this.#deleteLog(log)))
  }

  /** No change takes effect any more; waiters are told. The logs are closed by their manager. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#retry?.cancel()
    for (const partitions of this.#partitions.values())
      for (const partition of partitions) partition?.stop(Errors.NOT_LEADER_OR_FOLLOWER)
    await this.#work
    await Promise.all([...this.#moving.values()].map(({ done }) => done))
  }
}

function wantedDirectory(state: PartitionImage, nodeId: BrokerId): { directoryId?: Uuid } {
  const directoryId = state.directories[state.replicas.indexOf(nodeId)]
  return directoryId === undefined || directoryId === zeroUuid ? {} : { directoryId }
}

async function inParallel<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < items.length) await task(items[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(concurrentLogChangesMax, items.length) }, lane))
}
