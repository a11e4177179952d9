/**
 * The partitions this broker hosts, kept in step with the metadata image.
 *
 * Owns which partition objects exist, and composes the parts that work for all of them: logs, fetchers, proposals of in-sync sets, moves. Leadership changes take effect at once;
 * what needs the disk (replica-logs) follows in order, and `applied` tells when.
 */
import type { BrokerEpoch, BrokerId, Offset, Uuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import type { Env, Timer } from "../env/env.js"
import {
  type DirectoryAssignment,
  emptyImage,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
} from "../metadata/image.js"
import type { ConnectPeer, PeerAddress } from "../net/peer.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { Log } from "../storage/log.js"
import type { LogManager } from "../storage/log-manager.js"
import { DirectoryAssignments } from "./directory-assignments.js"
import { DirectoryMoves } from "./directory-moves.js"
import { type DescribedDirectory, describeDirectories } from "./directory-report.js"
import { EarlyProducers } from "./early-producers.js"
import { type AlterPartition, IsrChanges } from "./isr-changes.js"
import { LedPartitions } from "./led-partitions.js"
import { Partition, type PartitionHome } from "./partition.js"
import type { FetcherSettings } from "./replica-fetcher.js"
import { ReplicaFetchers } from "./replica-fetchers.js"
import { inParallel, ReplicaLogs } from "./replica-logs.js"
import { ReplicationQuota, type ThrottleSettings } from "./replication-quota.js"

/** Pause before another try to make logs for which there was no room. */
export const hostRetryMs = 1000
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
  readonly #logs: ReplicaLogs
  readonly #assignments: DirectoryAssignments
  #retry: Timer | undefined
  #offline: Partition[] = []
  #image: MetadataImage = emptyImage
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
      moved: (partition) => this.#assignments.report([partition]),
      deleteLog: (log) => this.#logs.delete(log),
      enqueue: (task) => this.#logs.enqueue(task),
    })
    const stateOf = (topic: string, topicId: Uuid, index: number) => this.#replicaState(topic, topicId, index)
    this.#logs = new ReplicaLogs({ env, nodeId, logs, configOf: options.configOf, stateOf, onBroken }, this.#moves)
    this.#assignments = new DirectoryAssignments(
      {
        env,
        nodeId,
        logs,
        assign: options.assignDirectories,
        stateOf: ({ topic, topicId, partition }) => stateOf(topic, topicId, partition),
        hosted: () => [...this.#partitions.values()].flatMap((hosted) => hosted.flatMap((each) => each ?? [])),
      },
      this.#logs,
    )
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
      directoryIdOf: (log) => logs.directoryOf(log).directoryId,
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
    if (this.#logs.isKeptByOthers(state)) log.goOffline(problem)
  }

  /** Once all logs of the directory have gone, those that may begin anew elsewhere do. */
  wentOffline(partition: Partition): void {
    this.#offline.push(partition)
    if (this.#offline.length > 1) return
    this.options.env.timers.soon(() => {
      const offline = this.#offline.splice(0)
      const missing = offline.flatMap((each) => this.#beginAnew(each))
      this.#assignments.report(offline)
      if (missing.length > 0) this.#logs.enqueue(() => this.#hostAll(missing))
    })
  }

  /** Undefined, nearly always: a replica that is moving takes no appends for a moment; resolves when one such moment is over. */
  get appendsHeld(): Promise<void> | undefined {
    return this.#moves.appendsHeld
  }

  partition(topic: string, index: number): Partition | undefined {
    return this.#partitions.get(topic)?.[index]
  }

  /** Every replica of this broker. */
  *partitions(): IterableIterator<Partition> {
    for (const ofTopic of this.#partitions.values())
      for (const partition of ofTopic) if (partition !== undefined) yield partition
  }

  /** Why a partition of a topic that exists has no `partition` here. */
  absenceOf(topic: TopicImage, index: number): { errorCode: ErrorCode } {
    const partition = topic.partitions[index]
    if (partition === undefined) return { errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION }
    const isOurs = partition.replicas.includes(this.options.nodeId)
    const failed = isOurs && this.options.logs.directories.every(({ failureReason }) => failureReason !== undefined)
    return { errorCode: failed ? Errors.KAFKA_STORAGE_ERROR : Errors.NOT_LEADER_OR_FOLLOWER }
  }

  /** Leaders that this broker follows and cannot reach, each with the monotonic time since when. */
  unreachableLeaders(): ReadonlyMap<BrokerId, number> {
    return this.#fetchers?.unreachable() ?? new Map()
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
    return this.options.logs.failedDirectoryIds()
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
      this.#logs.enqueue(async () => {
        for (const topic of doomed) await this.#logs.deleteTopic(topic)
        await inParallel(removed, (gone) => this.#logs.deleteReplica(gone.topic, gone.topicId, gone.partition))
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
    this.#assignments.report(missing.flatMap(({ topic, index }) => this.partition(topic.name, index) ?? []))
    if (failed.length === 0 || this.#stopped) return
    this.#retry = this.options.env.timers.after(hostRetryMs, () => this.#logs.enqueue(() => this.#hostAll(failed)))
  }

  /** Resolves when everything applied so far is true on the disk as well. */
  applied(): Promise<void> {
    return this.#logs.done
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
      if (anew.length === 0) this.#assignments.report([partition])
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
    const isDamaged = this.#logs.isDamaged(log)
    if (this.#logs.isCountedOn(state) || (isDamaged && !this.#logs.isKeptByOthers(state))) return []
    hosted[partition.partition] = undefined
    this.#stopPartition(partition, Errors.NOT_LEADER_OR_FOLLOWER)
    this.#logs.enqueue(async () => {
      if (isDamaged) await this.#logs.setAsideDamaged(log)
      else await this.#logs.delete(log)
    })
    return [{ topic, index: partition.partition }]
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
    const { nodeId, configOf } = this.options
    // The image may have moved on while this waited for its turn.
    const state = this.#replicaState(topic.name, topic.topicId, index)
    if (state === undefined || !state.replicas.includes(nodeId)) return true
    // Any change of the topic asks for what is missing, also while it is being made.
    if (this.partition(topic.name, index) !== undefined) return true
    const log = await this.#logs.findOrMake(topic, index, state)
    if (log === "none" || log === "later") return log === "none"
    const current = this.#replicaState(topic.name, topic.topicId, index)
    const hosted = this.#partitions.get(topic.name)
    // The removal of the topic is behind this in the chain of work, and takes the log with it.
    if (current === undefined || hosted === undefined) return true
    if (!current.replicas.includes(nodeId)) {
      await this.#logs.deleteReplica(topic.name, topic.topicId, index)
      return true
    }
    log.config = configOf(topic.name)
    for (const said of [topic.topicId, topic.name]) {
      const awaited = this.earlyProducers.take(said, index)
      if (awaited !== undefined) log.producers.refusedBefore(awaited)
    }
    const partition = new Partition(this, topic.name, topic.topicId, index, log, current)
    hosted[index] = partition
    this.#followRole(partition)
    return true
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

  /** See `ReplicaLogs.clearStrays`. */
  clearStrays(removedTopicIds: ReadonlySet<Uuid>): void {
    this.#logs.clearStrays(removedTopicIds, ({ topic, topicId }) => this.#image.topics.get(topic)?.topicId === topicId)
  }

  /** No change takes effect any more; waiters are told. The logs are closed by their manager. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#retry?.cancel()
    this.#assignments.stop()
    const working = this.#logs.stop()
    this.#led.stop()
    this.#isrChanges?.stop()
    this.#fetchers?.stop()
    for (const partitions of this.#partitions.values())
      for (const partition of partitions) partition?.stop(Errors.NOT_LEADER_OR_FOLLOWER)
    await working
    await this.#moves.stop()
  }
}
