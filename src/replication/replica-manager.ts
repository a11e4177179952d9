/**
 * The partitions this broker hosts, kept in step with the metadata image.
 *
 * Owns which partition objects exist, in which directory their logs lie, and the parts that work for all of them: fetchers, proposals of in-sync sets, moves. Leadership
 * changes take effect at once; what needs the disk (making and deleting logs) follows in order, and `applied` tells when. A log is deleted only because the image says that its
 * topic is gone, or that its replica belongs elsewhere now.
 */
import { topicPartitionName, type BrokerEpoch, type BrokerId, type Offset, type Uuid, zeroUuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import { DiskError, type Env, type Timer } from "../env/env.js"
import {
  type DirectoryAssignment,
  emptyImage,
  lostDirectory,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
} from "../metadata/image.js"
import type { ConnectPeer, PeerAddress } from "../net/peer.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { Log } from "../storage/log.js"
import type { LogManager } from "../storage/log-manager.js"
import { DirectoryMoves } from "./directory-moves.js"
import { type DescribedDirectory, describeDirectories } from "./directory-report.js"
import { EarlyProducers } from "./early-producers.js"
import { type AlterPartition, IsrChanges } from "./isr-changes.js"
import { LedPartitions } from "./led-partitions.js"
import { Partition, type PartitionHome } from "./partition.js"
import type { FetcherSettings } from "./replica-fetcher.js"
import { ReplicaFetchers } from "./replica-fetchers.js"
import { ReplicationQuota, type ThrottleSettings } from "./replication-quota.js"

/** Pause before another try to make logs for which there was no room, or to tell where they are. */
export const hostRetryMs = 1000
/** Logs deleted at the same time. */
export const concurrentLogChangesMax = 16
/** Logs made at the same time: those of one sync. */
export const concurrentLogsMadeMax = 128

/** What replication to and from other brokers needs. */
export interface ClusterOptions {
  readonly connect: ConnectPeer
  /** On the listener between brokers. */
  readonly endpointOf: (brokerId: BrokerId) => PeerAddress | undefined
  /** Asks the active controller. Rejects where it cannot be reached. */
  readonly alterPartition: AlterPartition
  /** Of this broker's present registration. */
  readonly brokerEpoch: () => BrokerEpoch
  readonly throttles: ThrottleSettings
  readonly settings: FetcherSettings & {
    /** `replica.lag.time.max.ms` */
    readonly lagTimeMaxMs: number
    /** `replica.selector.class` names Kafka's RackAwareReplicaSelector. */
    readonly isRackAware: boolean
  }
}

export interface ReplicaManagerOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly logs: LogManager
  readonly configOf: (topic: string) => LogConfig
  /** Replicas that lie elsewhere than the metadata says: it must be told. False: it was not, and is to be told again. */
  readonly assignDirectories: (assignments: readonly DirectoryAssignment[]) => undefined | Promise<boolean>
  /** Something happened here that cannot: the node must stop. */
  readonly onBroken: (error: unknown) => void
  /** Undefined: there are no other brokers. */
  readonly cluster?: ClusterOptions
}

interface MissingLog {
  readonly topic: TopicImage
  readonly index: number
}

export class ReplicaManager implements PartitionHome {
  readonly #partitions = new Map<string, (Partition | undefined)[]>()
  readonly earlyProducers = new EarlyProducers()
  readonly #led: LedPartitions
  readonly #moves: DirectoryMoves
  readonly #fetchers: ReplicaFetchers | undefined
  readonly #isrChanges: IsrChanges | undefined
  readonly #leaderQuota: ReplicationQuota | undefined
  readonly #followerQuota: ReplicationQuota | undefined
  #retry: Timer | undefined
  #assignmentRetry: Timer | undefined
  #offline: Partition[] = []
  #image: MetadataImage = emptyImage
  /** The end of the chain of work on the disk. */
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(private readonly options: ReplicaManagerOptions) {
    const { env, nodeId, logs, cluster, onBroken } = options
    this.#led = new LedPartitions(env, this.lagTimeMaxMs)
    this.#moves = new DirectoryMoves({
      env,
      logs,
      onBroken,
      partition: (topic, index) => this.partition(topic, index),
      absenceOf: (topic, index) => {
        const known = this.#image.topics.get(topic)
        return known === undefined ? Errors.UNKNOWN_TOPIC_OR_PARTITION : this.absenceOf(known, index).errorCode
      },
      moved: (partition) => this.#reportDirectories([partition]),
      deleteLog: (log) => this.#deleteLog(log),
      enqueue: (task) => this.#enqueue(task),
    })
    if (cluster === undefined) return
    this.#isrChanges = new IsrChanges({
      env,
      brokerId: nodeId,
      brokerEpoch: cluster.brokerEpoch,
      alterPartition: cluster.alterPartition,
    })
    const { throttles } = cluster
    const nowMs = () => this.nowMs()
    this.#leaderQuota = new ReplicationQuota(nodeId, nowMs, throttles.leaderRate, throttles.leaderReplicas)
    const quota = new ReplicationQuota(nodeId, nowMs, throttles.followerRate, throttles.followerReplicas)
    this.#followerQuota = quota
    this.#fetchers = new ReplicaFetchers({
      env,
      nodeId,
      brokerEpoch: cluster.brokerEpoch,
      settings: cluster.settings,
      connect: cluster.connect,
      endpointOf: cluster.endpointOf,
      truncate: (partition, leaderEpoch, cut) => this.#truncate(partition, leaderEpoch, cut),
      checkpointLogStart: (partition) => this.checkpointLogStartOffset(partition),
      isThrottled: ({ topic, partition, state }) =>
        quota.holdsFor(topic, partition) && !state.isr.includes(nodeId) && quota.isSpent,
      fetched: ({ topic, partition }, bytes) => quota.spend(topic, partition, bytes),
      onBroken,
    })
  }

  get nodeId(): BrokerId {
    return this.options.nodeId
  }

  get lagTimeMaxMs(): number {
    return this.options.cluster?.settings.lagTimeMaxMs ?? Number.POSITIVE_INFINITY
  }

  nowMs(): number {
    return this.options.env.clock.monotonicMs()
  }

  brokerEpoch(): BrokerEpoch {
    return this.options.cluster?.brokerEpoch() ?? -1
  }

  eligibleEpoch(brokerId: BrokerId): BrokerEpoch | undefined {
    const broker = this.#image.brokers.get(brokerId)
    return broker === undefined || broker.fenced || broker.inControlledShutdown ? undefined : broker.brokerEpoch
  }

  isAlive(brokerId: BrokerId): boolean {
    return this.#image.brokers.get(brokerId)?.fenced === false
  }

  isrProposed(partition: Partition): void {
    this.#isrChanges?.propose(partition)
  }

  followerAdvanced(partition: Partition): void {
    this.#fetchers?.advanced(partition)
  }

  /** Where others have the records this replica is given up and begins anew from theirs; where nobody has, what can be read of it is still served. */
  foundDamaged({ log, state }: Partition, problem: string): void {
    if (this.#isKeptByOthers(state)) log.goOffline(problem)
  }

  /** Once all logs of the directory have gone, those that may begin anew elsewhere do. */
  wentOffline(partition: Partition): void {
    this.#offline.push(partition)
    if (this.#offline.length > 1) return
    this.options.env.timers.soon(() => {
      const offline = this.#offline.splice(0)
      const missing = offline.flatMap((each) => this.#beginAnew(each))
      this.#reportDirectories(offline)
      if (missing.length > 0) this.#enqueue(() => this.#hostAll(missing))
    })
  }

  /** Undefined, nearly always: a replica that is moving takes no appends for a moment; resolves when one such moment is over. */
  get appendsHeld(): Promise<void> | undefined {
    return this.#moves.appendsHeld
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

  /** Directories that serve nothing any more: the controller must hear of them. */
  failedDirectoryIds(): readonly Uuid[] {
    return this.options.logs.directories.flatMap(({ failureReason, directoryId }) =>
      failureReason === undefined ? [] : [directoryId],
    )
  }

  /**
   * The replica in the consumer's rack that it should read from (KIP-392); undefined: stay here. Only one that is in sync and has the offset: another would send the
   * consumer back.
   */
  preferredReadReplica(partition: Partition, rackId: string, fetchOffset: Offset): BrokerId | undefined {
    const { cluster, nodeId } = this.options
    const { leadership } = partition
    if (cluster?.settings.isRackAware !== true || leadership === undefined || rackId === "") return undefined
    const { brokers } = this.#image
    if (brokers.get(nodeId)?.rack === rackId) return undefined
    let best: { brokerId: BrokerId; safeOffset: Offset } | undefined
    for (const follower of leadership.followers) {
      if (!leadership.isInSync(follower.brokerId) || !this.isAlive(follower.brokerId)) continue
      if (brokers.get(follower.brokerId)?.rack !== rackId) continue
      if (follower.safeOffset < fetchOffset || follower.logStartOffset > fetchOffset) continue
      if (best === undefined || follower.safeOffset > best.safeOffset) best = follower
    }
    return best?.brokerId
  }

  /** Takes over a newer image. Leaders and epochs change before it returns; logs are made and deleted after it. */
  apply(image: MetadataImage): void {
    const before = this.#image
    this.#image = image
    const missing: MissingLog[] = []
    const doomed: TopicImage[] = []
    const removed: Partition[] = []
    for (const name of image.topics.changedKeys(before.topics)) {
      const topic = image.topics.get(name)
      const old = before.topics.get(name)
      if (old !== undefined && old.topicId !== topic?.topicId) {
        this.#stopTopic(name)
        doomed.push(old)
      }
      if (topic !== undefined) missing.push(...this.#updateTopic(topic, removed))
    }
    this.#applyConfigs(image, before)
    if (image.brokers !== before.brokers) this.#brokersChanged(image, before)
    this.#fetchers?.tidy()
    if (missing.length > 0 || doomed.length > 0 || removed.length > 0) {
      this.#enqueue(async () => {
        for (const topic of doomed) await this.#deleteTopic(topic)
        await inParallel(removed, (partition) => this.#deleteReplica(partition))
        await this.#hostAll(missing)
      })
    }
  }

  #brokersChanged(image: MetadataImage, before: MetadataImage): void {
    for (const [brokerId, broker] of image.brokers)
      if (before.brokers.get(brokerId) !== broker) this.#fetchers?.leaderChanged(brokerId)
    this.#led.brokersChanged()
  }

  async #hostAll(missing: readonly MissingLog[]): Promise<void> {
    const failed: MissingLog[] = []
    const host = async (each: MissingLog) => {
      if (!(await this.#host(each.topic, each.index))) failed.push(each)
    }
    await inParallel(missing, host, concurrentLogsMadeMax)
    this.#reportDirectories(missing.flatMap(({ topic, index }) => this.partition(topic.name, index) ?? []))
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
    for (const partition of partitions)
      if (partition !== undefined) this.#stopPartition(partition, Errors.UNKNOWN_TOPIC_OR_PARTITION)
  }

  #stopPartition(partition: Partition, error: ErrorCode): void {
    partition.stop(error)
    this.#followRole(partition)
  }

  /** What the other parts must know of what the partition is now. */
  #followRole(partition: Partition): void {
    this.#led.look(partition)
    this.#fetchers?.follow(partition)
  }

  /** All its logs that are here now, whether or not anybody was served from them yet. */
  async #deleteTopic({ name, topicId, partitions }: TopicImage): Promise<void> {
    const { logs } = this.options
    await Promise.all(partitions.map((_, index) => this.#moves.ended(name, index)))
    const doomed = partitions.flatMap((_, index) =>
      [logs.get(name, index), logs.getFuture(name, index)].filter((log) => log?.topicId === topicId),
    )
    await inParallel(doomed, (log) => this.#deleteLog(log!))
  }

  /** The image says that this broker is no replica any more. Should it say otherwise by now, the log stays, and is served again. */
  async #deleteReplica({ topic, topicId, partition }: Partition): Promise<void> {
    const { logs } = this.options
    const isOurs = () => this.#replicaState(topic, topicId, partition)?.replicas.includes(this.options.nodeId) === true
    await this.#moves.cancel(topic, partition)
    for (const log of [logs.get(topic, partition), logs.getFuture(topic, partition)])
      if (log !== undefined && log.topicId === topicId && !isOurs()) await this.#deleteLog(log)
  }

  #replicaState(topic: string, topicId: Uuid, index: number): PartitionImage | undefined {
    const known = this.#image.topics.get(topic)
    return known?.topicId === topicId ? known.partitions[index] : undefined
  }

  /** Tells the partitions that are here, and returns those that should be and are not. */
  #updateTopic(topic: TopicImage, removed: Partition[]): MissingLog[] {
    let partitions = this.#partitions.get(topic.name)
    if (partitions === undefined) {
      this.#partitions.set(topic.name, (partitions = []))
      this.#refreshThrottles(topic.name)
    }
    const hosted = partitions
    return topic.partitions.flatMap((state, index) => {
      const partition = hosted[index]
      if (!state.replicas.includes(this.options.nodeId)) {
        if (partition === undefined) return []
        hosted[index] = undefined
        this.#stopPartition(partition, Errors.NOT_LEADER_OR_FOLLOWER)
        removed.push(partition)
        return []
      }
      if (partition === undefined) return [{ topic, index }]
      if (partition.state === state) return []
      partition.update(state)
      this.#followRole(partition)
      if (partition.log.offlineReason === undefined) return []
      const anew = this.#beginAnew(partition)
      // Others may have come into sync since it was found damaged.
      if (anew.length === 0) this.#reportDirectories([partition])
      return anew
    })
  }

  /**
   * A replica whose directory failed begins anew, empty, in another one; one whose log is damaged does where it is.
   *
   * Not before the metadata counts on it for nothing: an empty log in the place of one that is in sync, or eligible to lead, would be taken for one that has everything
   * (KIP-966).
   */
  #beginAnew(partition: Partition): MissingLog[] {
    const { logs } = this.options
    const topic = this.#image.topics.get(partition.topic)
    const hosted = this.#partitions.get(partition.topic)
    if (topic === undefined || hosted?.[partition.partition] !== partition) return []
    if (logs.directories.every(({ failureReason }) => failureReason !== undefined)) return []
    const { log, state } = partition
    const isDamaged = this.#isDamaged(log)
    if (this.#isCountedOn(state) || (isDamaged && !this.#isKeptByOthers(state))) return []
    hosted[partition.partition] = undefined
    this.#stopPartition(partition, Errors.NOT_LEADER_OR_FOLLOWER)
    this.#enqueue(async () => {
      if (isDamaged) await this.#setAside(log)
      else await this.#deleteLog(log)
    })
    return [{ topic, index: partition.partition }]
  }

  /** It is offline though its directory is not. */
  #isDamaged(log: Log): boolean {
    return log.offlineReason !== undefined && this.options.logs.directoryOf(log).failureReason === undefined
  }

  /** Everything that is committed is on other replicas. */
  #isKeptByOthers({ isr }: PartitionImage): boolean {
    return isr.some((brokerId) => brokerId !== this.options.nodeId)
  }

  #liesInFailedDirectory(state: PartitionImage): boolean {
    const { directoryId } = wantedDirectory(state, this.options.nodeId)
    return directoryId !== undefined && this.failedDirectoryIds().includes(directoryId)
  }

  #isCountedOn({ leader, isr, elr }: PartitionImage): boolean {
    const { nodeId } = this.options
    return leader === nodeId || isr.includes(nodeId) || elr.includes(nodeId)
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
    this.#refreshThrottles(topic)
    const partitions = this.#partitions.get(topic)
    if (partitions === undefined || partitions.length === 0) return
    const config = this.options.configOf(topic)
    for (const partition of partitions) if (partition !== undefined) partition.log.config = config
  }

  #refreshThrottles(topic: string): void {
    this.#leaderQuota?.refresh(topic)
    this.#followerQuota?.refresh(topic)
  }

  /** Whether a follower gets nothing of this partition now: it is out of sync, and replication to such is held to a rate that is used up. */
  isThrottled({ topic, partition, leadership }: Partition, replicaId: BrokerId): boolean {
    const quota = this.#leaderQuota
    return quota?.holdsFor(topic, partition) === true && leadership?.isInSync(replicaId) === false && quota.isSpent
  }

  /** Records go to a follower. */
  replicated({ topic, partition }: Partition, bytes: number): void {
    this.#leaderQuota?.spend(topic, partition, bytes)
  }

  /** False: there was no room, or a directory has just failed. Clients see a partition that nobody serves until another try succeeds. */
  async #host(topic: TopicImage, index: number): Promise<boolean> {
    const { env, nodeId, logs, configOf } = this.options
    // The image may have moved on while this waited for its turn.
    const state = this.#replicaState(topic.name, topic.topicId, index)
    if (state === undefined || !state.replicas.includes(nodeId)) return true
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
      if (log !== undefined && this.#isDamaged(log) && !this.#isCountedOn(state) && this.#isKeptByOthers(state)) {
        if (!(await this.#setAside(log))) return false
        log = undefined
      }
      // An empty log is no replacement for one that is counted on; see `#beginAnew`.
      if (log === undefined && this.#isCountedOn(state) && this.#liesInFailedDirectory(state)) return true
      log ??= await logs.create(topic.name, index, {
        topicId: topic.topicId,
        config: configOf(topic.name),
        ...wantedDirectory(state, nodeId),
      })
      if (log.topicId === zeroUuid) await logs.assignTopicId(log, topic.topicId)
      await this.#dropForeignFuture(log)
      const current = this.#replicaState(topic.name, topic.topicId, index)
      const hosted = this.#partitions.get(topic.name)
      // The removal of the topic, or of the replica, is behind this in the chain of work, and takes the log with it.
      if (current === undefined || hosted === undefined || !current.replicas.includes(nodeId)) return true
      log.config = configOf(topic.name)
      for (const said of [topic.topicId, topic.name]) {
        const awaited = this.earlyProducers.take(said, index)
        if (awaited !== undefined) log.producers.refusedBefore(awaited)
      }
      const partition = new Partition(this, topic.name, topic.topicId, index, log, current)
      hosted[index] = partition
      this.#followRole(partition)
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

  /** Its bytes stay, for whoever wants to look into what happened, under a name that is not served. */
  async #setAside(log: Log): Promise<boolean> {
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

  async #deleteLog(log: Log): Promise<void> {
    const { env, logs } = this.options
    try {
      await logs.delete(log)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      env.log.log("error", "a log could not be deleted", { log: log.name, error: error.message })
    }
  }

  /** A copy on its way to another directory may hold what is cut now: it is begun again. */
  async #truncate(partition: Partition, leaderEpoch: number, cut: (log: Log) => Promise<void>): Promise<boolean> {
    const { topic, partition: index } = partition
    const path = await this.#moves.cancel(topic, index)
    try {
      return await partition.truncate(leaderEpoch, cut)
    } finally {
      // What was to be led here meanwhile is, now that its log stands.
      this.#followRole(partition)
      if (path !== undefined) await this.#moves.begin(topic, index, path)
    }
  }

  /** With several directories the broker chooses, and says so in the metadata. */
  #reportDirectories(hosted: readonly Partition[]): void {
    const assignments = hosted.flatMap((partition) => this.#assignment(partition))
    if (assignments.length === 0) return
    void this.options.assignDirectories(assignments)?.then((isTaken) => {
      if (!isTaken) this.#reportDirectoriesLater()
    })
  }

  #reportDirectoriesLater(): void {
    if (this.#stopped || this.#assignmentRetry !== undefined) return
    this.#assignmentRetry = this.options.env.timers.after(hostRetryMs, () => {
      this.#assignmentRetry = undefined
      this.#reportDirectories([...this.#partitions.values()].flatMap((hosted) => hosted.flatMap((each) => each ?? [])))
    })
  }

  #assignment({ topic, topicId, partition, log }: Partition): DirectoryAssignment[] {
    const { nodeId, logs } = this.options
    const state = this.#replicaState(topic, topicId, partition)
    if (state === undefined) return []
    const isLost = this.#isDamaged(log) && this.#isKeptByOthers(state)
    if (log.offlineReason !== undefined && !isLost) return []
    const directoryId = isLost ? lostDirectory : logs.directoryOf(log).directoryId
    return state.directories[state.replicas.indexOf(nodeId)] === directoryId
      ? []
      : [{ topicId, partition, directoryId }]
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

  describeDirectories(wanted: (topic: string, partition: number) => boolean): Promise<DescribedDirectory[]> {
    return describeDirectories(this.options.env, this.options.logs, wanted)
  }

  /** See `DirectoryMoves.begin`. */
  moveToDirectory(topic: string, index: number, path: string): Promise<ErrorCode> {
    return this.#moves.begin(topic, index, path)
  }

  resumeMoves(): void {
    this.#moves.resume()
  }

  /**
   * Deals with logs that have no place here: those of topics in `removedTopicIds`, and of partitions that are on other brokers now, are deleted, as they would have been
   * had the node been up. Of others nothing is known, so they are left alone, and told about.
   */
  clearStrays(removedTopicIds: ReadonlySet<Uuid>): void {
    const { env, logs, nodeId } = this.options
    const isKnown = ({ topic, topicId }: Log) => this.#image.topics.get(topic)?.topicId === topicId
    const isOurs = ({ topic, topicId, partition }: Log) =>
      this.#replicaState(topic, topicId, partition)?.replicas.includes(nodeId) !== false
    const isRemoved = (log: Log) => (isKnown(log) ? !isOurs(log) : removedTopicIds.has(log.topicId))
    const removed: Log[] = []
    for (const log of [...logs.logs(), ...logs.futureLogs()]) {
      if (log.topicId === zeroUuid) continue
      if (isRemoved(log)) removed.push(log)
      if (isRemoved(log) || isKnown(log)) continue
      env.log.log("warn", "a log belongs to no topic the metadata knows, and is left alone", {
        path: log.path,
        topicId: log.topicId,
      })
    }
    // By its turn the metadata may have given the place back.
    const remove = async (log: Log) => (isRemoved(log) ? this.#deleteLog(log) : undefined)
    if (removed.length > 0) this.#enqueue(() => inParallel(removed, remove))
  }

  /** No change takes effect any more; waiters are told. The logs are closed by their manager. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of [this.#retry, this.#assignmentRetry]) timer?.cancel()
    this.#led.stop()
    this.#isrChanges?.stop()
    this.#fetchers?.stop()
    for (const partitions of this.#partitions.values())
      for (const partition of partitions) partition?.stop(Errors.NOT_LEADER_OR_FOLLOWER)
    await this.#work
    await this.#moves.stop()
  }
}

function wantedDirectory(state: PartitionImage, nodeId: BrokerId): { directoryId?: Uuid } {
  const directoryId = state.directories[state.replicas.indexOf(nodeId)]
  return directoryId === undefined || directoryId === zeroUuid ? {} : { directoryId }
}

async function inParallel<T>(
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
