/**
 * The group coordinator of a broker.
 *
 * Owns which partitions of `__consumer_offsets` are coordinated here, and the way of a request to the shard of its group. What is answered is decided in the shard. Invariant: a
 * shard exists only for a partition this broker leads, and only for one leadership.
 */
import { invariant } from "../../base/assert.js"
import { topicPartitionName } from "../../base/ids.js"
import type { Env } from "../../env/env.js"
import type { MetadataImage } from "../../metadata/image.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import type { consumerGroupHeartbeat } from "../../protocol/messages/consumer-group-heartbeat.js"
import type { heartbeat } from "../../protocol/messages/heartbeat.js"
import type { joinGroup } from "../../protocol/messages/join-group.js"
import type { leaveGroup } from "../../protocol/messages/leave-group.js"
import type { syncGroup } from "../../protocol/messages/sync-group.js"
import type { Partition } from "../../replication/partition.js"
import type { ReplicaManager } from "../../replication/replica-manager.js"
import { coordinatorPartition } from "../coordinator-key.js"
import { type Now, Shard } from "../shard.js"
import type { ClientInfo, GroupSettings, Outcome, Respond } from "./contract.js"
import { decodeGroupRecordAt, type GroupRecord, writeGroupRecord } from "./group-records.js"
import {
  type DescribedConsumerGroup,
  type GroupExplanation,
  type GroupRules,
  GroupShard,
  type ListedGroup,
} from "./group-shard.js"
import type {
  CommitRequest,
  CommitResponse,
  DeleteRequest,
  DeleteResponse,
  FetchGroupRequest,
  FetchGroupResponse,
} from "./offset-requests.js"

export const consumerOffsetsTopic = "__consumer_offsets"

/** Pause before a shard whose log failed it is loaded anew. */
export const reloadDelayMs = 200

export interface GroupCoordinatorOptions {
  readonly env: Env
  readonly replicas: ReplicaManager
  readonly settings: GroupSettings
  readonly rules: GroupRules
  /** `offsets.retention.check.interval.ms` */
  readonly expiryCheckIntervalMs: number
  readonly image: () => MetadataImage
  /** `max.message.bytes` of the topic. */
  readonly batchBytesMax: () => number
  readonly onBroken: (error: unknown) => void
}

type JoinResponse = ResponseInputOf<typeof joinGroup>
type SyncResponse = ResponseInputOf<typeof syncGroup>
type HeartbeatResponse = ResponseInputOf<typeof heartbeat>
type LeaveResponse = ResponseInputOf<typeof leaveGroup>
type ConsumerHeartbeatResponse = ResponseInputOf<typeof consumerGroupHeartbeat>
type DescribedClassicGroup = NonNullable<ReturnType<GroupShard["describe"]>>
type OwnShard = Shard<GroupShard, GroupRecord>

export class GroupCoordinator {
  readonly #shards = new Map<number, OwnShard>()
  #image: MetadataImage | undefined
  /** Resolving a topic's settings takes longer than a decision: done once for an image. */
  #batchBytesMax: { readonly image: MetadataImage; readonly bytes: number } | undefined
  #isStopped = false

  constructor(private readonly options: GroupCoordinatorOptions) {}

  /** Loads what this broker has come to lead, and lets go of what it does not lead any more. Call it when the replicas are as the metadata says. */
  onMetadata(image: MetadataImage): void {
    if (this.#isStopped) return
    const before = this.#image
    this.#image = image
    this.#followLeaderships()
    if (before === undefined) return
    const names = new Set<string>()
    const deleted = new Set<string>()
    for (const name of image.topics.changedKeys(before.topics)) {
      names.add(name)
      const old = before.topics.get(name)
      if (old !== undefined && old.topicId !== image.topics.get(name)?.topicId) deleted.add(name)
    }
    if (names.size > 0)
      for (const shard of this.#shards.values())
        shard.loaded
          .then(() => shard.submit((now) => shard.state.onTopicsChanged(names, deleted, now)))
          .catch((thrown: unknown) => this.options.onBroken(thrown))
  }

  #followLeaderships(): void {
    for (const [index, shard] of this.#shards) {
      const partition = this.#ledPartition(index)
      if (partition?.leaderEpoch !== shard.leaderEpoch) shard.unload("the leadership is over")
    }
    const topic = this.options.image().topics.get(consumerOffsetsTopic)
    topic?.partitions.forEach((_, index) => {
      this.#shard(index)
    })
  }

  #ledPartition(index: number): Partition | undefined {
    const partition = this.options.replicas.partition(consumerOffsetsTopic, index)
    return partition?.isLeader ? partition : undefined
  }

  #shard(index: number): OwnShard | undefined {
    const partition = this.#ledPartition(index)
    const known = this.#shards.get(index)
    if (known !== undefined && known.leaderEpoch === partition?.leaderEpoch) return known
    known?.unload("the leadership is over")
    if (partition === undefined || this.#isStopped || partition.log.offlineReason !== undefined) return undefined
    const { env } = this.options
    const shard: OwnShard = new Shard<GroupShard, GroupRecord>({
      env,
      partition,
      codec: { write: writeGroupRecord, decode: decodeGroupRecordAt },
      batchBytesMax: () => this.#currentBatchBytesMax(),
      newState: (own) => this.#newState(own),
      onUnloaded: (own, reason) => {
        if (this.#shards.get(index) === own) this.#shards.delete(index)
        if (this.#isStopped) return
        env.log.log("info", "groups are not coordinated here any more", {
          partition: topicPartitionName(consumerOffsetsTopic, index),
          reason,
        })
        env.timers.after(reloadDelayMs, () => this.#shard(index))
      },
      onBroken: this.options.onBroken,
    })
    this.#shards.set(index, shard)
    return shard
  }

  #currentBatchBytesMax(): number {
    const image = this.options.image()
    if (this.#batchBytesMax?.image !== image) this.#batchBytesMax = { image, bytes: this.options.batchBytesMax() }
    return this.#batchBytesMax.bytes
  }

  #newState(shard: OwnShard): GroupShard {
    const { env, settings, image, rules, expiryCheckIntervalMs } = this.options
    return new GroupShard(
      {
        settings,
        timers: {
          schedule: (key, delayMs, decide) => shard.schedule(key, delayMs, decide),
          cancel: (key) => shard.cancel(key),
        },
        random: env.random,
        log: env.log,
        image,
      },
      rules,
      (decide) => shard.submit(decide),
      expiryCheckIntervalMs,
    )
  }

  /** Whether requests for this group belong here: NONE, COORDINATOR_NOT_AVAILABLE (there is no such topic), NOT_COORDINATOR. */
  #find(groupId: string): OwnShard | ErrorCode {
    const topic = this.options.image().topics.get(consumerOffsetsTopic)
    if (topic === undefined) return Errors.COORDINATOR_NOT_AVAILABLE
    return this.#shard(coordinatorPartition(groupId, topic.partitions.length)) ?? Errors.NOT_COORDINATOR
  }

  /** Decides in the group's shard, once that is loaded; a refusal is answered by `refused`. */
  #ask<Response>(
    groupId: string,
    refused: (error: ErrorCode) => Response,
    decide: (state: GroupShard, respond: Respond<Response>, now: Now) => Outcome,
  ): Promise<Response> {
    const shard = this.#find(groupId)
    if (typeof shard === "number") return Promise.resolve(refused(shard))
    return new Promise((resolve) => {
      let isAnswered = false
      const respond = (response: Response) => {
        invariant(!isAnswered, "a request is answered once")
        isAnswered = true
        resolve(response)
      }
      const submit = () => {
        try {
          const error = shard.submit((now) => decide(shard.state, respond, now))
          if (error !== Errors.NONE) respond(refused(error))
        } catch (thrown) {
          this.options.onBroken(thrown)
        }
      }
      if (shard.isActive) submit()
      else
        void shard.loaded.then((error) => {
          if (error === Errors.NONE) submit()
          else respond(refused(error))
        })
    })
  }

  joinGroup(request: RequestOf<typeof joinGroup>, client: ClientInfo): Promise<JoinResponse> {
    const refused = (errorCode: ErrorCode): JoinResponse => ({
      errorCode,
      generationId: -1,
      protocolType: null,
      // Only later versions know null.
      protocolName: client.version >= 7 ? null : "",
      leader: "",
      memberId: request.memberId,
      members: [],
    })
    if (request.groupId === "") return Promise.resolve(refused(Errors.INVALID_GROUP_ID))
    return this.#ask(request.groupId, refused, (state, respond, now) => state.join(request, client, respond, now))
  }

  syncGroup(request: RequestOf<typeof syncGroup>, client: ClientInfo): Promise<SyncResponse> {
    const refused = (errorCode: ErrorCode): SyncResponse => ({ errorCode, assignment: Buffer.alloc(0) })
    if (request.groupId === "") return Promise.resolve(refused(Errors.INVALID_GROUP_ID))
    return this.#ask(request.groupId, refused, (state, respond, now) => state.sync(request, client, respond, now))
  }

  heartbeat(request: RequestOf<typeof heartbeat>, client: ClientInfo): Promise<HeartbeatResponse> {
    const refused = (errorCode: ErrorCode): HeartbeatResponse => ({ errorCode })
    if (request.groupId === "") return Promise.resolve(refused(Errors.INVALID_GROUP_ID))
    return this.#ask(request.groupId, refused, (state, respond, now) => state.heartbeat(request, client, respond, now))
  }

  leaveGroup(request: RequestOf<typeof leaveGroup>, client: ClientInfo): Promise<LeaveResponse> {
    const refused = (errorCode: ErrorCode): LeaveResponse => ({ errorCode, members: [] })
    if (request.groupId === "") return Promise.resolve(refused(Errors.INVALID_GROUP_ID))
    return this.#ask(request.groupId, refused, (state, respond, now) => state.leave(request, client, respond, now))
  }

  consumerGroupHeartbeat(
    request: RequestOf<typeof consumerGroupHeartbeat>,
    client: ClientInfo,
  ): Promise<ConsumerHeartbeatResponse> {
    const refused = (errorCode: ErrorCode, errorMessage: string | null = null): ConsumerHeartbeatResponse => ({
      errorCode,
      errorMessage,
      memberId: null,
      memberEpoch: 0,
      heartbeatIntervalMs: 0,
      assignment: null,
    })
    if (!this.options.settings.isConsumerProtocolEnabled)
      return Promise.resolve(
        refused(Errors.UNSUPPORTED_VERSION, "The consumer group protocol is not enabled on this broker."),
      )
    if (request.groupId === "") return Promise.resolve(refused(Errors.INVALID_REQUEST, "GroupId can't be empty."))
    return this.#ask(request.groupId, refused, (state, respond, now) =>
      state.consumerHeartbeat(request, client, respond, now),
    )
  }

  /** Topics have their names, and their ids where they are known. */
  commitOffsets(request: CommitRequest, version: number): Promise<CommitResponse> {
    const refused = (errorCode: ErrorCode): CommitResponse => ({
      topics: request.topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    })
    return this.#ask(request.groupId, refused, (state, respond, now) =>
      state.offsets.commit(request, version, respond, now),
    )
  }

  /** One group; topics have their names, and their ids where they are known. */
  fetchOffsets(request: FetchGroupRequest): Promise<FetchGroupResponse> {
    const { groupId } = request
    return this.#ask(
      groupId,
      (errorCode): FetchGroupResponse => ({ groupId, topics: [], errorCode }),
      (state, respond) => state.offsets.fetch(request, respond),
    )
  }

  deleteOffsets(request: DeleteRequest): Promise<DeleteResponse> {
    return this.#ask(
      request.groupId,
      (errorCode): DeleteResponse => ({ errorCode, topics: [] }),
      (state, respond, now) => state.offsets.delete(request, respond, now),
    )
  }

  /** GROUP_ID_NOT_FOUND: there is no such group. One that is no group of the classic protocol is described as such, with the same error. */
  describeGroup(groupId: string): Promise<DescribedClassicGroup | ErrorCode> {
    return this.#look(groupId, (state) => state.describe(groupId))
  }

  /** GROUP_ID_NOT_FOUND: there is no such group, or it is no group of the consumer protocol. */
  describeConsumerGroup(groupId: string): Promise<DescribedConsumerGroup | ErrorCode> {
    return this.#look(groupId, (state) => state.describeConsumer(groupId))
  }

  /** What happened to the group and why, and where it stands. */
  explainGroup(groupId: string): Promise<GroupExplanation | ErrorCode> {
    return this.#look(groupId, (state, now) => state.explain(groupId, now))
  }

  /** Answers with what is there now, once that is committed. */
  #look<T extends object>(
    groupId: string,
    look: (state: GroupShard, now: Now) => T | undefined,
  ): Promise<T | ErrorCode> {
    return this.#ask<T | ErrorCode>(
      groupId,
      (error) => error,
      (state, respond, now) => {
        const found = look(state, now)
        return {
          records: [],
          onWritten: (error) => respond(error === Errors.NONE ? (found ?? Errors.GROUP_ID_NOT_FOUND) : error),
        }
      },
    )
  }

  /** The groups coordinated here. COORDINATOR_LOAD_IN_PROGRESS: some are not known yet. */
  async listGroups(): Promise<{ readonly errorCode: ErrorCode; readonly groups: readonly ListedGroup[] }> {
    const groups: ListedGroup[] = []
    for (const shard of [...this.#shards.values()]) {
      const errorCode = await shard.loaded
      if (errorCode !== Errors.NONE) return { errorCode, groups: [] }
      if (shard.isActive) groups.push(...shard.state.list())
    }
    return { errorCode: Errors.NONE, groups }
  }

  deleteGroup(groupId: string): Promise<ErrorCode> {
    return this.#ask<ErrorCode>(
      groupId,
      (error) => error,
      (state, respond) => state.delete(groupId, respond),
    )
  }

  /** Whoever is parked is answered; nothing is coordinated here any more. */
  stop(): void {
    this.#isStopped = true
    for (const shard of [...this.#shards.values()]) shard.unload("the broker stops")
  }
}
