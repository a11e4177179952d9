/**
 * Which broker an admin's question goes to, and how often it is asked.
 *
 * Owns the ways (anybody, one broker, the leader of a partition, the coordinator of a group), what is asked again and for how long. Several items travel together, one request for each broker; each has
 * an outcome of its own, and only those that may still succeed are asked again. Knows nothing of what is asked.
 */
import { type Env, NetworkError } from "../../env/env.js"
import { ConnectionClosed, WireClient } from "../../net/wire-client.js"
import { errorByCode, Errors } from "../../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../../protocol/message.js"
import { findCoordinator } from "../../protocol/messages/find-coordinator.js"
import { metadata } from "../../protocol/messages/metadata.js"
import type { Cluster } from "../cluster.js"
import { BrokerError, ClientError, ClosedError, ConnectionError } from "../errors.js"

export interface CallOptions {
  /** How long it is tried. Default: the admin's `timeoutMs`. */
  readonly timeoutMs?: number
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** What became of one item. */
export type Outcome<R> =
  | { readonly value: R; readonly error?: undefined }
  | { readonly error: ClientError; readonly value?: undefined }

/** What became of one item, with what it was: look at `error` first. */
export type Result<Item, R = object> =
  | (Item & R & { readonly error?: undefined })
  | (Item & { readonly error: ClientError })

/** One call of the admin: all its tries. */
export interface Call {
  /** Of the clock that never goes back. */
  readonly deadlineMs: number
  readonly beganMs: number
}

type Ask<Item, R> = (items: readonly Item[], call: Call) => Promise<readonly Outcome<R>[]>
type AskNode<Item, R> = (nodeId: number, items: readonly Item[], call: Call) => Promise<readonly Outcome<R>[]>

/** A topic that one broker does not know may be known to the others: brokers hear of new topics one after the other. */
const unknownTopicGraceMs = 500
const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"

export class Routing {
  #hasAnswer = false

  constructor(
    private readonly env: Env,
    readonly cluster: Cluster,
    private readonly timeoutMs: number,
  ) {}

  begin({ timeoutMs = this.timeoutMs }: CallOptions = {}): Call {
    const beganMs = this.env.clock.monotonicMs()
    return { beganMs, deadlineMs: beganMs + timeoutMs }
  }

  /** What is left of a call's time, for a request that is kept waiting at the broker. At least 1. */
  leftMs({ deadlineMs }: Call): number {
    return Math.max(1, Math.min(2 ** 31 - 1, Math.round(deadlineMs - this.env.clock.monotonicMs())))
  }

  /** One request to whoever answers. Its memory is its own. Errors: ConnectionError, BrokerError where nobody offers the API. */
  async any<A extends Api>(api: A, request: RequestInputOf<A>, call: Call): Promise<ResponseOf<A>> {
    const response = await this.cluster.askAny(api, request, this.#requestTimeoutMs(call))
    this.#hasAnswer = true
    return response
  }

  /** One request to one broker. Errors: as `any`. */
  async node<A extends Api>(nodeId: number, api: A, request: RequestInputOf<A>, call: Call): Promise<ResponseOf<A>> {
    const response = await this.cluster.ask(nodeId, api, request, this.#requestTimeoutMs(call))
    this.#hasAnswer = true
    return response
  }

  /**
   * As `node` for an API of Ottla's own, which brokers answer and do not list. On a connection of its own, for a broker that does not know it ends that.
   * Errors: ConnectionError; BrokerError where the broker is none of Ottla's.
   */
  async unlisted<A extends Api>(
    nodeId: number,
    api: A,
    request: RequestInputOf<A>,
    call: Call,
  ): Promise<ResponseOf<A>> {
    const address = this.cluster.broker(nodeId)?.address
    if (address === undefined) throw new ConnectionError(`broker ${nodeId} is not known`)
    const where = `broker ${nodeId} at ${address.host}:${address.port}`
    let client: WireClient
    try {
      client = await WireClient.connect(this.env.network, address)
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
      throw new ConnectionError(`${where} cannot be reached: ${error.message}`, error)
    }
    let isLate = false
    const timer = this.env.timers.after(this.#requestTimeoutMs(call), () => {
      isLate = true
      client.close()
    })
    try {
      return await client.send(api, api.maxVersion, request, this.cluster.options.clientId)
    } catch (error) {
      if (!(error instanceof ConnectionClosed)) throw error
      if (isLate) throw new ConnectionError(`${where} does not answer ${api.name} in time`, error)
      throw new BrokerError(
        Errors.UNSUPPORTED_VERSION,
        api.name,
        `${where} ended the connection: only Ottla answers this`,
      )
    } finally {
      timer.cancel()
      client.close()
    }
  }

  #requestTimeoutMs(call: Call): number {
    return Math.min(this.cluster.options.requestTimeoutMs, this.leftMs(call))
  }

  /**
   * Asks about all items together until each is settled or time is over; outcomes in the items' order.
   * Errors: ConnectionError, where no broker has answered anything yet; ClosedError.
   */
  async each<Item, R>(items: readonly Item[], call: Call, ask: Ask<Item, R>): Promise<Outcome<R>[]> {
    const outcomes: Outcome<R>[] = []
    let left = items.map((_, index) => index)
    for (let tries = 0; left.length > 0; tries++) {
      const round = left
      const answers = await forAll(
        round.map((index) => items[index]!),
        (batch) => ask(batch, call),
      )
      for (const [at, index] of round.entries()) outcomes[index] = answers[at]!
      left = round.filter((index) => this.#isWorthAnotherTry(outcomes[index]!.error, call))
      if (left.length === 0) break
      const delayMs = this.#backoffMs(tries)
      if (this.env.clock.monotonicMs() + delayMs >= call.deadlineMs) break
      await new Promise<void>((resolve) => this.env.timers.after(delayMs, resolve))
    }
    if (!this.#hasAnswer) for (const { error } of outcomes) if (error instanceof ConnectionError) throw error
    return outcomes
  }

  /** As `each` for one question, whose refusal is thrown. */
  async one<R>(call: Call, ask: (call: Call) => Promise<Outcome<R>>): Promise<R> {
    const [outcome] = await this.each([undefined], call, async () => [await ask(call)])
    if (outcome!.error !== undefined) throw outcome!.error
    return outcome!.value
  }

  #isWorthAnotherTry(error: ClientError | undefined, { beganMs }: Call): boolean {
    if (error === undefined) return false
    if (error instanceof ConnectionError) return this.#hasAnswer
    if (!(error instanceof BrokerError)) return false
    switch (error.errorCode) {
      case Errors.UNKNOWN_TOPIC_OR_PARTITION:
      case Errors.UNKNOWN_TOPIC_ID:
        return this.cluster.brokerIds.length > 1 && this.env.clock.monotonicMs() - beganMs < unknownTopicGraceMs
      // It may have happened: whoever asked decides.
      case Errors.REQUEST_TIMED_OUT:
      case Errors.ELECTION_NOT_NEEDED:
        return false
      default:
        return error.retriable
    }
  }

  #backoffMs(tries: number): number {
    const { retryBackoffMs, retryBackoffMaxMs } = this.cluster.options
    const delayMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(20, tries))
    return Math.round(delayMs * (0.8 + this.env.random.int(401) / 1000))
  }

  /** Each item's question to the leader of its partition. */
  byLeader<Item extends TopicPartition, R>(
    items: readonly Item[],
    call: Call,
    ask: AskNode<Item, R>,
  ): Promise<Outcome<R>[]> {
    return this.each(items, call, async (batch) => {
      const answer = await this.topics([...new Set(batch.map(({ topic }) => topic))], call)
      const topics = new Map(answer.topics.map((topic) => [topic.name, topic]))
      return this.#spread(
        batch,
        ({ topic, partition }) => {
          const found = topics.get(topic)
          const what = `partition ${topic}-${partition}`
          if (found === undefined || found.errorCode !== Errors.NONE)
            return new BrokerError(
              found?.errorCode ?? Errors.UNKNOWN_TOPIC_OR_PARTITION,
              what,
              unknownTopic(topic, found),
            )
          const known = found.partitions.find(({ partitionIndex }) => partitionIndex === partition)
          if (known === undefined)
            return new BrokerError(
              Errors.UNKNOWN_TOPIC_OR_PARTITION,
              what,
              `topic ${topic} has ${found.partitions.length} partitions`,
            )
          return known.leaderId < 0 ? new BrokerError(Errors.LEADER_NOT_AVAILABLE, what) : known.leaderId
        },
        (nodeId, part) => ask(nodeId, part, call),
      )
    })
  }

  /** Each item's question to the coordinator of its group. */
  byCoordinator<Item extends { readonly groupId: string }, R>(
    items: readonly Item[],
    call: Call,
    ask: AskNode<Item, R>,
  ): Promise<Outcome<R>[]> {
    return this.each(items, call, async (batch) => {
      const coordinatorKeys = [...new Set(batch.map(({ groupId }) => groupId))]
      const { coordinators } = await this.any(findCoordinator, { key: "", keyType: 0, coordinatorKeys }, call)
      this.cluster.learn(coordinators.filter(({ errorCode }) => errorCode === Errors.NONE))
      const found = new Map(coordinators.map((each) => [each.key, each]))
      return this.#spread(
        batch,
        ({ groupId }) => {
          const each = found.get(groupId)
          const errorCode = each?.errorCode ?? Errors.COORDINATOR_NOT_AVAILABLE
          if (errorCode !== Errors.NONE) return new BrokerError(errorCode, `group ${groupId}`, each?.errorMessage)
          return each!.nodeId
        },
        (nodeId, part) => ask(nodeId, part, call),
      )
    })
  }

  /** Each item's question to the broker that it names. */
  byBroker<Item extends { readonly broker: number }, R>(
    items: readonly Item[],
    call: Call,
    ask: AskNode<Item, R>,
  ): Promise<Outcome<R>[]> {
    return this.each(items, call, async (batch) => {
      if (batch.some(({ broker }) => !this.cluster.brokerIds.includes(broker))) await this.topics([], call)
      return this.#spread(
        batch,
        ({ broker }) =>
          this.cluster.brokerIds.includes(broker)
            ? broker
            : new BrokerError(
                Errors.BROKER_NOT_AVAILABLE,
                `broker ${broker}`,
                `it is not running; these are: ${this.cluster.brokerIds.join(", ")}`,
              ),
        (nodeId, part) => ask(nodeId, part, call),
      )
    })
  }

  async #spread<Item, R>(
    items: readonly Item[],
    place: (item: Item) => number | ClientError,
    ask: (nodeId: number, items: readonly Item[]) => Promise<readonly Outcome<R>[]>,
  ): Promise<Outcome<R>[]> {
    const outcomes: Outcome<R>[] = []
    const nodes = new Map<number, number[]>()
    for (const [index, item] of items.entries()) {
      const placed = place(item)
      if (typeof placed !== "number") outcomes[index] = { error: placed }
      else if (nodes.get(placed)?.push(index) === undefined) nodes.set(placed, [index])
    }
    await Promise.all(
      [...nodes].map(async ([nodeId, indexes]) => {
        const answers = await forAll(
          indexes.map((index) => items[index]!),
          (part) => ask(nodeId, part),
        )
        for (const [at, index] of indexes.entries()) outcomes[index] = answers[at]!
      }),
    )
    return outcomes
  }

  /** Metadata of these topics (undefined: of all), which tells where the brokers are too. Makes no topics. */
  async topics(names: readonly string[] | undefined, call: Call): Promise<ResponseOf<typeof metadata>> {
    const answer = await this.any(
      metadata,
      {
        topics: names?.map((name) => ({ topicId: noTopicId, name })) ?? null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      },
      call,
    )
    this.cluster.learn(answer.brokers)
    return answer
  }
}

/** What stops a request stops all that it was about. */
async function forAll<Item, R>(
  items: readonly Item[],
  ask: (items: readonly Item[]) => Promise<readonly Outcome<R>[]>,
): Promise<readonly Outcome<R>[]> {
  try {
    return await ask(items)
  } catch (error) {
    if (!(error instanceof ClientError) || error instanceof ClosedError) throw error
    return items.map(() => ({ error }))
  }
}

const unknownTopic = (topic: string, found: { readonly errorCode: number } | undefined): string | undefined =>
  found === undefined || found.errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION
    ? `there is no topic ${topic}`
    : undefined

/** A broker's word on one item. `detail`: its own text, where it has one. */
export const outcome = <R>(errorCode: number, what: string, value: R, detail?: string | null): Outcome<R> =>
  errorCode === Errors.NONE ? { value } : { error: new BrokerError(errorCode, what, detail) }

/** Of an answer as a whole. Errors: BrokerError. */
export function accept(errorCode: number, what: string, detail?: string | null): void {
  if (errorCode !== Errors.NONE) throw new BrokerError(errorCode, what, detail)
}

/** Gives each item the answer with its key. */
export function matched<Item, Answer, R>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  answers: Iterable<readonly [string, Answer]>,
  outcomeOf: (answer: Answer, item: Item) => Outcome<R>,
): Outcome<R>[] {
  const byKey = new Map(answers)
  return items.map((item) => {
    const answer = byKey.get(keyOf(item))
    if (answer !== undefined) return outcomeOf(answer, item)
    return {
      error: new BrokerError(Errors.UNKNOWN_SERVER_ERROR, keyOf(item), "the broker's answer says nothing of it"),
    }
  })
}

/** Items with what became of them. */
export const results = <Item extends object, R extends object>(
  items: readonly Item[],
  outcomes: readonly Outcome<R>[],
): Result<Item, R>[] =>
  items.map((item, index) => {
    const { error, value } = outcomes[index]!
    return error === undefined ? { ...item, ...value } : { ...item, error }
  })

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

/** By topic, in the order in which topics first come. */
export function byTopic<Item extends TopicPartition>(items: readonly Item[]): Map<string, Item[]> {
  const topics = new Map<string, Item[]>()
  for (const item of items) {
    const list = topics.get(item.topic)
    if (list === undefined) topics.set(item.topic, [item])
    else list.push(item)
  }
  return topics
}

/** Whether it says that what was named does not exist. */
export const isNotFound = (error: unknown): boolean => {
  if (!(error instanceof BrokerError)) return false
  const name = errorByCode(error.errorCode)?.name
  return name === "UNKNOWN_TOPIC_OR_PARTITION" || name === "UNKNOWN_TOPIC_ID" || name === "GROUP_ID_NOT_FOUND"
}
