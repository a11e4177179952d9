/**
 * Incremental fetch sessions: what a client asked for last time, so that it need not say it again, nor we what has not changed.
 *
 * Owns the sessions, their epochs and their bound; knows nothing of logs. A session looks only at partitions of which there may be news: those the client named, and those
 * that said themselves that something happened. So a fetch costs what has changed, not what the session holds. Source: KIP-227, Kafka's FetchSession.
 */
import type { BagEntry } from "../base/bag.js"
import type { BrokerId, LeaderEpoch, Offset, Uuid } from "../base/ids.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import { finalSessionEpoch, initialSessionEpoch, nextSessionEpoch } from "../protocol/session-epochs.js"
import type { AdvanceListener, ReaderKind } from "../replication/waiters.js"

export interface FetchPartition {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly fetchOffset: Offset
  readonly partitionMaxBytes: number
  readonly currentLeaderEpoch: LeaderEpoch
  readonly lastFetchedEpoch: LeaderEpoch
  /** Of a follower: where its log starts, and how far it is safe there. */
  readonly logStartOffset: Offset
  readonly safeOffset: Offset
  readonly replicaDirectoryId: Uuid
}

/** What a response says of a partition, as far as sessions care. */
export interface FetchedPartition {
  readonly errorCode: ErrorCode
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  /** Where this reader's records end; -1 after an error. */
  readonly readableOffset: Offset
  readonly recordBytes: number
  /** Told that its log diverges, or to ask another replica. */
  readonly isSentElsewhere: boolean
}

/** Something that tells when there is news of it: a partition. */
export interface Watched {
  addAdvanceListener(listener: AdvanceListener, kind: ReaderKind): BagEntry<AdvanceListener>
  removeAdvanceListener(entry: BagEntry<AdvanceListener>, kind: ReaderKind): void
}

/** Whose session it is. Followers have places of their own. */
export type SessionOwner = { readonly kind: "consumer" } | { readonly kind: "follower"; readonly replicaId: BrokerId }

/** One partition of a session. */
export class SessionPartition implements AdvanceListener {
  /** What the client was told last. */
  highWatermark: Offset = -1
  logStartOffset: Offset = -1
  /** In the session's list of what to look at. */
  isDirty = false
  /** Something happened since the last look. */
  isTouched = false
  /** The client has named it since the last look. */
  isNamed = true
  isForgotten = false
  /** The first request of the session that knows of it on the present terms: an answer to an earlier one would not be heard. */
  since: number
  #watched: Watched | undefined
  #entry: BagEntry<AdvanceListener> | undefined

  constructor(
    readonly session: FetchSession,
    public request: FetchPartition,
  ) {
    this.since = session.requests
  }

  watch(watched: Watched | undefined): void {
    if (watched === this.#watched || this.isForgotten) return
    this.#stopWatching()
    this.#watched = watched
    this.#entry = watched?.addAdvanceListener(this, this.session.owner.kind)
  }

  #stopWatching(): void {
    if (this.#watched !== undefined) this.#watched.removeAdvanceListener(this.#entry!, this.session.owner.kind)
    this.#watched = undefined
  }

  forget(): void {
    this.isForgotten = true
    this.#stopWatching()
  }

  advanced(bytes: number): void {
    this.session.stir(this)
    this.session.isStirred = true
    this.session.waiting?.advanced(bytes)
  }

  noted(): void {
    this.session.stir(this)
  }
}

export class FetchSession {
  readonly partitions = new Map<string, SessionPartition>()
  /** In the order in which they get their turn. */
  #dirty: SessionPartition[] = []
  #looked = 0
  /** Something happened since the last look that a waiting request would have been woken by. */
  isStirred = false
  /** The request that waits for news, if one does. */
  waiting: AdvanceListener | undefined
  /** The request that is being answered, of a follower: its next one follows it. The handler's own. */
  round: object | undefined
  epoch = nextSessionEpoch(initialSessionEpoch)
  /** Requests that have continued it. */
  requests = 0

  constructor(
    readonly id: number,
    readonly owner: SessionOwner,
    readonly usesTopicIds: boolean,
    readonly createdMs: number,
    public lastUsedMs: number,
  ) {}

  put(request: FetchPartition): SessionPartition {
    const key = partitionKey(this.usesTopicIds, request)
    let partition = this.partitions.get(key)
    if (partition === undefined) this.partitions.set(key, (partition = new SessionPartition(this, request)))
    else {
      const before = partition.request
      // On new terms it may not have heard what it was told on the old ones.
      const isAnew =
        request.currentLeaderEpoch !== before.currentLeaderEpoch || request.fetchOffset < before.fetchOffset
      if (isAnew) {
        partition.highWatermark = -1
        partition.since = this.requests
      }
      partition.request = request
    }
    partition.isNamed = true
    this.stir(partition)
    return partition
  }

  forget(named: Pick<FetchPartition, "topic" | "topicId" | "partition">): void {
    const key = partitionKey(this.usesTopicIds, named)
    this.partitions.get(key)?.forget()
    this.partitions.delete(key)
  }

  stir(partition: SessionPartition): void {
    partition.isTouched = true
    if (partition.isDirty || partition.isForgotten) return
    partition.isDirty = true
    this.#dirty.push(partition)
  }

  /** What there may be news of for the answer to `request`, by its number. Looking again before `conclude` gives what was there, and more. */
  look(request: number): readonly SessionPartition[] {
    const known = this.#dirty.filter(({ isForgotten }) => !isForgotten)
    const looked = known.filter(({ since }) => since <= request)
    for (const partition of looked) partition.isTouched = false
    this.#dirty = looked.length === known.length ? known : [...looked, ...known.filter(({ since }) => since > request)]
    this.#looked = looked.length
    this.isStirred = false
    return looked
  }

  /** The results of the last look, in its order. Returns which of them the answer must hold. */
  conclude(looked: readonly SessionPartition[], results: readonly FetchedPartition[]): boolean[] {
    const kept: SessionPartition[] = []
    const served: SessionPartition[] = []
    const included = looked.map((partition, index) => {
      const result = results[index]!
      const isChanged =
        result.highWatermark !== partition.highWatermark || result.logStartOffset !== partition.logStartOffset
      partition.logStartOffset = result.logStartOffset
      // An error is repeated until it is gone, so the high watermark counts as not told; nor does what is told to one who has named it anew meanwhile.
      const isTold = result.errorCode === Errors.NONE && !partition.isNamed
      partition.highWatermark = isTold ? result.highWatermark : -1
      const hasMore = partition.request.fetchOffset < result.readableOffset
      const mustBeTold = result.errorCode !== Errors.NONE || result.isSentElsewhere
      if (mustBeTold || hasMore || partition.isTouched) {
        // Whoever got data goes to the end, so that under a size limit all get their turn.
        if (result.recordBytes > 0) served.push(partition)
        else kept.push(partition)
      } else partition.isDirty = false
      return isChanged || mustBeTold || result.recordBytes > 0
    })
    this.#dirty = [...kept, ...this.#dirty.slice(this.#looked), ...served]
    this.#looked = 0
    return included
  }

  end(): void {
    for (const partition of this.partitions.values()) partition.forget()
    this.waiting?.advanced(0)
  }
}

const sessionlessId = 0

/** Sessions idle this long make room for any new one (KIP-227). */
export const sessionEvictionMs = 120_000
/** Sessions of one follower: as many as it may have fetchers for this broker. The oldest makes room. */
export const followerSessionsMax = 8

const partitionKey = (
  usesTopicIds: boolean,
  { topic, topicId, partition }: Pick<FetchPartition, "topic" | "topicId" | "partition">,
): string => `${usesTopicIds ? topicId : topic}:${partition}`

/** One request seen through its session. */
export interface FetchContext {
  readonly errorCode: ErrorCode
  /** The session it continues. */
  readonly session: FetchSession | undefined
  /** Its number among the requests of the session. */
  readonly number: number
  /** What the request names. Without a session that is what there is to read, in order. */
  readonly partitions: readonly FetchPartition[]
  /** Without a session: called with the results in the order of `partitions`. Returns the id of the session that begins, 0 for none. */
  begin(results: readonly FetchedPartition[]): number
}

export class FetchSessions {
  readonly #sessions = new Map<number, FetchSession>()
  readonly #ofFollowers = new Map<BrokerId, FetchSession[]>()

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
      readonly owner: SessionOwner
    },
    nowMs: number,
  ): FetchContext {
    const { sessionId, sessionEpoch, usesTopicIds, partitions } = request
    if (sessionEpoch === initialSessionEpoch || sessionEpoch === finalSessionEpoch) {
      if (sessionId !== sessionlessId) this.#end(sessionId)
      if (sessionEpoch === finalSessionEpoch) return sessionless(partitions)
      return {
        errorCode: Errors.NONE,
        session: undefined,
        number: 0,
        partitions,
        begin: (results) => this.#begin(partitions, results, usesTopicIds, request.owner, nowMs),
      }
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return failed(Errors.FETCH_SESSION_ID_NOT_FOUND)
    if (session.epoch !== sessionEpoch) return failed(Errors.INVALID_FETCH_SESSION_EPOCH)
    if (session.usesTopicIds !== usesTopicIds) return failed(Errors.FETCH_SESSION_TOPIC_ID_ERROR)
    session.requests++
    for (const partition of partitions) session.put(partition)
    for (const forgotten of request.forgotten) session.forget(forgotten)
    if (session.partitions.size === 0) {
      this.#end(sessionId)
      return sessionless([])
    }
    session.lastUsedMs = nowMs
    session.epoch = nextSessionEpoch(session.epoch)
    return { errorCode: Errors.NONE, session, number: session.requests, partitions, begin: () => session.id }
  }

  #begin(
    partitions: readonly FetchPartition[],
    results: readonly FetchedPartition[],
    usesTopicIds: boolean,
    owner: SessionOwner,
    nowMs: number,
  ): number {
    if (partitions.length === 0 || !this.#makeRoom(partitions.length, owner, nowMs)) return sessionlessId
    const session = new FetchSession(this.#newId(), owner, usesTopicIds, nowMs, nowMs)
    partitions.forEach((request, index) => {
      const { errorCode, highWatermark, logStartOffset } = results[index]!
      const partition = session.put(request)
      partition.highWatermark = errorCode === Errors.NONE ? highWatermark : -1
      partition.logStartOffset = logStartOffset
      // Its position has been taken in already.
      partition.isNamed = false
    })
    this.#sessions.set(session.id, session)
    if (owner.kind === "follower") {
      const own = this.#ofFollowers.get(owner.replicaId)
      if (own === undefined) this.#ofFollowers.set(owner.replicaId, [session])
      else own.push(session)
    }
    return session.id
  }

  #end(sessionId: number): void {
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return
    this.#sessions.delete(sessionId)
    session.end()
    if (session.owner.kind === "consumer") return
    const own = this.#ofFollowers.get(session.owner.replicaId)!.filter((each) => each !== session)
    if (own.length === 0) this.#ofFollowers.delete(session.owner.replicaId)
    else this.#ofFollowers.set(session.owner.replicaId, own)
  }

  /** A new session takes a free place, that of one idle too long, or that of a smaller one. Followers take nobody's but their own. */
  #makeRoom(partitionCount: number, owner: SessionOwner, nowMs: number): boolean {
    if (owner.kind === "follower") {
      const own = this.#ofFollowers.get(owner.replicaId) ?? []
      if (own.length >= followerSessionsMax) this.#end(own[0]!.id)
      return true
    }
    let count = 0
    for (const session of this.#sessions.values()) if (session.owner.kind === "consumer") count++
    if (count < this.sessionsMax) return true
    let victim: FetchSession | undefined
    for (const session of this.#sessions.values()) {
      if (session.owner.kind === "follower") continue
      if (nowMs - session.lastUsedMs > sessionEvictionMs) {
        victim = session
        break
      }
      const evictable = session.partitions.size < partitionCount && nowMs - session.createdMs > sessionEvictionMs
      if (evictable && (victim === undefined || session.partitions.size < victim.partitions.size)) victim = session
    }
    if (victim === undefined) return false
    this.#end(victim.id)
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
  return { errorCode: Errors.NONE, session: undefined, number: 0, partitions, begin: () => sessionlessId }
}

function failed(errorCode: ErrorCode): FetchContext {
  return { errorCode, session: undefined, number: 0, partitions: [], begin: () => sessionlessId }
}
