/**
 * One client of a cluster: who leads what, as far as it was told, and a connection to each broker it talks to.
 *
 * Owns metadata and connections of one actor. Finds leaders as real clients do: by Metadata from anyone, anew after an error or a broken connection. What it asks of leaders is its users' business.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { Api, RequestInputOf } from "../../../protocol/message.js"
import { metadata } from "../../../protocol/messages/metadata.js"
import { type Answer, SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import type { Address, ClusterModel, ClusterTopic } from "./model.js"

/** As `socket.connection.setup.timeout.ms` of real clients. */
const connectMs = 3_000

export interface KnownLeader {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export class ClusterClient {
  readonly #brokers = new Map<number, Address>()
  readonly #leaders = new Map<string, KnownLeader>()
  readonly #connections = new Map<number, SimulatedClient>()
  readonly #connecting = new Map<number, Promise<SimulatedClient | undefined>>()
  #refreshing: Promise<boolean> | undefined
  #anyone: SimulatedClient | undefined

  constructor(
    readonly model: ClusterModel,
    readonly env: Env,
    readonly name: string,
    readonly random: SeededRandom,
    readonly patienceMs: number,
  ) {}

  /** Undefined: nobody known to lead it. */
  leaderOf(topic: ClusterTopic, partition: number): KnownLeader | undefined {
    const known = this.#leaders.get(`${topic.topicId}/${partition}`)
    return known === undefined || known.leaderId < 0 ? undefined : known
  }

  get brokerIds(): number[] {
    return [...this.#brokers.keys()]
  }

  /** News that came with an answer, or from Metadata. The higher epoch counts. */
  learn(topic: ClusterTopic, partition: number, leader: KnownLeader): void {
    if (leader.leaderEpoch < 0) return
    this.model.history.leader(topic.numberOf(partition), leader.leaderEpoch, leader.leaderId)
    const key = `${topic.topicId}/${partition}`
    const known = this.#leaders.get(key)
    if (known !== undefined && known.leaderEpoch > leader.leaderEpoch) return
    if (known !== undefined && known.leaderEpoch < leader.leaderEpoch) this.model.counts.leaderChanges += 1
    this.#leaders.set(key, leader)
  }

  /** Asks for metadata of live topics. Several who ask at once get one answer. False: none came. */
  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #refresh(): Promise<boolean> {
    const client = await this.anyone()
    if (client === undefined) return false
    const answer = await this.metadataFrom(client)
    if (answer === undefined) {
      client.close()
      return false
    }
    return true
  }

  async metadataFrom(client: SimulatedClient) {
    const { model } = this
    const topics = model.liveTopics
    model.counts.refreshes += 1
    const answer = await client.send(
      metadata,
      this.random.between(12, metadata.maxVersion),
      {
        topics: topics.map(({ topicId }) => ({ topicId, name: null })),
        allowAutoTopicCreation: false,
        includeTopicAuthorizedOperations: false,
        includeClusterAuthorizedOperations: false,
      },
      this.patienceMs,
    )
    if (!answer.ok) return undefined
    for (const { nodeId, host, port } of answer.value.brokers) this.#brokers.set(nodeId, { host, port })
    for (const told of answer.value.topics) {
      const topic = topics.find(({ topicId }) => topicId === told.topicId)
      if (topic === undefined || told.errorCode !== Errors.NONE) continue
      for (const { partitionIndex, leaderId, leaderEpoch } of told.partitions)
        this.learn(topic, partitionIndex, { leaderId, leaderEpoch })
    }
    return answer.value
  }

  /** A connection to whoever answers, known brokers and bootstrap servers alike. */
  async anyone(): Promise<SimulatedClient | undefined> {
    if (this.#anyone?.isOpen && !this.random.chance(0.2)) return this.#anyone
    const open = [...this.#connections.values()].filter(({ isOpen }) => isOpen)
    if (open.length > 0 && this.random.chance(0.8)) return (this.#anyone = this.random.pick(open))
    this.#anyone?.close()
    return (this.#anyone = await this.#connect(this.random.pick(this.model.bootstrap)))
  }

  /** Undefined: it cannot be reached now. */
  async connectionTo(brokerId: number): Promise<SimulatedClient | undefined> {
    const open = this.#connections.get(brokerId)
    if (open?.isOpen) return open
    const address = this.#brokers.get(brokerId)
    if (address === undefined) return undefined
    let connecting = this.#connecting.get(brokerId)
    if (connecting === undefined) {
      connecting = this.#connect(address).then((client) => {
        this.#connecting.delete(brokerId)
        if (client !== undefined) this.#connections.set(brokerId, client)
        return client
      })
      this.#connecting.set(brokerId, connecting)
    }
    return connecting
  }

  async #connect(address: Address): Promise<SimulatedClient | undefined> {
    const { model, env } = this
    let isLate = false
    const connecting = SimulatedClient.connect(env, address, {
      name: this.name,
      violated: (what) => model.violated(`answers come in the order of requests: ${what}`),
      timedOut: () => {},
    })
    const deadline = model.pause(env, connectMs).then(() => {
      isLate = true
      return undefined
    })
    void connecting.then((client) => {
      if (isLate) client?.close()
    })
    return Promise.race([connecting, deadline])
  }

  /** Sends to whoever leads, or to anyone; no answer where nobody is there. */
  async ask<A extends Api>(api: A, request: RequestInputOf<A>, version = api.maxVersion): Promise<Answer<A>> {
    const client = await this.anyone()
    if (client === undefined) return { ok: false, why: "closed" }
    return client.send(api, version, request, this.patienceMs)
  }

  close(): void {
    for (const client of this.#connections.values()) client.close()
    this.#anyone?.close()
    this.#connections.clear()
  }
}
