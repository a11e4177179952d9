/**
 * Fetches partitions that this broker follows from one leader: one connection, one session.
 *
 * Owns which request is sent when, the session, and what becomes of each partition's answer. Where a log is cut is follower-state's decision, what may enter it fetched-records'. At
 * most two requests are on their way: one that may wait at the leader, and one that ends that wait because there is something the leader must know now.
 *
 * A request tells only what has changed since the last one, so a thousand idle partitions cost nothing. Under `flush` a follower's position is what it has on its medium; it
 * reads ahead of that while the disk works, and tells the leader both (`flushedOffset`, Ottla's own field). A leader that does not know the field would take the one for the
 * other, so nothing is read ahead before it has said that it does.
 */
import type { BrokerEpoch, BrokerId, LeaderEpoch, Uuid } from "../base/ids.js"
import type { Env, Timer } from "../env/env.js"
import type { ConnectPeer, Peer, PeerAddress, PeerAnswer } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import type { RequestInputOf } from "../protocol/message.js"
import { fetch } from "../protocol/messages/fetch.js"
import { initialSessionEpoch, nextSessionEpoch } from "../protocol/session-epochs.js"
import { type AnsweredFetcher, FetchAnswers, SharedRelease } from "./fetch-answers.js"
import { type FollowerState, neverTold } from "./follower-state.js"
import type { Partition } from "./partition.js"

export interface FetcherSettings {
  /** `replica.fetch.max.bytes` */
  readonly fetchMaxBytes: number
  /** `replica.fetch.response.max.bytes` */
  readonly responseMaxBytes: number
  /** `replica.fetch.min.bytes` */
  readonly minBytes: number
  /** `replica.fetch.wait.max.ms` */
  readonly waitMaxMs: number
  /** `replica.fetch.backoff.ms` */
  readonly backoffMs: number
  /** `replica.socket.timeout.ms` */
  readonly socketTimeoutMs: number
  /** Default: `readAheadBytesMin`. */
  readonly readAheadBytesMin?: number
}

export interface FetcherOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly brokerEpoch: () => BrokerEpoch
  readonly settings: FetcherSettings
  readonly connect: ConnectPeer
  readonly endpointOf: (brokerId: BrokerId) => PeerAddress | undefined
  /** Cuts the log of a partition; see `Partition.truncate`. */
  readonly truncate: (
    partition: Partition,
    leaderEpoch: number,
    cut: (log: Partition["log"]) => Promise<void>,
  ) => Promise<boolean>
  /** Resolves when the start of the partition's log is on the medium, or could not be written. */
  readonly checkpointLogStart: (partition: Partition) => Promise<unknown>
  readonly directoryIdOf: (log: Partition["log"]) => Uuid
  /** Whether a partition may not be fetched at the moment, because replication is held to a rate. */
  readonly isThrottled: (partition: Partition) => boolean
  /** Bytes of it have come. */
  readonly fetched: (partition: Partition, bytes: number) => void
  readonly onBroken: (error: unknown) => void
}

/** An answer of this size means that there is more: it is asked for while this is on its way to the medium. */
export const readAheadBytesMin = 256 * 1024

/** How much a fetcher takes in at once. */
export interface FetchPace {
  /** Bytes of one answer, beside `replica.fetch.response.max.bytes`: while one is checked and appended, the broker does nothing else. */
  readonly answerBytesMax: number
  /** Bytes that were read ahead of the medium. Beyond them nothing is fetched until the disk has caught up; whoever waits for a record among them waits for the sync of them all. */
  readonly readAheadBytesMax: number
}

/** Of partitions that are in sync: a producer waits for whatever comes. */
export const inSyncPace: FetchPace = { answerBytesMax: Number.POSITIVE_INFINITY, readAheadBytesMax: 6 * 1024 * 1024 }
/** Of partitions that are not: nobody waits for them, and much at once would hold up those for which somebody does. Less than this costs rate. */
export const catchUpPace: FetchPace = { answerBytesMax: 1024 * 1024, readAheadBytesMax: 1024 * 1024 }
/** First pause after a second failure to reach the leader; it doubles. After the first there is none. */
export const reconnectMs = 20

interface InFlight {
  readonly number: number
  /** The leader may keep it until there is news. */
  readonly mayWait: boolean
  readonly isFull: boolean
}

type Answer = PeerAnswer<typeof fetch>
const noSession = 0

export class ReplicaFetcher implements AnsweredFetcher {
  readonly #answers: FetchAnswers
  readonly #byTopic = new Map<Uuid, (FollowerState | undefined)[]>()
  readonly #states = new Set<FollowerState>()
  #toTell: FollowerState[] = []
  #toForget: FollowerState[] = []
  #peer: Peer | undefined
  /** Rises when the connection breaks: what belongs to an earlier one is not heard. */
  #generation = 0
  #sessionId = noSession
  #sessionEpoch = initialSessionEpoch
  #abandonedSessionId = noSession
  #requests = 0
  #inFlight: InFlight[] = []
  /** Who has left towards another connection, each with the last request that told of it. */
  #handOvers: { readonly after: number; readonly then: () => void }[] = []
  #isUrgent = false
  #isComing = false
  /** The leader understands `flushedOffset`. */
  #readsAhead = false
  #unsafe = 0
  /** Something has become safe that the leader was not told. */
  #hasProgress = false
  #lastBytes = 0
  #aheadBytes = 0
  #failures = 0
  /** When the connection broke that has not been made anew since. */
  #unreachableSinceMs: number | undefined
  #retry: Timer | undefined
  #unblock: Timer | undefined
  #unblockMs = Number.POSITIVE_INFINITY
  #stopped = false

  constructor(
    readonly leaderId: BrokerId,
    private readonly pace: FetchPace,
    private readonly options: FetcherOptions,
  ) {
    this.#answers = new FetchAnswers(this, options)
  }

  /** It has nothing to fetch, and nobody waits for it. */
  get isIdle(): boolean {
    return this.#states.size === 0 && this.#handOvers.length === 0
  }

  /** Undefined: it can be reached, as far as is known. */
  get unreachableSinceMs(): number | undefined {
    return this.#unreachableSinceMs
  }

  add(state: FollowerState): void {
    const { topicId, partition } = state.partition
    let states = this.#byTopic.get(topicId)
    if (states === undefined) this.#byTopic.set(topicId, (states = []))
    states[partition] = state
    this.#states.add(state)
    state.fetcher = this
    state.isQueued = false
    state.isInSession = false
    state.isUnsafe = false
    state.lastToldIn = 0
    state.forgetTerms()
    this.ready(state, true)
  }

  remove(state: FollowerState): void {
    const { topicId, partition } = state.partition
    const states = this.#byTopic.get(topicId)
    if (states?.[partition] === state) delete states[partition]
    if (states !== undefined && !states.some((each) => each !== undefined)) this.#byTopic.delete(topicId)
    this.#states.delete(state)
    this.takeOut(state)
    state.fetcher = undefined
    this.#markSafe(state)
  }

  /**
   * As `remove`, towards another connection to the same leader. `then` is called when the leader has heard everything that was told here: what it heard later would be older than what it hears there, and taken
   * for a step back.
   */
  handOver(state: FollowerState, then: () => void): void {
    const after = state.lastToldIn
    this.remove(state)
    if (!this.#inFlight.some(({ number }) => number <= after)) {
      then()
      return
    }
    this.#handOvers.push({ after, then })
    // Ends the wait at the leader.
    this.#isUrgent = true
    this.#soon()
  }

  #settleHandOvers(): void {
    const oldest = this.#inFlight[0]?.number ?? Number.POSITIVE_INFINITY
    const due = this.#handOvers.filter(({ after }) => after < oldest)
    if (due.length === 0) return
    this.#handOvers = this.#handOvers.filter(({ after }) => after >= oldest)
    for (const { then } of due) then()
  }

  /** Its leader was told other terms, or is to be told nothing: the session must not hold it as it is. */
  takeOut(state: FollowerState): void {
    state.forgetTerms()
    if (!state.isInSession) return
    state.isInSession = false
    this.#toForget.push(state)
  }

  ready(state: FollowerState, isUrgent: boolean): void {
    if (this.#stopped || state.fetcher !== this) return
    if (isUrgent) this.#isUrgent = true
    if (!state.isQueued) {
      state.isQueued = true
      this.#toTell.push(state)
    }
    this.#soon()
  }

  /** The replica's log has moved: it is longer, safer, shorter or offline. */
  advanced(state: FollowerState): void {
    if (state.fetcher !== this) return
    const { log, partition } = state
    if (log.offlineReason !== undefined) {
      this.takeOut(state)
      this.#markSafe(state)
      this.#soon()
      return
    }
    const safeOffset = partition.locallySafeOffset
    if (state.isUnsafe && safeOffset >= log.logEndOffset) this.#markSafe(state)
    // Under another request's answer the position would be a wrong one: the log has become shorter.
    if (state.toldIn !== neverTold && log.logEndOffset < state.toldOffset) this.takeOut(state)
    // What was taken in and is gone again leaves nothing to tell, but it was what the next fetch waited for.
    this.#soon()
    if (!state.hasNews || state.isTruncating) return
    if (safeOffset > state.toldSafeOffset) {
      this.#hasProgress = true
      this.#aheadBytes = 0
    }
    this.ready(state, false)
  }

  appended(state: FollowerState, bytes: number): void {
    this.#aheadBytes += bytes
    if (state.isUnsafe || state.partition.locallySafeOffset >= state.log.logEndOffset) return
    state.isUnsafe = true
    this.#unsafe++
  }

  #markSafe(state: FollowerState): void {
    if (!state.isUnsafe) return
    state.isUnsafe = false
    if (--this.#unsafe > 0) return
    this.#aheadBytes = 0
    // It may be what the next fetch waited for, also where it went to another leader and nothing of the others has moved.
    this.#soon()
  }

  /** Another incarnation of the leader, or another address: what stood in the way may be gone. */
  leaderChanged(): void {
    if (this.#retry === undefined) return
    this.#retry.cancel()
    this.#retry = undefined
    this.#failures = 0
    this.#soon()
  }

  stop(): void {
    this.#stopped = true
    this.#generation++
    this.#retry?.cancel()
    this.#unblock?.cancel()
    this.#peer?.close()
    for (const state of this.#states) state.fetcher = undefined
  }

  /** What happens in one turn goes into one request. */
  #soon(): void {
    if (this.#isComing || this.#stopped) return
    this.#isComing = true
    this.options.env.timers.soon(() => {
      this.#isComing = false
      this.#sendIfDue()
    })
  }

  #sendIfDue(): void {
    if (this.#stopped || this.#retry !== undefined) return
    const [first] = this.#inFlight
    if (first === undefined) {
      if (this.#states.size > 0 && this.#mayFetch()) this.#send()
    } else if (this.#inFlight.length === 1 && first.mayWait && (this.#isUrgent || this.#hasProgress)) this.#send()
  }

  /**
   * Whether another fetch is of use while records are on their way to the medium. One that comes when they are there tells so, and brings what has gathered meanwhile: that is
   * the rhythm of a follower that keeps up, one request for each sync. One that is behind reads on at once.
   */
  #mayFetch(): boolean {
    if (this.#unsafe === 0 || this.#isUrgent) return true
    if (!this.#readsAhead) return false
    return this.#hasProgress || (this.#isBehind && this.#aheadBytes < this.pace.readAheadBytesMax)
  }

  /** There was more than a little last time, and the leader lets us read on. */
  get #isBehind(): boolean {
    return this.#readsAhead && this.#lastBytes >= (this.options.settings.readAheadBytesMin ?? readAheadBytesMin)
  }

  #send(): void {
    const { settings, nodeId } = this.options
    const peer = this.peer()
    if (peer === undefined) {
      this.#failed("its address is not known")
      return
    }
    const isFull = this.#sessionId === noSession
    if (isFull) {
      this.#toForget = []
      this.#toTell = [...this.#states]
      for (const state of this.#states) state.isInSession = false
    }
    const number = ++this.#requests
    const topics = this.#tell(number)
    const forgottenTopicsData = this.#forget()
    this.#isUrgent = this.#toTell.length > 0
    this.#hasProgress = false
    if (this.#isUrgent) this.#soon()
    if (isFull && topics.length === 0) return
    // With records on their way to the medium it waits only where their end can interrupt it.
    const mayWait = !isFull && (this.#unsafe === 0 || this.#isBehind)
    const request: RequestInputOf<typeof fetch> = {
      replicaState: { replicaId: nodeId, replicaEpoch: this.options.brokerEpoch() },
      maxWaitMs: mayWait ? settings.waitMaxMs : 0,
      minBytes: settings.minBytes,
      maxBytes: Math.min(settings.responseMaxBytes, this.pace.answerBytesMax),
      // A full fetch ends the session that it names.
      sessionId: isFull ? this.#abandonedSessionId : this.#sessionId,
      sessionEpoch: isFull ? initialSessionEpoch : this.#sessionEpoch,
      topics,
      forgottenTopicsData,
    }
    if (!isFull) this.#sessionEpoch = nextSessionEpoch(this.#sessionEpoch)
    const sent: InFlight = { number, mayWait, isFull }
    this.#inFlight.push(sent)
    const generation = this.#generation
    peer
      .request(fetch, request, { timeoutMs: settings.socketTimeoutMs })
      .then(
        (answer) => {
          if (generation === this.#generation) this.#answered(sent, answer)
          else answer.release()
        },
        (error: unknown) => {
          if (generation === this.#generation) this.#failed(error)
        },
      )
      .catch((error: unknown) => this.options.onBroken(error))
  }

  /** Undefined: its address is not known. */
  peer(): Peer | undefined {
    const { connect, endpointOf } = this.options
    const address = endpointOf(this.leaderId)
    if (address === undefined) return this.#peer
    if (this.#peer !== undefined && isSame(address, this.#peer.address)) return this.#peer
    this.#peer?.close()
    return (this.#peer = connect(address))
  }

  /** What the request says of partitions: those whose terms have changed. */
  #tell(number: number): RequestInputOf<typeof fetch>["topics"] {
    const nowMs = this.options.env.clock.monotonicMs()
    const topics = new Map<Uuid, RequestInputOf<typeof fetch>["topics"][number]["partitions"][number][]>()
    const queued = this.#toTell
    this.#toTell = []
    const leaving = this.#leaving()
    for (const state of queued) {
      if (leaving.get(state.partition.topicId)?.get(state.partition.partition) === state.leaderEpoch) {
        this.#toTell.push(state)
        continue
      }
      state.isQueued = false
      if (state.fetcher !== this || !state.isReady(nowMs) || (state.isInSession && !state.hasNews)) continue
      if (this.options.isThrottled(state.partition)) {
        this.takeOut(state)
        this.block(state, throttleCheckMs)
        continue
      }
      // Under its one offset a leader that does not know the other would take what is not safe here for acknowledged. When it is safe it is told.
      if (!this.#readsAhead && state.partition.locallySafeOffset < state.log.logEndOffset) continue
      state.told(number)
      state.isInSession = true
      const { partition, log } = state
      let partitions = topics.get(partition.topicId)
      if (partitions === undefined) topics.set(partition.topicId, (partitions = []))
      partitions.push({
        partition: partition.partition,
        currentLeaderEpoch: state.leaderEpoch,
        fetchOffset: log.logEndOffset,
        lastFetchedEpoch: state.lastFetchedEpoch,
        // Who deletes records is answered when no replica can bring them back.
        logStartOffset: log.durableStartOffset,
        partitionMaxBytes: this.options.settings.fetchMaxBytes,
        flushedOffset: state.toldSafeOffset,
        replicaDirectoryId: this.options.directoryIdOf(log),
      })
    }
    return [...topics].map(([topicId, partitions]) => ({ topic: "", topicId, partitions }))
  }

  /**
   * The epochs in which the session knows what it is to forget. Whoever has come back in the same epoch is told in the next request: in this one it would be a mere position, and
   * what the leader has said since, which nobody here heard, would count as heard.
   */
  #leaving(): Map<Uuid, Map<number, LeaderEpoch>> {
    const found = new Map<Uuid, Map<number, LeaderEpoch>>()
    for (const { partition, toldLeaderEpoch } of this.#toForget) {
      const epochs = found.get(partition.topicId) ?? new Map<number, LeaderEpoch>()
      found.set(partition.topicId, epochs.set(partition.partition, toldLeaderEpoch))
    }
    return found
  }

  #forget(): RequestInputOf<typeof fetch>["forgottenTopicsData"] {
    const topics = new Map<Uuid, number[]>()
    for (const { partition } of this.#toForget) {
      // It is told again in the same request, perhaps for another life of the replica here: the session holds the new terms.
      if (this.#byTopic.get(partition.topicId)?.[partition.partition]?.isInSession) continue
      const partitions = topics.get(partition.topicId)
      if (partitions === undefined) topics.set(partition.topicId, [partition.partition])
      else partitions.push(partition.partition)
    }
    this.#toForget = []
    return [...topics].map(([topicId, partitions]) => ({ topic: "", topicId, partitions }))
  }

  #failed(error: unknown): void {
    this.options.env.log.log(this.#failures === 0 ? "info" : "debug", "a leader cannot be fetched from", {
      leaderId: this.leaderId,
      error: String(error),
    })
    this.#startOver()
    this.#unreachableSinceMs ??= this.options.env.clock.monotonicMs()
    const backoffMs =
      this.#failures === 0 ? 0 : Math.min(reconnectMs * 2 ** (this.#failures - 1), this.options.settings.backoffMs)
    this.#failures++
    this.#retry = this.options.env.timers.after(backoffMs, () => {
      this.#retry = undefined
      this.#sendIfDue()
    })
  }

  /** The session is gone, and with it everything that is on its way. */
  #startOver(): void {
    this.#generation++
    this.#inFlight = []
    if (this.#sessionId !== noSession) this.#abandonedSessionId = this.#sessionId
    this.#sessionId = noSession
    this.#readsAhead = false
    this.#sessionEpoch = initialSessionEpoch
    this.#lastBytes = 0
    for (const state of this.#states) {
      state.isInSession = false
      state.forgetTerms()
    }
    this.#settleHandOvers()
  }

  #answered(sent: InFlight, answer: Answer): void {
    const { response } = answer
    this.#failures = 0
    this.#unreachableSinceMs = undefined
    this.#inFlight.shift()
    if (response.errorCode !== Errors.NONE) {
      answer.release()
      this.options.env.log.log("debug", "a fetch session begins anew", {
        leaderId: this.leaderId,
        errorCode: response.errorCode,
      })
      this.#startOver()
      this.#soon()
      return
    }
    this.#readsAhead = response.readsAhead
    if (sent.isFull) {
      this.#sessionId = response.sessionId
      this.#sessionEpoch = nextSessionEpoch(initialSessionEpoch)
    } else if (response.sessionId !== this.#sessionId) this.#startOver()
    // Without a place for a session each request says everything.
    if (this.#sessionId === noSession) for (const state of this.#states) state.isInSession = false
    const frame = new SharedRelease(answer.release)
    const bytesBefore = this.#aheadBytes
    for (const { topicId, partitions } of response.responses) {
      const states = this.#byTopic.get(topicId)
      if (states === undefined) continue
      for (const data of partitions) {
        const state = states[data.partitionIndex]
        if (state?.isHeardIn(sent.number)) this.#answers.take(state, sent.number, data, frame)
      }
    }
    frame.release()
    const bytes = this.#aheadBytes - bytesBefore
    if (bytes > 0) this.#lastBytes = bytes
    this.#settleHandOvers()
    this.#sendIfDue()
  }

  /** Not asked for again before the time is over. */
  setAside(state: FollowerState, delayMs: number): void {
    this.takeOut(state)
    this.block(state, delayMs)
    this.#soon()
  }

  block(state: FollowerState, delayMs: number): void {
    const untilMs = this.options.env.clock.monotonicMs() + delayMs
    state.blockedUntilMs = untilMs
    if (untilMs >= this.#unblockMs || untilMs === Number.POSITIVE_INFINITY) return
    this.#unblock?.cancel()
    this.#unblockMs = untilMs
    this.#unblock = this.options.env.timers.after(delayMs, () => this.#unblockDue())
  }

  #unblockDue(): void {
    const nowMs = this.options.env.clock.monotonicMs()
    this.#unblockMs = Number.POSITIVE_INFINITY
    let nextMs = Number.POSITIVE_INFINITY
    for (const state of this.#states) {
      if (state.blockedUntilMs === 0 || state.blockedUntilMs === Number.POSITIVE_INFINITY) continue
      if (state.blockedUntilMs > nowMs) nextMs = Math.min(nextMs, state.blockedUntilMs)
      else {
        state.blockedUntilMs = 0
        this.ready(state, true)
      }
    }
    if (nextMs === Number.POSITIVE_INFINITY) return
    this.#unblockMs = nextMs
    this.#unblock = this.options.env.timers.after(nextMs - nowMs, () => this.#unblockDue())
  }
}

/** Pause before a throttled partition is looked at again. */
export const throttleCheckMs = 100

const isSame = (a: PeerAddress, b: PeerAddress): boolean => a.host === b.host && a.port === b.port
