/**
 * The cluster as a client sees it: who its brokers are, who leads what, and a connection to each that is asked.
 *
 * Owns the connections and the view of topics in use, which producers, consumers and admin of one client share. The view is a hint: it is asked for anew when it has proved wrong or old, once at a
 * time, and later the more often that fails. Knows nothing of records.
 */
import type { Env, Timer } from "../env/env.js"
import { FramePool } from "../net/frame-pool.js"
import { SharedReceiveBuffer } from "../net/frame-reader.js"
import { type PeerAddress, PeerError } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"
import { metadata } from "../protocol/messages/metadata.js"
import { BrokerConnection } from "./broker-connection.js"
import { BrokerError, ClosedError, ConnectionError } from "./errors.js"
import { type Observer, unobserved } from "./observer.js"

export interface ClusterOptions {
  readonly bootstrap: readonly PeerAddress[]
  readonly clientId: string
  readonly requestTimeoutMs: number
  readonly metadataMaxAgeMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  readonly allowAutoTopicCreation: boolean
}

export interface PartitionView {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export interface TopicView {
  readonly topicId: string
  readonly errorCode: number
  /** By index. */
  readonly partitions: readonly PartitionView[]
}

/** Memory of answers, kept for the next ones. */
const pooledBytesMax = 16 << 20
const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"

export class Cluster {
  readonly #brokers = new Map<number, PeerAddress>()
  readonly #peers = new Map<string, BrokerConnection>()
  readonly #topics = new Map<string, TopicView>()
  readonly #tracked = new Set<string>()
  readonly #waiting = new Set<() => void>()
  readonly #shared = new SharedReceiveBuffer()
  readonly #pool = new FramePool(pooledBytesMax)
  #refreshing = false
  #isWanted = false
  #failures = 0
  #failure: unknown
  #refreshedMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #isClosed = false

  constructor(
    readonly env: Env,
    readonly options: ClusterOptions,
    readonly observer: Observer = unobserved,
  ) {}

  /** What the last answer said of it. Asked for from now on, if it was not. */
  topic(name: string): TopicView | undefined {
    if (!this.#tracked.has(name)) {
      this.#tracked.add(name)
      this.refresh()
    } else if (this.env.clock.monotonicMs() - this.#refreshedMs > this.options.metadataMaxAgeMs) this.refresh()
    return this.#topics.get(name)
  }

  /** Not in use any more. */
  forget(name: string): void {
    this.#tracked.delete(name)
    this.#topics.delete(name)
  }

  /** Why the view could not be had last time; undefined: it could. */
  get failure(): unknown {
    return this.#failure
  }

  /** Runs once, when the view has been asked for again, in vain or not. */
  onRefreshed(run: () => void): void {
    this.#waiting.add(run)
  }

  /** Asks for the view anew, at once or, after failures, a while later. */
  refresh(): void {
    if (this.#isClosed) return
    this.#isWanted = true
    if (this.#refreshing || this.#timer !== undefined) return
    const { retryBackoffMs } = this.options
    const sinceMs = this.env.clock.monotonicMs() - this.#refreshedMs
    const delayMs = this.#failures > 0 ? this.#backoffMs() : Math.max(0, retryBackoffMs - sinceMs)
    if (delayMs === 0) void this.#refresh()
    else
      this.#timer = this.env.timers.after(delayMs, () => {
        this.#timer = undefined
        void this.#refresh()
      })
  }

  #backoffMs(): number {
    const { retryBackoffMs, retryBackoffMaxMs } = this.options
    const delayMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(20, this.#failures - 1))
    return Math.round(delayMs * (0.8 + this.env.random.int(401) / 1000))
  }

  async #refresh(): Promise<void> {
    this.#refreshing = true
    this.#isWanted = false
    const names = [...this.#tracked]
    try {
      const answer = await this.askAny(metadata, {
        topics: names.map((name) => ({ topicId: noTopicId, name })),
        allowAutoTopicCreation: this.options.allowAutoTopicCreation,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      })
      this.#take(answer)
      this.#failure = undefined
      // One that has no leader yet is asked for again, not at once.
      const isComplete = names.every((name) => this.#topics.get(name)?.errorCode === Errors.NONE)
      this.#failures = isComplete ? 0 : this.#failures + 1
      if (!isComplete) this.#isWanted = true
    } catch (error) {
      this.#failure = error
      this.#failures++
      if (this.#waiting.size > 0) this.#isWanted = true
    }
    this.#refreshing = false
    this.#refreshedMs = this.env.clock.monotonicMs()
    for (const name of this.#tracked) if (!names.includes(name)) this.#isWanted = true
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const run of waiting) run()
    if (this.#isWanted) this.refresh()
  }

  #take({ brokers, topics }: ResponseOf<typeof metadata>): void {
    this.#brokers.clear()
    for (const { nodeId, host, port } of brokers) this.#brokers.set(nodeId, { host, port })
    for (const { errorCode, name, topicId, partitions } of topics) {
      if (name === null) continue
      const before = this.#topics.get(name)
      const views: PartitionView[] = []
      for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
        const known = before?.topicId === topicId ? before.partitions[partitionIndex] : undefined
        // A broker that is behind does not take back what a newer one has said.
        views[partitionIndex] =
          known !== undefined && known.leaderEpoch > leaderEpoch ? known : { leaderId, leaderEpoch }
      }
      this.#topics.set(name, { topicId, errorCode, partitions: views })
    }
  }

  /** A broker has said who leads now (KIP-951). False: it is no news. */
  leaderMoved(name: string, partition: number, leader: PartitionView, endpoint?: PeerAddress): boolean {
    const topic = this.#topics.get(name)
    const known = topic?.partitions[partition]
    if (topic === undefined || known === undefined || leader.leaderId < 0 || leader.leaderEpoch <= known.leaderEpoch)
      return false
    if (endpoint !== undefined) this.#brokers.set(leader.leaderId, endpoint)
    if (!this.#brokers.has(leader.leaderId)) return false
    this.#topics.set(name, { ...topic, partitions: topic.partitions.with(partition, leader) })
    return true
  }

  /** Undefined: no such broker is known. */
  addressOf(nodeId: number): PeerAddress | undefined {
    return this.#brokers.get(nodeId)
  }

  /** The connection that all of the client share. Undefined: no such broker is known. */
  broker(nodeId: number): BrokerConnection | undefined {
    const address = this.addressOf(nodeId)
    return address === undefined ? undefined : this.#peer(`${nodeId}`, address)
  }

  /** The connection for requests that have no answer: a broker that refuses one of them ends it, and what is asked beside must not end with it. Undefined: no such broker is known. */
  unanswering(nodeId: number): BrokerConnection | undefined {
    const address = this.addressOf(nodeId)
    return address === undefined ? undefined : this.#peer(`${nodeId} unanswering`, address)
  }

  #peer(name: string, address: PeerAddress): BrokerConnection {
    const known = this.#peers.get(name)
    if (known !== undefined && known.address.host === address.host && known.address.port === address.port) return known
    known?.close()
    const peer = this.connect(address)
    this.#peers.set(name, peer)
    return peer
  }

  /** A connection that is not shared: whoever asks for it closes it. For requests that a broker answers late, because those behind them wait too. */
  connect(address: PeerAddress): BrokerConnection {
    const { env, options } = this
    const connectionOptions = { env, clientId: options.clientId, shared: this.#shared, pool: this.#pool }
    return new BrokerConnection(address, connectionOptions, this.observer.request)
  }

  /**
   * Asks whoever answers first of all known brokers and, if none does, of the bootstrap servers. The answer's memory is its own.
   * Errors: ConnectionError, which names every address and what came from there; BrokerError where nobody offers the API.
   */
  async askAny<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    timeoutMs = this.options.requestTimeoutMs,
  ): Promise<ResponseOf<A>> {
    const said: string[] = []
    const known = [...this.#brokers].map(([nodeId, address]) => [`${nodeId}`, address] as const)
    for (let left = known.length; left > 0; left--) {
      const at = this.env.random.int(left)
      ;[known[at], known[left - 1]] = [known[left - 1]!, known[at]!]
    }
    const bootstrap = this.options.bootstrap.map((address) => [`${address.host}:${address.port}`, address] as const)
    for (const [name, address] of [...known, ...bootstrap]) {
      if (this.#isClosed) throw new ClosedError("the client")
      try {
        return (await this.#peer(name, address).request(api, request, { timeoutMs })).response
      } catch (error) {
        if (!(error instanceof PeerError)) throw error
        if (error.code === "unsupported") throw unsupported(api, error)
        said.push(`${address.host}:${address.port}: ${whatCame(error)}`)
      }
    }
    throw new ConnectionError(`no broker answers ${api.name}. ${said.join("; ")}`)
  }

  /**
   * Asks one broker. The answer's memory is its own.
   * Errors: ConnectionError, also where no such broker is known; BrokerError where it does not offer the API.
   */
  async ask<A extends Api>(
    nodeId: number,
    api: A,
    request: RequestInputOf<A>,
    timeoutMs = this.options.requestTimeoutMs,
  ): Promise<ResponseOf<A>> {
    if (this.#isClosed) throw new ClosedError("the client")
    const peer = this.broker(nodeId)
    if (peer === undefined) throw new ConnectionError(`broker ${nodeId} is not known`)
    try {
      return (await peer.request(api, request, { timeoutMs })).response
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      if (error.code === "unsupported") throw unsupported(api, error)
      const { host, port } = peer.address
      throw new ConnectionError(`broker ${nodeId} at ${host}:${port} does not answer ${api.name}: ${whatCame(error)}`)
    }
  }

  /** Ids of the brokers that are known; none before the first answer. */
  get brokerIds(): number[] {
    return [...this.#brokers.keys()]
  }

  /** Somebody has said where these brokers are. */
  learn(brokers: readonly (PeerAddress & { readonly nodeId: number })[]): void {
    for (const { nodeId, host, port } of brokers) this.#brokers.set(nodeId, { host, port })
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const peer of this.#peers.values()) peer.close()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const run of waiting) run()
  }
}

function unsupported({ name }: Api, error: PeerError): BrokerError {
  return new BrokerError(Errors.UNSUPPORTED_VERSION, name, error.message)
}

function whatCame({ code, message }: PeerError): string {
  switch (code) {
    case "refused":
      return "nobody listens there"
    case "closed":
      return "the connection was closed before an answer came (does it speak TLS, or is it no Kafka listener?)"
    case "malformed":
      return `what answered there is no Kafka broker (${message})`
    default:
      return message
  }
}
