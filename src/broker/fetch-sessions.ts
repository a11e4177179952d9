/**
 * Incremental fetch sessions: what a client asked for last time, so that it need not say it again, nor we what has not changed.
 *
 * Owns the sessions, their epochs and their bound; knows nothing of logs. Source: KIP-227, Kafka's FetchSession.
 */
import type { LeaderEpoch, Offset, Uuid } from "../base/ids.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"

export interface FetchPartition {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly fetchOffset: Offset
  readonly partitionMaxBytes: number
  readonly currentLeaderEpoch: LeaderEpoch
  readonly lastFetchedEpoch: LeaderEpoch
}

/** What a response says of a partition, as far as sessions care. */
export interface FetchedPartition {
  readonly errorCode: ErrorCode
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  readonly recordBytes: number
  readonly hasDivergingEpoch: boolean
}

interface CachedPartition {
  request: FetchPartition
  highWatermark: Offset
  logStartOffset: Offset
}

interface FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  readonly partitions: Map<string, CachedPartition>
  readonly createdMs: number
  epoch: number
  lastUsedMs: number
}

const sessionlessId = 0
const initialEpoch = 0
const finalEpoch = -1

/** Sessions idle this long make room for any new one (KIP-227). */
export const sessionEvictionMs = 120_000

const nextEpoch = (epoch: number): number => (epoch === 0x7fffffff ? 1 : epoch + 1)
const partitionKey = (
  usesTopicIds: boolean,
  { topic, topicId, partition }: Pick<FetchPartition, "topic" | "topicId" | "partition">,
): string => `${usesTopicIds ? topicId : topic}:${partition}`

/** One request seen through its session. */
export interface FetchContext {
  readonly errorCode: ErrorCode
  /** What to read, in order. */
  readonly partitions: readonly FetchPartition[]
  /** Called with the results in the order of `partitions`: the session id to answer, and which of them the answer must hold. */
  conclude(results: readonly FetchedPartition[]): { sessionId: number; included: readonly boolean[] }
}

export class FetchSessions {
  readonly #sessions = new Map<number, FetchSession>()

  constructor(
    /** `max.incremental.fetch.session.cache.slots`. */
    private readonly sessionsMax: number,
    private readonly randomInt: (below: number) => number,
  ) {}

  get size(): number {
    return this.#sessions.size
  }

  open(
    request: {
      readonly sessionId: number
      readonly sessionEpoch: number
      readonly usesTopicIds: boolean
      readonly partitions: readonly FetchPartition[]
      readonly forgotten: readonly Pick<FetchPartition, "topic" | "topicId" | "partition">[]
    },
    nowMs: number,
  ): FetchContext {
    const { sessionId, sessionEpoch, usesTopicIds, partitions } = request
    if (sessionEpoch === initialEpoch || sessionEpoch === finalEpoch) {
      if (sessionId !== sessionlessId) this.#sessions.delete(sessionId)
      if (sessionEpoch === finalEpoch) return sessionless(partitions)
      return this.#full(partitions, usesTopicIds, nowMs)
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return failed(Errors.FETCH_SESSION_ID_NOT_FOUND)
    if (session.epoch !== sessionEpoch) return failed(Errors.INVALID_FETCH_SESSION_EPOCH)
    if (session.usesTopicIds !== usesTopicIds) return failed(Errors.FETCH_SESSION_TOPIC_ID_ERROR)
    for (const partition of partitions) {
      const key = partitionKey(usesTopicIds, partition)
      const cached = session.partitions.get(key)
      if (cached === undefined)
        session.partitions.set(key, { request: partition, highWatermark: -1, logStartOffset: -1 })
      else cached.request = partition
    }
    for (const forgotten of request.forgotten) session.partitions.delete(partitionKey(usesTopicIds, forgotten))
    if (session.partitions.size === 0) {
      this.#sessions.delete(sessionId)
      return sessionless([])
    }
    session.lastUsedMs = nowMs
    session.epoch = nextEpoch(session.epoch)
    return this.#incremental(session)
  }

  #full(partitions: readonly FetchPartition[], usesTopicIds: boolean, nowMs: number): FetchContext {
    return {
      errorCode: Errors.NONE,
      partitions,
      conclude: (results) => {
        const included = results.map(() => true)
        if (partitions.length === 0 || !this.#makeRoom(partitions.length, nowMs))
          return { sessionId: sessionlessId, included }
        const session: FetchSession = {
          id: this.#newId(),
          usesTopicIds,
          partitions: new Map(),
          createdMs: nowMs,
          epoch: nextEpoch(initialEpoch),
          lastUsedMs: nowMs,
        }
        partitions.forEach((request, index) => {
          const { highWatermark, logStartOffset } = results[index]!
          session.partitions.set(partitionKey(usesTopicIds, request), { request, highWatermark, logStartOffset })
        })
        this.#sessions.set(session.id, session)
        return { sessionId: session.id, included }
      },
    }
  }

  #incremental(session: FetchSession): FetchContext {
    const cached = [...session.partitions.entries()]
    return {
      errorCode: Errors.NONE,
      partitions: cached.map(([, { request }]) => request),
      conclude: (results) => {
        const included = cached.map(([key, partition], index) => {
          const result = results[index]!
          const changed =
            result.highWatermark !== partition.highWatermark || result.logStartOffset !== partition.logStartOffset
          partition.logStartOffset = result.logStartOffset
          // An error is repeated until it is gone, so the high watermark counts as not told.
          partition.highWatermark = result.errorCode === Errors.NONE ? result.highWatermark : -1
          // Another request of the session may have dropped it meanwhile.
          if (result.recordBytes > 0 && session.partitions.get(key) === partition) {
            // Whoever got data goes to the end, so that under a size limit all get their turn.
            session.partitions.delete(key)
            session.partitions.set(key, partition)
          }
          return changed || result.recordBytes > 0 || result.errorCode !== Errors.NONE || result.hasDivergingEpoch
        })
        return { sessionId: session.id, included }
      },
    }
  }

  /** A new session takes a free place, that of one idle too long, or that of a smaller one. */
  #makeRoom(partitionCount: number, nowMs: number): boolean {
    if (this.#sessions.size < this.sessionsMax) return true
    let victim: FetchSession | undefined
    for (const session of this.#sessions.values()) {
      if (nowMs - session.lastUsedMs > sessionEvictionMs) {
        victim = session
        break
      }
      const evictable = session.partitions.size < partitionCount && nowMs - session.createdMs > sessionEvictionMs
      if (evictable && (victim === undefined || session.partitions.size < victim.partitions.size)) victim = session
    }
    if (victim === undefined) return false
    this.#sessions.delete(victim.id)
    return true
  }

  #newId(): number {
    for (;;) {
      const id = 1 + this.randomInt(0x7ffffffe)
      if (!this.#sessions.has(id)) return id
    }
  }
}

function sessionless(partitions: readonly FetchPartition[]): FetchContext {
  return {
    errorCode: Errors.NONE,
    partitions,
    conclude: (results) => ({ sessionId: sessionlessId, included: results.map(() => true) }),
  }
}

function failed(errorCode: ErrorCode): FetchContext {
  return { errorCode, partitions: [], conclude: () => ({ sessionId: sessionlessId, included: [] }) }
}
