/**
 * Reads ahead: asks the brokers that lead the partitions for what comes next, before anybody wants it, and within a bound.
 *
 * Owns one request on its way to each broker, on a connection of its own, the positions, where they begin, and what follows from errors. Handing records out is the consumer's. Invariant: what is
 * read is handed out in order, each record once for each seek, whatever moves meanwhile; after `close` nothing is on its way.
 */
import type { Env, Timer } from "../../env/env.js"
import type { Peer, PeerAddress } from "../../net/peer.js"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { Errors, errorByCode } from "../../protocol/errors.js"
import type { ResponseOf } from "../../protocol/message.js"
import { fetch } from "../../protocol/messages/fetch.js"
import { listOffsets } from "../../protocol/messages/list-offsets.js"
import type { Cluster } from "../cluster.js"
import { BrokerError, type ClientError } from "../errors.js"
import { FetchSession, type Terms } from "./fetch-session.js"
import { Position, type Reset } from "./position.js"

export interface FetcherOptions {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly partitionMaxBytes: number
  /** Read ahead in all. */
  readonly bufferBytes: number
  readonly isReadCommitted: boolean
  readonly rackId: string
  readonly requestTimeoutMs: number
  readonly retryBackoffMs: number
  /** Where to go on when what comes next is not there any more; undefined: that is an error. */
  readonly resetTo: "earliest" | "latest" | undefined
}

export interface FetcherEvents {
  /** There may be records to hand out. */
  arrived(): void
  failed(error: ClientError): void
}

type FetchAnswer = ResponseOf<typeof fetch>
type PartitionAnswer = FetchAnswer["responses"][number]["partitions"][number]

interface Broker {
  readonly session: FetchSession
  /** For fetches alone: a broker answers in order, and one that waits for records would hold up whatever its client asks behind it. */
  peer: Peer | undefined
  isAsked: boolean
  blockedUntilMs: number
  failures: number
}

/** How long a follower is believed to be the nearest. Kafka's: `metadata.max.age.ms`. */
const preferredReplicaMs = 300_000
const answerMarginMs = 5_000
const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"

export class Fetcher {
  readonly #positions = new Map<string, Position>()
  readonly #brokers = new Map<number, Broker>()
  /** Whose turn it is: records are handed out one partition after the other. */
  #turns: Position[] = []
  #isComing = false
  /** Of zstd, where Node has none: nothing is handed out while it is being loaded. */
  #codec: "unused" | "loading" | "loaded" = "unused"
  #timer: Timer | undefined
  #timerDueMs = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly options: FetcherOptions,
    private readonly events: FetcherEvents,
  ) {}

  get positions(): Iterable<Position> {
    return this.#positions.values()
  }

  position(topic: string, partition: number): Position | undefined {
    return this.#positions.get(keyOf(topic, partition))
  }

  /** Reads it from here on. Already read: goes on there. */
  add(topic: string, partition: number, from: Reset | number, leaderEpoch = -1): Position {
    const key = keyOf(topic, partition)
    const position = this.#positions.get(key) ?? new Position(topic, partition, this.options.isReadCommitted)
    this.#positions.set(key, position)
    if (typeof from === "number") position.seek(from, leaderEpoch)
    else position.resetTo(from)
    if (!this.#turns.includes(position)) this.#turns.push(position)
    this.stir()
    return position
  }

  remove(topic: string, partition: number): void {
    const key = keyOf(topic, partition)
    const position = this.#positions.get(key)
    if (position === undefined) return
    this.#positions.delete(key)
    this.#turns = this.#turns.filter((each) => each !== position)
    position.generation++
  }

  /** Something is different: a seek, a pause, records handed out. */
  stir(): void {
    if (this.#isComing || this.#isClosed) return
    this.#isComing = true
    this.env.timers.soon(() => {
      this.#isComing = false
      this.#pump()
    })
  }

  /** A partition with records to hand out. It keeps its turn until it has none, then the next has it. */
  ready(): Position | undefined {
    if (this.#codec === "loading") return undefined
    for (let tried = 0; tried < this.#turns.length; tried++) {
      const first = this.#turns[0]!
      if (!first.isPaused && !first.isHeld && first.hasBuffered) return first
      this.#turns.push(this.#turns.shift()!)
    }
    return undefined
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#positions.clear()
    this.#turns = []
    for (const { peer } of this.#brokers.values()) peer?.close()
    this.#brokers.clear()
  }

  #wakeAt(dueMs: number): void {
    if (dueMs >= this.#timerDueMs) return
    this.#timer?.cancel()
    this.#timerDueMs = dueMs
    this.#timer = this.env.timers.after(Math.max(1, dueMs - this.env.clock.monotonicMs()), () => {
      this.#timer = undefined
      this.#timerDueMs = Number.POSITIVE_INFINITY
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#isClosed) return
    const nowMs = this.env.clock.monotonicMs()
    let bufferedBytes = 0
    for (const position of this.#positions.values()) bufferedBytes += position.bufferedBytes
    const wanted = new Map<number, Position[]>()
    const resets = new Map<number, Position[]>()
    for (const position of this.#positions.values()) {
      if (position.isAsked || position.isPaused) continue
      if (position.blockedUntilMs > nowMs) {
        this.#wakeAt(position.blockedUntilMs)
        continue
      }
      const isFull =
        bufferedBytes >= this.options.bufferBytes || position.bufferedBytes >= this.options.partitionMaxBytes
      if (isFull && position.fetchOffset !== undefined) continue
      const nodeId = this.#nodeFor(position, nowMs)
      if (nodeId === undefined || this.cluster.addressOf(nodeId) === undefined) {
        this.cluster.refresh()
        this.cluster.onRefreshed(() => this.stir())
        continue
      }
      const group = position.fetchOffset === undefined ? resets : wanted
      const known = group.get(nodeId)
      if (known === undefined) group.set(nodeId, [position])
      else known.push(position)
    }
    for (const [nodeId, positions] of resets) void this.#lookUp(nodeId, positions)
    for (const [nodeId, positions] of wanted) this.#ask(nodeId, positions, nowMs)
  }

  #nodeFor({ topic, partition, preferredReplica, fetchOffset }: Position, nowMs: number): number | undefined {
    if (fetchOffset !== undefined && preferredReplica !== undefined && nowMs < preferredReplica.untilMs)
      return preferredReplica.nodeId
    const leaderId = this.cluster.topic(topic)?.partitions[partition]?.leaderId ?? -1
    return leaderId < 0 ? undefined : leaderId
  }

  /** Finds out where reading begins. */
  async #lookUp(nodeId: number, positions: readonly Position[]): Promise<void> {
    const { isReadCommitted, requestTimeoutMs } = this.options
    const asked = positions.map((position) => ({ position, generation: position.generation, reset: position.reset! }))
    for (const position of positions) position.isAsked = true
    const byTopic = new Map<string, { partitionIndex: number; currentLeaderEpoch: number; timestamp: number }[]>()
    for (const { position, reset } of asked) {
      const { topic, partition } = position
      const currentLeaderEpoch = this.cluster.topic(topic)?.partitions[partition]?.leaderEpoch ?? -1
      const wanted = { partitionIndex: partition, currentLeaderEpoch, timestamp: timestampOf(reset) }
      const known = byTopic.get(topic)
      if (known === undefined) byTopic.set(topic, [wanted])
      else known.push(wanted)
    }
    try {
      const { response, release } = await this.cluster.broker(nodeId)!.request(
        listOffsets,
        {
          replicaId: -1,
          isolationLevel: isReadCommitted ? 1 : 0,
          topics: [...byTopic].map(([name, partitions]) => ({ name, partitions })),
          timeoutMs: requestTimeoutMs,
        },
        { timeoutMs: requestTimeoutMs + answerMarginMs },
      )
      for (const { position, generation, reset } of asked) {
        const answer = response.topics
          .find(({ name }) => name === position.topic)
          ?.partitions.find(({ partitionIndex }) => partitionIndex === position.partition)
        if (position.generation !== generation) continue
        if (answer === undefined) this.#block(position)
        else if (answer.errorCode !== Errors.NONE) this.#failed(position, answer.errorCode, "where it begins")
        // Nothing is as new as the timestamp: reading begins with what comes next.
        else if (answer.offset < 0 && typeof reset === "object") position.resetTo("latest")
        else position.seek(Math.max(0, answer.offset))
      }
      release()
    } catch {
      for (const { position } of asked) this.#block(position)
      this.cluster.refresh()
    } finally {
      for (const position of positions) position.isAsked = false
      this.stir()
    }
  }

  #block(position: Position, delayMs = this.options.retryBackoffMs): void {
    position.blockedUntilMs = this.env.clock.monotonicMs() + delayMs
  }

  #broker(nodeId: number): Broker {
    let broker = this.#brokers.get(nodeId)
    if (broker === undefined) {
      broker = { session: new FetchSession(), peer: undefined, isAsked: false, blockedUntilMs: 0, failures: 0 }
      this.#brokers.set(nodeId, broker)
    }
    return broker
  }

  #peer(broker: Broker, { host, port }: PeerAddress): Peer {
    const known = broker.peer
    if (known !== undefined && known.address.host === host && known.address.port === port) return known
    known?.close()
    // Whoever listens there knows nothing of the session.
    broker.session.lost()
    broker.peer = this.cluster.connect({ host, port })
    return broker.peer
  }

  #ask(nodeId: number, positions: readonly Position[], nowMs: number): void {
    const broker = this.#broker(nodeId)
    if (broker.isAsked) return
    if (broker.blockedUntilMs > nowMs) {
      this.#wakeAt(broker.blockedUntilMs)
      return
    }
    const { maxWaitMs, minBytes, maxBytes, partitionMaxBytes, isReadCommitted, rackId } = this.options
    const terms = positions.map(({ topic, partition, fetchOffset, lastEpoch }): Terms => {
      const view = this.cluster.topic(topic)
      return {
        topic,
        partition,
        topicId: view?.topicId ?? noTopicId,
        fetchOffset: fetchOffset!,
        currentLeaderEpoch: view?.partitions[partition]?.leaderEpoch ?? -1,
        lastFetchedEpoch: lastEpoch,
      }
    })
    const generations = positions.map(({ generation }) => generation)
    const peer = this.#peer(broker, this.cluster.addressOf(nodeId)!)
    const { sessionId, sessionEpoch, named, forgotten } = broker.session.ask(terms)
    const request = {
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: isReadCommitted ? 1 : 0,
      sessionId,
      sessionEpoch,
      rackId,
      topics: byTopic(named, ({ partition, fetchOffset, currentLeaderEpoch, lastFetchedEpoch }) => ({
        ...{ partition, fetchOffset, currentLeaderEpoch, lastFetchedEpoch },
        partitionMaxBytes,
      })),
      forgottenTopicsData: byTopic(forgotten, ({ partition }) => partition),
    }
    broker.isAsked = true
    for (const position of positions) position.isAsked = true
    peer
      .request(fetch, request, { timeoutMs: this.options.requestTimeoutMs + maxWaitMs })
      .then(
        // The answer's memory stays with the records.
        ({ response }) => {
          if (this.#isClosed) return
          broker.failures = 0
          if (broker.session.answered(response.errorCode, response.sessionId))
            this.#answered(nodeId, positions, generations, response)
        },
        () => {
          if (this.#isClosed) return
          broker.session.lost()
          broker.failures++
          const delayMs = this.options.retryBackoffMs * 2 ** Math.min(4, broker.failures - 1)
          broker.blockedUntilMs = this.env.clock.monotonicMs() + delayMs
          for (const position of positions) position.preferredReplica = undefined
          this.cluster.refresh()
        },
      )
      .finally(() => {
        broker.isAsked = false
        for (const position of positions) position.isAsked = false
        this.stir()
      })
  }

  #answered(
    nodeId: number,
    positions: readonly Position[],
    generations: readonly number[],
    { responses, nodeEndpoints }: FetchAnswer,
  ): void {
    const asked = new Map<string, number>()
    positions.forEach(({ topic, partition }, index) => {
      asked.set(keyOf(topic, partition), index)
      asked.set(keyOf(this.cluster.topic(topic)?.topicId ?? "", partition), index)
    })
    let hasArrived = false
    for (const { topic, topicId, partitions } of responses)
      for (const answer of partitions) {
        const index = asked.get(keyOf(topic, answer.partitionIndex)) ?? asked.get(keyOf(topicId, answer.partitionIndex))
        if (index === undefined) continue
        const position = positions[index]!
        const { leaderId = -1, leaderEpoch = -1 } = answer.currentLeader ?? {}
        const endpoint = nodeEndpoints.find((each) => each.nodeId === leaderId)
        this.cluster.leaderMoved(position.topic, position.partition, { leaderId, leaderEpoch }, endpoint)
        if (position.generation === generations[index]) hasArrived = this.#take(nodeId, position, answer) || hasArrived
      }
    if (hasArrived) this.events.arrived()
  }

  /** True: there is something to hand out. */
  #take(nodeId: number, position: Position, answer: PartitionAnswer): boolean {
    const { errorCode, highWatermark, lastStableOffset, logStartOffset, preferredReadReplica, divergingEpoch } = answer
    if (errorCode !== Errors.NONE) {
      if (errorCode === Errors.OFFSET_OUT_OF_RANGE) this.#outOfRange(nodeId, position)
      else this.#failed(position, errorCode, "what comes next")
      return false
    }
    if (preferredReadReplica >= 0) {
      const untilMs = this.env.clock.monotonicMs() + preferredReplicaMs
      position.preferredReplica = { nodeId: preferredReadReplica, untilMs }
      return false
    }
    // What was read is not in the leader's log any more: an unclean election. What follows the place where they part is new.
    if (divergingEpoch.endOffset >= 0) {
      position.seek(Math.min(divergingEpoch.endOffset, position.fetchOffset!))
      return false
    }
    position.highWatermark = highWatermark
    position.lastStableOffset = lastStableOffset
    position.logStartOffset = logStartOffset
    const { records, abortedTransactions } = answer
    const hasAdded =
      records !== null && records.length > 0 && position.add(records as Buffer, abortedTransactions ?? []) > 0
    if (hasAdded && position.hasZstd) this.#loadCodec()
    return hasAdded
  }

  #loadCodec(): void {
    if (this.#codec !== "unused") return
    this.#codec = "loading"
    // Where it cannot be loaded, decoding says so.
    const loaded = () => {
      this.#codec = "loaded"
      this.events.arrived()
    }
    void prepareCompression().then(loaded, loaded)
  }

  #outOfRange(nodeId: number, position: Position): void {
    // A follower may be behind: the leader knows.
    if (position.preferredReplica?.nodeId === nodeId) {
      position.preferredReplica = undefined
      return
    }
    const { resetTo } = this.options
    if (resetTo !== undefined) {
      // What was read before is handed out first.
      if (!position.hasBuffered) position.resetTo(resetTo)
      else this.#block(position)
      return
    }
    this.#block(position, 1_000)
    const { topic, partition, fetchOffset } = position
    this.events.failed(
      new BrokerError(
        Errors.OFFSET_OUT_OF_RANGE,
        `${topic}-${partition}`,
        `offset ${fetchOffset} is not there any more, or not yet, and there is no \`from\` to go on with: seek to another`,
      ),
    )
  }

  #failed(position: Position, errorCode: number, what: string): void {
    const { topic, partition } = position
    const info = errorByCode(errorCode)
    position.preferredReplica = undefined
    this.#block(position)
    if (
      info?.invalidMetadata === true ||
      errorCode === Errors.UNKNOWN_LEADER_EPOCH ||
      errorCode === Errors.FENCED_LEADER_EPOCH
    )
      this.cluster.refresh()
    else if (info?.retriable !== true)
      this.events.failed(new BrokerError(errorCode, `${topic}-${partition}: the broker does not tell ${what}`))
  }
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

/** Kafka's: -2 the first, -1 the one after the last. */
const timestampOf = (reset: Reset): number => (reset === "earliest" ? -2 : reset === "latest" ? -1 : reset.timestamp)

function byTopic<T>(
  all: readonly Terms[],
  each: (terms: Terms) => T,
): { topic: string; topicId: string; partitions: T[] }[] {
  const topics = new Map<string, { topic: string; topicId: string; partitions: T[] }>()
  for (const terms of all) {
    const { topic, topicId } = terms
    const key = `${topic}/${topicId}`
    const known = topics.get(key)
    if (known === undefined) topics.set(key, { topic, topicId, partitions: [each(terms)] })
    else known.partitions.push(each(terms))
  }
  return [...topics.values()]
}
