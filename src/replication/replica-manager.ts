/**
 * The partitions this broker hosts, kept in step with the metadata image.
 *
 * Owns which partition objects exist and in which directory their logs lie. Leadership changes take effect at once; what needs the disk (making and deleting
 * logs) follows in order, and `applied` tells when. A log is deleted only because the image says that its topic is gone.
 */
import { topicPartitionName, type BrokerId, type Uuid, zeroUuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type Env } from "../env/env.js"
import { emptyImage, type MetadataImage, type PartitionImage, type TopicImage } from "../metadata/image.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { Log } from "../storage/log.js"
import type { LogManager } from "../storage/log-manager.js"
import { Partition } from "./partition.js"
import { copyLog } from "./replica-copy.js"

/** Logs made or deleted at the same time. */
export const concurrentLogChangesMax = 16

export interface ReplicaManagerOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly logs: LogManager
  readonly configOf: (topic: string) => LogConfig
  /** Replicas that lie elsewhere than the metadata says: it must be told. */
  readonly assignDirectories: (assignments: readonly DirectoryAssignment[]) => void
}

export interface DirectoryAssignment {
  readonly topicId: Uuid
  readonly partition: number
  readonly directories: readonly Uuid[]
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
  readonly #moving = new Map<string, Promise<void>>()
  #image: MetadataImage = emptyImage
  /** The end of the chain of work on the disk. */
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(private readonly options: ReplicaManagerOptions) {}

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
    const missing: { topic: TopicImage; index: number }[] = []
    const doomed: Partition[] = []
    for (const name of image.topics.changedKeys(before.topics)) {
      const topic = image.topics.get(name)
      const old = before.topics.get(name)
      if (old !== undefined && old.topicId !== topic?.topicId) doomed.push(...this.#stopTopic(name))
      if (topic !== undefined) missing.push(...this.#updateTopic(topic))
    }
    this.#applyConfigs(image, before)
    if (missing.length > 0 || doomed.length > 0) {
      this.#enqueue(async () => {
        await inParallel(doomed, (partition) => this.#deletePartition(partition))
        await inParallel(missing, ({ topic, index }) => this.#host(topic, index))
        this.#reportDirectories(missing)
      })
    }
  }

  /** Resolves when everything applied so far is true on the disk as well. */
  applied(): Promise<void> {
    return this.#work
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped) return
      await task()
    })
  }

  #stopTopic(name: string): Partition[] {
    const partitions = this.#partitions.get(name) ?? []
    this.#partitions.delete(name)
    return partitions.flatMap((partition) => {
      if (partition === undefined) return []
      partition.stop(Errors.UNKNOWN_TOPIC_OR_PARTITION)
      return [partition]
    })
  }

  /** The log and a copy of it that is being made: what is left of a move would be taken for the next topic's of that name. */
  async #deletePartition({ name, topic, topicId, partition }: Partition): Promise<void> {
    const { logs } = this.options
    // It has seen that the partition is gone, or is past the point of stopping, and then the log is another one.
    await this.#moving.get(name)
    for (const log of [logs.get(topic, partition), logs.getFuture(topic, partition)])
      if (log !== undefined && (log.topicId === topicId || log.topicId === zeroUuid)) await this.#deleteLog(log)
  }

  /** Tells the partitions that are here, and returns those that should be and are not. */
  #updateTopic(topic: TopicImage): { topic: TopicImage; index: number }[] {
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

  async #host(topic: TopicImage, index: number): Promise<void> {
    const { env, nodeId, logs, configOf } = this.options
    // The image may have moved on while this waited for its turn.
    const state = this.#image.topics.get(topic.name)?.partitions[index]
    if (this.#image.topics.get(topic.name)?.topicId !== topic.topicId || state === undefined) return
    try {
      let log = logs.get(topic.name, index)
      if (log !== undefined && log.topicId !== topic.topicId && log.topicId !== zeroUuid) {
        // A log of an earlier topic of this name, whose removal the image has seen: its records must never show under the new id.
        await this.#deleteLog(log)
        log = undefined
      }
      log ??= await logs.create(topic.name, index, {
        topicId: topic.topicId,
        config: configOf(topic.name),
        ...wantedDirectory(state, nodeId),
      })
      await this.#reconcileFuture(log)
      const current = this.#image.topics.get(topic.name)
      const hosted = this.#partitions.get(topic.name)
      if (current?.topicId !== topic.topicId || hosted === undefined) return
      hosted[index] = new Partition(nodeId, topic.name, topic.topicId, index, log, current.partitions[index]!)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      // No room, or a directory that has just failed: clients see a partition without a leader here, and the next start tries again.
      env.log.log("error", "a log could not be made", {
        partition: topicPartitionName(topic.name, index),
        error: error.message,
      })
    }
  }

  /** A copy from before a crash may hold what the log itself lost, or belong to an earlier topic: neither may ever be served. */
  async #reconcileFuture(log: Log): Promise<void> {
    const future = this.options.logs.getFuture(log.topic, log.partition)
    if (future === undefined || future.offlineReason !== undefined) return
    if (future.topicId !== log.topicId) await this.#deleteLog(future)
    else if (log.offlineReason === undefined) await future.truncateTo(log.logEndOffset)
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
    const directories = state.replicas.map((_, at) => (at === slot ? directoryId : (state.directories[at] ?? zeroUuid)))
    return [{ topicId: partition.topicId, partition: partition.partition, directories }]
  }

  /** When it resolves, the start offsets of these logs as they are now are on the medium; but not of those it returns. */
  async checkpointLogStartOffsets(logs: ReadonlySet<Log>): Promise<ReadonlySet<Log>> {
    const failed = new Set<Log>()
    const directories = new Set([...logs].map((log) => this.options.logs.directoryOf(log)))
    await inParallel([...directories], async (directory) => {
      try {
        await directory.checkpoint()
        if (directory.failureReason === undefined) return
      } catch (error) {
        directory.reportFailure(error)
      }
      for (const log of logs) if (directory.logs.has(log)) failed.add(log)
    })
    return failed
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

  /** Begins to move a replica to another directory of this broker (KIP-113). The move goes on after it resolves. */
  async moveToDirectory(topic: string, index: number, path: string): Promise<ErrorCode> {
    const { logs } = this.options
    const target = logs.directories.find((directory) => directory.path === path)
    if (target === undefined) return Errors.LOG_DIR_NOT_FOUND
    if (target.failureReason !== undefined) return Errors.KAFKA_STORAGE_ERROR
    const partition = this.partition(topic, index)
    if (partition === undefined) {
      const known = this.#image.topics.get(topic)
      return known === undefined ? Errors.UNKNOWN_TOPIC_OR_PARTITION : this.absenceOf(known, index).errorCode
    }
    if (partition.log.offlineReason !== undefined) return Errors.KAFKA_STORAGE_ERROR
    if (logs.directoryOf(partition.log) === target || this.#moving.has(partition.name)) return Errors.NONE
    const future =
      logs.getFuture(topic, index) ??
      (await logs.create(
        topic,
        index,
        { topicId: partition.topicId, config: partition.log.config, directoryId: target.directoryId },
        "future",
      ))
    const move = this.#move(partition, future).finally(() => this.#moving.delete(partition.name))
    this.#moving.set(partition.name, move)
    return Errors.NONE
  }

  async #move(partition: Partition, future: Log): Promise<void> {
    const { env, logs } = this.options
    try {
      const isStopped = () => this.#stopped || this.partition(partition.topic, partition.partition) !== partition
      // A copy that cannot be finished takes nobody's place; the next start tries again.
      if (!(await copyLog(partition.log, future, env, isStopped))) return
      // From here to the swap nothing is appended: what is in the old log is all there is, and the new one has it.
      partition.holdAppends()
      await partition.log.flush()
      if (!(await copyLog(partition.log, future, env, isStopped)) || isStopped()) return
      // The old copy goes when the new one has its name: by then everything must be on the medium here too.
      if (!(await future.flush()) || isStopped()) return
      future.updateHighWatermark(partition.highWatermark)
      future.maybeIncrementLogStartOffset(partition.logStartOffset)
      await logs.replaceWithFuture(partition.topic, partition.partition, (log) => partition.replaceLog(log))
      const state = this.#image.topics.get(partition.topic)?.partitions[partition.partition]
      if (state !== undefined) this.options.assignDirectories(this.#assignment(partition, state))
      env.log.log("info", "a replica has moved to another directory", {
        partition: partition.name,
        path: partition.log.path,
      })
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      env.log.log("error", "a replica could not be moved", { partition: partition.name, error: error.message })
    } finally {
      partition.resumeAppends()
    }
  }

  /** A move that was interrupted by a stop goes on after the next start. */
  resumeMoves(): void {
    for (const future of [...this.options.logs.futureLogs()]) {
      const partition = this.partition(future.topic, future.partition)
      if (partition === undefined || this.#moving.has(partition.name)) continue
      this.#moving.set(
        partition.name,
        this.#move(partition, future).finally(() => this.#moving.delete(partition.name)),
      )
    }
  }

  /** No change takes effect any more; waiters are told. The logs are closed by their manager. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const partitions of this.#partitions.values())
      for (const partition of partitions) partition?.stop(Errors.NOT_LEADER_OR_FOLLOWER)
    await this.#work
    await Promise.all(this.#moving.values())
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
