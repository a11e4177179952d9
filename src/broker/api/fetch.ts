/**
 * Fetch: read record batches, for consumers and for followers.
 *
 * Behaviour: partitions are read in the order asked (a session puts those that got data last). The first that has anything returns at least one whole batch, however
 * large; only whole batches are returned, never decoded. A request that finds less than `minBytes` waits, on offsets and not by polling, until there is enough, something
 * else changes, or `maxWaitMs` is over. Whoever names a replica id is a follower: it reads on to the end of the leader's file, and what it names is its position. A follower's
 * next request ends the wait of the one before.
 * Versions: v7+ sessions (KIP-227), v9+ leader epochs (KIP-320), v11+ consumers may read from followers, and are sent to one in their rack (KIP-392), v12+ divergence (KIP-595),
 * v13+ topics by id (KIP-516), v15+ broker epochs of followers (KIP-903), v16+ endpoints of new leaders (KIP-951). Ignored: directory and high watermark of followers (v17, v18).
 * Aborted transactions are an empty list for read_committed: there are no transactions.
 */
import type { BagEntry } from "../../base/bag.js"
import type { BrokerId } from "../../base/ids.js"
import type { Timer } from "../../env/env.js"
import { topicById } from "../../metadata/image.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import { fetch } from "../../protocol/messages/fetch.js"
import type { Partition } from "../../replication/partition.js"
import { failedRead, type PartitionRead } from "../../replication/partition-reads.js"
import type { AdvanceListener, ReaderKind } from "../../replication/waiters.js"
import type {
  FetchContext,
  FetchedPartition,
  FetchPartition,
  SessionOwner,
  SessionPartition,
} from "../fetch-sessions.js"
import { endpointFor, handler, type RequestContext, type Services } from "../services.js"

type Request = RequestOf<typeof fetch>
type Response = ResponseInputOf<typeof fetch>
type PartitionAnswer = Response["responses"][number]["partitions"][number]
type Isolation = "read_uncommitted" | "read_committed"

const consumer: SessionOwner = { kind: "consumer" }

export const fetchHandler = handler(fetch, (services, request, context) => {
  const usesTopicIds = context.version >= 13
  const named = <T extends { topic: string; topicId: string }>(topic: T): { topic: string; topicId: string } => {
    if (usesTopicIds) return { topicId: topic.topicId, topic: topicById(services.image(), topic.topicId)?.name ?? "" }
    return { topic: topic.topic, topicId: services.image().topics.get(topic.topic)?.topicId ?? "" }
  }
  const follower = followerOf(request)
  const fetched = services.fetchSessions.open(
    {
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      usesTopicIds,
      // Only brokers get a follower's place, and there are only so many of them.
      owner:
        follower >= 0 && services.image().brokers.has(follower) ? { kind: "follower", replicaId: follower } : consumer,
      partitions: request.topics.flatMap((topic) => {
        const name = named(topic)
        // Field by field: this runs for every partition of every fetch, and a spread costs ten times as much memory.
        return topic.partitions.map(
          (each): FetchPartition => ({
            topic: name.topic,
            topicId: name.topicId,
            partition: each.partition,
            fetchOffset: each.fetchOffset,
            partitionMaxBytes: each.partitionMaxBytes,
            currentLeaderEpoch: each.currentLeaderEpoch,
            lastFetchedEpoch: each.lastFetchedEpoch,
            logStartOffset: each.logStartOffset,
            safeOffset: each.flushedOffset < 0 ? each.fetchOffset : Math.min(each.flushedOffset, each.fetchOffset),
            replicaDirectoryId: each.replicaDirectoryId,
          }),
        )
      }),
      forgotten: request.forgottenTopicsData.flatMap((topic) => {
        const name = named(topic)
        return topic.partitions.map((partition) => ({ ...name, partition }))
      }),
    },
    services.env.clock.monotonicMs(),
  )
  if (fetched.errorCode !== Errors.NONE) return { errorCode: fetched.errorCode, sessionId: 0, responses: [] }
  const round = new FetchRound(services, request, context, fetched, follower)
  if (follower < 0) return round.run()
  const reply = round.runInTurn()
  return reply instanceof Promise ? { accepted: true, reply } : reply
})

/** The broker that fetches, -1 for a consumer. */
const followerOf = ({ replicaId, replicaState }: Request): BrokerId =>
  replicaId >= 0 ? replicaId : replicaState.replicaId

interface Target {
  readonly request: FetchPartition
  /** Undefined: not here, and `errorCode` says why. */
  readonly partition: Partition | undefined
  readonly errorCode: ErrorCode
  /** The client named it just now, so its position is news. */
  readonly isNamed: boolean
}

/** One fetch from its first look to its answer. */
class FetchRound implements AdvanceListener {
  #targets: readonly Target[] = []
  /** Of the session, in the order of `#targets`. */
  #looked: readonly SessionPartition[] = []
  readonly #isolation: Isolation
  readonly #kind: ReaderKind
  readonly #maxBytes: number
  #reads: PartitionRead[] = []
  #bytes = 0
  #wake: (() => void) | undefined
  #isHurried = false
  #onDone: (() => void)[] | undefined

  constructor(
    private readonly services: Services,
    private readonly request: Request,
    private readonly context: RequestContext,
    private readonly fetched: FetchContext,
    private readonly replicaId: BrokerId,
  ) {
    this.#isolation = request.isolationLevel === 1 ? "read_committed" : "read_uncommitted"
    this.#kind = replicaId < 0 ? "consumer" : "follower"
    this.#maxBytes = Math.min(request.maxBytes, services.limits.fetchBytesMax)
  }

  #locate(): void {
    const { session, number, partitions } = this.fetched
    if (session === undefined) {
      this.#targets = partitions.map((each) => this.#target(each, this.#targets.length === 0))
      return
    }
    this.#looked = session.look(number)
    this.#targets = this.#looked.map((each) => {
      const target = this.#target(each.request, each.isNamed)
      each.isNamed = false
      each.watch(target.partition)
      return target
    })
  }

  #target(request: FetchPartition, isNamed: boolean): Target {
    const byId = this.context.version >= 13
    const image = this.services.image()
    const topic = byId ? topicById(image, request.topicId) : image.topics.get(request.topic)
    if (topic === undefined) {
      return {
        request,
        partition: undefined,
        errorCode: byId ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION,
        isNamed,
      }
    }
    // A session by name outlives a topic that was deleted and made again: the new one is another topic (KIP-516).
    if (request.topicId !== "" && request.topicId !== topic.topicId) {
      return { request, partition: undefined, errorCode: Errors.INCONSISTENT_TOPIC_ID, isNamed }
    }
    const partition = this.services.replicas.partition(topic.name, request.partition)
    const errorCode =
      partition === undefined ? this.services.replicas.absenceOf(topic, request.partition).errorCode : Errors.NONE
    return { request, partition, errorCode, isNamed }
  }

  /** As `run`, once the session's request before this one has ended, which it does now. */
  runInTurn(): Response | Promise<Response> {
    const { session } = this.fetched
    if (session === undefined) return this.run()
    const before = session.round as FetchRound | undefined
    session.round = this
    if (before === undefined) return this.run()
    return before.hurry().then(() => this.run())
  }

  /** Ends the wait. Resolves when the answer is made. */
  hurry(): Promise<void> {
    this.#isHurried = true
    this.#wake?.()
    return new Promise((resolve) => {
      this.#onDone ??= []
      this.#onDone.push(resolve)
    })
  }

  run(): Response | Promise<Response> {
    this.#locate()
    const reading = this.#read()
    if (!(reading instanceof Promise) && this.#isSatisfied()) return this.#answer()
    return this.#finish(reading).catch((error: unknown) => {
      this.#dropReads()
      this.#done()
      throw error
    })
  }

  #done(): void {
    const { session } = this.fetched
    if (session?.round === this) session.round = undefined
    for (const resume of this.#onDone ?? []) resume()
  }

  async #finish(reading: void | Promise<void>): Promise<Response> {
    await reading
    if (!this.#isSatisfied()) {
      await this.#wait()
      this.#dropReads()
      // Meanwhile a topic may be gone, or a partition have come.
      this.#locate()
      await this.#read()
    }
    return this.#answer()
  }

  /** Reads every partition once. Synchronous as long as everything comes from memory. */
  #read(from = 0): void | Promise<void> {
    for (let index = from; index < this.#targets.length; index++) {
      const read = this.#readOne(this.#targets[index]!)
      if (read instanceof Promise) {
        return read.then((result) => {
          this.#took(result)
          return this.#read(index + 1)
        })
      }
      this.#took(read)
    }
  }

  #readOne({ request, partition, errorCode, isNamed }: Target): PartitionRead | Promise<PartitionRead> {
    if (partition === undefined || errorCode !== Errors.NONE) return failedRead(errorCode)
    const left = Math.max(0, this.#maxBytes - this.#bytes)
    const wanted = {
      fetchOffset: request.fetchOffset,
      maxBytes: Math.min(request.partitionMaxBytes, left),
      minOneMessage: this.#bytes === 0,
      currentLeaderEpoch: request.currentLeaderEpoch,
      lastFetchedEpoch: request.lastFetchedEpoch,
    }
    if (this.#kind === "consumer") {
      const preferred = this.#preferredReadReplica(partition, request)
      if (preferred !== undefined) return partition.redirect(preferred)
      // Beyond the end of a log that may be led elsewhere by now is no reason for a consumer to give up its place.
      if (wanted.fetchOffset > partition.log.logEndOffset && this.services.isCutOff())
        return failedRead(Errors.NOT_LEADER_OR_FOLLOWER)
      return partition.read(wanted, this.#isolation, this.context.version < 11)
    }
    const told = isNamed ? this.#position(request) : undefined
    // It stays in the session as one that has more, and is looked at again with the follower's next fetch.
    const isThrottled = this.services.replicas.isThrottled(partition, this.replicaId)
    const limits = isThrottled ? { ...wanted, maxBytes: 0, minOneMessage: false } : wanted
    return partition.readAsFollower(limits, this.replicaId, told)
  }

  #preferredReadReplica(
    partition: Partition,
    { fetchOffset, currentLeaderEpoch }: FetchPartition,
  ): BrokerId | undefined {
    const { rackId } = this.request
    if (rackId === "" || partition.checkLeader(currentLeaderEpoch) !== Errors.NONE) return undefined
    return this.services.replicas.preferredReadReplica(partition, rackId, fetchOffset)
  }

  #position({ safeOffset, logStartOffset, replicaDirectoryId: directoryId }: FetchPartition) {
    const { replicaEpoch } = this.request.replicaState
    return { replicaId: this.replicaId, brokerEpoch: replicaEpoch, safeOffset, logStartOffset, directoryId }
  }

  #took(read: PartitionRead): void {
    this.#reads.push(read)
    this.#bytes += read.records?.bytes ?? 0
  }

  /** Enough to answer now, or nothing that waiting could change. */
  #isSatisfied(): boolean {
    const { session } = this.fetched
    return (
      this.request.maxWaitMs <= 0 ||
      this.#isHurried ||
      (session === undefined && this.#targets.length === 0) ||
      this.#bytes >= this.request.minBytes ||
      this.#reads.some(({ errorCode, divergingEpoch }) => errorCode !== Errors.NONE || divergingEpoch !== undefined)
    )
  }

  #wait(): Promise<void> {
    const { session } = this.fetched
    let timer: Timer | undefined
    let forget: (() => void) | undefined
    let stopListening: (() => void) | undefined
    const waiting = new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = this.services.env.timers.after(this.request.maxWaitMs, resolve)
      forget = this.context.connection.onClosed(resolve)
      if (session === undefined) stopListening = this.#listen(resolve)
      else {
        session.waiting = this
        // What became visible while files were read was not announced to us.
        if (session.isStirred) resolve()
      }
    })
    return waiting.then(() => {
      timer?.cancel()
      forget?.()
      stopListening?.()
      if (session?.waiting === this) session.waiting = undefined
    })
  }

  /** Without a session every partition is listened to for this one wait. */
  #listen(resolve: () => void): () => void {
    const listened = this.#targets.map(({ partition }) => partition!)
    const entries: BagEntry<AdvanceListener>[] = listened.map((partition) =>
      partition.addAdvanceListener(this, this.#kind),
    )
    // What became visible while files were read was not announced to us.
    const end = ({ log, highWatermark }: Partition) => (this.#kind === "follower" ? log.writtenOffset : highWatermark)
    const seen = (read: PartitionRead) => (this.#kind === "follower" ? read.readableOffset : read.highWatermark)
    if (listened.some((partition, index) => end(partition) !== seen(this.#reads[index]!))) resolve()
    return () => {
      for (const [index, partition] of listened.entries()) partition.removeAdvanceListener(entries[index]!, this.#kind)
    }
  }

  advanced(bytes: number): void {
    this.#bytes += bytes
    if (bytes === 0 || this.#bytes >= this.request.minBytes) this.#wake?.()
  }

  noted(): void {}

  #dropReads(): void {
    for (const { records } of this.#reads) records?.release()
    this.#reads = []
    this.#bytes = 0
  }

  #answer(): Response {
    this.#reads.forEach(({ records }, index) => {
      if (records === undefined) return
      this.context.onSent(records.release)
      const partition = this.#targets[index]!.partition!
      if (this.#kind === "follower") this.services.replicas.replicated(partition, records.bytes)
      else partition.bytesOut += records.bytes
    })
    const results = this.#reads.map(
      (read): FetchedPartition => ({
        errorCode: read.errorCode,
        highWatermark: read.highWatermark,
        logStartOffset: read.logStartOffset,
        readableOffset: read.readableOffset,
        recordBytes: read.records?.bytes ?? 0,
        isSentElsewhere: read.divergingEpoch !== undefined || read.preferredReadReplica !== undefined,
      }),
    )
    const { session } = this.fetched
    const included = session?.conclude(this.#looked, results)
    const sessionId = session?.id ?? this.fetched.begin(results)
    this.#done()
    const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = []
    const leaders = new Set<number>()
    this.#targets.forEach(({ request, partition }, index) => {
      if (included?.[index] === false) return
      const { topic, topicId } = request
      let last = responses.at(-1)
      if (last === undefined || last.topic !== topic || last.topicId !== topicId)
        responses.push((last = { topic, topicId, partitions: [] }))
      const read = this.#reads[index]!
      const answer = this.#partitionAnswer(request.partition, read)
      if (
        this.context.version >= 12 &&
        partition !== undefined &&
        (read.errorCode === Errors.NOT_LEADER_OR_FOLLOWER || read.errorCode === Errors.FENCED_LEADER_EPOCH)
      ) {
        leaders.add(partition.leaderId)
        last.partitions.push({
          ...answer,
          currentLeader: { leaderId: partition.leaderId, leaderEpoch: partition.leaderEpoch },
        })
      } else last.partitions.push(answer)
    })
    const nodeEndpoints = this.context.version >= 16 ? this.#endpoints(leaders) : []
    const readsAhead = this.#kind === "follower"
    return { errorCode: Errors.NONE, sessionId, responses, nodeEndpoints, readsAhead }
  }

  #partitionAnswer(partitionIndex: number, read: PartitionRead): PartitionAnswer {
    return {
      partitionIndex,
      errorCode: read.errorCode,
      highWatermark: read.highWatermark,
      lastStableOffset: read.lastStableOffset,
      logStartOffset: read.logStartOffset,
      abortedTransactions: this.#isolation === "read_committed" || read.errorCode !== Errors.NONE ? [] : null,
      records: (read.records?.payloads as PartitionAnswer["records"]) ?? noRecords,
      ...(read.divergingEpoch !== undefined && { divergingEpoch: read.divergingEpoch }),
      ...(read.preferredReadReplica !== undefined && { preferredReadReplica: read.preferredReadReplica }),
    }
  }

  #endpoints(leaders: ReadonlySet<number>): NonNullable<Response["nodeEndpoints"]> {
    const image = this.services.image()
    return [...leaders].flatMap((nodeId) => {
      const endpoint = endpointFor(image, nodeId, this.context.listenerName)
      return endpoint === undefined
        ? []
        : [{ nodeId, host: endpoint.host, port: endpoint.port, rack: image.brokers.get(nodeId)!.rack }]
    })
  }
}

const noRecords: PartitionAnswer["records"] = []
