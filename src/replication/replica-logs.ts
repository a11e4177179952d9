/**
 * The logs of the replicas that belong here: made, set aside, deleted, in the order in which the metadata asked for it.
 *
 * Owns the chain of work on the disk, and what may become of a log; which replicas belong here is told by the image, asked anew at every step because it moves on meanwhile. A log is
 * deleted only because the image says that its topic is gone, or that its replica belongs elsewhere now.
 */
import { topicPartitionName, type BrokerId, type Uuid, zeroUuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type Env } from "../env/env.js"
import type { PartitionImage, TopicImage } from "../metadata/image.js"
import type { Log } from "../storage/log.js"
import type { LogManager } from "../storage/log-manager.js"
import type { DirectoryMoves } from "./directory-moves.js"

/** Logs deleted at the same time. */
export const concurrentLogChangesMax = 16

export interface ReplicaLogsOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly logs: LogManager
  readonly configOf: (topic: string) => LogConfig
  /** As the newest image has it; undefined: there is none of this topic id. */
  readonly stateOf: (topic: string, topicId: Uuid, index: number) => PartitionImage | undefined
  readonly onBroken: (error: unknown) => void
}

/** What a replica gets to stand on: a log; nothing, for it must not have one; or nothing yet, for want of room or because a directory has just failed. */
export type FoundLog = Log | "none" | "later"

export class ReplicaLogs {
  /** The end of the chain of work on the disk. */
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(
    private readonly options: ReplicaLogsOptions,
    private readonly moves: DirectoryMoves,
  ) {}

  /** Resolves when everything asked for so far is true on the disk as well. */
  get done(): Promise<void> {
    return this.#work
  }

  enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped) return
      try {
        await task()
      } catch (error) {
        this.options.onBroken(error)
      }
    })
  }

  /** Nothing that waits for its turn gets it any more. */
  stop(): Promise<void> {
    this.#stopped = true
    return this.#work
  }

  /** The log of a replica that belongs here by `state`: the one that is there, or a new one. */
  async findOrMake(topic: TopicImage, index: number, state: PartitionImage): Promise<FoundLog> {
    const { nodeId, logs, configOf } = this.options
    if (logs.directories.every(({ failureReason }) => failureReason !== undefined)) return "later"
    try {
      let log = await logs.claim(topic.name, index, topic.topicId)
      if (log !== undefined && this.isDamaged(log) && !this.isCountedOn(state) && this.isKeptByOthers(state)) {
        if (!(await this.setAsideDamaged(log))) return "later"
        log = undefined
      }
      // An empty log is no replacement for one that is counted on (KIP-966).
      if (log === undefined && this.isCountedOn(state) && this.#liesInFailedDirectory(state)) return "none"
      log ??= await logs.create(topic.name, index, {
        topicId: topic.topicId,
        config: configOf(topic.name),
        ...wantedDirectory(state, nodeId),
      })
      if (log.topicId === zeroUuid) await logs.assignTopicId(log, topic.topicId)
      await this.#dropForeignFuture(log)
      return log
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      this.options.env.log.log("error", "a log could not be made", {
        partition: topicPartitionName(topic.name, index),
        error: error.message,
      })
      return "later"
    }
  }

  /** It is offline though its directory is not. */
  isDamaged(log: Log): boolean {
    return log.offlineReason !== undefined && this.options.logs.directoryOf(log).failureReason === undefined
  }

  /** Everything that is committed is on other replicas. */
  isKeptByOthers({ isr }: PartitionImage): boolean {
    return isr.some((brokerId) => brokerId !== this.options.nodeId)
  }

  /** An empty log in its place would be taken for one that has everything, or the most of what there is. */
  isCountedOn({ leader, isr, elr, lastKnownElr }: PartitionImage): boolean {
    const { nodeId } = this.options
    return leader === nodeId || [isr, elr, lastKnownElr].some((members) => members.includes(nodeId))
  }

  #liesInFailedDirectory(state: PartitionImage): boolean {
    const { directoryId } = wantedDirectory(state, this.options.nodeId)
    return directoryId !== undefined && this.options.logs.failedDirectoryIds().includes(directoryId)
  }

  /** A copy that belongs to an earlier topic of this name must never be served; the move itself cuts what a copy holds beyond its log. */
  async #dropForeignFuture(log: Log): Promise<void> {
    const future = this.options.logs.getFuture(log.topic, log.partition)
    if (future !== undefined && future.topicId !== log.topicId) await this.delete(future)
  }

  /** Its bytes stay, for whoever wants to look into what happened, under a name that is not served. */
  async setAsideDamaged(log: Log): Promise<boolean> {
    const { env, logs } = this.options
    const directory = logs.directoryOf(log)
    try {
      await logs.setAside(log)
    } catch (error) {
      directory.reportFailure(error)
      return false
    }
    env.log.log("warn", "a damaged replica begins anew from its leader", { log: log.name, reason: log.offlineReason })
    return true
  }

  async delete(log: Log): Promise<void> {
    const { env, logs } = this.options
    try {
      await logs.delete(log)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      env.log.log("error", "a log could not be deleted", { log: log.name, error: error.message })
    }
  }

  /** All its logs that are here now, whether or not anybody was served from them yet. */
  async deleteTopic({ name, topicId, partitions }: TopicImage): Promise<void> {
    const { logs } = this.options
    await Promise.all(partitions.map((_, index) => this.moves.ended(name, index)))
    const doomed = partitions.flatMap((_, index) => logs.copies(name, index).filter((log) => log.topicId === topicId))
    await inParallel(doomed, (log) => this.delete(log))
  }

  /** The image says that this broker is no replica any more. Should it say otherwise by now, the log stays, and is served again. */
  async deleteReplica(topic: string, topicId: Uuid, index: number): Promise<void> {
    const { logs } = this.options
    await this.moves.cancel(topic, index)
    for (const log of logs.copies(topic, index))
      if (log.topicId === topicId && !this.#belongsHere(log)) await this.delete(log)
  }

  #belongsHere({ topic, topicId, partition }: Log): boolean {
    return this.options.stateOf(topic, topicId, partition)?.replicas.includes(this.options.nodeId) === true
  }

  /**
   * Deals with logs that have no place here: those of topics in `removedTopicIds`, and of partitions that are on other brokers now, are deleted, as they would have been
   * had the node been up. Of others nothing is known, so they are left alone, and told about. `isKnown`: a topic of this name and id exists.
   */
  clearStrays(removedTopicIds: ReadonlySet<Uuid>, isKnown: (log: Log) => boolean): void {
    const { env, logs, nodeId } = this.options
    const isOurs = ({ topic, topicId, partition }: Log) =>
      this.options.stateOf(topic, topicId, partition)?.replicas.includes(nodeId) !== false
    const isRemoved = (log: Log) => (isKnown(log) ? !isOurs(log) : removedTopicIds.has(log.topicId))
    const removed: Log[] = []
    for (const log of [...logs.logs(), ...logs.futureLogs(), ...logs.namesakes()]) {
      if (log.topicId === zeroUuid) continue
      if (isRemoved(log)) removed.push(log)
      if (isRemoved(log) || isKnown(log)) continue
      env.log.log("warn", "a log belongs to no topic the metadata knows, and is left alone", {
        path: log.path,
        topicId: log.topicId,
      })
    }
    // By its turn the metadata may have given the place back, or another change have taken the log away.
    const isHere = (log: Log) => logs.copies(log.topic, log.partition).includes(log)
    const remove = async (log: Log) => (isRemoved(log) && isHere(log) ? this.delete(log) : undefined)
    if (removed.length > 0) this.enqueue(() => inParallel(removed, remove))
  }
}

function wantedDirectory(state: PartitionImage, nodeId: BrokerId): { directoryId?: Uuid } {
  const directoryId = state.directories[state.replicas.indexOf(nodeId)]
  return directoryId === undefined || directoryId === zeroUuid ? {} : { directoryId }
}

export async function inParallel<T>(
  items: readonly T[],
  task: (item: T) => Promise<void>,
  atOnceMax = concurrentLogChangesMax,
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < items.length) await task(items[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, lane))
}
