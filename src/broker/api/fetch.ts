/**
 * Fetch: read record batches.
 *
 * Behaviour: partitions are read in the order asked (a session puts those that got data last). The first that has anything returns at least one whole batch, however
 * large; only whole batches are returned, never decoded. A request that finds less than `minBytes` waits, on offsets and not by polling, until there is enough, something
 * else changes, or `maxWaitMs` is over. Whoever names a replica id is refused: no follower exists.
 * Versions: v7+ sessions (KIP-227), v9+ leader epochs (KIP-320), v12+ divergence (KIP-595), v13+ topics by id (KIP-516), v16+ endpoints of new leaders
 * (KIP-951). Ignored: rack (v11), followers' state (v15, v17, v18). Aborted transactions are an empty list for read_committed: there are no transactions.
 */
import type { BagEntry } from "../../base/bag.js"
import type { Timer } from "../../env/env.js"
import { topicById } from "../../metadata/image.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import { fetch } from "../../protocol/messages/fetch.js"
import type { Partition, PartitionRead } from "../../replication/partition.js"
import type { AdvanceListener } from "../../replication/waiters.js"
import type { FetchContext, FetchPartition } from "../fetch-sessions.js"
import { endpointFor, handler, type RequestContext, type Services } from "../services.js"

type Request = RequestOf<typeof fetch>
type Response = ResponseInputOf<typeof fetch>
type PartitionAnswer = Response["responses"][number]["partitions"][number]
type Isolation = "read_uncommitted" | "read_committed"

export const fetchHandler = handler(fetch, (services, request, context) => {
  const usesTopicIds = context.version >= 13
  const named = <T extends { topic: string; topicId: string }>(topic: T): { topic: string; topicId: string } => {
    if (usesTopicIds) return { topicId: topic.topicId, topic: topicById(services.image(), topic.topicId)?.name ?? "" }
    return { topic: topic.topic, topicId: services.image().topics.get(topic.topic)?.topicId ?? "" }
  }
  const session = services.fetchSessions.open(
    {
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      usesTopicIds,
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
  if (session.errorCode !== Errors.NONE) return { errorCode: session.errorCode, sessionId: 0, responses: [] }
  return new FetchRound(services, request, context, session).run()
})

interface Target {
  readonly request: FetchPartition
  /** Undefined: not here, and `errorCode` says why. */
  readonly partition: Partition | undefined
  readonly errorCode: ErrorCode
}

/** One fetch from its first look to its answer. */
class FetchRound implements AdvanceListener {
  #targets: readonly Target[] = []
  readonly #isolation: Isolation
  readonly #maxBytes: number
  #reads: PartitionRead[] = []
  #bytes = 0
  #wake: (() => void) | undefined

  constructor(
    private readonly services: Services,
    private readonly request: Request,
    private readonly context: RequestContext,
    private readonly session: FetchContext,
  ) {
    this.#isolation = request.isolationLevel === 1 ? "read_committed" : "read_uncommitted"
    this.#maxBytes = Math.min(request.maxBytes, services.limits.fetchBytesMax)
    this.#locate()
  }

  #locate(): void {
    this.#targets = this.session.partitions.map((each) => this.#target(each))
  }

  #target(request: FetchPartition): Target {
    const byId = this.context.version >= 13
    const image = this.services.image()
    const topic = byId ? topicById(image, request.topicId) : image.topics.get(request.topic)
    if (topic === undefined) {
      return {
        request,
        partition: undefined,
        errorCode: byId ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION,
      }
    }
    // A session by name outlives a topic that was deleted and made again: the new one is another topic (KIP-516).
    if (request.topicId !== "" && request.topicId !== topic.topicId) {
      return { request, partition: undefined, errorCode: Errors.INCONSISTENT_TOPIC_ID }
    }
    const partition = this.services.replicas.partition(topic.name, request.partition)
    if (partition === undefined)
      return { request, partition, errorCode: this.services.replicas.absenceOf(topic, request.partition).errorCode }
    const isFollower = this.request.replicaId >= 0 || this.request.replicaState.replicaId >= 0
    return { request, partition, errorCode: isFollower ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.NONE }
  }

  run(): Response | Promise<Response> {
    const reading = this.#read()
    if (!(reading instanceof Promise) && this.#isSatisfied()) return this.#answer()
    return this.#finish(reading).catch((error: unknown) => {
      this.#dropReads()
      throw error
    })
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

  #readOne({ request, partition, errorCode }: Target): PartitionRead | Promise<PartitionRead> {
    if (partition === undefined || errorCode !== Errors.NONE) return failedRead(errorCode)
    const minOneMessage = this.#bytes === 0
    const left = Math.max(0, this.#maxBytes - this.#bytes)
    return partition.read(
      {
        fetchOffset: request.fetchOffset,
        maxBytes: Math.min(request.partitionMaxBytes, left),
        minOneMessage,
        currentLeaderEpoch: request.currentLeaderEpoch,
        lastFetchedEpoch: request.lastFetchedEpoch,
      },
      this.#isolation,
    )
  }

  #took(read: PartitionRead): void {
    this.#reads.push(read)
    this.#bytes += read.records?.bytes ?? 0
  }

  /** Enough to answer now, or nothing that waiting could change. */
  #isSatisfied(): boolean {
    return (
      this.request.maxWaitMs <= 0 ||
      this.#targets.length === 0 ||
      this.#bytes >= this.request.minBytes ||
      this.#reads.some(({ errorCode, divergingEpoch }) => errorCode !== Errors.NONE || divergingEpoch !== undefined)
    )
  }

  #wait(): Promise<void> {
    const listened = this.#targets.map(({ partition }) => partition!)
    let timer: Timer | undefined
    let forget: (() => void) | undefined
    let entries: BagEntry<AdvanceListener>[] = []
    const waiting = new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = this.services.env.timers.after(this.request.maxWaitMs, resolve)
      forget = this.context.connection.onClosed(resolve)
      entries = listened.map((partition) => partition.addAdvanceListener(this))
      // What became visible while files were read was not announced to us.
      if (listened.some((partition, index) => partition.highWatermark !== this.#reads[index]!.highWatermark)) resolve()
    })
    return waiting.then(() => {
      timer?.cancel()
      forget?.()
      for (const [index, partition] of listened.entries()) partition.removeAdvanceListener(entries[index]!)
    })
  }

  advanced(bytes: number): void {
    this.#bytes += bytes
    if (bytes === 0 || this.#bytes >= this.request.minBytes) this.#wake?.()
  }

  #dropReads(): void {
    for (const { records } of this.#reads) records?.release()
    this.#reads = []
    this.#bytes = 0
  }

  #answer(): Response {
    for (const { records } of this.#reads) if (records !== undefined) this.context.onSent(records.release)
    const { sessionId, included } = this.session.conclude(
      this.#reads.map((read) => ({
        errorCode: read.errorCode,
        highWatermark: read.highWatermark,
        logStartOffset: read.logStartOffset,
        recordBytes: read.records?.bytes ?? 0,
        hasDivergingEpoch: read.divergingEpoch !== undefined,
      })),
    )
    const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = []
    const leaders = new Set<number>()
    this.#targets.forEach(({ request, partition }, index) => {
      if (!included[index]) return
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
    return { errorCode: Errors.NONE, sessionId, responses, nodeEndpoints }
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

const failedRead = (errorCode: ErrorCode): PartitionRead => ({
  errorCode,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  records: undefined,
})
